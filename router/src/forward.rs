//! Calls to one node, and what each failure of the bus means to a caller.
//!
//! Owns deadlines and frames. Whom to ask, and asking again, stands in [`crate::follow`]. Must not know what an operation
//! does. Nothing that may have been executed is ever sent again from here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_bus::{Names, Part, Rpc, RpcError};
use switchboard_vocab::envelope::{AnswerHead, CallHead, Frame, Verb};
use switchboard_vocab::{ErrorCode, NodeId, OpError, Operation, SessionRef, codec};

use crate::clock::Deadline;
use crate::directory::Directory;
use crate::follow::{Waits, Work};
use crate::owners::Owners;

/// When trying again makes sense after a node or the bus could not be reached.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// When trying again makes sense after a queue was full.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sends calls to owners. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    pub(crate) rpc: Arc<dyn Rpc>,
    pub(crate) names: Names,
    pub(crate) directory: Arc<Directory>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) waits: Arc<Waits>,
}

/// What identifies and bounds one request on its way through the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    /// Follows the request through logs.
    pub(crate) trace: Arc<str>,
    /// Until when it may take.
    pub(crate) deadline: Deadline,
    /// Whether it may wait for an owner to appear; one that does not is answered from what is known now.
    pub(crate) waits: bool,
}

/// What became of asking one node.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It did it.
    Done(Done),
    /// It is not the owner and did nothing; this one may be.
    NotOwner(Option<NodeId>),
    /// It was not reached and did nothing.
    Unreached(OpError),
    /// It was reached and did not answer: it may have done it.
    Lost(OpError),
}

/// The output of a call.
#[derive(Debug)]
pub(crate) struct Done {
    /// The operation's output.
    pub(crate) body: Bytes,
    /// Raw bytes.
    pub(crate) blob: Bytes,
}

impl Forward {
    /// Asks the owner to do `verb`, as [`Forward::carry`] does.
    ///
    /// # Errors
    /// What the node answered, or what the failure of the bus means.
    pub(crate) async fn call(
        &self,
        session: &SessionRef,
        verb: Verb,
        body: Bytes,
        ticket: &Ticket,
    ) -> Result<Done, OpError> {
        let work = Work {
            verb,
            body,
            uploads: &[],
        };
        self.carry(session, &work, ticket).await
    }

    /// Runs an operation of the vocabulary at the owner.
    ///
    /// # Errors
    /// What the node answered, or what the failure of the bus means.
    pub(crate) async fn run<O: Operation>(
        &self,
        session: &SessionRef,
        operation: &O,
        ticket: &Ticket,
    ) -> Result<O::Output, OpError> {
        let verb = Verb::Run {
            name: O::NAME.to_owned(),
        };
        let body = codec::encode(operation)?.into();
        let done = self.call(session, verb, body, ticket).await?;
        codec::decode(&done.body)
    }

    /// Asks one node.
    ///
    /// # Errors
    /// What the node answered, or what the failure of the bus means where asking again would not help.
    pub(crate) async fn ask(
        &self,
        node: &NodeId,
        session: &SessionRef,
        verb: &Verb,
        body: &Bytes,
        blob: &Bytes,
        ticket: &Ticket,
    ) -> Result<Asked, OpError> {
        if ticket.deadline.has_passed() {
            return Err(OpError::new(
                ErrorCode::Timeout,
                "the time for this call is over",
            ));
        }
        let head = ticket.head(session, verb);
        let mut frame = Frame::new(head, body.clone());
        frame.blob = blob.clone();
        let subject = self
            .names
            .node_rpc(node.as_str())
            .map_err(|e| OpError::internal(format!("name the node: {e}")))?;
        let (payload, left) = (frame.encode()?, ticket.deadline.left());
        let answer = match self.rpc.request(&subject, payload, left).await {
            Ok(answer) => answer,
            Err(error) => return sort(&error),
        };
        // What cannot be read was answered, so it may have been executed.
        let answer = Frame::<AnswerHead>::decode(answer).map_err(OpError::maybe_executed)?;
        match answer.head {
            AnswerHead::Done => Ok(Asked::Done(Done {
                body: answer.body,
                blob: answer.blob,
            })),
            AnswerHead::Failed { error } => Err(error),
            AnswerHead::NotOwner { epoch, hint } => {
                tracing::info!(%session, %node, %epoch, ?hint, "the node does not own the session");
                Ok(Asked::NotOwner(hint))
            }
        }
    }
}

impl Ticket {
    fn head(&self, session: &SessionRef, verb: &Verb) -> CallHead {
        CallHead {
            session: session.clone(),
            verb: verb.clone(),
            deadline_ms: u64::try_from(self.deadline.left().as_millis()).unwrap_or(u64::MAX),
            trace: self.trace.as_ref().to_owned(),
        }
    }
}

/// What is left to do after a failure of the bus.
fn sort(error: &RpcError) -> Result<Asked, OpError> {
    let means = meaning(error);
    match error {
        RpcError::NoResponders { .. } | RpcError::Disconnected { .. } => {
            Ok(Asked::Unreached(means))
        }
        RpcError::Abandoned { .. } | RpcError::Failed { .. } => Ok(Asked::Lost(means)),
        RpcError::Timeout { .. } | RpcError::TooLarge { .. } | RpcError::Busy { .. } => Err(means),
    }
}

/// What a failure of the bus means to a caller.
pub(crate) fn meaning(error: &RpcError) -> OpError {
    let certain = error.certainly_not_executed();
    let detail = error.to_string();
    let error = match error {
        RpcError::NoResponders { .. } => unavailable("the node of this session is not running now"),
        RpcError::Disconnected { .. } => unavailable("the bus cannot be reached now"),
        RpcError::Busy { .. } => OpError::new(
            ErrorCode::Busy,
            "the node of this session has too many calls waiting",
        )
        .retry_after(BUSY_RETRY_AFTER),
        RpcError::Timeout { .. } => OpError::new(
            ErrorCode::Timeout,
            "the node of this session did not answer in time",
        ),
        RpcError::TooLarge {
            part: Part::Request,
            ..
        } => OpError::new(ErrorCode::TooLarge, "the call is too large for the bus"),
        RpcError::TooLarge {
            part: Part::Reply, ..
        } => OpError::new(ErrorCode::TooLarge, "the answer is too large for the bus"),
        RpcError::Abandoned { .. } | RpcError::Failed { .. } => {
            unavailable("the node of this session failed during the call")
        }
    };
    let error = error.with_internal(detail);
    if certain {
        error
    } else {
        error.maybe_executed()
    }
}

/// An error that a later try may not meet.
pub(crate) fn unavailable(words: &str) -> OpError {
    OpError::new(ErrorCode::Unavailable, words).retry_after(RETRY_AFTER)
}
