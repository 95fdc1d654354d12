//! A session's own way out: a SOCKS5 proxy for its socket. Its media go the same way, see [`crate::http`].
//!
//! Names are resolved by the proxy, so that nothing of the session leaves beside it; a proxy that cannot be used is an
//! error and never a direct connection.

use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;
use url::Url;
use whatsapp_rust::anyhow::{self, Context as _};

/// The port of a proxy that names none. Source: RFC 1928.
const PORT: u16 = 1_080;
/// Longest name and longest password. Source: RFC 1929, one byte of length each.
const CREDENTIAL_BYTES_MAX: usize = 255;

/// Where a session's connections go through.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    host: String,
    port: u16,
    login: Option<(String, String)>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not who logs in there.
        write!(out, "Proxy({}:{})", self.host, self.port)
    }
}

/// The text of a proxy is of no use. It says not what it was: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proxy's address is of no use: {0}")]
pub(crate) struct ProxyError(&'static str);

impl Proxy {
    /// Reads `socks5://user:password@host:port`; `socks5h` means the same.
    pub(crate) fn parse(text: &str) -> Result<Self, ProxyError> {
        let url: Url = text.parse().map_err(|_| ProxyError("it is no address"))?;
        if !matches!(url.scheme(), "socks5" | "socks5h") {
            return Err(ProxyError("only socks5 is possible"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(ProxyError("it has no host"))?;
        let plain = |text: &str| {
            let bytes = percent_decode(text).ok_or(ProxyError("a percent sign is misplaced"))?;
            String::from_utf8(bytes).map_err(|_| ProxyError("name or password is no text"))
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (name, password) => Some((plain(name)?, plain(password.unwrap_or_default())?)),
        };
        if let Some((name, password)) = &login {
            // SOCKS5 cannot say that there is none of either.
            let fits = |text: &String| (1..=CREDENTIAL_BYTES_MAX).contains(&text.len());
            if !fits(name) || !fits(password) {
                return Err(ProxyError("name and password have 1 to 255 bytes each"));
            }
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(PORT),
            login,
        })
    }

    /// The proxy's address for the HTTP client, without who logs in there.
    pub(crate) fn url(&self) -> String {
        if self.host.contains(':') {
            format!("socks5h://[{}]:{}", self.host, self.port)
        } else {
            format!("socks5h://{}:{}", self.host, self.port)
        }
    }

    /// Who logs in at the proxy.
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        let (name, password) = self.login.as_ref()?;
        Some((name, password))
    }

    /// Opens a connection through the proxy.
    pub(super) async fn connect(&self, host: &str, port: u16) -> anyhow::Result<TcpStream> {
        let proxy = (self.host.as_str(), self.port);
        let target = (host, port);
        let stream = match self.login() {
            Some((name, password)) => {
                Socks5Stream::connect_with_password(proxy, target, name, password).await
            }
            None => Socks5Stream::connect(proxy, target).await,
        };
        let stream = stream.context("connect through the proxy")?;
        Ok(stream.into_inner())
    }
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        plain.push(u8::from_str_radix(digits, 16).ok()?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_proxies_are_read() {
        let full = Proxy::parse("socks5://an%40na:p%3Aw@proxy.test:9050").unwrap();
        assert_eq!((full.host.as_str(), full.port), ("proxy.test", 9050));
        assert_eq!(full.login(), Some(("an@na", "p:w")));
        assert_eq!(full.url(), "socks5h://proxy.test:9050");
        assert_eq!(format!("{full:?}"), "Proxy(proxy.test:9050)");
        let bare = Proxy::parse("socks5://[::1]").unwrap();
        assert_eq!(
            (bare.host.as_str(), bare.port, bare.login()),
            ("::1", PORT, None)
        );
        assert_eq!(bare.url(), "socks5h://[::1]:1080");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        let long = format!("socks5://{}:secret@proxy.test", "n".repeat(256));
        for text in [
            "proxy.test:1080",
            "http://anna:secret@proxy.test",
            "socks5://anna@proxy.test",
            "socks5://:secret@proxy.test",
            "socks5://anna:sec%zzret@proxy.test",
            &long,
        ] {
            let error = Proxy::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
