//! Operations on what a customer chooses for a session. A change holds from the next connection on; downloads from the next
//! message on.

use switchboard_vocab::OpError;
use switchboard_vocab::settings::{Change, Changed, Get, Reset, Settings};
use url::Url;

use super::Execute;
use crate::session::context::SessionCx;
use crate::session::lanes::Lane;

/// Longest address of a proxy, in bytes.
const PROXY_LEN_MAX: usize = 512;

impl Execute for Get {
    async fn execute(self, cx: SessionCx) -> Result<Settings, OpError> {
        Ok(cx.session.settings.borrow().clone())
    }
}

impl Execute for Change {
    fn lane(&self) -> Lane {
        Lane::Settings
    }

    async fn execute(self, cx: SessionCx) -> Result<Changed, OpError> {
        let before = cx.session.settings.borrow().clone();
        let proxy = match self.proxy {
            Some(proxy) if proxy.is_empty() => None,
            Some(proxy) => {
                check_proxy(&proxy)?;
                Some(proxy)
            }
            None => before.proxy.clone(),
        };
        let after = Settings {
            auto_download: self
                .auto_download
                .unwrap_or_else(|| before.auto_download.clone()),
            offline: self.offline.unwrap_or(before.offline),
            full_history: self.full_history.unwrap_or(before.full_history),
            proxy,
        };
        set(before, after, &cx).await
    }
}

impl Execute for Reset {
    fn lane(&self) -> Lane {
        Lane::Settings
    }

    async fn execute(self, cx: SessionCx) -> Result<Changed, OpError> {
        let before = cx.session.settings.borrow().clone();
        set(before, Settings::default(), &cx).await
    }
}

/// Makes new settings durable and shows them to the next connection. Callers run one after the other, in their lane.
async fn set(before: Settings, after: Settings, cx: &SessionCx) -> Result<Changed, OpError> {
    if before != after {
        cx.journal().set_settings(after.clone()).await?;
        cx.session.settings.send_replace(after.clone());
    }
    Ok(Changed { before, after })
}

fn check_proxy(proxy: &str) -> Result<(), OpError> {
    let wrong = || OpError::invalid("a proxy is written socks5://user:password@host:port");
    if proxy.len() > PROXY_LEN_MAX {
        return Err(wrong());
    }
    let url = Url::parse(proxy).map_err(|_| wrong())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let is_whole = url.scheme() == "socks5" && url.host().is_some() && url.port().is_some();
    if is_whole && bare {
        Ok(())
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_addresses_of_proxies_are_taken() {
        for good in ["socks5://10.0.0.1:1080", "socks5://u:p@proxy.test:1080"] {
            assert!(check_proxy(good).is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1:1080",
            "socks5://10.0.0.1",
            "10.0.0.1:1080",
            "socks5://a:1/x",
        ] {
            assert!(check_proxy(bad).is_err(), "{bad}");
        }
    }
}
