//! The WhatsApp Web version that every session of a process claims.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use wacore::net::HttpClient;
use whatsapp_rust::version::fetch_latest_app_version;

use crate::api::Endpoint;

/// First, second and third part.
pub(crate) type Version = (u32, u32, u32);

/// Claimed until the real one is known. Source: the version built into whatsapp-rust 0.7.0.
const BUILT_IN: Version = (2, 3000, 1_042_742_319);
/// How long a fetched version is used.
const FRESH: Duration = Duration::from_secs(24 * 3600);
/// How long after a failed fetch the next one is tried.
const RETRY: Duration = Duration::from_secs(600);
/// Longest wait for the version page.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// The version, fetched at most once a day for all sessions together.
pub(crate) struct Versions {
    http: Arc<dyn HttpClient>,
    fetches: bool,
    state: Mutex<State>,
}

struct State {
    version: Version,
    fetch_again_at: Option<Instant>,
}

impl Versions {
    pub(crate) fn new(endpoint: &Endpoint, http: Arc<dyn HttpClient>) -> Self {
        Self {
            http,
            fetches: matches!(endpoint, Endpoint::Real),
            state: Mutex::new(State {
                version: BUILT_IN,
                fetch_again_at: None,
            }),
        }
    }

    /// The version to claim now. Sessions that ask while it is fetched wait for that one fetch.
    pub(crate) async fn current(&self) -> Version {
        if !self.fetches {
            return BUILT_IN;
        }
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if state.fetch_again_at.is_some_and(|at| now < at) {
            return state.version;
        }
        let fetched = self.fetch().await;
        let pause = if fetched.is_some() { FRESH } else { RETRY };
        // An older version, or the zero that the page's parser gives for a page it does not know, is no news.
        state.version = fetched.unwrap_or(BUILT_IN).max(state.version);
        state.fetch_again_at = Some(now + pause);
        state.version
    }

    async fn fetch(&self) -> Option<Version> {
        let fetching = fetch_latest_app_version(&self.http);
        let error = match tokio::time::timeout(FETCH_TIMEOUT, fetching).await {
            Ok(Ok(version)) => return Some(version),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {FETCH_TIMEOUT:?}"),
        };
        tracing::warn!(error, "fetching the whatsapp web version failed");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use wacore::net::{HttpRequest, HttpResponse};
    use whatsapp_rust::anyhow;

    struct Page(AtomicUsize, Option<&'static str>);

    #[async_trait::async_trait]
    impl HttpClient for Page {
        async fn execute(&self, _: HttpRequest) -> anyhow::Result<HttpResponse> {
            self.0.fetch_add(1, Ordering::AcqRel);
            let body = self.1.ok_or_else(|| anyhow::anyhow!("no page"))?;
            Ok(HttpResponse {
                status_code: 200,
                body: body.as_bytes().to_vec(),
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_a_day() {
        let page = Arc::new(Page(
            AtomicUsize::new(0),
            Some(r#""client_revision":1999999999,"#),
        ));
        let versions = Versions::new(&Endpoint::Real, Arc::clone(&page) as Arc<dyn HttpClient>);
        for _ in 0..3 {
            assert_eq!(versions.current().await, (2, 3000, 1_999_999_999));
        }
        assert_eq!(page.0.load(Ordering::Acquire), 1);
        tokio::time::advance(FRESH).await;
        versions.current().await;
        assert_eq!(page.0.load(Ordering::Acquire), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_fetch_is_not_repeated_at_once() {
        let page = Arc::new(Page(AtomicUsize::new(0), None));
        let versions = Versions::new(&Endpoint::Real, Arc::clone(&page) as Arc<dyn HttpClient>);
        assert_eq!(
            (versions.current().await, versions.current().await),
            (BUILT_IN, BUILT_IN)
        );
        assert_eq!(page.0.load(Ordering::Acquire), 1);
    }

    #[tokio::test]
    async fn a_simulator_is_never_asked() {
        let page = Arc::new(Page(AtomicUsize::new(0), None));
        let simulator = Endpoint::Simulator {
            ws_url: String::new(),
            server_key: [0; 32],
        };
        let versions = Versions::new(&simulator, Arc::clone(&page) as Arc<dyn HttpClient>);
        assert_eq!(versions.current().await, BUILT_IN);
        assert_eq!(page.0.load(Ordering::Acquire), 0);
    }
}
