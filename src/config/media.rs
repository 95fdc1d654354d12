//! Where media files are kept.

use std::fmt;

use serde::{Deserialize, Serialize};
use switchboard_node::media::BucketConfig;
use url::Url;

use super::{ConfigError, value};

/// Shortest and longest name of a bucket, in characters. Source: S3's rules for names.
const BUCKET_CHARS: std::ops::RangeInclusive<usize> = 3..=63;
/// Longest prefix, in characters: S3 takes keys of 1024 bytes, and tenant, session, uuid and id follow it.
const PREFIX_CHARS_MAX: usize = 256;

/// Where media files are kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MediaSection {
    /// Which store.
    pub(crate) store: MediaKind,
    /// The bucket of `store = "s3"`.
    #[serde(default)]
    pub(crate) s3: S3Section,
}

/// The stores of media files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MediaKind {
    /// A folder of each node; files follow their session from node to node.
    #[default]
    Local,
    /// A bucket that all nodes share.
    S3,
}

/// A bucket, and who asks for it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct S3Section {
    /// The server; Amazon's own for the region when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// The bucket.
    #[serde(
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) bucket: Option<String>,
    /// Its region; `us-east-1` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// The name of the key.
    #[serde(
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) access_key: Option<String>,
    /// The key itself.
    #[serde(
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) secret_key: Option<String>,
    /// What every object's key begins with.
    #[serde(
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) prefix: Option<String>,
    /// Whether the endpoint may be plain HTTP.
    pub(crate) allow_http: bool,
}

impl fmt::Debug for S3Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Section")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl MediaSection {
    /// The bucket; `None` where every node keeps its own files.
    ///
    /// # Errors
    /// The first key of `media` that is missing or cannot be.
    pub(crate) fn bucket(&self) -> Result<Option<BucketConfig>, ConfigError> {
        let s3 = &self.s3;
        if self.store == MediaKind::Local {
            if s3.bucket.is_some() || s3.endpoint.is_some() {
                let problem = "a bucket is given, but files would be kept locally: set it to s3, or take media.s3 out";
                return Err(ConfigError::of("media.store", problem));
            }
            return Ok(None);
        }
        if let Some(endpoint) = &s3.endpoint {
            check_endpoint(endpoint, s3.allow_http)?;
        }
        let bucket = wanted("media.s3.bucket", s3.bucket.as_ref())?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !BUCKET_CHARS.contains(&bucket.len()) || !bucket.chars().all(is_plain) {
            let problem = "use the bucket's name: 3 to 63 letters, digits, '-', '.' and '_'";
            return Err(ConfigError::of("media.s3.bucket", problem));
        }
        let prefix = s3.prefix.clone().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
        let is_hollow = prefix.trim_matches('/').contains("//");
        if prefix.len() > PREFIX_CHARS_MAX || is_hollow || !prefix.chars().all(is_plain) {
            let problem = "use at most 256 letters, digits, '-', '_' and single '/'";
            return Err(ConfigError::of("media.s3.prefix", problem));
        }
        Ok(Some(BucketConfig {
            endpoint: s3.endpoint.clone(),
            bucket,
            region: s3.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            access_key: wanted("media.s3.access_key", s3.access_key.as_ref())?,
            secret_key: wanted("media.s3.secret_key", s3.secret_key.as_ref())?,
            prefix,
            allow_http: s3.allow_http,
        }))
    }
}

fn wanted(key: &str, value: Option<&String>) -> Result<String, ConfigError> {
    let value = value.filter(|value| !value.is_empty());
    let missing = || ConfigError::of(key, "it is required with media.store = \"s3\"");
    value.cloned().ok_or_else(missing)
}

fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<(), ConfigError> {
    let of = |problem: &str| ConfigError::of("media.s3.endpoint", problem);
    let url = Url::parse(endpoint).map_err(|e| of(&format!("it is no url: {e}")))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => {
            return Err(of(
                "plain http shows every file to the network: use https, or set media.s3.allow_http",
            ));
        }
        _ => return Err(of("use https://host or https://host:port")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(of("keys go to media.s3.access_key and media.s3.secret_key"));
    }
    Ok(())
}
