//! One node: a machine, its gate, its disk, and what it is told.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use switchboard_ownership::{
    Age, Config, Held, Input, Machine, MoveLimits, Output, Position, Record, RecordKey, Rule,
};
use switchboard_vocab::cluster::{Incarnation, NodeRecord, NodeState, StoreId};
use switchboard_vocab::{Epoch, NodeId};

use crate::bus::Watch;
use crate::world::{Event, Job, LEASE, Ms, World};

/// A session's rows on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) uuid: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) live: BTreeMap<usize, Rows>,
    pub(crate) staged: BTreeMap<usize, Rows>,
    pub(crate) marks: BTreeMap<usize, u64>,
    /// Roll-backs that the node remembers, see `node/src/cluster/memory.rs`.
    pub(crate) rollbacks: u64,
}

#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) incarnation: Incarnation,
    pub(crate) until: Position,
    pub(crate) closed: bool,
}

/// A session that was told to run.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) epoch: u64,
    pub(crate) run: u64,
    pub(crate) incarnation: Incarnation,
    /// Its data is loaded.
    pub(crate) loaded: bool,
    /// It is to stop, so that it is not loaded any more.
    pub(crate) stopping: bool,
    /// Its sockets are gone.
    pub(crate) cut: bool,
    pub(crate) version: u64,
    pub(crate) uuid: Option<u32>,
    pub(crate) acts: u32,
}

pub(crate) struct Proc {
    pub(crate) name: NodeId,
    pub(crate) life: u64,
    pub(crate) machine: Option<Machine>,
    pub(crate) disk: usize,
    pub(crate) boot: u64,
    pub(crate) offset: Ms,
    pub(crate) weight: u32,
    /// Roll-backs that the process knows of.
    pub(crate) noticed: u64,
    pub(crate) paused: bool,
    pub(crate) inbox: VecDeque<Input>,
    /// Chores that would have ended while it was paused.
    pub(crate) deferred: VecDeque<crate::driver::Chore>,
    /// Sessions whose last run never had its data.
    pub(crate) bare: std::collections::BTreeSet<usize>,
    pub(crate) connected: bool,
    /// Requests of an earlier one never arrive.
    pub(crate) link: u64,
    pub(crate) watches: [Watch; 2],
    pub(crate) gate: Option<Gate>,
    pub(crate) actors: BTreeMap<usize, Actor>,
    pub(crate) chores: BTreeMap<usize, Ms>,
    pub(crate) wake: u64,
    incarnations: u64,
    /// It shares its name with another one.
    pub(crate) duplicate: bool,
    pub(crate) has_left: bool,
    pub(crate) was_refused: bool,
}

impl Proc {
    pub(crate) fn new(name: NodeId, disk: usize, offset: Ms) -> Self {
        Self {
            name,
            life: 0,
            machine: None,
            disk,
            boot: 0,
            offset,
            weight: 1,
            noticed: 0,
            paused: false,
            inbox: VecDeque::new(),
            deferred: VecDeque::new(),
            bare: std::collections::BTreeSet::new(),
            connected: false,
            link: 0,
            watches: [Watch::default(); 2],
            gate: None,
            actors: BTreeMap::new(),
            chores: BTreeMap::new(),
            wake: 0,
            incarnations: 0,
            duplicate: false,
            has_left: false,
            was_refused: false,
        }
    }
}

impl World {
    fn config(&self, proc: usize) -> Config {
        let there = &self.procs[proc];
        Config {
            me: there.name.clone(),
            lease: Duration::from_millis(LEASE),
            weight: there.weight,
            store: StoreId(format!("store-{}", there.disk)),
            boot: format!("boot-{proc}-{}", there.boot),
            supervisor: None,
            release: "test".to_owned(),
            replicated: self.plan.replicated,
            alone: false,
            moves: MoveLimits {
                concurrent_max: 3,
                per_second_max: 20,
                drain_per_second_max: 50,
                settle: Duration::from_millis(LEASE / 2),
                hold: Duration::from_millis(LEASE / 2),
                busy_patience: Duration::from_millis(LEASE / 2),
            },
            rules: self.rules.clone(),
        }
    }

    fn fresh_incarnation(&mut self, proc: usize) -> Incarnation {
        let there = &mut self.procs[proc];
        there.incarnations += 1;
        Incarnation(format!("i{proc}-{}", there.incarnations))
    }

    /// The process begins.
    pub(crate) fn start(&mut self, proc: usize) {
        if self.procs[proc].machine.is_some() {
            return;
        }
        let incarnation = self.fresh_incarnation(proc);
        self.forget_old_lives(proc);
        let disk = &self.disks[self.procs[proc].disk];
        let mut held: BTreeMap<usize, (u64, bool)> = BTreeMap::new();
        for (session, rows) in &disk.live {
            held.insert(*session, (rows.epoch, true));
        }
        for (session, epoch) in &disk.marks {
            let known = held.entry(*session).or_insert((*epoch, false));
            known.0 = known.0.max(*epoch);
        }
        let held: Vec<Held> = held
            .into_iter()
            .map(|(session, (epoch, data))| Held {
                uuid: None,
                session: self.sessions[session].name.clone(),
                epoch: Epoch(epoch),
                data,
            })
            .collect();
        let staged: Vec<Input> = disk
            .staged
            .iter()
            .map(|(session, rows)| {
                Input::Staged(self.sessions[*session].name.clone(), Epoch(rows.epoch))
            })
            .collect();
        self.say(|| format!("start {proc} as {incarnation}: {held:?} {staged:?}"));
        let machine = Machine::new(self.config(proc), incarnation, held, self.position(proc));
        let there = &mut self.procs[proc];
        there.life += 1;
        there.machine = Some(machine);
        there.connected = true;
        there.link += 1;
        there.paused = false;
        there.has_left = false;
        there.was_refused = false;
        there.noticed = self.disks[there.disk].rollbacks;
        let life = there.life;
        self.notice_roll_back(proc);
        for input in staged {
            self.tell(proc, input);
        }
        for session in 0..self.sessions.len() {
            self.list_session(proc, session, Age::Unknown);
        }
        for bucket in 0..2 {
            self.procs[proc].watches[bucket].number += 1;
            let number = self.procs[proc].watches[bucket].number;
            let wait = self.rng.between(1, 30);
            self.after(wait, Event::Rewatch(proc, life, bucket, number));
        }
        self.tell(proc, Input::Tick);
    }

    /// A driver removes rows of sessions that were deleted, or belong to an earlier life of the name, before it starts.
    fn forget_old_lives(&mut self, proc: usize) {
        let disk = self.procs[proc].disk;
        let sessions = &self.sessions;
        let lives = |session: &usize, rows: &mut Rows| sessions[*session].uuid == Some(rows.uuid);
        let disk = &mut self.disks[disk];
        disk.live.retain(lives);
        disk.staged.retain(lives);
        disk.marks
            .retain(|session, _| sessions[*session].uuid.is_some());
    }

    /// The directory shows the session, in its turn.
    pub(crate) fn list_session(&mut self, proc: usize, session: usize, age: Age) {
        if let Some(uuid) = self.sessions[session].uuid {
            let takes = self.rng.between(1, 40);
            let chore = crate::driver::Chore::Exists { session, uuid, age };
            self.add_chore(proc, session, takes, chore);
        }
    }

    /// The process ends without a word.
    pub(crate) fn kill(&mut self, proc: usize) {
        self.say(|| format!("kill {proc}"));
        let there = &mut self.procs[proc];
        let settled = |machine: &Machine| !machine.is_after_roll_back();
        if there.machine.as_ref().is_some_and(settled) {
            self.disks[there.disk].rollbacks = there.noticed;
        }
        there.life += 1;
        there.machine = None;
        there.inbox.clear();
        there.deferred.clear();
        there.bare.clear();
        there.actors.clear();
        there.chores.clear();
        there.gate = None;
        there.paused = false;
        for watch in &mut there.watches {
            watch.number += 1;
            watch.active = false;
            watch.lag = 0;
        }
    }

    /// The parent saw the process end and says so.
    pub(crate) fn release(&mut self, proc: usize) {
        let key = RecordKey::Node(self.procs[proc].name.clone());
        let Some((Record::Node(record), revision)) = self.kv.get(&key) else {
            return;
        };
        if record.boot != format!("boot-{proc}-{}", self.procs[proc].boot) {
            return;
        }
        let record = Record::Node(NodeRecord {
            state: NodeState::Left,
            ..record.clone()
        });
        let request = crate::world::Request {
            proc,
            life: 0,
            link: self.procs[proc].link,
            op: switchboard_ownership::OpId(0),
            key,
            job: Job::Write {
                record: Some(record),
                expected: revision,
            },
            deadline: self.now,
        };
        self.after(5, Event::Arrive(Box::new(request)));
    }

    pub(crate) fn pause(&mut self, proc: usize, for_ms: Ms) {
        if self.procs[proc].machine.is_none() || self.procs[proc].paused {
            return;
        }
        self.procs[proc].paused = true;
        let life = self.procs[proc].life;
        self.after(for_ms, Event::Resume(proc, life));
    }

    pub(crate) fn resume(&mut self, proc: usize, life: u64) {
        if self.procs[proc].life != life || !self.procs[proc].paused {
            return;
        }
        self.say(|| format!("{proc} resumes"));
        self.procs[proc].paused = false;
        let inbox = std::mem::take(&mut self.procs[proc].inbox);
        if self.rng.chance(500) {
            self.tell(proc, Input::Tick);
        }
        for input in inbox {
            self.tell(proc, input);
        }
        let deferred = std::mem::take(&mut self.procs[proc].deferred);
        for chore in deferred {
            if self.procs[proc].life == life {
                self.chore_done(proc, chore);
            }
        }
        self.tell(proc, Input::Tick);
    }

    /// Tells the machine, and does what it wants.
    pub(crate) fn tell(&mut self, proc: usize, input: Input) {
        let now = self.position(proc);
        let there = &mut self.procs[proc];
        if there.paused {
            if input != Input::Tick {
                there.inbox.push_back(input);
            }
            return;
        }
        let Some(machine) = &mut there.machine else {
            return;
        };
        if let Some(trace) = &mut self.trace
            && input != Input::Tick
        {
            trace.push(format!("{:>6} {proc} < {input:?}", self.now));
        }
        let result = machine.step(now, input);
        match result {
            Ok(outputs) => self.carry_all(proc, outputs),
            Err(refused) => self.say(|| format!("{proc} refused: {}", refused.0)),
        }
        self.set_wake(proc);
    }

    fn set_wake(&mut self, proc: usize) {
        let there = &mut self.procs[proc];
        let Some(machine) = &there.machine else {
            return;
        };
        let wake = machine.next_wake();
        if wake == Position::MAX {
            return;
        }
        there.wake += 1;
        let number = there.wake;
        let millis = wake.as_nanos().div_ceil(1_000_000);
        let at = u64::try_from(millis).unwrap().saturating_sub(there.offset);
        self.at(at, Event::Wake(proc, number));
    }

    /// Whether something of this incarnation can act at this node now.
    pub(crate) fn is_open(&self, proc: usize, incarnation: &Incarnation) -> bool {
        let there = &self.procs[proc];
        let fences = self.rules.has(Rule::SelfFence);
        there.machine.is_some()
            && there.gate.as_ref().is_some_and(|gate| {
                gate.incarnation == *incarnation
                    && !gate.closed
                    && (!fences || self.position(proc) < gate.until)
            })
    }

    pub(crate) fn carry(&mut self, proc: usize, output: Output) {
        self.say(|| format!("{proc} > {output:?}"));
        match output {
            Output::Write {
                op,
                key,
                record,
                expected,
            } => {
                self.check_fencing(proc, record.as_ref());
                self.issue(proc, op, key, Job::Write { record, expected });
            }
            Output::Read { op, key } => self.issue(proc, op, key, Job::Read),
            Output::OpenUntil(incarnation, until) => self.open(proc, incarnation, until),
            Output::Fence(incarnation) => self.fence(proc, &incarnation),
            Output::NeedIncarnation => {
                let incarnation = self.fresh_incarnation(proc);
                let now = self.position(proc);
                if let Some(machine) = &mut self.procs[proc].machine {
                    let outputs = machine.renew(now, incarnation);
                    self.carry_all(proc, outputs);
                }
            }
            Output::Run { .. }
            | Output::Stop { .. }
            | Output::Send { .. }
            | Output::Forget { .. }
            | Output::DiscardStaged(..) => self.carry_session(proc, output),
            Output::Refuse(_) => {
                self.kill(proc);
                self.procs[proc].was_refused = true;
            }
            Output::Left => {
                if self.procs[proc]
                    .actors
                    .values()
                    .any(|actor| !actor.cut && self.is_open(proc, &actor.incarnation))
                {
                    self.broken("I-9", format!("{proc} left while something runs"));
                }
                self.kill(proc);
                self.procs[proc].has_left = true;
            }
            Output::Note(_) => {}
        }
    }

    fn check_fencing(&mut self, proc: usize, record: Option<&Record>) {
        if let Some(Record::Node(record)) = record
            && record.state == NodeState::Fenced
        {
            let open = self.procs[proc].gate.as_ref().is_some_and(|gate| {
                let incarnation = gate.incarnation.clone();
                self.is_open(proc, &incarnation)
            });
            if !open {
                let text = format!("{proc} declares {} dead without a lease", record.node);
                self.broken("I-8", text);
            }
        }
    }

    fn open(&mut self, proc: usize, incarnation: Incarnation, until: Position) {
        let now = self.position(proc);
        let there = &mut self.procs[proc];
        if let Some(gate) = &mut there.gate
            && gate.incarnation == incarnation
        {
            if gate.closed || gate.until <= now {
                gate.closed = true;
                let life = there.life;
                let input = Box::new(Input::GateClosed(incarnation));
                self.after(0, Event::Deliver(proc, life, input));
            } else {
                gate.until = gate.until.max(until);
            }
            return;
        }
        there.gate = Some(Gate {
            incarnation,
            until,
            closed: false,
        });
    }

    fn fence(&mut self, proc: usize, incarnation: &Incarnation) {
        let there = &mut self.procs[proc];
        if let Some(gate) = &mut there.gate
            && gate.incarnation == *incarnation
        {
            gate.closed = true;
        }
        there
            .actors
            .retain(|_, actor| actor.incarnation != *incarnation);
        if self.plan.mild {
            self.broken("I-7", format!("{proc} lost its lease for nothing"));
        }
    }
}
