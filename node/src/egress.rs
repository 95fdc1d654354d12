//! The way out: one HTTP client for webhooks and one for media links, both behind a guard that refuses private and
//! special addresses inside name resolution, so that nothing changes between check and connect.
//!
//! Owns what may be reached. Must not know what is said there.

mod addresses;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use thiserror::Error;
use url::{Host, Url};

/// Longest wait for a connection.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Most redirects of a media link; webhooks are never redirected.
const REDIRECTS_MAX: usize = 5;
/// Idle connections kept per receiver. Often one receiver takes the calls of every session, so it is as many as there are calls
/// under way at most (design rule R-21): fewer would pay for a new connection with every other call.
const IDLE_PER_HOST_MAX: usize = 512;
/// How long an idle connection is kept.
const IDLE_KEPT: Duration = Duration::from_secs(60);

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not http or https.
    #[error("only http and https addresses are allowed")]
    Scheme,
    /// No host.
    #[error("the address has no host")]
    NoHost,
    /// A well-known port of another protocol.
    #[error("port {0} is not allowed: use 80, 443 or one above 1023")]
    Port(u16),
    /// The host is, or resolves only to, addresses that are not public.
    #[error("the host is at a private or special address, which egress.allow does not name")]
    Private,
}

/// What may be reached.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow: Arc<[IpNet]>,
}

impl Guard {
    /// Public addresses, and these networks.
    #[must_use]
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self {
            allow: allow.into(),
        }
    }

    /// Whether this address may be reached.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let plain = addresses::plain(address);
        addresses::is_public(plain) || self.allow.iter().any(|net| net.contains(&plain))
    }

    /// Checks everything about an address that can be seen without resolving its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        match url.port_or_known_default() {
            Some(80 | 443 | 1024..) => {}
            port => return Err(Refused::Port(port.unwrap_or(0))),
        }
        let literal = match url.host().ok_or(Refused::NoHost)? {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if self.allows(literal) {
            Ok(())
        } else {
            Err(Refused::Private)
        }
    }

    /// A client for webhooks: no redirects, one limit for the whole call.
    ///
    /// # Errors
    /// When the TLS roots of the machine cannot be read.
    pub fn webhook_client(&self, limit: Duration) -> reqwest::Result<reqwest::Client> {
        self.builder(limit).redirect(Policy::none()).build()
    }

    /// A client for media links: few redirects, each checked.
    ///
    /// # Errors
    /// When the TLS roots of the machine cannot be read.
    pub fn media_client(&self, limit: Duration) -> reqwest::Result<reqwest::Client> {
        let guard = self.clone();
        let policy = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS_MAX {
                return attempt.error("too many redirects");
            }
            match guard.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(refused) => attempt.error(refused),
            }
        });
        self.builder(limit).redirect(policy).build()
    }

    fn builder(&self, limit: Duration) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .timeout(limit)
            .connect_timeout(CONNECT_WAIT_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_KEPT)
            .no_proxy()
            .user_agent(concat!("Switchboard/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(GuardedResolver {
                guard: self.clone(),
            })
    }
}

/// Resolves names with the system's resolver and lets only allowed addresses through to the connector.
#[derive(Debug)]
struct GuardedResolver {
    guard: Guard,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Refused::Private.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, url: &str) -> Result<(), Refused> {
        guard.check(&Url::parse(url).unwrap())
    }

    #[test]
    fn private_literals_and_foreign_ports_are_refused() {
        let guard = Guard::default();
        for url in [
            "http://127.0.0.1/",
            "http://[::1]:8080/",
            "http://10.1.2.3/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:192.168.1.1]/",
            "http://0x7f000001/",
            "http://2130706433/",
        ] {
            assert_eq!(check(&guard, url), Err(Refused::Private), "{url}");
        }
        assert_eq!(
            check(&guard, "http://example.com:25/"),
            Err(Refused::Port(25))
        );
        assert_eq!(check(&guard, "file:///etc/passwd"), Err(Refused::Scheme));
        assert_eq!(check(&guard, "https://example.com/x"), Ok(()));
        assert_eq!(check(&guard, "http://8.8.8.8:8080/x"), Ok(()));
    }

    #[test]
    fn allowed_networks_are_let_through() {
        let guard = Guard::new(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(check(&guard, "http://10.1.2.3/"), Ok(()));
        assert_eq!(check(&guard, "http://192.168.1.1/"), Err(Refused::Private));
    }

    #[tokio::test]
    async fn names_of_private_addresses_do_not_connect() {
        // The name resolves to loopback on every machine; a listener makes sure that a connection would succeed.
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let client = Guard::default()
            .webhook_client(Duration::from_secs(5))
            .unwrap();
        let error = client.get(&url).send().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        assert!(format!("{error:?}").contains("Private"), "{error:?}");
    }
}
