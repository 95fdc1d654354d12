//! What operators and the driver ask for, and why it is refused.

use switchboard_vocab::cluster::OwnerPhase;
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::Machine;
use super::lease::Stage;
use super::leave::Leaving;
use super::peers::Life;
use super::session::{Known, Plan, Reason};
use crate::{Command, DataFrom, Output, Refused};

fn refused(text: impl Into<String>) -> Result<(), Refused> {
    Err(Refused(text.into()))
}

impl Machine {
    pub(super) fn command(&mut self, command: Command) -> Result<(), Refused> {
        if self.life.stage == Stage::Ended {
            return refused(format!(
                "node {} is not part of the cluster any more: ask another node",
                self.config.me
            ));
        }
        match command {
            Command::Drain(on) => self.drain(on),
            Command::Weigh(weight) => {
                self.weight = weight;
                self.members_dirty = true;
                Ok(())
            }
            Command::Move { session, target } => self.order_move(&session, target),
            Command::Restore { session, from } => self.restore(&session, from),
            Command::Park {
                session,
                epoch,
                reason,
            } => self.park(&session, epoch, reason),
            Command::Leave { within } => {
                self.leave(within);
                Ok(())
            }
        }
    }

    fn drain(&mut self, on: bool) -> Result<(), Refused> {
        if !on && self.leaving.is_some() {
            return refused(format!("node {} is leaving the cluster", self.config.me));
        }
        self.draining = on;
        self.members_dirty = true;
        self.queue_all();
        self.look_for_moves();
        Ok(())
    }

    fn leave(&mut self, within: std::time::Duration) {
        let deadline = self.now + within;
        match &mut self.leaving {
            Some(leaving) => leaving.deadline = leaving.deadline.min(deadline),
            None => {
                self.leaving = Some(Leaving {
                    deadline,
                    stopping: false,
                    done: false,
                });
            }
        }
        self.members_dirty = true;
        if self.may_act() {
            self.look_for_moves();
        } else if self.life.stage != Stage::Ended {
            self.drop_ops();
            self.end_without_record();
        }
    }

    fn order_move(&mut self, session: &SessionRef, target: NodeId) -> Result<(), Refused> {
        if !self.may_act() {
            return refused("this node has no lease now: try again in a moment");
        }
        let owned = self.sessions.get(session).filter(|known| {
            known
                .owner()
                .is_some_and(|record| self.is_mine(record) && record.phase == OwnerPhase::Owned)
        });
        let Some(known) = owned else {
            return refused(format!(
                "{session} is not owned by {}: ask its owner",
                self.config.me
            ));
        };
        if !known.rests() {
            return refused(format!(
                "{session} is not at rest: it starts, stops or moves; try again in a moment"
            ));
        }
        if target == self.config.me {
            return refused(format!("{session} is on {target} already"));
        }
        if self.receiver(&target).is_none() {
            return refused(format!(
                "node {target} is not up: choose one that `switchboard admin cluster` shows as up"
            ));
        }
        self.begin_move(session, target, Reason::Order);
        Ok(())
    }

    fn restore(&mut self, session: &SessionRef, from: DataFrom) -> Result<(), Refused> {
        if !self.may_act() || !self.is_current() {
            return refused(
                "this node has no lease or no view of the records now: try again in a moment",
            );
        }
        if self.is_emptying() {
            return refused(format!(
                "node {} takes no sessions now: restore it on another node",
                self.config.me
            ));
        }
        let Some(known) = self.sessions.get(session) else {
            return refused(format!("there is no session {session}"));
        };
        if known.uuid.is_none() {
            return refused(format!("there is no session {session}"));
        }
        if known.op.is_some() || known.running.is_some() || known.doubt {
            return refused(format!(
                "{session} is not at rest here: try again in a moment"
            ));
        }
        let record = match known.record.clone() {
            Known::Record(record) => record,
            Known::Absent => {
                return refused(format!("{session} has no owner: it starts by itself"));
            }
            Known::Unreadable(why) => {
                return refused(format!(
                    "the owner record of {session} cannot be read ({why}): upgrade this node"
                ));
            }
        };
        let is_parked = matches!(record.phase, OwnerPhase::Parked { .. });
        if !is_parked && self.life_of(&record.node, &record.incarnation) != Life::Gone {
            return refused(format!(
                "{session} is not parked and its owner {} is not known to be gone: only a parked session, or one of a lost node, is restored",
                record.node
            ));
        }
        if let Some(known) = self.sessions.get_mut(session)
            && let Some(staged) = known.staged.take()
        {
            let discard = Output::DiscardStaged(session.clone(), Epoch(staged.epoch));
            self.out.push(discard);
        }
        self.claim(session, self.kept_by_default(), from);
        Ok(())
    }

    fn park(&mut self, session: &SessionRef, epoch: Epoch, reason: String) -> Result<(), Refused> {
        let is_mine = |known: &&mut super::session::Session| {
            known.owner().is_some_and(|record| {
                record.node == self.config.me
                    && record.incarnation == self.life.incarnation
                    && record.epoch == epoch
            })
        };
        let Some(known) = self.sessions.get_mut(session).filter(is_mine) else {
            return refused(format!(
                "{session} is not owned by {} at epoch {epoch}",
                self.config.me
            ));
        };
        if matches!(known.plan, Plan::Move(_)) {
            return refused(format!("{session} is being handed over"));
        }
        known.plan = Plan::Park(reason);
        self.queue.insert(session.clone());
        Ok(())
    }
}
