//! Operators' orders on their way to a node.
//!
//! Owns their form on the bus and their deadline. Must not know what a node does with one.

use std::time::Duration;

use switchboard_vocab::cluster::{NodeOrder, OrderAnswer};
use switchboard_vocab::{NodeId, OpError, codec};

use crate::clock::Deadline;
use crate::forward::{Forward, meaning};

/// How long a node may take to begin with an order, or to refuse it.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

impl Forward {
    /// Gives a node an order. That it was accepted says only that it has begun.
    ///
    /// # Errors
    /// Why the node refused, or what the failure of the bus means.
    pub(crate) async fn order(
        &self,
        node: &NodeId,
        order: &NodeOrder,
        deadline: Deadline,
    ) -> Result<(), OpError> {
        let subject = self
            .names
            .node_admin(node.as_str())
            .map_err(|e| OpError::internal(format!("name the node: {e}")))?;
        let deadline = deadline.at_most(ANSWER_WAIT_MAX).left();
        let sent = self
            .rpc
            .request(&subject, codec::encode(order)?.into(), deadline)
            .await;
        let answer = sent.map_err(|error| {
            let mut means = meaning(&error);
            means.public = means.public.replace("the node of this session", "the node");
            means
        })?;
        match codec::decode(&answer).map_err(OpError::maybe_executed)? {
            OrderAnswer::Accepted => Ok(()),
            OrderAnswer::Refused { error } => Err(error),
        }
    }
}
