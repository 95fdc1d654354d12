//! Request and reply between a router and the node that serves a subject.
//!
//! Owns the trait, the errors and the stream of requests. Must not know what a payload means.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{BoxError, Subject};

/// Request and reply. A request reaches at most one server.
#[async_trait]
pub trait Rpc: Send + Sync + fmt::Debug {
    /// Sends `payload` to whoever serves `subject` and waits for the reply, at most `deadline`
    /// (cut to [`crate::limits::WAIT_MAX`]). Dropping the future gives the reply up, not the request.
    ///
    /// # Errors
    /// See [`RpcError`]; [`RpcError::certainly_not_executed`] tells which ones allow a blind retry.
    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RpcError>;

    /// Serves `subject` until the stream is dropped. When this returns, requests of this process arrive; those of
    /// another may end in `NoResponders` for a moment longer, until the servers have told each other.
    /// Several streams on one subject share its requests: each request goes to one of them.
    ///
    /// # Errors
    /// `Disconnected` or `Failed` when the subscription could not be made.
    async fn serve(&self, subject: &Subject) -> Result<RequestStream, RpcError>;
}

/// Which half of an exchange was too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The request; nothing was sent.
    Request,
    /// The reply; the request was executed.
    Reply,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Reply => "reply",
        })
    }
}

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nobody serves the subject.
    #[error("request to {subject}: no responders")]
    NoResponders {
        /// The subject asked.
        subject: Subject,
    },
    /// No reply within the deadline. The request may have been executed.
    #[error("request to {subject}: no reply within {deadline:?}")]
    Timeout {
        /// The subject asked.
        subject: Subject,
        /// The deadline given.
        deadline: Duration,
    },
    /// Request or reply is over the payload limit.
    #[error("request to {subject}: {part} of {size} bytes is over the limit of {max} bytes")]
    TooLarge {
        /// The subject asked.
        subject: Subject,
        /// Which half.
        part: Part,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// There is no connection; nothing was sent.
    #[error("request to {subject}: the bus is disconnected")]
    Disconnected {
        /// The subject asked.
        subject: Subject,
    },
    /// The server's queue, or this process's limit of requests in flight, is full; nothing was executed.
    #[error("request to {subject}: too many requests are waiting")]
    Busy {
        /// The subject asked.
        subject: Subject,
    },
    /// The server took the request and dropped it without a reply. It may have been executed.
    #[error("request to {subject}: the server dropped the request without a reply")]
    Abandoned {
        /// The subject asked.
        subject: Subject,
    },
    /// Anything else of the layer below. The request may have been executed.
    #[error("request to {subject} failed")]
    Failed {
        /// The subject asked.
        subject: Subject,
        /// What the layer below said.
        #[source]
        source: BoxError,
    },
}

impl RpcError {
    /// True where no server has begun with the request, so that sending it again cannot do it twice.
    #[must_use]
    pub fn certainly_not_executed(&self) -> bool {
        match self {
            Self::NoResponders { .. } | Self::Disconnected { .. } | Self::Busy { .. } => true,
            Self::TooLarge { part, .. } => *part == Part::Request,
            Self::Timeout { .. } | Self::Abandoned { .. } | Self::Failed { .. } => false,
        }
    }
}

/// One request, independent of every other: answer them in any order, from any task.
#[derive(Debug)]
pub struct Request {
    /// What the requester sent.
    pub payload: Bytes,
    /// Where the reply goes.
    pub replier: Replier,
}

/// Answers one request. Dropping it unanswered tells the requester `Abandoned` at once.
#[derive(Debug)]
pub struct Replier {
    taken: bool,
    route: Option<Box<dyn ReplyRoute>>,
}

/// How an answer gets back; one per implementation of the bus.
#[async_trait]
pub(crate) trait ReplyRoute: Send + Sync + fmt::Debug {
    async fn reply(&mut self, payload: Bytes) -> Result<(), RpcError>;
    /// The request was dropped unanswered. `taken` is false if no consumer ever saw it.
    fn abandon(&mut self, taken: bool);
}

impl Replier {
    pub(crate) fn new(route: Box<dyn ReplyRoute>) -> Self {
        Self {
            taken: false,
            route: Some(route),
        }
    }

    /// Drops it without a word: the caller tells the requester itself.
    pub(crate) fn disarm(mut self) {
        self.route = None;
    }

    /// Sends the reply. A requester that has given up is not an error.
    ///
    /// # Errors
    /// `TooLarge` when the reply is over the limit (the requester is told so too); `Disconnected` or
    /// `Failed` when it could not be handed to the connection.
    pub async fn reply(mut self, payload: Bytes) -> Result<(), RpcError> {
        match self.route.take() {
            Some(mut route) => route.reply(payload).await,
            None => Ok(()),
        }
    }
}

impl Drop for Replier {
    fn drop(&mut self) {
        if let Some(mut route) = self.route.take() {
            route.abandon(self.taken);
        }
    }
}

/// The requests of one served subject. Dropping it unsubscribes: requests that nobody took yet, and all
/// later ones, end in `NoResponders`.
#[derive(Debug)]
pub struct RequestStream {
    requests: mpsc::Receiver<Request>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl RequestStream {
    pub(crate) fn new(requests: mpsc::Receiver<Request>, stop: CancellationToken) -> Self {
        Self {
            requests,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Accepts no more requests; what already waits is still yielded, then the stream ends.
    /// A node calls this first when it drains.
    pub fn stop(&mut self) {
        self.requests.close();
        self.stop.cancel();
    }
}

impl Stream for RequestStream {
    type Item = Request;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Request>> {
        self.requests.poll_recv(cx).map(|next| {
            next.map(|mut request| {
                request.replier.taken = true;
                request
            })
        })
    }
}
