//! Calls to the node that owns a session.
//!
//! Owns deadlines, the one retry after "not the owner", and what each failure of the bus means to a caller. Must not
//! know what an operation does. Nothing that may have been executed is ever sent again from here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_bus::{Names, Part, Rpc, RpcError};
use switchboard_vocab::envelope::{AnswerHead, CallHead, Frame, Verb};
use switchboard_vocab::{ErrorCode, NodeId, OpError, Operation, SessionRef, codec};

use crate::clock::Deadline;
use crate::owners::Owners;

/// When trying again makes sense after a node or the bus could not be reached.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// When trying again makes sense after a queue was full.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sends calls to owners. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    rpc: Arc<dyn Rpc>,
    names: Names,
    owners: Arc<dyn Owners>,
}

/// What identifies and bounds one request on its way through the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    /// Follows the request through logs.
    pub(crate) trace: Arc<str>,
    /// Until when it may take.
    pub(crate) deadline: Deadline,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It did it.
    Done(Done),
    /// It is not the owner; this one may be.
    NotOwner(Option<NodeId>),
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
    pub(crate) fn new(rpc: Arc<dyn Rpc>, names: Names, owners: Arc<dyn Owners>) -> Self {
        Self { rpc, names, owners }
    }

    /// The nodes of the cluster.
    pub(crate) fn owners(&self) -> &dyn Owners {
        self.owners.as_ref()
    }

    /// The node to ask first.
    ///
    /// # Errors
    /// `Unavailable` when there is none.
    pub(crate) fn owner(&self, session: &SessionRef) -> Result<NodeId, OpError> {
        self.owners
            .owner(session)
            .ok_or_else(|| unavailable("no node of the cluster can run the session now"))
    }

    /// The error for a session whose owner nobody knows.
    pub(crate) fn lost() -> OpError {
        unavailable("the session is changing its node; try again")
    }

    /// Asks the owner to do `verb`, and whom it names when it is not the owner, once.
    ///
    /// # Errors
    /// What the node answered, or what the failure of the bus means.
    pub(crate) async fn call(
        &self,
        session: &SessionRef,
        verb: &Verb,
        body: &Bytes,
        ticket: &Ticket,
    ) -> Result<Done, OpError> {
        let owner = self.owner(session)?;
        match self
            .ask(&owner, session, verb, body, &Bytes::new(), ticket)
            .await?
        {
            Asked::Done(done) => Ok(done),
            Asked::NotOwner(None) => Err(Self::lost()),
            Asked::NotOwner(Some(next)) => {
                match self
                    .ask(&next, session, verb, body, &Bytes::new(), ticket)
                    .await?
                {
                    Asked::Done(done) => Ok(done),
                    Asked::NotOwner(_) => Err(Self::lost()),
                }
            }
        }
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
        let done = self.call(session, &verb, &body, ticket).await?;
        codec::decode(&done.body)
    }

    /// Asks one node.
    ///
    /// # Errors
    /// What the node answered, or what the failure of the bus means.
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
        let answer = self
            .exchange(node, &frame, ticket)
            .await?
            .map_err(|error| meaning(&error))?;
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
                Ok(Asked::NotOwner(
                    self.owners.not_owner(session, node, epoch, hint),
                ))
            }
        }
    }

    /// Whether a node serves its subject: any answer to a harmless read proves it.
    pub(crate) async fn answers(&self, node: &NodeId, probe: &SessionRef, ticket: &Ticket) -> bool {
        let verb = Verb::Run {
            name: switchboard_vocab::sessions::GetStatus::NAME.to_owned(),
        };
        let frame = Frame::new(ticket.head(probe, &verb), &b"{}"[..]);
        matches!(self.exchange(node, &frame, ticket).await, Ok(Ok(_)))
    }

    async fn exchange(
        &self,
        node: &NodeId,
        frame: &Frame<CallHead>,
        ticket: &Ticket,
    ) -> Result<Result<Bytes, RpcError>, OpError> {
        let subject = self
            .names
            .node_rpc(node.as_str())
            .map_err(|e| OpError::internal(format!("name the node: {e}")))?;
        Ok(self
            .rpc
            .request(&subject, frame.encode()?, ticket.deadline.left())
            .await)
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

/// What a failure of the bus means to a caller.
fn meaning(error: &RpcError) -> OpError {
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

fn unavailable(words: &str) -> OpError {
    OpError::new(ErrorCode::Unavailable, words).retry_after(RETRY_AFTER)
}
