//! The actor of one session: it owns the state and decides; it never waits for anything slow in a handler.
//!
//! Connections, jobs and the journal run beside it and report by messages. Everything it starts ends with it.

mod load;

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use switchboard_ownership::Rule;
use switchboard_vocab::NodeId;
use switchboard_vocab::events::Event;
use switchboard_vocab::messages::QueuedMessage;
use switchboard_vocab::sessions::{SessionState, SessionStatus};
use switchboard_whatsapp::End;
use tokio::sync::{OwnedMutexGuard, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::context::{Session, cut_off};
use super::job::{self, Job, panic_text};
use super::lanes::{Lane, Lanes};
use super::lifecycle::{self, Action, Input, JITTER_FULL, Moment, State};
use super::link::{self, CLOSE_MAX, Control};
use load::load;
pub(crate) use load::{Arguments, Begin};

/// Longest wait for calls under way when the session stops.
const JOBS_DRAIN_MAX: Duration = Duration::from_secs(5);
/// Longest wait for webhook calls under way when the session stops.
const DELIVERY_STOP_MAX: Duration = Duration::from_secs(2);
/// The reason ractor gets where a session is stopped on purpose.
pub(crate) const STOPPED_ON_PURPOSE: &str = "stopped on purpose";

/// What a session's actor is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// Run this call.
    Run(Box<Job>),
    /// Something happened to the session; whoever asked hears when it was decided.
    Input(Input, Option<oneshot::Sender<()>>),
    /// A timer has run out; older generations are void.
    Timer(u64, Input),
    /// The connection of this generation is over; `Err` = it panicked.
    LinkEnded(u64, Result<End, String>),
    /// A job of this lane has ended; its number.
    JobEnded(Lane, u64),
    /// Which messages have not left; those that wait are taken back where that is wanted.
    Queue(bool, oneshot::Sender<Vec<QueuedMessage>>),
    /// The journal's writer has ended although nobody asked.
    JournalLost,
    /// Take no more calls, end those that were taken, then stop.
    Close,
    /// The time for that is over.
    CloseNow,
}

/// The behaviour; all data is in [`Body`].
#[derive(Debug)]
pub(crate) struct SessionActor;

/// A session that is being loaded, or runs.
pub(crate) enum Body {
    Loading(Option<Box<Arguments>>),
    Live(Box<Live>),
}

/// A running session.
pub(crate) struct Live {
    session: Arc<Session>,
    node: NodeId,
    state: State,
    status: watch::Sender<SessionStatus>,
    lanes: Lanes<Job>,
    jobs: JoinSet<()>,
    /// Calls among the jobs.
    running: usize,
    /// Calls that were run so far.
    run_count: u64,
    /// Messages on their way, by the number of their call.
    leaving: BTreeMap<u64, QueuedMessage>,
    link: Option<(u64, Control, AbortHandle)>,
    links: JoinSet<()>,
    generation: u64,
    timer: Option<AbortHandle>,
    /// Held by whatever must be over before the next life begins.
    tenancy: Arc<OwnedMutexGuard<()>>,
    /// Calls that still run, once the session was told to close.
    closing: Option<AbortHandle>,
}

impl Drop for Live {
    fn drop(&mut self) {
        // After a crash nothing else ends the writer; jobs and connection end with their sets.
        self.session.journal.cancel();
        gauge(self.state.phase, -1.0);
        if let Some(timer) = &self.timer {
            timer.abort();
        }
    }
}

impl Actor for SessionActor {
    type Msg = Message;
    type State = Body;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        arguments: Arguments,
    ) -> Result<Body, ActorProcessingErr> {
        // Loading waits for the disk; the supervisor must not.
        Ok(Body::Loading(Some(Box::new(arguments))))
    }

    async fn post_start(
        &self,
        myself: ActorRef<Message>,
        body: &mut Body,
    ) -> Result<(), ActorProcessingErr> {
        let Body::Loading(arguments) = body else {
            return Ok(());
        };
        let Some(arguments) = arguments.take() else {
            return Ok(());
        };
        let loaded = arguments.loaded.clone();
        let (cut, gate) = (arguments.cut.clone(), Arc::clone(&arguments.gate));
        let (mut live, begin) = tokio::select! {
            live = Box::pin(load(*arguments, &myself)) => live?,
            () = cut_off(&cut, &gate) => return Err("the session was cut while it was loaded".into()),
        };
        live.publish();
        loaded.send_replace(true);
        match begin {
            Begin::Parked(reason) => live.input(&myself, Input::Park(reason))?,
            Begin::AsBefore if live.state.resumes() => {
                live.input(&myself, Input::Start { keep_final: true })?;
            }
            Begin::AsBefore => {}
        }
        *body = Body::Live(Box::new(live));
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        body: &mut Body,
    ) -> Result<(), ActorProcessingErr> {
        let Body::Live(live) = body else {
            return Err("a message came before the session was loaded".into());
        };
        match message {
            Message::Run(job) => live.admit(&myself, *job),
            Message::Input(input, done) => {
                live.input(&myself, input)?;
                if let Some(done) = done {
                    // Whoever asked may have given up.
                    let _ = done.send(());
                }
            }
            Message::Timer(generation, input) if generation == live.generation => {
                live.input(&myself, input)?;
            }
            Message::Timer(..) => {}
            Message::LinkEnded(generation, end) => live.link_ended(&myself, generation, end)?,
            Message::Queue(clear, answer) => {
                // Whoever asked may have given up.
                let _ = answer.send(live.queue(clear));
            }
            Message::JobEnded(lane, number) => {
                live.leaving.remove(&number);
                while live.jobs.try_join_next().is_some() {}
                live.running = live.running.saturating_sub(1);
                if let Some(job) = live.lanes.done(&lane) {
                    live.run(&myself, lane, job);
                }
                if live.closing.is_some() && live.running == 0 {
                    myself.stop(Some(STOPPED_ON_PURPOSE.to_owned()));
                }
            }
            Message::JournalLost => return Err("the journal has failed".into()),
            Message::Close => live.close(&myself),
            Message::CloseNow => myself.stop(Some(STOPPED_ON_PURPOSE.to_owned())),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Message>,
        body: &mut Body,
    ) -> Result<(), ActorProcessingErr> {
        if let Body::Live(live) = body {
            let session = Arc::clone(&live.session);
            tokio::select! {
                biased;
                () = session.cut_off() => {}
                () = live.stop() => return Ok(()),
            }
            live.abort().await;
        }
        Ok(())
    }
}

impl Live {
    fn input(
        &mut self,
        myself: &ActorRef<Message>,
        input: Input,
    ) -> Result<(), ActorProcessingErr> {
        let moment = Moment {
            now: crate::clock::now(),
            jitter: rand::random_range(0..=JITTER_FULL),
        };
        let from = self.state.phase;
        let (state, actions) = lifecycle::step(self.state.clone(), input, moment);
        self.state = state;
        if self.state.phase != from {
            gauge(from, -1.0);
            gauge(self.state.phase, 1.0);
            tracing::info!(
                session = %self.session.scope.session, ?from, to = ?self.state.phase,
                reason = self.state.reason.as_deref(), "session"
            );
        }
        for action in actions {
            self.obey(myself, action)?;
        }
        self.publish();
        Ok(())
    }

    fn obey(
        &mut self,
        myself: &ActorRef<Message>,
        action: Action,
    ) -> Result<(), ActorProcessingErr> {
        match action {
            Action::Connect { fresh } => self.connect(myself, fresh),
            Action::Close => {
                if let Some((_, control, _)) = &self.link {
                    control.close.cancel();
                }
            }
            Action::RetryAfter(wait) => self.set_timer(myself, wait, Input::RetryDue),
            Action::HealthyAfter(wait) => self.set_timer(myself, wait, Input::Healthy),
            Action::CancelTimer => self.cancel_timer(),
            Action::Save => self.session.journal.post_saved(self.state.saved())?,
            Action::Emit(event) => self.emit(*event)?,
        }
        Ok(())
    }

    fn emit(&self, event: Event) -> Result<(), ActorProcessingErr> {
        Ok(self
            .session
            .journal
            .post_event(crate::clock::now(), event)?)
    }

    fn connect(&mut self, myself: &ActorRef<Message>, fresh: bool) {
        while self.links.try_join_next().is_some() {}
        let control = Control::default();
        self.generation += 1;
        let generation = self.generation;
        let actor = myself.clone();
        let tell: link::Tell = Arc::new(move |input| {
            // A stopped actor wants to hear nothing more.
            let _ = actor.send_message(Message::Input(input, None));
        });
        let running = link::run(Arc::clone(&self.session), fresh, control.clone(), tell);
        let (actor, tenancy) = (myself.clone(), Arc::clone(&self.tenancy));
        let abort = self.links.spawn(async move {
            let end = caught(running).await;
            drop(tenancy);
            let _ = actor.send_message(Message::LinkEnded(generation, end));
        });
        self.link = Some((generation, control, abort));
    }

    fn link_ended(
        &mut self,
        myself: &ActorRef<Message>,
        generation: u64,
        end: Result<End, String>,
    ) -> Result<(), ActorProcessingErr> {
        if self
            .link
            .as_ref()
            .is_none_or(|(current, ..)| *current != generation)
        {
            return Ok(());
        }
        self.link = None;
        match end {
            Ok(End::Replaced) if !self.session.rules.has(Rule::NoReconnectWhenReplaced) => {
                self.input(myself, Input::Ended(End::Closed("replaced".to_owned())))
            }
            Ok(end) => self.input(myself, Input::Ended(end)),
            // The run loop ended as it never should: that is this actor's failure (design rule R-27).
            Err(panic) => Err(format!("the connection panicked: {panic}").into()),
        }
    }

    fn set_timer(&mut self, myself: &ActorRef<Message>, wait: Duration, input: Input) {
        self.cancel_timer();
        let (actor, generation) = (myself.clone(), self.generation);
        self.timer = Some(self.jobs.spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = actor.send_message(Message::Timer(generation, input));
        }));
    }

    fn cancel_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }

    /// Ends what was begun: no new calls, a limit for those under way.
    fn close(&mut self, myself: &ActorRef<Message>) {
        if self.running == 0 {
            myself.stop(Some(STOPPED_ON_PURPOSE.to_owned()));
            return;
        }
        if self.closing.is_none() {
            let actor = myself.clone();
            self.closing = Some(self.jobs.spawn(async move {
                tokio::time::sleep(JOBS_DRAIN_MAX).await;
                let _ = actor.send_message(Message::CloseNow);
            }));
        }
    }

    fn admit(&mut self, myself: &ActorRef<Message>, job: Job) {
        if self.closing.is_some() {
            return job.refuse();
        }
        let lane = job.prepared.lane.clone();
        if let Some(job) = self.lanes.admit(&lane, job) {
            self.run(myself, lane, job);
        }
    }

    fn run(&mut self, myself: &ActorRef<Message>, lane: Lane, job: Job) {
        self.running += 1;
        self.run_count += 1;
        let number = self.run_count;
        if let Some(queued) = &job.prepared.queued {
            self.leaving.insert(number, queued.clone());
        }
        let (session, actor) = (Arc::clone(&self.session), myself.clone());
        self.jobs.spawn(async move {
            let _ended = OnDrop(Some(move || {
                let _ = actor.send_message(Message::JobEnded(lane, number));
            }));
            job::run(job, session).await;
        });
    }

    /// Messages that have not left, in the order in which they would; with `clear` those that wait, which then never leave.
    fn queue(&mut self, clear: bool) -> Vec<QueuedMessage> {
        if clear {
            let waiting = self.lanes.take(|job| job.prepared.queued.is_some());
            let mut taken = Vec::with_capacity(waiting.len());
            for job in waiting {
                taken.extend(job.prepared.queued.clone());
                job.take_back();
            }
            taken.sort_by_key(|message| message.at);
            return taken;
        }
        let waiting = self.lanes.waiting();
        let mut waiting: Vec<_> = waiting
            .filter_map(|job| job.prepared.queued.clone())
            .collect();
        waiting.sort_by_key(|message| message.at);
        self.leaving.values().cloned().chain(waiting).collect()
    }

    fn publish(&self) {
        let state = &self.state;
        let mut status = SessionStatus {
            session: self.session.scope.session.clone(),
            node: self.node.clone(),
            state: state.phase,
            since: state.since,
            identity: state.identity.clone(),
            challenge: state.challenge.clone(),
            reason: state.reason.clone(),
            next_try_at: state.next_try_at,
            failures: state.failures,
            client_version: self.session.account.client_version(),
        };
        self.status.send_if_modified(|shown| {
            // A client that is just being opened is of the same release.
            let version = status.client_version.take();
            status.client_version = version.or_else(|| shown.client_version.clone());
            let changed = *shown != status;
            *shown = status;
            changed
        });
    }

    /// Ends everything in order, each part within its limit.
    async fn stop(&mut self) {
        self.cancel_timer();
        if let Some(limit) = self.closing.take() {
            limit.abort();
        }
        for job in self.lanes.drain() {
            job.refuse();
        }
        let drained =
            async { while self.jobs.len() > 1 && self.jobs.join_next().await.is_some() {} };
        let _ = timeout(JOBS_DRAIN_MAX, drained).await;
        self.jobs.shutdown().await;
        if let Some((_, control, abort)) = self.link.take() {
            control.close.cancel();
            let closed = async { while self.links.join_next().await.is_some() {} };
            let limit = CLOSE_MAX + Duration::from_secs(5);
            if timeout(limit, closed).await.is_err() {
                abort.abort();
            }
        }
        self.links.shutdown().await;
        let (scope, delivery) = (&self.session.scope, &self.session.ports.delivery);
        delivery.session_stopped(scope, DELIVERY_STOP_MAX).await;
        self.session.account.clear().await;
        self.session.journal.close().await;
    }

    /// Drops everything at once: the connection without a farewell, the journal without its queue.
    async fn abort(&mut self) {
        self.session.journal.cancel();
        self.jobs.shutdown().await;
        // A connection that is dropped aborts its client.
        self.links.shutdown().await;
        let (scope, delivery) = (&self.session.scope, &self.session.ports.delivery);
        delivery.session_stopped(scope, Duration::ZERO).await;
        self.session.account.clear().await;
    }
}

async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|panic| panic_text(&*panic))
}

/// Runs on drop: also where a task is aborted or panics.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

fn gauge(phase: SessionState, change: f64) {
    let state = format!("{phase:?}").to_lowercase();
    metrics::gauge!("switchboard_sessions", "state" => state).increment(change);
}
