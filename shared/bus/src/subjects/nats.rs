//! The bucket's and key's place in NATS' own subject space.
//!
//! Source: NATS ADR-8, JetStream based key-value stores.

use super::{Bucket, Error, Key, KeyPrefix, plain};
use crate::limits::INBOX_BYTES_MAX;

/// The stream behind a bucket.
pub(crate) fn kv_stream(bucket: &Bucket) -> String {
    format!("KV_{}", bucket.as_str())
}

/// The subjects of a bucket's keys below `prefix`.
pub(crate) fn kv_filter(bucket: &Bucket, prefix: &KeyPrefix) -> String {
    format!("$KV.{}.{}", bucket.as_str(), prefix.as_str())
}

/// The subject of one record.
pub(crate) fn kv_subject(bucket: &Bucket, key: &Key) -> String {
    format!("$KV.{}.{}", bucket.as_str(), key.as_str())
}

/// The key of a record's subject.
pub(crate) fn kv_key<'s>(bucket: &Bucket, subject: &'s str) -> Option<&'s str> {
    subject
        .strip_prefix("$KV.")?
        .strip_prefix(bucket.as_str())?
        .strip_prefix('.')
}

/// The queue group of everyone who serves one subject: a request goes to one member.
pub(crate) const SERVERS_GROUP: &str = "sb";

/// Where the answers to the requests of `whom` come. The client library adds a dot and something of its own.
pub(crate) fn inbox(whom: &str) -> Result<String, Error> {
    Ok(format!("_INBOX.{}", plain("inbox", whom, INBOX_BYTES_MAX)?))
}
