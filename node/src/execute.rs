//! What operations do: one `Execute` per operation, one registry of all of them.
//!
//! Owns the trait and the way from a name and bytes to a call that can run. An operation of the catalog without an
//! `Execute` does not compile.

mod chats;
mod contacts;
mod media;
mod messages;
mod page;
mod pairing;
mod presence;
mod profile;
mod queue;
mod sessions;
mod settings;
mod stories;
mod webhooks;

use std::collections::HashMap;
use std::fmt;

use futures::FutureExt;
use futures::future::BoxFuture;
use switchboard_vocab::messages::QueuedMessage;
use switchboard_vocab::{Effect, ErrorCode, OpError, Operation, codec};

use crate::session::context::SessionCx;
use crate::session::lanes::Lane;

/// How a session executes an operation.
pub(crate) trait Execute: Operation {
    /// Whether the session's status is the whole answer, so that it can be given without its actor.
    const STATUS_ONLY: bool = false;
    /// Whether it wakes a crashed or parked session at once.
    const REVIVES: bool = false;
    /// Whether everything the node holds of the session is removed after it succeeded.
    const ERASES: bool = false;

    /// The message that leaves by it, for the list of those that have not left.
    fn queued(&self) -> Option<QueuedMessage> {
        None
    }

    /// Which others it must not overtake.
    fn lane(&self) -> Lane {
        Lane::Free
    }

    /// Does it.
    fn execute(self, cx: SessionCx) -> impl Future<Output = Result<Self::Output, OpError>> + Send;
}

type Run = Box<dyn FnOnce(SessionCx) -> BoxFuture<'static, Result<Vec<u8>, OpError>> + Send>;

/// A call that was decoded and can run.
pub(crate) struct Prepared {
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    pub(crate) lane: Lane,
    pub(crate) status_only: bool,
    pub(crate) revives: bool,
    pub(crate) erases: bool,
    /// The message that leaves by it.
    pub(crate) queued: Option<QueuedMessage>,
    pub(crate) run: Run,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

type Prepare = fn(&[u8]) -> Result<Prepared, OpError>;

/// Every operation this release executes.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    operations: HashMap<&'static str, Prepare>,
}

impl Registry {
    fn on<O: Execute>(mut self) -> Self {
        self.operations.insert(O::NAME, prepare::<O>);
        self
    }

    /// The name for metrics: the operation's own, or one word for all that are not known.
    pub(crate) fn label(&self, name: &str) -> &'static str {
        self.operations
            .get_key_value(name)
            .map_or("unknown", |(name, _)| name)
    }

    /// Decodes a call.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownOperation`]; [`ErrorCode::Internal`] where the body is not that operation: the router and
    /// this node are of incompatible releases.
    pub(crate) fn prepare(&self, name: &str, body: &[u8]) -> Result<Prepared, OpError> {
        let Some(prepare) = self.operations.get(name) else {
            let text = format!("this release does not know the operation {name:?}");
            return Err(OpError::new(ErrorCode::UnknownOperation, text));
        };
        prepare(body)
    }
}

fn prepare<O: Execute>(body: &[u8]) -> Result<Prepared, OpError> {
    let operation: O = codec::decode(body)?;
    Ok(Prepared {
        name: O::NAME,
        effect: O::EFFECT,
        lane: operation.lane(),
        status_only: O::STATUS_ONLY,
        revives: O::REVIVES,
        erases: O::ERASES,
        queued: operation.queued(),
        run: Box::new(|cx| async move { codec::encode(&operation.execute(cx).await?) }.boxed()),
    })
}

macro_rules! register {
    ($($op:path),* $(,)?) => {
        /// The registry of every session operation of the catalog.
        pub(crate) fn registry() -> Registry {
            Registry::default()$(.on::<$op>())*
        }
    };
}
switchboard_vocab::for_each_session_operation!(register);

#[cfg(test)]
mod tests {
    use switchboard_vocab::catalog::SESSION_OPERATIONS;

    use super::*;

    #[test]
    fn every_session_operation_is_registered() {
        let registry = registry();
        assert_eq!(registry.operations.len(), SESSION_OPERATIONS.len());
        assert!(
            SESSION_OPERATIONS
                .iter()
                .all(|name| registry.operations.contains_key(name))
        );
    }

    #[test]
    fn unknown_names_and_bodies_are_refused() {
        let unknown = registry().prepare("messages.teleport", b"{}").unwrap_err();
        assert_eq!(unknown.code, ErrorCode::UnknownOperation);
        assert!(registry().prepare("messages.get", b"{\"no\":1}").is_err());
    }
}
