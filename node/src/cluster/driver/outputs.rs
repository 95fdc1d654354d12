//! What the machine wants, done.

use std::sync::Arc;

use switchboard_ownership::{
    Input, Output, Position, Record, RecordKey, TransferFailure, Verdict, Written,
};
use switchboard_vocab::cluster::Incarnation;
use switchboard_vocab::{Epoch, SessionRef};
use uuid::Uuid;

use super::super::chores::Chore;
use super::super::gate::Gate;
use super::super::numbers::Numbers;
use super::super::records;
use super::bus::{Attempt, Sent};
use super::{Driver, Finished, Outcome};

impl Driver {
    pub(super) fn carry_all(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            self.carry(output);
        }
    }

    fn carry(&mut self, output: Output) {
        match output {
            Output::Write {
                op,
                key,
                record,
                expected,
            } => {
                let attempt = Attempt {
                    op,
                    takes: self.takes_over(&key, record.as_ref()),
                    floor: self.parts.memory.highest(records::bucket(&key)),
                    key,
                    record,
                    expected,
                };
                self.write(attempt);
            }
            Output::Read { op, key } => {
                let reading = self.parts.writer.clone().read(op, key);
                self.work
                    .spawn(async move { Finished::Input(reading.await) });
            }
            Output::OpenUntil(incarnation, until) => self.open(incarnation, until),
            Output::Fence(incarnation) => self.fence(&incarnation),
            Output::NeedIncarnation => self.renew(),
            Output::Run { .. }
            | Output::Stop { .. }
            | Output::Send { .. }
            | Output::Forget { .. }
            | Output::DiscardStaged(..) => self.carry_session(output),
            Output::Refuse(reason) => self.fail(reason),
            Output::Left => {
                self.parts.outcome.send_if_modified(|outcome| {
                    let first = *outcome == Outcome::Running;
                    if first {
                        *outcome = Outcome::Left;
                    }
                    first
                });
            }
            Output::Note(text) => tracing::info!(text, "cluster"),
        }
    }

    fn carry_session(&mut self, output: Output) {
        match output {
            Output::Run {
                session,
                epoch,
                from,
            } => {
                // Without a gate there is no lease to run under; the fence that follows voids this.
                let Some(gate) = self.parts.standing.gate() else {
                    tracing::error!(%session, "a session was to run without a lease");
                    return;
                };
                self.add(&session, Chore::Provide { epoch, from, gate });
            }
            Output::Stop {
                session,
                epoch,
                abort,
            } => {
                self.stop(&session, epoch, abort);
            }
            Output::Send {
                session,
                epoch,
                next,
                target,
            } => {
                if !self.loaded.contains(&session) {
                    tracing::error!(%session, "a session was to be sent whose data was never loaded here");
                    let why = "its data was never loaded here".to_owned();
                    let refused = Err(TransferFailure::Refused(why));
                    self.inputs.push_back(Input::Sent(session, epoch, refused));
                    return;
                }
                let to = target.clone();
                let send = Chore::Send {
                    epoch,
                    next,
                    target,
                };
                self.add(&session, send);
                if let Some(slot) = self.slots.get_mut(&session) {
                    slot.sent_to = Some(to);
                }
            }
            Output::Forget { session, epoch } => {
                self.loaded.remove(&session);
                self.numbers.handed_over(&session);
                let to = self.slots.get_mut(&session);
                let to = to.and_then(|slot| slot.sent_to.take());
                self.add(&session, Chore::Forget { epoch, to });
            }
            Output::DiscardStaged(session, epoch) => self.add(&session, Chore::Discard(epoch)),
            Output::Write { .. }
            | Output::Read { .. }
            | Output::OpenUntil(..)
            | Output::Fence(_)
            | Output::NeedIncarnation
            | Output::Refuse(_)
            | Output::Left
            | Output::Note(_) => {}
        }
    }

    fn stop(&mut self, session: &SessionRef, epoch: Epoch, abort: bool) {
        if abort {
            // At once, whatever else is being done with it.
            self.parts.hands.cut(session);
        }
        self.add(session, Chore::Stop { epoch, abort });
    }

    /// Whether a write takes a session over from another node.
    fn takes_over(&self, key: &RecordKey, record: Option<&Record>) -> bool {
        let (RecordKey::Owner(session), Some(Record::Owner(record))) = (key, record) else {
            return false;
        };
        if record.node != self.parts.me {
            return false;
        }
        let verdict = self.parts.standing.look(|machine| machine.verdict(session));
        matches!(verdict, Verdict::NotOwned { hint: Some(owner), .. } if owner != self.parts.me)
    }

    fn write(&mut self, attempt: Attempt) {
        let writer = self.parts.writer.clone();
        let Some((session, target)) = attempt.begins_move() else {
            self.work
                .spawn(async move { Finished::Written(writer.write(attempt).await) });
            return;
        };
        self.numbers.moving(&session);
        let (hands, gate) = (self.parts.hands.clone(), self.parts.standing.gate());
        self.work.spawn(async move {
            // The record says that calls must wait, so it is written when the copying is over.
            let is_taken = hands.prepare(&session, &target).await;
            if !is_taken {
                hands.pause().await;
            }
            let still = gate.is_some_and(|gate| gate.holds());
            Finished::Written(if is_taken && still {
                writer.write(attempt).await
            } else {
                attempt.not_tried()
            })
        });
    }

    pub(super) fn written(&mut self, sent: Sent) {
        let Sent {
            op,
            key,
            floor,
            takes,
            result,
            took,
        } = sent;
        if let Written::Yes(revision) = result {
            let bucket = records::bucket(&key);
            if self.parts.writer.is_own(&key) {
                Numbers::heartbeat(took);
            }
            if takes {
                Numbers::taken_over();
            }
            if revision <= floor {
                // Numbers of changes only rise; unless somebody put older records back (design rule R-17).
                tracing::error!(?bucket, revision, floor, "the cluster's records went back");
                self.rolled_back(bucket);
            }
            self.parts.memory.saw(bucket, revision);
        } else if let RecordKey::Owner(session) = &key {
            self.numbers.not_begun(session);
        }
        self.inputs.push_back(Input::Written(op, result));
    }

    fn open(&mut self, incarnation: Incarnation, until: Position) {
        if let Some(gate) = self.parts.standing.gate()
            && *gate.incarnation() == incarnation
        {
            if !gate.extend(until) {
                // The clock was faster than the news: this life is over, whatever the bus says of it.
                self.inputs.push_back(Input::GateClosed(incarnation));
            }
            return;
        }
        let (clock, rules) = (self.parts.clock, &self.parts.rules);
        let gate = Arc::new(Gate::new(incarnation, clock, rules, until));
        self.parts.watchdog.watch(Arc::clone(&gate));
        self.parts.standing.set_gate(gate);
    }

    fn fence(&mut self, incarnation: &Incarnation) {
        if let Some(gate) = self.parts.standing.gate()
            && gate.incarnation() == incarnation
        {
            gate.close();
        }
        // Every life that began under it ends, whether or not the machine asks for each by name.
        let ended: Vec<(SessionRef, Epoch)> = self
            .slots
            .iter()
            .filter_map(|(session, slot)| Some((session.clone(), slot.life.as_ref()?)))
            .filter(|(_, (_, gate))| gate.incarnation() == incarnation)
            .map(|(session, (epoch, _))| (session, *epoch))
            .collect();
        for (session, epoch) in ended {
            self.stop(&session, epoch, true);
        }
        self.numbers.fenced();
        if let Some(witness) = &self.parts.witness {
            witness.fence(incarnation);
        }
        tracing::error!(%incarnation, "this node lost its lease: its sessions are dropped and it joins again");
    }

    fn renew(&mut self) {
        let incarnation = Incarnation(Uuid::new_v4().to_string());
        tracing::info!(%incarnation, "this node joins");
        let now = self.parts.clock.now();
        let outputs = self
            .parts
            .standing
            .change(|machine| machine.renew(now, incarnation));
        self.carry_all(outputs);
    }
}
