//! The names that belong to one cluster and carry its id.

use std::sync::Arc;

use super::{Bucket, Error, StreamName, Subject, SubjectFilter, one, plain};
use crate::limits::CLUSTER_BYTES_MAX;

/// The names that belong to one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    cluster: Arc<str>,
}

impl Names {
    /// The names of cluster `cluster`.
    ///
    /// # Errors
    /// `Name` if the id is not 1 to 32 characters of `[A-Za-z0-9_-]`.
    pub fn new(cluster: &str) -> Result<Self, Error> {
        let cluster = plain("cluster", cluster, CLUSTER_BYTES_MAX)?;
        Ok(Self { cluster })
    }

    /// The cluster id.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Where a node takes requests: `sb.<cluster>.node.<node>.rpc`.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn node_rpc(&self, node: &str) -> Result<Subject, Error> {
        Ok(Subject(
            format!("sb.{}.node.{}.rpc", self.cluster, one("node", node)?).into(),
        ))
    }

    /// Where a node takes operators' orders from routers: `sb.<cluster>.node.<node>.admin`.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn node_admin(&self, node: &str) -> Result<Subject, Error> {
        Ok(Subject(
            format!("sb.{}.node.{}.admin", self.cluster, one("node", node)?).into(),
        ))
    }

    /// Where a node takes sessions from other nodes; routers may not publish here: `sb.<cluster>.node.<node>.peer`.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn node_peer(&self, node: &str) -> Result<Subject, Error> {
        Ok(Subject(
            format!("sb.{}.node.{}.peer", self.cluster, one("node", node)?).into(),
        ))
    }

    /// The one record of the cluster itself, keyed by [`Key::cluster`](super::Key::cluster).
    #[must_use]
    pub fn cluster_records(&self) -> Bucket {
        self.bucket("cluster")
    }

    /// One record per node, keyed by [`Key::node`](super::Key::node).
    #[must_use]
    pub fn nodes(&self) -> Bucket {
        self.bucket("nodes")
    }

    /// One record per session saying who runs it, keyed by [`Key::owner`](super::Key::owner).
    #[must_use]
    pub fn owners(&self) -> Bucket {
        self.bucket("owners")
    }

    /// One record per session saying that it exists, keyed by [`Key::session`](super::Key::session).
    #[must_use]
    pub fn sessions(&self) -> Bucket {
        self.bucket("sessions")
    }

    /// One record per tenant, keyed by [`Key::tenant`](super::Key::tenant).
    #[must_use]
    pub fn tenants(&self) -> Bucket {
        self.bucket("tenants")
    }

    /// The stream of all events; it takes [`SubjectFilter::all_events`].
    #[must_use]
    pub fn events_stream(&self) -> StreamName {
        StreamName(format!("{}_events", self.cluster).into())
    }

    /// The stream that holds a copy of every session's key batches; it takes [`Names::all_wal`].
    #[must_use]
    pub fn wal_stream(&self) -> StreamName {
        StreamName(format!("{}_wal", self.cluster).into())
    }

    /// One session's key batches: `sb.<cluster>.wal.<tenant>.<session>`.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn wal(&self, tenant: &str, session: &str) -> Result<Subject, Error> {
        let (tenant, session) = (one("tenant", tenant)?, one("session", session)?);
        Ok(Subject(
            format!("sb.{}.wal.{tenant}.{session}", self.cluster).into(),
        ))
    }

    /// The key batches of every session of a tenant.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn wal_of_tenant(&self, tenant: &str) -> Result<SubjectFilter, Error> {
        let tenant = one("tenant", tenant)?;
        Ok(SubjectFilter(
            format!("sb.{}.wal.{tenant}.*", self.cluster).into(),
        ))
    }

    /// The key batches of every session of the cluster.
    #[must_use]
    pub fn all_wal(&self) -> SubjectFilter {
        SubjectFilter(format!("sb.{}.wal.*.*", self.cluster).into())
    }

    /// The stream that holds whole copies of sessions' keys, from which the batches go on; it takes
    /// [`Names::all_snapshots`].
    #[must_use]
    pub fn snapshots_stream(&self) -> StreamName {
        StreamName(format!("{}_snapshots", self.cluster).into())
    }

    /// One session's copies: `sb.<cluster>.snapshot.<tenant>.<session>`.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn snapshots(&self, tenant: &str, session: &str) -> Result<Subject, Error> {
        let (tenant, session) = (one("tenant", tenant)?, one("session", session)?);
        Ok(Subject(
            format!("sb.{}.snapshot.{tenant}.{session}", self.cluster).into(),
        ))
    }

    /// The copies of every session of the cluster.
    #[must_use]
    pub fn all_snapshots(&self) -> SubjectFilter {
        SubjectFilter(format!("sb.{}.snapshot.*.*", self.cluster).into())
    }

    /// No bucket's own name has a `_`, so cluster and bucket can be told apart again.
    fn bucket(&self, name: &str) -> Bucket {
        Bucket(format!("{}_{name}", self.cluster).into())
    }
}
