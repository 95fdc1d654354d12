//! What the cluster knows of tenants and sessions: records of the `tenants` and `sessions` buckets, as JSON.
//!
//! Routers write them, routers and nodes watch them. No secret stands in them: keys and tokens only as SHA-256.

use serde::{Deserialize, Serialize};

use crate::ids::{SessionRef, TenantId};
use crate::time::Timestamp;

/// The version that this release writes; a record of a higher one is left alone and reported.
pub const RECORD_VERSION: u32 = 1;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// [`RECORD_VERSION`] of the writer.
    pub version: u32,
    /// Which tenant.
    pub id: TenantId,
    /// SHA-256 of its key, lowercase hex.
    pub key_sha256: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// [`RECORD_VERSION`] of the writer.
    pub version: u32,
    /// Which session.
    pub session: SessionRef,
    /// Distinguishes it from an earlier session of the same name; part of every event id.
    pub uuid: String,
    /// SHA-256 of its token, lowercase hex.
    pub token_sha256: String,
    /// When it was created.
    pub created_at: Timestamp,
}
