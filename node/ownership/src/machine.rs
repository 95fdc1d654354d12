//! The machine of one node.

use switchboard_vocab::SessionRef;
use switchboard_vocab::cluster::Incarnation;

use crate::{Config, Held, Input, Output, PeerView, Position, Refused, Verdict};

/// The decisions of one node.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    incarnation: Incarnation,
}

impl Machine {
    /// A node that begins: it has seen nothing and runs nothing. The first [`Input::Tick`] gets it going.
    #[must_use]
    pub fn new(config: Config, incarnation: Incarnation, _held: Vec<Held>, _now: Position) -> Self {
        Self {
            config,
            incarnation,
        }
    }

    /// Tells the machine what happened; what it answers is to be carried out in this order.
    ///
    /// # Errors
    /// Only commands are refused.
    pub fn step(&mut self, _now: Position, _input: Input) -> Result<Vec<Output>, Refused> {
        Ok(Vec::new())
    }

    /// The answer to [`Output::NeedIncarnation`].
    pub fn renew(&mut self, _now: Position, incarnation: Incarnation) -> Vec<Output> {
        self.incarnation = incarnation;
        Vec::new()
    }

    /// The latest moment for the next [`Input::Tick`].
    #[must_use]
    pub fn next_wake(&self) -> Position {
        Position::ZERO
    }

    /// Who may run a session, as this node knows it.
    #[must_use]
    pub fn verdict(&self, _session: &SessionRef) -> Verdict {
        Verdict::NotOwned {
            epoch: switchboard_vocab::Epoch(0),
            hint: None,
        }
    }

    /// Until when the lease holds; none while it does not.
    #[must_use]
    pub fn lease_until(&self) -> Option<Position> {
        None
    }

    /// The present life of the node.
    #[must_use]
    pub fn incarnation(&self) -> &Incarnation {
        &self.incarnation
    }

    /// Sessions that run here.
    #[must_use]
    pub fn owned(&self) -> usize {
        0
    }

    /// Hand-overs under way from here.
    #[must_use]
    pub fn moving(&self) -> usize {
        0
    }

    /// The other nodes.
    #[must_use]
    pub fn peers(&self, _now: Position) -> Vec<PeerView> {
        let _ = &self.config;
        Vec::new()
    }

    /// Both buckets are current, every known session has a live owner, and nothing is under way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        false
    }
}
