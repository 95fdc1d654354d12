//! Handing sessions over: by order, to empty this node, and for balance.
//!
//! Until the record names the target, the session is this node's: whatever fails before that leaves it here, at an epoch
//! above the one that the target may have staged, so that the staged copy can never be valid afterwards.

use std::ops::Bound;
use std::time::Duration;

use switchboard_vocab::cluster::{Kept, OwnerPhase, OwnerRecord};
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::Machine;
use super::session::{Leg, Move, Plan, Reason};
use crate::{Output, Position, TransferFailure};

/// Sessions looked at in one step for one that can move.
const SCAN_MAX: usize = 256;
/// How soon sessions that could not move yet are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Hand-overs that may begin at once before the pace holds.
const BURST: Duration = Duration::from_millis(250);
/// The wait after a hand-over failed; it doubles with every further failure.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Doublings of that wait; the longest is about five minutes.
const DOUBLINGS_MAX: u32 = 8;
/// The same while the node is emptied; the longest is 8 seconds.
const DRAIN_DOUBLINGS_MAX: u32 = 3;

impl Machine {
    pub(super) fn begin_move(&mut self, session: &SessionRef, target: NodeId, reason: Reason) {
        let Some(known) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(epoch) = known.runs_at() else {
            return;
        };
        known.plan = Plan::Move(Move {
            target,
            life: None,
            epoch,
            leg: Leg::Announce,
            reason,
        });
        known.passed_over = None;
        self.misplaced.remove(session);
        self.moving.insert(session.clone());
        self.queue.insert(session.clone());
    }

    /// Nothing is handed over any more.
    pub(super) fn end_move(&mut self, session: &SessionRef) {
        self.moving.remove(session);
        if let Some(known) = self.sessions.get_mut(session)
            && matches!(known.plan, Plan::Move(_))
        {
            known.plan = Plan::None;
        }
        self.look_for_moves();
    }

    fn set_leg(&mut self, session: &SessionRef, leg: Leg) {
        if let Some(known) = self.sessions.get_mut(session)
            && let Plan::Move(moving) = &mut known.plan
        {
            moving.leg = leg;
        }
    }

    fn move_of(&self, session: &SessionRef) -> Option<Move> {
        match &self.sessions.get(session)?.plan {
            Plan::Move(moving) => Some(moving.clone()),
            Plan::None | Plan::Park(_) => None,
        }
    }

    /// The record shall say that the session leaves; if the target went away meanwhile, it stays.
    pub(super) fn announce(&mut self, session: &SessionRef, record: &OwnerRecord) {
        let Some(moving) = self.move_of(session) else {
            return;
        };
        if self.receiver(&moving.target).is_none() {
            self.fail_move(session);
            return self.end_move(session);
        }
        let mut record = record.clone();
        record.phase = OwnerPhase::Moving {
            target: moving.target,
        };
        self.write_owner(session, Some(record));
    }

    /// The record says that the session leaves this node.
    pub(super) fn consider_moving(&mut self, session: &SessionRef, record: &OwnerRecord) {
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        if known.running.is_some() {
            self.set_leg(session, Leg::Stop);
            return self.stop(session, false);
        }
        let Some(moving) = self.move_of(session) else {
            return self.take_back(session, record);
        };
        let life = self
            .receiver(&moving.target)
            .map(|receiver| receiver.incarnation.clone());
        match moving.leg {
            Leg::Announce | Leg::Stop => match life {
                Some(life) => self.send(session, moving, life),
                None => self.give_up(session, record),
            },
            Leg::Send if life == moving.life => {}
            Leg::Flip if life == moving.life => self.flip(session, record, &moving),
            Leg::Send | Leg::Flip | Leg::Back => self.give_up(session, record),
        }
    }

    fn send(
        &mut self,
        session: &SessionRef,
        moving: Move,
        life: switchboard_vocab::cluster::Incarnation,
    ) {
        let (epoch, next) = (Epoch(moving.epoch), Epoch(moving.epoch + 1));
        let target = moving.target.clone();
        if let Some(known) = self.sessions.get_mut(session) {
            known.plan = Plan::Move(Move {
                life: Some(life),
                leg: Leg::Send,
                ..moving
            });
        }
        self.out.push(Output::Send {
            session: session.clone(),
            epoch,
            next,
            target,
        });
    }

    /// The copy is there, or not.
    pub(super) fn sent(
        &mut self,
        session: &SessionRef,
        epoch: Epoch,
        result: Result<(), TransferFailure>,
    ) {
        let Some(moving) = self.move_of(session) else {
            return;
        };
        if moving.leg != Leg::Send || moving.epoch != epoch.0 {
            return;
        }
        match result {
            Ok(()) => self.set_leg(session, Leg::Flip),
            Err(failure) => {
                self.fail_move(session);
                self.set_leg(session, Leg::Back);
                let why = match failure {
                    TransferFailure::Refused(why) => why,
                    TransferFailure::TimedOut => "it took too long".to_owned(),
                };
                self.note(format!(
                    "{session} was not handed over to {}: {why}",
                    moving.target
                ));
            }
        }
        self.queue.insert(session.clone());
    }

    /// The record shall name the target.
    fn flip(&mut self, session: &SessionRef, record: &OwnerRecord, moving: &Move) {
        let Some(receiver) = self.receiver(&moving.target) else {
            return;
        };
        let kept = match &record.kept {
            Kept::Log => Kept::Log,
            Kept::Node { .. } => Kept::Node {
                node: moving.target.clone(),
                store: receiver.store.clone(),
            },
        };
        let flipped = OwnerRecord {
            node: moving.target.clone(),
            incarnation: receiver.incarnation.clone(),
            epoch: Epoch(record.epoch.0 + 1),
            phase: OwnerPhase::Owned,
            kept,
            ..record.clone()
        };
        if let Some(known) = self.sessions.get_mut(session) {
            known.handing = Some(moving.epoch);
        }
        self.write_owner(session, Some(flipped));
    }

    fn give_up(&mut self, session: &SessionRef, record: &OwnerRecord) {
        if self.leg_of(session) != Some(Leg::Back) {
            self.fail_move(session);
            self.set_leg(session, Leg::Back);
        }
        self.take_back(session, record);
    }

    /// The record shall name this node again, one epoch above the copy that the target may have.
    fn take_back(&mut self, session: &SessionRef, record: &OwnerRecord) {
        if let Some(known) = self.sessions.get_mut(session) {
            known.floor = known.floor.max(record.epoch.0 + 1);
        }
        let Some(known) = self.sessions.get(session) else {
            return;
        };
        let from = Self::source(known, &record.kept);
        self.claim(session, record.kept.clone(), from);
    }

    /// The next try waits, longer with every failure.
    pub(super) fn fail_move(&mut self, session: &SessionRef) {
        let (now, emptying) = (self.now, self.is_emptying());
        if let Some(known) = self.sessions.get_mut(session) {
            let doublings = if emptying {
                DRAIN_DOUBLINGS_MAX
            } else {
                DOUBLINGS_MAX
            };
            known.move_not_before = now + BACKOFF_MIN * (1 << known.failures.min(doublings));
            known.failures = known.failures.saturating_add(1);
        }
    }

    /// Whether any node takes sessions.
    pub(super) fn somebody_takes(&self) -> bool {
        !self.members.as_slice().is_empty()
    }

    pub(super) fn is_emptying(&self) -> bool {
        self.draining || self.leaving.is_some()
    }

    /// Notes whether what runs here belongs elsewhere.
    pub(super) fn place(&mut self, session: &SessionRef) {
        let stays = self.is_emptying()
            || self
                .members
                .first(session)
                .is_none_or(|first| *first == self.config.me);
        if stays {
            self.misplaced.remove(session);
            if let Some(known) = self.sessions.get_mut(session) {
                known.passed_over = None;
            }
        } else {
            self.misplaced.insert(session.clone());
        }
        if !stays || self.is_emptying() {
            self.look_for_moves();
        }
    }

    /// Something changed that may let a session move.
    pub(super) fn look_for_moves(&mut self) {
        if self.is_emptying() || !self.misplaced.is_empty() {
            self.move_look = Some(self.move_look.map_or(self.now, |at| at.min(self.now)));
        }
    }

    /// Begins the hand-overs that are due.
    pub(super) fn pick_moves(&mut self) {
        if self.move_look.is_none_or(|at| at > self.now) {
            return;
        }
        self.move_look = None;
        if !self.is_current() || self.in_quarantine().is_some() {
            self.move_look = Some(self.now + LOOK_AGAIN);
            return;
        }
        let pace = if self.is_emptying() {
            if !self.somebody_takes() {
                return;
            }
            self.config.moves.drain_per_second_max
        } else {
            let calm = self.members_since + self.config.moves.settle;
            if calm > self.now {
                self.move_look = Some(calm);
                return;
            }
            self.config.moves.per_second_max
        };
        let pause = Duration::from_secs(1) / pace.max(1);
        let mut passed = false;
        for _ in 0..SCAN_MAX {
            if self.moving.len() >= self.config.moves.concurrent_max.max(1) {
                // The end of one looks again.
                return;
            }
            if self.move_after > self.now + BURST {
                self.move_look = Some(self.move_after.saturating_sub(BURST));
                return;
            }
            match self.next_candidate() {
                Candidate::None => break,
                Candidate::Passed => passed = true,
                Candidate::Begun => {
                    self.move_after = self.move_after.max(self.now) + pause;
                }
            }
        }
        let waiting = if self.is_emptying() {
            self.running.len() > self.moving.len()
        } else {
            !self.misplaced.is_empty()
        };
        if passed || waiting {
            self.move_look = Some(self.now + LOOK_AGAIN);
        }
    }

    fn next_candidate(&mut self) -> Candidate {
        let emptying = self.is_emptying();
        let set = if emptying {
            &self.running
        } else {
            &self.misplaced
        };
        let after = self
            .move_cursor
            .as_ref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let Some(session) = set
            .range::<SessionRef, _>((after, Bound::Unbounded))
            .next()
            .cloned()
        else {
            // Round again with the next look.
            self.move_cursor = None;
            return Candidate::None;
        };
        self.move_cursor = Some(session.clone());
        let target = self.members.first(&session).cloned();
        let Some(target) = target.filter(|target| *target != self.config.me) else {
            return Candidate::Passed;
        };
        if self.receiver(&target).is_none() || !self.may_move(&session, emptying) {
            return Candidate::Passed;
        }
        let reason = if emptying {
            Reason::Drain
        } else {
            Reason::Balance
        };
        self.begin_move(&session, target, reason);
        Candidate::Begun
    }

    /// Whether this is a moment for the session to move.
    fn may_move(&mut self, session: &SessionRef, emptying: bool) -> bool {
        let (now, limits) = (self.now, &self.config.moves);
        let Some(known) = self.sessions.get_mut(session) else {
            return false;
        };
        let rests = known.rests() && known.move_not_before <= now;
        if !rests || emptying {
            return rests;
        }
        let held = |at: Option<Position>| at.is_some_and(|at| at + limits.hold > now);
        if held(known.moved_in) {
            return false;
        }
        if !known.busy {
            return true;
        }
        *known.passed_over.get_or_insert(now) + limits.busy_patience <= now
    }
}

/// What the search for a session that can move found.
enum Candidate {
    Begun,
    Passed,
    /// The end of the list.
    None,
}
