//! One session's data on its way from the node that ran it to the node that will: both ends.
//!
//! Owns the calls between nodes (`….peer`), the order of what is copied and the comparison of both sides. Must not decide
//! who owns a session, nor make a copy live: a staged copy is worth nothing until the owner's record names its node.

use std::sync::Arc;

use switchboard_bus::{Bus, Names, RequestStream};
use switchboard_keystore::KeyStore;
use switchboard_ownership::TransferFailure;
use switchboard_vocab::{Epoch, NodeId, SessionRef};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ports::MediaPort;

/// Sends sessions to other nodes and takes them from there.
pub(crate) struct Transfer {
    bus: Bus,
    names: Names,
    me: NodeId,
    store: Arc<dyn KeyStore>,
    media: Arc<dyn MediaPort>,
    key: [u8; 32],
}

impl Transfer {
    /// `key` is the same on every node of the cluster.
    pub(crate) fn new(
        bus: Bus,
        names: Names,
        me: NodeId,
        store: Arc<dyn KeyStore>,
        media: Arc<dyn MediaPort>,
        key: [u8; 32],
    ) -> Self {
        Self {
            bus,
            names,
            me,
            store,
            media,
            key,
        }
    }

    /// Takes sessions from other nodes until `stop`; tells `staged` of each one that is complete, with the epoch it is for.
    /// What is unfinished then is discarded.
    pub(crate) async fn serve(
        self: Arc<Self>,
        requests: RequestStream,
        staged: mpsc::Sender<(SessionRef, Epoch)>,
        stop: CancellationToken,
    ) {
        let _ = (requests, staged);
        stop.cancelled().await;
    }

    /// Copies the files of a session that still runs, and asks whether the target would take it at all.
    ///
    /// # Errors
    /// When the target refuses, or not every file is there by `deadline`. What was copied is kept: the next call goes on.
    pub(crate) async fn prepare(
        &self,
        session: &SessionRef,
        target: &NodeId,
        deadline: Instant,
    ) -> Result<(), TransferFailure> {
        let _ = (
            session,
            target,
            deadline,
            &self.bus,
            &self.names,
            &self.me,
            &self.media,
        );
        Err(TransferFailure::Refused(
            "sending is not there yet".to_owned(),
        ))
    }

    /// Sends a stopped session, which had `epoch` here, to be staged at `target` for `next`.
    ///
    /// # Errors
    /// Nothing counts at the target then; the data here is untouched in every case.
    pub(crate) async fn send(
        &self,
        session: &SessionRef,
        epoch: Epoch,
        next: Epoch,
        target: &NodeId,
        deadline: Instant,
    ) -> Result<(), TransferFailure> {
        let _ = (
            session,
            epoch,
            next,
            target,
            deadline,
            &self.store,
            &self.key,
        );
        Err(TransferFailure::Refused(
            "sending is not there yet".to_owned(),
        ))
    }
}
