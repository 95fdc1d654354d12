//! A cluster in one thread: nodes that are real machines, a store, delays, faults, and a clock that only this file moves.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use switchboard_ownership::{Input, OpId, Output, Record, RecordKey, Revision, Rules};
use switchboard_vocab::SessionRef;

use crate::faults::{Fault, Plan};
use crate::kv::Kv;
use crate::node::{Disk, Proc};
use crate::rng::Rng;

/// Virtual milliseconds.
pub(crate) type Ms = u64;
/// Every node's lease.
pub(crate) const LEASE: Ms = 1_000;
/// Events of one schedule; more are a machine that does not come to rest.
const EVENTS_MAX: u64 = 200_000;

/// A rule of the whole cluster that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// `I-1` and so on, see `main.rs`.
    pub(crate) id: &'static str,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) enum Job {
    Write {
        record: Option<Record>,
        expected: Revision,
    },
    Read,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) proc: usize,
    pub(crate) life: u64,
    pub(crate) link: u64,
    pub(crate) op: OpId,
    pub(crate) key: RecordKey,
    pub(crate) job: Job,
    pub(crate) deadline: Ms,
}

#[derive(Debug)]
pub(crate) enum Event {
    Wake(usize, u64),
    Arrive(Box<Request>),
    Deliver(usize, u64, Box<Input>),
    Watched {
        proc: usize,
        life: u64,
        bucket: usize,
        watch: u64,
        input: Box<Input>,
    },
    Rewatch(usize, u64, usize, u64),
    Reconnect(usize, u64, u64),
    Resume(usize, u64),
    Chore(usize, u64, crate::driver::Chore),
    Act(usize, u64, usize, u64),
    Fault(Fault),
}

struct Queued(Ms, u64, Event);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// A session as the world knows it.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) name: SessionRef,
    /// Which life of the name; none while the directory does not list it.
    pub(crate) uuid: Option<u32>,
    pub(crate) lives: u32,
    /// The newest committed write.
    pub(crate) committed: u64,
    /// What the replicated log has.
    pub(crate) log: u64,
    /// The epoch of the last run.
    pub(crate) last_run: u64,
    /// The disk that has the keys.
    pub(crate) home: Option<usize>,
    /// Data may be lost, because more went wrong at once than anything is promised for.
    pub(crate) excused: bool,
    /// A node may have come back with another disk than the one that has the keys.
    pub(crate) may_park: bool,
}

pub(crate) struct World {
    pub(crate) now: Ms,
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) rules: Rules,
    queue: BinaryHeap<Reverse<Queued>>,
    seq: u64,
    events: u64,
    pub(crate) kv: Kv,
    pub(crate) kv_up: bool,
    pub(crate) backups: Vec<Kv>,
    pub(crate) rollbacks: u64,
    pub(crate) rolled_back_at: Ms,
    pub(crate) procs: Vec<Proc>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) sessions: Vec<Truth>,
    pub(crate) runs: u64,
    /// Starts, stops and hand-overs so far.
    pub(crate) activity: u64,
    pub(crate) calm: bool,
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, rules: Rules, traced: bool) -> Self {
        let mut world = Self {
            now: 0,
            rng: Rng::new(seed ^ 0x5eed),
            plan,
            rules,
            queue: BinaryHeap::new(),
            seq: 0,
            events: 0,
            kv: Kv::default(),
            kv_up: true,
            backups: Vec::new(),
            rollbacks: 0,
            rolled_back_at: 0,
            procs: Vec::new(),
            disks: Vec::new(),
            sessions: Vec::new(),
            runs: 0,
            activity: 0,
            calm: false,
            violation: None,
            trace: traced.then(Vec::new),
        };
        for (at, fault) in world.plan.faults.clone() {
            world.at(at, Event::Fault(fault));
        }
        world.populate();
        world
    }

    pub(crate) fn at(&mut self, at: Ms, event: Event) {
        self.seq += 1;
        self.queue
            .push(Reverse(Queued(at.max(self.now), self.seq, event)));
    }

    pub(crate) fn after(&mut self, wait: Ms, event: Event) {
        self.at(self.now + wait, event);
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = line();
            trace.push(format!("{:>6} {line}", self.now));
        }
    }

    pub(crate) fn broken(&mut self, id: &'static str, text: String) {
        self.say(|| format!("*** {id}: {text}"));
        self.violation.get_or_insert(Violation { id, text });
    }

    /// Runs until `end` or the first violation.
    pub(crate) fn run(&mut self, end: Ms) {
        while self.violation.is_none() {
            match self.queue.peek() {
                Some(Reverse(next)) if next.0 <= end => {}
                Some(_) | None => break,
            }
            let Some(Reverse(Queued(at, _, event))) = self.queue.pop() else {
                break;
            };
            self.now = at;
            self.events += 1;
            if self.events > EVENTS_MAX {
                self.broken("I-6", "the cluster does not come to rest".to_owned());
                return;
            }
            self.happen(event);
        }
        self.now = self.now.max(end);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(proc, wake) => {
                if self.procs[proc].wake == wake {
                    self.tell(proc, Input::Tick);
                }
            }
            Event::Arrive(request) => self.arrive(*request),
            Event::Deliver(proc, life, input) => {
                if self.procs[proc].life == life {
                    self.tell(proc, *input);
                }
            }
            Event::Watched {
                proc,
                life,
                bucket,
                watch,
                input,
            } => {
                let there = &self.procs[proc];
                if there.life == life && there.watches[bucket].number == watch {
                    self.tell(proc, *input);
                }
            }
            Event::Rewatch(proc, life, bucket, watch) => self.rewatch(proc, life, bucket, watch),
            Event::Reconnect(proc, life, link) => self.reconnect(proc, life, link),
            Event::Resume(proc, life) => self.resume(proc, life),
            Event::Chore(proc, life, chore) => {
                if self.procs[proc].life == life {
                    self.chore_done(proc, chore);
                }
            }
            Event::Act(proc, life, session, run) => {
                if self.procs[proc].life == life {
                    self.act(proc, session, run);
                }
            }
            Event::Fault(fault) => self.fault(fault),
        }
    }

    /// How long something takes on the way.
    pub(crate) fn latency(&mut self) -> Ms {
        let slow = self.plan.slow_per_mille;
        if !self.calm && self.rng.chance(slow) {
            self.rng.between(20, 700)
        } else {
            self.rng.between(1, 8)
        }
    }

    pub(crate) fn position(&self, proc: usize) -> Duration {
        Duration::from_millis(self.now + self.procs[proc].offset)
    }

    /// Carries out what a machine wants, in order.
    pub(crate) fn carry_all(&mut self, proc: usize, outputs: Vec<Output>) {
        for output in outputs {
            if self.violation.is_some() || self.procs[proc].machine.is_none() {
                return;
            }
            self.carry(proc, output);
        }
    }
}
