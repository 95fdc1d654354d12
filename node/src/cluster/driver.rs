//! The one task that runs the ownership machine: what happens becomes its input, what it wants is done.
//!
//! Owns the order of inputs and the chores of each session. Decides nothing about ownership. A fault here ends the node: the
//! lease then runs out by itself, and others take over.

mod bus;
mod outputs;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use switchboard_ownership::{Age, Bucket, Command, Input, Machine, Refused, Rules};
use switchboard_vocab::cluster::{ClusterRecord, Incarnation};
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::{NodeId, SessionRef};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::chores::{self, Chore, Done, Hands, Slot};
use super::gate::Gate;
use super::memory::Memory;
use super::numbers::Numbers;
use super::standing::Standing;
use super::watchdog::Watchdog;
use super::witness::Witness;
use crate::clock::LeaseClock;
use crate::directory::Records;

pub(super) use bus::Writer;

/// Events that wait for the driver; who tells more waits.
pub(crate) const EVENTS_MAX: usize = 1_024;
/// How often it looks at what nobody tells: busy sessions, what to remember, numbers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A session counts as busy this long after a call.
const BUSY_AFTER_CALL: Duration = Duration::from_secs(5);
/// Shortest sleep, however late the machine is told the time.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// Longest sleep where the machine wants none shorter.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What the driver is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// A session exists.
    Exists(Arc<SessionRecord>, Age),
    /// A session's record was deleted.
    Deleted(Arc<SessionRecord>),
    /// A session's record is gone, and nobody deleted it.
    Lost(Arc<SessionRecord>),
    /// A change of a bucket, with its revision; zero where it has none.
    Followed(Bucket, u64, Input),
    /// Anything else that the machine wants to know.
    Input(Input),
    /// The cluster's record as it is now.
    Met(ClusterRecord),
    /// This node must not go on.
    Refused(String),
    /// An order; the answer says whether it was begun.
    Order(Command, oneshot::Sender<Result<(), Refused>>),
}

/// How the driver's work ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has not.
    Running,
    /// Nothing runs here any more and the node's record says so.
    Left,
    /// The node must end, with this reason.
    Failed(String),
}

/// What a piece of work ended with.
enum Finished {
    Input(Input),
    /// A write's result, with what is needed to judge it.
    Written(bus::Sent),
    Chore(SessionRef, Done),
    Quietly,
}

/// What a driver is made of.
pub(super) struct Parts {
    pub(super) me: NodeId,
    pub(super) clock: LeaseClock,
    pub(super) rules: Rules,
    pub(super) standing: Arc<Standing>,
    pub(super) records: Arc<Records>,
    pub(super) hands: Hands,
    pub(super) writer: Writer,
    pub(super) memory: Memory,
    pub(super) watchdog: Watchdog,
    pub(super) witness: Option<Arc<Witness>>,
    pub(super) outcome: watch::Sender<Outcome>,
    /// Tells the watches that the records went back.
    pub(super) rolled_back: watch::Sender<u64>,
}

/// The driver while it runs.
pub(super) struct Driver {
    parts: Parts,
    slots: HashMap<SessionRef, Slot>,
    busy: HashSet<SessionRef>,
    /// Sessions whose data was made live by this process: what was not must not be sent on, it may be nothing.
    loaded: HashSet<SessionRef>,
    numbers: Numbers,
    work: JoinSet<Finished>,
    /// What has happened and the machine does not know yet.
    inputs: VecDeque<Input>,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            slots: HashMap::new(),
            busy: HashSet::new(),
            loaded: HashSet::new(),
            numbers: Numbers::default(),
            work: JoinSet::new(),
            inputs: VecDeque::new(),
        }
    }

    /// Runs until `stop`, after which nothing here may act any more.
    pub(super) async fn run(
        mut self,
        first: Vec<Input>,
        mut events: mpsc::Receiver<Event>,
        stop: CancellationToken,
    ) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.inputs.extend(first);
        loop {
            self.settle();
            if matches!(&*self.parts.outcome.borrow(), Outcome::Failed(_)) {
                break;
            }
            let wake = self.until_wake();
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.recv() => match event {
                    Some(event) => self.heard(event),
                    None => break,
                },
                Some(done) = self.work.join_next() => self.finished(done),
                () = sleep(wake) => self.inputs.push_back(Input::Tick),
                closed = shut(self.parts.standing.gate()) => {
                    self.inputs.push_back(Input::GateClosed(closed));
                }
                _ = looks.tick() => self.look(),
            }
        }
        self.end();
    }

    /// How long the machine can wait for the next tick.
    fn until_wake(&self) -> Duration {
        let wake = self.parts.standing.next_wake();
        wake.saturating_sub(self.parts.clock.now())
            .clamp(SLEEP_MIN, SLEEP_MAX)
    }

    /// Tells the machine everything that has happened, and does what it wants.
    fn settle(&mut self) {
        let before = self.parts.standing.look(Machine::is_after_roll_back);
        while let Some(input) = self.inputs.pop_front() {
            if let Err(Refused(why)) = self.step(input) {
                tracing::error!(why, "the ownership machine refused what happened");
            }
        }
        // Whoever noticed: a watch from before may show nothing for as long as the records' numbers are lower.
        if !before && self.parts.standing.look(Machine::is_after_roll_back) {
            self.parts.rolled_back.send_modify(|count| *count += 1);
        }
    }

    fn step(&mut self, input: Input) -> Result<(), Refused> {
        let now = self.parts.clock.now();
        let outputs = self
            .parts
            .standing
            .change(|machine| machine.step(now, input))?;
        self.carry_all(outputs);
        Ok(())
    }

    fn heard(&mut self, event: Event) {
        match event {
            Event::Exists(record, age) => {
                self.add(&record.session.clone(), Chore::Exists(record, age));
            }
            Event::Deleted(record) => {
                self.add(&record.session.clone(), Chore::Erase(record));
            }
            Event::Lost(record) => self.lost(&record),
            Event::Followed(bucket, revision, input) => {
                self.parts.memory.saw(bucket, revision);
                self.inputs.push_back(input);
            }
            Event::Input(input) => {
                if let Input::RolledBack(bucket) = &input {
                    self.parts.memory.forget(*bucket);
                }
                self.inputs.push_back(input);
            }
            Event::Met(record) => {
                if self.parts.memory.meet(&record) {
                    tracing::error!("the cluster's records are not those of before");
                    self.rolled_back(Bucket::Nodes);
                    self.rolled_back(Bucket::Owners);
                }
            }
            Event::Refused(text) => self.fail(text),
            Event::Order(command, answer) => {
                self.settle();
                // Whoever asked may have given up.
                let _ = answer.send(self.order(&command));
            }
        }
    }

    fn order(&mut self, command: &Command) -> Result<(), Refused> {
        self.numbers.expect(command);
        let begun = self.step(Input::Command(command.clone()));
        if begun.is_err() {
            self.numbers.unexpect(command);
        }
        begun
    }

    /// The bucket went back: what was known of it is void, and so is this node's life.
    fn rolled_back(&mut self, bucket: Bucket) {
        self.parts.memory.forget(bucket);
        self.inputs.push_back(Input::RolledBack(bucket));
    }

    /// The session stops until its record is back; it stays this node's.
    fn lost(&mut self, record: &SessionRecord) {
        if let Some(slot) = self.slots.get_mut(&record.session) {
            slot.suspended = true;
            self.add(&record.session.clone(), Chore::Suspend);
        }
    }

    fn add(&mut self, session: &SessionRef, chore: Chore) {
        let slot = self.slots.entry(session.clone()).or_default();
        if !slot.add(chore) {
            self.fail(format!(
                "too many things are to be done with session {session}"
            ));
        }
        self.pump(session);
    }

    fn pump(&mut self, session: &SessionRef) {
        let Some(slot) = self.slots.get_mut(session) else {
            return;
        };
        if let Some((chore, hurry)) = slot.next() {
            let (hands, session) = (self.parts.hands.clone(), session.clone());
            self.work.spawn(async move {
                let done = chores::work(hands, session.clone(), chore, hurry).await;
                Finished::Chore(session, done)
            });
        } else if slot.is_idle() {
            self.slots.remove(session);
        }
    }

    fn finished(&mut self, finished: Result<Finished, JoinError>) {
        match finished {
            Ok(Finished::Input(input)) => self.inputs.push_back(input),
            Ok(Finished::Written(sent)) => self.written(sent),
            Ok(Finished::Chore(session, done)) => {
                let pointless = self.slots.get_mut(&session).is_some_and(Slot::ended);
                self.done(&session, done, pointless);
                self.pump(&session);
            }
            Ok(Finished::Quietly) => {}
            Err(error) if error.is_cancelled() => {}
            // Its result is lost, and the machine would wait for it for ever.
            Err(error) => self.fail(format!(
                "the cluster's driver lost a piece of work: {error}"
            )),
        }
    }

    fn done(&mut self, session: &SessionRef, done: Done, pointless: bool) {
        match done {
            Done::Exists(record, age) => {
                let input = Input::Session(session.clone(), record.uuid.clone(), age);
                self.inputs.push_back(input);
                self.resume(session);
            }
            Done::Erased => {
                self.loaded.remove(session);
                if let Some(slot) = self.slots.get_mut(session) {
                    slot.life = None;
                }
                self.inputs.push_back(Input::SessionGone(session.clone()));
            }
            Done::Provided(epoch, gate) => {
                self.loaded.insert(session.clone());
                self.inputs
                    .push_back(Input::Running(session.clone(), epoch));
                if !pointless
                    && gate.holds()
                    && let Some(slot) = self.slots.get_mut(session)
                {
                    slot.life = Some((epoch, gate));
                    self.start(session);
                }
            }
            Done::Lost(epoch, reason) => {
                let command = Command::Park {
                    session: session.clone(),
                    epoch,
                    reason,
                };
                if let Err(Refused(why)) = self.order(&command) {
                    tracing::warn!(%session, why, "a session without data was not parked");
                }
            }
            Done::Stopped(epoch) => {
                if let Some(slot) = self.slots.get_mut(session) {
                    let life = slot.life.take();
                    slot.suspended = false;
                    if let (Some(witness), Some((_, gate))) = (&self.parts.witness, life) {
                        witness.stopped(gate.incarnation(), session, epoch);
                    }
                }
                self.inputs
                    .push_back(Input::Stopped(session.clone(), epoch));
            }
            Done::Sent(epoch, result) => {
                self.numbers.sent(session, &result);
                if result.is_err()
                    && let Some(slot) = self.slots.get_mut(session)
                {
                    slot.sent_to = None;
                }
                self.inputs
                    .push_back(Input::Sent(session.clone(), epoch, result));
            }
            Done::Quietly => {}
        }
    }

    /// The record of a session that was stopped for want of it is back.
    fn resume(&mut self, session: &SessionRef) {
        if let Some(slot) = self.slots.get_mut(session)
            && slot.suspended
        {
            slot.suspended = false;
            self.start(session);
        }
    }

    /// Starts what has its data, as soon as its record is there too.
    fn start(&mut self, session: &SessionRef) {
        let Some(slot) = self.slots.get_mut(session) else {
            return;
        };
        let Some((epoch, gate)) = slot.life.clone() else {
            return;
        };
        let Some(record) = self.parts.records.get(session) else {
            slot.suspended = true;
            return;
        };
        if let Some(witness) = &self.parts.witness {
            witness.started(gate.incarnation(), session, epoch);
        }
        self.parts.hands.run(record, epoch, gate);
    }

    /// What nobody tells is looked at: which sessions are busy, what to remember, the numbers.
    fn look(&mut self) {
        let handles = self.parts.hands.index.all();
        let busy: HashSet<SessionRef> = handles
            .iter()
            .filter(|handle| handle.is_busy(BUSY_AFTER_CALL))
            .map(|handle| handle.scope.session.clone())
            .collect();
        for session in busy.difference(&self.busy) {
            self.inputs.push_back(Input::Busy(session.clone(), true));
        }
        for session in self.busy.difference(&busy) {
            self.inputs.push_back(Input::Busy(session.clone(), false));
        }
        self.busy = busy;
        // A process that ends now must find out again that the records went back.
        let settled = !self.parts.standing.look(Machine::is_after_roll_back);
        if settled && let Some(saving) = self.parts.memory.save() {
            self.work.spawn(async move {
                if let Err(error) = saving.await {
                    tracing::warn!(%error, "how far the cluster's records are was not remembered");
                }
                Finished::Quietly
            });
        }
        let left = self
            .parts
            .standing
            .gate()
            .map_or(Duration::ZERO, |gate| gate.left());
        let owned = self.parts.standing.look(Machine::owned);
        self.numbers.show(left, owned);
    }

    fn fail(&self, reason: String) {
        tracing::error!(reason, "this node cannot go on");
        self.parts.outcome.send_if_modified(|outcome| {
            let first = *outcome == Outcome::Running;
            if first {
                *outcome = Outcome::Failed(reason);
            }
            first
        });
    }

    /// Nobody watches the lease from here on, so nothing may act.
    fn end(self) {
        if let Some(gate) = self.parts.standing.gate() {
            gate.close();
        }
    }
}

/// Waits until the gate is shut; for ever where there is none, or it was shut before.
async fn shut(gate: Option<Arc<Gate>>) -> Incarnation {
    match gate {
        Some(gate) if !gate.shut().is_cancelled() => {
            gate.shut().cancelled().await;
            gate.incarnation().clone()
        }
        Some(_) | None => std::future::pending().await,
    }
}
