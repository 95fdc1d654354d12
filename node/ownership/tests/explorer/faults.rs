//! What goes wrong, and when: a seed decides all of it.

use switchboard_ownership::{Age, Command, DataFrom, Input, Record, RecordKey};
use switchboard_vocab::cluster::OwnerPhase;

use crate::driver::Chore;
use crate::node::{Disk, Proc};
use crate::rng::Rng;
use crate::world::{Event, LEASE, Ms, Truth, World};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Start(usize),
    Kill {
        proc: usize,
        down: Ms,
        reboots: bool,
        loses_disk: bool,
        released: bool,
    },
    Pause(usize, Ms),
    Cut(usize, Ms),
    Outage(Ms),
    Backup,
    RollBack,
    Lag(usize, usize, Ms),
    BreakWatch(usize, usize),
    Duplicate(usize),
    Create(usize),
    Delete(usize),
    Drain(usize, bool),
    Weigh(usize, u32),
    Move(usize, usize),
    Leave(usize, Ms),
    Busy(usize, bool),
    Restore(usize),
}

/// A schedule: how big, how bad, how long.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) sessions: usize,
    pub(crate) replicated: bool,
    /// Requests and answers lost.
    pub(crate) lost_per_mille: u64,
    pub(crate) slow_per_mille: u64,
    /// Only what no session may notice goes wrong.
    pub(crate) mild: bool,
    /// Records go back while all nodes are there, so that nothing may be lost.
    pub(crate) only_rolls_back: bool,
    pub(crate) faults: Vec<(Ms, Fault)>,
    /// When the faults end.
    pub(crate) calm_at: Ms,
}

/// When the first faults come: the cluster stands by then.
const BEGIN: Ms = LEASE * 2;

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let nodes = 3 + rng.index(3);
        let mild = rng.chance(60);
        let noisy = !mild && rng.chance(400);
        let mut plan = Self {
            nodes,
            sessions: 2 + rng.index(4),
            replicated: rng.chance(500),
            lost_per_mille: if noisy { rng.between(5, 120) } else { 0 },
            slow_per_mille: if noisy { rng.between(5, 120) } else { 0 },
            mild,
            only_rolls_back: false,
            faults: Vec::new(),
            calm_at: BEGIN + LEASE * rng.between(2, 5),
        };
        // A node without any memory that joins just after the records went back cannot know of it: nothing is promised.
        let goes_back = !mild && rng.chance(250);
        for proc in 0..nodes {
            let late = !goes_back && rng.chance(150);
            let at = if late {
                rng.between(BEGIN, plan.calm_at)
            } else {
                rng.between(0, 50)
            };
            plan.faults.push((at, Fault::Start(proc)));
        }
        if mild {
            plan.add_mild(rng);
            return plan;
        }
        for _ in 0..rng.between(1, 6) {
            plan.add_fault(rng, goes_back);
        }
        if goes_back {
            plan.add_roll_back(rng);
        }
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }

    /// Outages and pauses that end before anybody's lease does.
    fn add_mild(&mut self, rng: &mut Rng) {
        let mut at = BEGIN + LEASE;
        for _ in 0..rng.between(1, 3) {
            let proc = rng.index(self.nodes);
            let short = rng.between(20, LEASE * 3 / 10);
            let fault = match rng.below(3) {
                0 => Fault::Outage(short),
                1 => Fault::Pause(proc, short),
                _ => Fault::Cut(proc, short),
            };
            self.faults.push((at, fault));
            at += LEASE + rng.below(LEASE);
        }
        self.calm_at = at + LEASE;
    }

    fn add_fault(&mut self, rng: &mut Rng, goes_back: bool) {
        let at = rng.between(BEGIN / 4, self.calm_at);
        let proc = rng.index(self.nodes);
        let session = rng.index(self.sessions);
        let long = rng.between(LEASE / 10, LEASE * 3);
        let fault = match rng.below(22) {
            0..=2 => Fault::Kill {
                proc,
                down: rng.between(1, LEASE * 2),
                reboots: rng.chance(300),
                loses_disk: !goes_back && rng.chance(150),
                released: rng.chance(300),
            },
            3..=5 => Fault::Pause(proc, long),
            6 | 7 => Fault::Cut(proc, long),
            8 => Fault::Outage(rng.between(LEASE / 10, LEASE * 2)),
            9 => Fault::Lag(proc, rng.index(2), rng.between(LEASE / 10, LEASE * 2)),
            10 => Fault::BreakWatch(proc, rng.index(2)),
            11 if goes_back => Fault::BreakWatch(proc, 1),
            11 => Fault::Duplicate(proc),
            12 => Fault::Create(session),
            13 => Fault::Delete(session),
            14 | 15 => {
                let until = at + rng.between(LEASE / 10, LEASE * 2);
                self.faults.push((until, Fault::Drain(proc, false)));
                Fault::Drain(proc, true)
            }
            16 => Fault::Weigh(proc, u32::try_from(rng.below(4)).unwrap()),
            17..=19 => Fault::Move(session, proc),
            20 => Fault::Leave(proc, rng.between(LEASE / 10, LEASE * 2)),
            _ => {
                let until = at + rng.between(LEASE / 10, LEASE * 2);
                self.faults.push((until, Fault::Restore(session)));
                Fault::Busy(session, rng.chance(500))
            }
        };
        self.faults.push((at, fault));
    }

    fn add_roll_back(&mut self, rng: &mut Rng) {
        self.only_rolls_back = rng.chance(500);
        if self.only_rolls_back {
            self.lost_per_mille = 0;
            self.slow_per_mille = 0;
            self.faults.retain(|(_, fault)| {
                matches!(
                    fault,
                    Fault::Start(_)
                        | Fault::Create(_)
                        | Fault::Delete(_)
                        | Fault::Drain(..)
                        | Fault::Weigh(..)
                        | Fault::Move(..)
                        | Fault::Busy(..)
                )
            });
        }
        let backup = rng.between(BEGIN / 2, self.calm_at - LEASE / 2);
        let back = backup + rng.between(1, LEASE * 2);
        self.faults.push((backup, Fault::Backup));
        self.faults.push((back, Fault::RollBack));
        self.calm_at = self.calm_at.max(back + LEASE);
    }
}

impl World {
    /// Nodes, disks and sessions before anything happens.
    pub(crate) fn populate(&mut self) {
        for at in 0..self.plan.nodes {
            self.disks.push(Disk::default());
            let name = format!("n{at}").parse().unwrap();
            let offset = self.rng.below(1_000_000);
            self.procs.push(Proc::new(name, at, offset));
        }
        for at in 0..self.plan.sessions {
            let exists = self.rng.chance(800);
            self.sessions.push(Truth {
                name: format!("t/s{at}").parse().unwrap(),
                uuid: exists.then_some(1),
                lives: 1,
                committed: 0,
                log: 0,
                last_run: 0,
                home: None,
                excused: false,
                may_park: false,
            });
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        if self.calm {
            return;
        }
        self.say(|| format!("!!! {fault:?}"));
        match fault {
            Fault::Start(proc) => self.start(proc),
            Fault::Kill { .. } => self.kill_for(fault),
            Fault::Pause(proc, for_ms) => self.pause(proc, for_ms),
            Fault::Cut(proc, for_ms) => self.cut(proc, for_ms),
            Fault::Outage(for_ms) => self.outage(for_ms),
            Fault::Backup => self.backups.push(self.kv.clone()),
            Fault::RollBack => self.roll_back(),
            Fault::Lag(proc, bucket, lag) => self.procs[proc].watches[bucket].lag = lag,
            Fault::BreakWatch(proc, bucket) => self.break_watch(proc, bucket),
            Fault::Duplicate(proc) => self.duplicate(proc),
            Fault::Create(session) => self.create(session),
            Fault::Delete(session) => self.delete(session),
            Fault::Drain(proc, on) => self.tell(proc, Input::Command(Command::Drain(on))),
            Fault::Weigh(proc, weight) => {
                self.procs[proc].weight = weight;
                self.tell(proc, Input::Command(Command::Weigh(weight)));
            }
            Fault::Move(session, target) => self.order_move(session, target),
            Fault::Leave(proc, within) => {
                let within = std::time::Duration::from_millis(within);
                self.tell(proc, Input::Command(Command::Leave { within }));
            }
            Fault::Busy(session, busy) => {
                let name = self.sessions[session].name.clone();
                for proc in 0..self.procs.len() {
                    self.tell(proc, Input::Busy(name.clone(), busy));
                }
            }
            Fault::Restore(session) => self.restore(session),
        }
    }

    fn kill_for(&mut self, fault: Fault) {
        let Fault::Kill {
            proc,
            down,
            reboots,
            loses_disk,
            released,
        } = fault
        else {
            return;
        };
        if self.procs[proc].machine.is_none() {
            return;
        }
        self.kill(proc);
        if released {
            self.release(proc);
        }
        let mut down = down;
        if loses_disk {
            self.lose_disk(proc);
        }
        if reboots {
            self.procs[proc].boot += 1;
            down += 20;
        }
        self.after(down, Event::Fault(Fault::Start(proc)));
    }

    fn lose_disk(&mut self, proc: usize) {
        let old = self.procs[proc].disk;
        for truth in &mut self.sessions {
            if truth.home == Some(old) {
                truth.excused = true;
            }
            truth.may_park = true;
        }
        self.disks.push(Disk {
            rollbacks: self.rollbacks,
            ..Disk::default()
        });
        self.procs[proc].disk = self.disks.len() - 1;
    }

    fn outage(&mut self, for_ms: Ms) {
        if for_ms == 0 {
            self.kv_up = true;
            return;
        }
        self.kv_up = false;
        for proc in 0..self.procs.len() {
            if self.rng.chance(500) {
                self.cut(proc, for_ms + 5);
            }
        }
        // Up again by itself: a fault of its own that also counts when all is calm.
        self.after(for_ms, Event::Fault(Fault::Outage(0)));
    }

    /// The store is what it was at the last backup. Nobody's connection outlives that.
    fn roll_back(&mut self) {
        let Some(backup) = self.backups.pop() else {
            return;
        };
        self.kv = backup;
        self.rollbacks += 1;
        self.rolled_back_at = self.now;
        if !self.plan.replicated && !self.plan.only_rolls_back {
            // With the records of both, and whoever has the newest data away, nothing is promised for local keys.
            for truth in &mut self.sessions {
                truth.excused = true;
            }
        }
        for proc in 0..self.procs.len() {
            self.procs[proc].link += 1;
            if self.procs[proc].machine.is_none() {
                continue;
            }
            self.procs[proc].connected = false;
            let (life, link) = (self.procs[proc].life, self.procs[proc].link);
            let wait = self.rng.between(1, LEASE / 3);
            self.after(wait, Event::Reconnect(proc, life, link));
        }
    }

    /// Another process with the same name on another machine.
    fn duplicate(&mut self, proc: usize) {
        self.disks.push(Disk {
            rollbacks: self.rollbacks,
            ..Disk::default()
        });
        let name = self.procs[proc].name.clone();
        let offset = self.rng.below(1_000_000);
        let mut twin = Proc::new(name, self.disks.len() - 1, offset);
        twin.duplicate = true;
        for truth in &mut self.sessions {
            truth.may_park = true;
        }
        self.procs.push(twin);
        self.start(self.procs.len() - 1);
    }

    fn create(&mut self, session: usize) {
        let truth = &mut self.sessions[session];
        if truth.uuid.is_some() {
            return;
        }
        truth.lives += 1;
        truth.uuid = Some(truth.lives);
        truth.committed = 0;
        truth.log = 0;
        truth.last_run = 0;
        truth.home = None;
        for proc in 0..self.procs.len() {
            self.list_session(proc, session, Age::New);
        }
    }

    fn delete(&mut self, session: usize) {
        let truth = &mut self.sessions[session];
        if truth.uuid.take().is_none() {
            return;
        }
        for proc in 0..self.procs.len() {
            if self.procs[proc].machine.is_none() {
                continue;
            }
            let takes = self.rng.between(1, 60);
            self.add_chore(proc, session, takes, Chore::Erase { session });
        }
    }

    fn order_move(&mut self, session: usize, target: usize) {
        let (name, target) = (
            self.sessions[session].name.clone(),
            self.procs[target].name.clone(),
        );
        for proc in 0..self.procs.len() {
            let command = Command::Move {
                session: name.clone(),
                target: target.clone(),
            };
            self.tell(proc, Input::Command(command));
        }
    }

    /// An operator gives up the data of a parked session.
    pub(crate) fn restore(&mut self, session: usize) {
        let name = self.sessions[session].name.clone();
        let key = RecordKey::Owner(name.clone());
        let is_parked = matches!(
            self.kv.get(&key),
            Some((Record::Owner(record), _)) if matches!(record.phase, OwnerPhase::Parked { .. })
        );
        let asked = (0..self.procs.len()).find(|proc| self.procs[*proc].machine.is_some());
        let truth = &self.sessions[session];
        if is_parked && !truth.may_park && !truth.excused {
            return self.broken("I-10", format!("{session} is parked for nothing"));
        }
        if let (true, Some(proc)) = (is_parked, asked) {
            let command = Command::Restore {
                session: name,
                from: DataFrom::Nothing,
            };
            self.tell(proc, Input::Command(command));
        }
    }
}
