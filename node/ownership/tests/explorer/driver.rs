//! What a node does with a session: loads its data, lets it write, stops it, sends it. Judges every start and every write.

use switchboard_ownership::{
    Age, Command, DataFrom, Input, Output, Record, RecordKey, TransferFailure,
};
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use crate::node::{Actor, Gate, Rows};
use crate::world::{Event, LEASE, Ms, World};

/// Writes of one run; more would show nothing new.
const ACTS_MAX: u32 = 6;

/// Something that a node does with a session, done.
#[derive(Debug)]
pub(crate) enum Chore {
    Load {
        session: usize,
        run: u64,
        from: DataFrom,
    },
    Stop {
        session: usize,
        epoch: Epoch,
    },
    Send {
        session: usize,
        epoch: Epoch,
        next: Epoch,
        target: NodeId,
    },
    Forget {
        session: usize,
        epoch: Epoch,
    },
    Discard {
        session: usize,
        epoch: Epoch,
    },
    Exists {
        session: usize,
        uuid: u32,
        age: Age,
    },
    Erase {
        session: usize,
    },
}

impl World {
    pub(crate) fn index_of(&self, session: &SessionRef) -> usize {
        self.sessions
            .iter()
            .position(|truth| truth.name == *session)
            .unwrap()
    }

    /// Chores of one session are done one after the other.
    pub(crate) fn add_chore(&mut self, proc: usize, session: usize, takes: Ms, chore: Chore) {
        let now = self.now;
        let there = &mut self.procs[proc];
        let life = there.life;
        let at = there.chores.entry(session).or_insert(now);
        *at = (*at).max(now) + takes;
        let at = *at;
        self.at(at, Event::Chore(proc, life, chore));
    }

    fn takes(&mut self) -> Ms {
        if !self.calm && self.rng.chance(50) {
            self.rng.between(50, LEASE)
        } else {
            self.rng.between(1, 25)
        }
    }

    pub(crate) fn carry_session(&mut self, proc: usize, output: Output) {
        let shows = matches!(
            output,
            Output::Run { .. } | Output::Stop { .. } | Output::Send { .. }
        );
        self.activity += u64::from(shows);
        let takes = self.takes();
        match output {
            Output::Run {
                session,
                epoch,
                from,
            } => self.begin_run(proc, &session, epoch, from, takes),
            Output::Stop {
                session,
                epoch,
                abort,
            } => {
                let session = self.index_of(&session);
                let hurries = self.rng.chance(500);
                if let Some(actor) = self.procs[proc].actors.get_mut(&session) {
                    actor.cut |= abort;
                    actor.stopping |= hurries;
                }
                self.add_chore(proc, session, takes, Chore::Stop { session, epoch });
            }
            Output::Send {
                session,
                epoch,
                next,
                target,
            } => {
                let session = self.index_of(&session);
                let chore = Chore::Send {
                    session,
                    epoch,
                    next,
                    target,
                };
                self.add_chore(proc, session, takes, chore);
            }
            Output::Forget { session, epoch } => {
                let session = self.index_of(&session);
                self.add_chore(proc, session, takes, Chore::Forget { session, epoch });
            }
            Output::DiscardStaged(session, epoch) => {
                let session = self.index_of(&session);
                self.add_chore(proc, session, takes, Chore::Discard { session, epoch });
            }
            other => panic!("{other:?} is not about a session"),
        }
    }

    fn begin_run(
        &mut self,
        proc: usize,
        session: &SessionRef,
        epoch: Epoch,
        from: DataFrom,
        takes: Ms,
    ) {
        let session = self.index_of(session);
        self.check_start(proc, session, epoch, from);
        let Some(gate) = &self.procs[proc].gate else {
            return self.broken("I-1", format!("{proc} runs {session} without a gate"));
        };
        let incarnation = gate.incarnation.clone();
        if !self.is_open(proc, &incarnation) {
            // The gate was closed a moment before the machine knows.
            return;
        }
        self.runs += 1;
        let run = self.runs;
        let actor = Actor {
            epoch: epoch.0,
            run,
            incarnation,
            loaded: false,
            stopping: false,
            cut: false,
            version: 0,
            uuid: self.sessions[session].uuid,
            acts: 0,
        };
        self.procs[proc].actors.insert(session, actor);
        self.procs[proc].bare.insert(session);
        self.add_chore(proc, session, takes, Chore::Load { session, run, from });
    }

    fn check_start(&mut self, proc: usize, session: usize, epoch: Epoch, from: DataFrom) {
        for other in 0..self.procs.len() {
            let Some(actor) = self.procs[other].actors.get(&session) else {
                continue;
            };
            if !actor.cut && self.is_open(other, &actor.incarnation) {
                let text = format!(
                    "{proc} starts {session} at {epoch} while {other} runs it at {}",
                    actor.epoch
                );
                self.broken("I-1", text);
            }
        }
        let disk = self.procs[proc].disk;
        let key = RecordKey::Owner(self.sessions[session].name.clone());
        let truth = &mut self.sessions[session];
        // Of an earlier session of that name, whose end has not been heard of there.
        let now_named = truth.uuid.map(|uuid| format!("u{uuid}"));
        if let Some((Record::Owner(record), _)) = self.kv.get(&key)
            && now_named.is_none_or(|uuid| uuid != record.uuid)
        {
            return;
        }
        let last = truth.last_run;
        truth.last_run = last.max(epoch.0);
        let is_elsewhere = truth.home.is_some_and(|home| home != disk);
        let takes_what_is_there = matches!(from, DataFrom::Here | DataFrom::Fresh | DataFrom::Log);
        let stolen = !self.plan.replicated && takes_what_is_there && is_elsewhere && !truth.excused;
        let home = truth.home.replace(disk);
        if epoch.0 <= last {
            let text = format!("{proc} starts {session} at {epoch} after a run at {last}");
            self.broken("I-2", text);
        }
        if stolen {
            let text = format!("{proc} runs {session} {from:?}, whose keys are on disk {home:?}");
            self.broken("I-5", text);
        }
    }

    pub(crate) fn chore_done(&mut self, proc: usize, chore: Chore) {
        if self.procs[proc].paused {
            return self.procs[proc].deferred.push_back(chore);
        }
        let disk = self.procs[proc].disk;
        match chore {
            Chore::Load { session, run, from } => self.load(proc, session, run, from),
            Chore::Stop { session, epoch } => {
                let actors = &mut self.procs[proc].actors;
                if actors
                    .get(&session)
                    .is_some_and(|actor| actor.epoch == epoch.0)
                {
                    actors.remove(&session);
                }
                let name = self.sessions[session].name.clone();
                self.tell(proc, Input::Stopped(name, epoch));
            }
            Chore::Send {
                session,
                epoch,
                next,
                target,
            } => self.send(proc, session, epoch, next, &target),
            Chore::Forget { session, epoch } => {
                let disk = &mut self.disks[disk];
                disk.live.remove(&session);
                let mark = disk.marks.entry(session).or_default();
                *mark = (*mark).max(epoch.0);
            }
            Chore::Discard { session, epoch } => {
                let staged = &mut self.disks[disk].staged;
                if staged
                    .get(&session)
                    .is_some_and(|rows| rows.epoch <= epoch.0)
                {
                    staged.remove(&session);
                }
            }
            Chore::Erase { session } => {
                self.procs[proc].actors.remove(&session);
                let disk = &mut self.disks[disk];
                disk.live.remove(&session);
                disk.staged.remove(&session);
                disk.marks.remove(&session);
                let name = self.sessions[session].name.clone();
                self.tell(proc, Input::SessionGone(name));
            }
            Chore::Exists { session, uuid, age } => {
                let name = self.sessions[session].name.clone();
                self.tell(proc, Input::Session(name, format!("u{uuid}"), age));
            }
        }
    }

    fn load(&mut self, proc: usize, session: usize, run: u64, from: DataFrom) {
        let (disk, replicated) = (self.procs[proc].disk, self.plan.replicated);
        let Some(actor) = self.procs[proc].actors.get(&session) else {
            return;
        };
        if actor.run != run || !self.is_open(proc, &actor.incarnation) {
            return;
        }
        let epoch = actor.epoch;
        if from == DataFrom::Log && !(self.procs[proc].connected && self.kv_up) {
            // What comes after it makes it pointless, and what was not loaded is not sent.
            let life = self.procs[proc].life;
            return self.after(
                40,
                Event::Chore(proc, life, Chore::Load { session, run, from }),
            );
        }
        if actor.stopping {
            return;
        }
        let now_named = self.sessions[session].uuid;
        let Some(uuid) = now_named.filter(|_| now_named == actor.uuid) else {
            return;
        };
        let Some(version) = self.provide(proc, session, from) else {
            let command = Command::Park {
                session: self.sessions[session].name.clone(),
                epoch: Epoch(epoch),
                reason: "the copy is gone".to_owned(),
            };
            let life = self.procs[proc].life;
            let input = Box::new(Input::Command(command));
            return self.after(0, Event::Deliver(proc, life, input));
        };
        let rows = &mut self.disks[disk];
        if from == DataFrom::Log {
            let written = Rows {
                epoch,
                version,
                uuid,
            };
            rows.live.insert(session, written);
        }
        let truth = &self.sessions[session];
        let newest = if replicated {
            truth.log
        } else {
            truth.committed
        };
        if version != newest && !truth.excused {
            let text =
                format!("{proc} runs {session} at {epoch} {from:?} with {version} of {newest}");
            return self.broken("I-4", text);
        }
        let life = self.procs[proc].life;
        if let Some(actor) = self.procs[proc].actors.get_mut(&session) {
            actor.loaded = true;
            actor.version = version;
        }
        self.procs[proc].bare.remove(&session);
        let name = self.sessions[session].name.clone();
        self.tell(proc, Input::Running(name, Epoch(epoch)));
        let wait = self.rng.between(5, 120);
        self.after(wait, Event::Act(proc, life, session, run));
    }

    /// Makes a session's data live and says which version it is; none when there is nothing to make live.
    fn provide(&mut self, proc: usize, session: usize, from: DataFrom) -> Option<u64> {
        let rows = &mut self.disks[self.procs[proc].disk];
        Some(match from {
            DataFrom::Here | DataFrom::Fresh => {
                rows.live.get(&session).map_or(0, |rows| rows.version)
            }
            DataFrom::Staged(_) => {
                if let Some(staged) = rows.staged.remove(&session) {
                    rows.live.insert(session, staged);
                }
                rows.live.get(&session)?.version
            }
            DataFrom::Log => self.sessions[session].log,
            DataFrom::LossyLog | DataFrom::LossyFolder | DataFrom::Nothing => {
                rows.live.remove(&session);
                self.sessions[session].committed = 0;
                self.sessions[session].log = 0;
                0
            }
        })
    }

    /// The session writes, if its gate lets it.
    pub(crate) fn act(&mut self, proc: usize, session: usize, run: u64) {
        let Some(actor) = self.procs[proc].actors.get(&session) else {
            return;
        };
        if actor.run != run || actor.cut || !actor.loaded || actor.acts >= ACTS_MAX {
            return;
        }
        let (epoch, version, actor_uuid) = (actor.epoch, actor.version, actor.uuid);
        let may = !self.procs[proc].paused && self.is_open(proc, &actor.incarnation);
        let life = self.procs[proc].life;
        let wait = self.rng.between(20, 300);
        self.after(wait, Event::Act(proc, life, session, run));
        if !may {
            return;
        }
        let is_old = actor_uuid.is_none() || actor_uuid != self.sessions[session].uuid;
        let truth = &mut self.sessions[session];
        let Some(uuid) = truth.uuid.filter(|_| !is_old) else {
            return;
        };
        let replicated = self.plan.replicated;
        if replicated {
            // The log takes what follows what it has, and nothing else.
            let reaches = self.procs[proc].connected && self.kv_up;
            if !reaches || truth.log != version {
                return;
            }
            truth.log += 1;
        } else if truth.committed != version && !truth.excused {
            let text = format!(
                "{proc} writes {session} after {version} of {}",
                truth.committed
            );
            return self.broken("I-4", text);
        }
        truth.committed = version + 1;
        let disk = self.procs[proc].disk;
        let written = Rows {
            epoch,
            version: version + 1,
            uuid,
        };
        self.disks[disk].live.insert(session, written);
        if let Some(actor) = self.procs[proc].actors.get_mut(&session) {
            actor.version += 1;
            actor.acts += 1;
        }
    }

    fn send(&mut self, proc: usize, session: usize, epoch: Epoch, next: Epoch, target: &NodeId) {
        let failure = |rng: &mut crate::rng::Rng| {
            if rng.chance(500) {
                TransferFailure::TimedOut
            } else {
                TransferFailure::Refused("no".to_owned())
            }
        };
        let name = self.sessions[session].name.clone();
        let receiver = (0..self.procs.len()).find(|other| {
            // A node takes nothing while it has no lease: another one may have its name.
            let there = &self.procs[*other];
            let open = |gate: &Gate| self.is_open(*other, &gate.incarnation);
            there.name == *target
                && !there.paused
                && there.connected
                && there.gate.as_ref().is_some_and(open)
        });
        let fails = !self.calm && self.rng.chance(self.plan.lost_per_mille * 2);
        let source = &self.procs[proc];
        let mut result = Err(failure(&mut self.rng.clone()));
        if let Some(receiver) = receiver
            && source.connected
            && !source.bare.contains(&session)
            && let Some(uuid) = self.sessions[session].uuid
        {
            let mine = self.disks[source.disk].live.get(&session).copied();
            let version = mine.map_or(0, |rows| rows.version);
            let disk = &mut self.disks[self.procs[receiver].disk];
            let known = disk.staged.get(&session).map_or(0, |rows| rows.epoch);
            let known = known.max(disk.marks.get(&session).copied().unwrap_or(0));
            let known = known.max(disk.live.get(&session).map_or(0, |rows| rows.epoch));
            // Sometimes the copy is complete and only the answer is lost.
            if known < next.0 && (!fails || self.rng.chance(500)) {
                let rows = Rows {
                    epoch: next.0,
                    version,
                    uuid,
                };
                disk.staged.insert(session, rows);
                let life = self.procs[receiver].life;
                let input = Box::new(Input::Staged(name.clone(), next));
                self.after(1, Event::Deliver(receiver, life, input));
                if !fails {
                    result = Ok(());
                }
            }
        }
        let life = self.procs[proc].life;
        let wait = self.latency() + 1;
        let input = Box::new(Input::Sent(name, epoch, result));
        self.after(wait, Event::Deliver(proc, life, input));
    }
}
