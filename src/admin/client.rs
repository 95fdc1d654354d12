//! One HTTP client of the admin API, with errors a person can act on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::ADMIN_KEY_FILE;

/// Longest wait for an answer: a little longer than the longest wait the API offers.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(90);

/// The admin API.
#[derive(Debug)]
pub(super) struct Client {
    base: String,
    key: String,
    http: reqwest::Client,
}

/// RFC 9457.
#[derive(Debug, Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

impl Client {
    pub(super) fn new(url: &str, key: Option<String>, data_dir: &Path) -> Result<Self> {
        let key = match key {
            Some(key) => key,
            None => {
                let path = data_dir.join(ADMIN_KEY_FILE);
                let hint = || {
                    format!(
                        "no admin key: give --admin-key, set SWITCHBOARD_ADMIN_KEY, or point --data-dir at the folder \
                         of `switchboard up` ({} cannot be read)",
                        path.display()
                    )
                };
                std::fs::read_to_string(&path)
                    .with_context(hint)?
                    .trim()
                    .to_owned()
            }
        };
        let http = reqwest::Client::builder()
            .timeout(ANSWER_WAIT_MAX)
            .build()?;
        Ok(Self {
            base: format!("{}/admin/v1", url.trim_end_matches('/')),
            key,
            http,
        })
    }

    /// A call without a body.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<Value> {
        self.send::<()>(method, path, query, None).await
    }

    /// A call; an empty answer reads as null.
    pub(super) async fn send<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, Option<&str>)],
        body: Option<&B>,
    ) -> Result<Value> {
        let url = format!("{}/{path}", self.base);
        let query: Vec<_> = query
            .iter()
            .filter_map(|(k, v)| v.map(|v| (*k, v)))
            .collect();
        let mut request = self
            .http
            .request(method, &url)
            .bearer_auth(&self.key)
            .query(&query);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("reach the router at {url}"))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .with_context(|| format!("read the answer of {url}"))?;
        if !status.is_success() {
            let problem: Problem = serde_json::from_str(&text).unwrap_or(Problem {
                title: None,
                detail: Some(text),
            });
            let words = problem.detail.or(problem.title).unwrap_or_default();
            bail!("the router answered {status}: {words}");
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{url} did not answer with json"))
    }
}
