//! One session's data on its way from the node that ran it to the node that will: both ends.
//!
//! Owns the calls between nodes (`….peer`), the order of what is copied and the comparison of both sides. Must not decide
//! who owns a session, nor make a copy live: a staged copy is worth nothing until the owner's record names its node.
//!
//! Files go first, while the session still runs ([`Transfer::prepare`]); then, once it has stopped, what is new of them and
//! the keys ([`Transfer::send`]). Keys are streamed frame by frame, one on its way while the next is read.

mod files;
mod receiving;
mod sending;
mod wire;

use std::fmt;
use std::sync::Arc;

use switchboard_bus::{Bus, Names, RequestStream};
use switchboard_keystore::{KeyStore, Namespace};
use switchboard_ownership::TransferFailure;
use switchboard_vocab::{Epoch, NodeId, OpError, SessionRef};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ports::MediaPort;

/// Files that this node copies to others at once, besides those of sessions that have stopped for their move.
const COPIES_MAX: usize = 4;

/// Whether this node may take sessions now: one without a lease could not run them, and its copy would wait for nobody.
pub(crate) type MayTake = Box<dyn Fn() -> bool + Send + Sync>;

/// Sends sessions to other nodes and takes them from there.
pub(crate) struct Transfer {
    bus: Bus,
    names: Names,
    me: NodeId,
    store: Arc<dyn KeyStore>,
    media: Arc<dyn MediaPort>,
    keys: wire::Keys,
    copies: Semaphore,
    may_take: MayTake,
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
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
        may_take: MayTake,
    ) -> Self {
        Self {
            bus,
            names,
            me,
            store,
            media,
            keys: wire::Keys::new(key),
            copies: Semaphore::new(COPIES_MAX),
            may_take,
        }
    }

    /// Takes sessions from other nodes until `stop`; tells `staged` of each one that is complete, with the epoch it is for
    /// (the `next` of the sender). What is unfinished at the end is discarded.
    pub(crate) async fn serve(
        self: Arc<Self>,
        requests: RequestStream,
        staged: mpsc::Sender<(SessionRef, Epoch)>,
        stop: CancellationToken,
    ) {
        receiving::run(self, requests, staged, stop).await;
    }

    /// Copies the files of a session that still runs, and asks whether the target would take it at all.
    ///
    /// Only what is missing there is copied, so a second call goes on where the first ended. It may also be called after a
    /// move, before the files here are erased, for what [`Transfer::send`] left behind.
    ///
    /// A single file that cannot be copied is logged and left out.
    ///
    /// # Errors
    /// `Refused` when the target would not take the session or cannot be reached, `TimedOut` when there are still files to
    /// copy at `deadline`.
    pub(crate) async fn prepare(
        &self,
        session: &SessionRef,
        target: &NodeId,
        deadline: Instant,
    ) -> Result<(), TransferFailure> {
        sending::prepare(self, session, target, deadline).await
    }

    /// Sends a stopped session, which had `epoch` here, to be staged at `target` for `next`.
    ///
    /// Files that are still missing there are copied first, within [`files::SEND_BYTES_MAX`]; what is over that is left
    /// behind and logged.
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
        sending::send(self, session, (epoch, next), target, deadline).await
    }
}

/// The session's tree in a key store.
fn namespace(session: &SessionRef) -> Result<Namespace, String> {
    Namespace::session(&session.to_string()).map_err(|e| e.to_string())
}

/// Both halves: the reader is a node's log, not a customer.
fn text(error: OpError) -> String {
    match error.internal {
        Some(internal) => format!("{} ({internal})", error.public),
        None => error.public,
    }
}

#[cfg(test)]
mod tests;
