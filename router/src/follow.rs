//! Calls that find their owner: whom to ask, waiting while a session changes its node, and asking again.
//!
//! A call is sent again only where nothing of it was executed for certain: the node said that it is not the owner, or was
//! not reached. Waiting is bounded by the call's deadline, by [`crate::Limits::owner_wait`], by rounds, and by how many
//! calls wait at once. Must not know what an operation does.

use std::time::Duration;

use bytes::Bytes;
use switchboard_dialect_kit::Upload;
use switchboard_ownership::{Rule, Rules};
use switchboard_vocab::envelope::Verb;
use switchboard_vocab::{ErrorCode, NodeId, OpError, Outcome, SessionRef};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::auth::no_session;
use crate::clock::{self, Deadline};
use crate::config::Limits;
use crate::forward::{Asked, Done, Forward, Ticket, unavailable};
use crate::owners::{Subscription, Whom, Why};
use crate::{staging, telemetry};

/// Nodes asked for one call, each with whom it names. What one call can wait at the pauses below takes fewer.
const ROUNDS_MAX: u32 = 40;
/// First pause before a node is asked again although nothing new is known: it may be behind its own record.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest such pause. Each is twice the one before.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often the mirror is looked at without news: a node falls silent without any.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// When trying again makes sense after as many calls waited as may.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// What bounds the waiting of all calls together.
#[derive(Debug)]
pub(crate) struct Waits {
    places: Semaphore,
    wait_max: Duration,
    follows: bool,
}

impl Waits {
    pub(crate) fn new(limits: &Limits, rules: &Rules) -> Self {
        Self {
            places: Semaphore::new(limits.owner_waits.min(Semaphore::MAX_PERMITS)),
            wait_max: limits.owner_wait,
            follows: rules.has(Rule::FollowOwner),
        }
    }
}

/// What a call asks of its owner.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) verb: Verb,
    pub(crate) body: Bytes,
    /// Media that must lie at the node before it is asked.
    pub(crate) uploads: &'a [Upload],
}

/// One call on its way.
struct Course<'a> {
    forward: &'a Forward,
    session: &'a SessionRef,
    ticket: &'a Ticket,
    /// What the last round went by: the node asked, and the revision of the record that named it.
    tried: Option<(NodeId, u64)>,
    /// The pause before the same is tried again.
    pause: Duration,
    /// What is answered when nobody is found.
    error: OpError,
    /// Until when it may wait, once it began to.
    until: Option<Deadline>,
    waited: Duration,
    ended: telemetry::OwnerWait,
}

impl Forward {
    /// Has the owner of a session do some work: asks whom the mirror names, and whom a node names instead, and waits for the
    /// next owner where there is none.
    ///
    /// # Errors
    /// What a node answered; `Unavailable` when no owner was found in time, and then nothing was executed.
    pub(crate) async fn carry(
        &self,
        session: &SessionRef,
        work: &Work<'_>,
        ticket: &Ticket,
    ) -> Result<Done, OpError> {
        let mut course = Course {
            forward: self,
            session,
            ticket,
            tried: None,
            pause: PAUSE_MIN,
            error: lost(),
            until: None,
            waited: Duration::ZERO,
            ended: telemetry::OwnerWait::Found,
        };
        let outcome = course.rounds(work).await;
        if course.until.is_some() {
            telemetry::owner_wait(course.ended, course.waited);
        }
        outcome
    }
}

impl<'a> Course<'a> {
    async fn rounds(&mut self, work: &Work<'_>) -> Result<Done, OpError> {
        for _ in 0..ROUNDS_MAX {
            let (node, revision) = self.whom().await?;
            if let Some(done) = self.round(&node, revision, work).await? {
                return Ok(done);
            }
            if !self.forward.waits.follows {
                return Err(self.error.clone());
            }
        }
        self.ended = telemetry::OwnerWait::InVain;
        Err(self.error.clone())
    }

    /// Asks one node, and at once whom it names instead. `None` when both did nothing.
    async fn round(
        &mut self,
        node: &NodeId,
        revision: u64,
        work: &Work<'_>,
    ) -> Result<Option<Done>, OpError> {
        let hint = match self.attempt(node, revision, work).await? {
            Asked::Done(done) => return Ok(Some(done)),
            Asked::NotOwner(hint) => {
                self.error = lost();
                hint.filter(|hint| hint != node && self.forward.waits.follows)
            }
            Asked::Unreached(error) => {
                self.error = error;
                None
            }
            Asked::Lost(error) => return Err(error),
        };
        let Some(hint) = hint else {
            return Ok(None);
        };
        match self.attempt(&hint, revision, work).await? {
            Asked::Done(done) => Ok(Some(done)),
            Asked::NotOwner(_) | Asked::Unreached(_) => Ok(None),
            Asked::Lost(error) => Err(error),
        }
    }

    async fn attempt(
        &self,
        node: &NodeId,
        revision: u64,
        work: &Work<'_>,
    ) -> Result<Asked, OpError> {
        let asked = staging::attempt(self.forward, node, self.session, work, self.ticket).await;
        match asked {
            // Without an owner record the node may not have heard of the session yet.
            Err(error)
                if revision == 0
                    && error.code == ErrorCode::SessionNotFound
                    && error.outcome == Outcome::NotExecuted =>
            {
                Ok(Asked::Unreached(error))
            }
            other => other,
        }
    }

    /// Whom to ask next. Waits while there is nobody, and before the same node is asked again.
    async fn whom(&mut self) -> Result<(NodeId, u64), OpError> {
        let mut news = self.forward.owners.subscribe(self.session);
        let pause = Deadline::after(self.pause);
        let mut place = None;
        let began = clock::monotonic();
        loop {
            news.forget();
            let mut look_again = LOOK_PAUSE;
            match self.look()? {
                Whom::Ask(node, revision) => {
                    let again = self.tried.as_ref() == Some(&(node.clone(), revision));
                    if !again || pause.has_passed() {
                        self.pause = if again {
                            (self.pause * 2).min(PAUSE_MAX)
                        } else {
                            PAUSE_MIN
                        };
                        if place.is_some() {
                            self.waited += began.elapsed();
                        }
                        self.tried = Some((node.clone(), revision));
                        return Ok((node, revision));
                    }
                    look_again = pause.left();
                }
                Whom::Nobody(why) => self.error = nobody(why),
                Whom::Parked => return Err(parked()),
            }
            if place.is_none() {
                place = Some(self.begin_to_wait()?);
            }
            if !self.wait(&mut news, look_again).await {
                self.waited += began.elapsed();
                self.ended = telemetry::OwnerWait::InVain;
                return Err(self.error.clone());
            }
        }
    }

    fn look(&self) -> Result<Whom, OpError> {
        let record = self
            .forward
            .directory
            .session(self.session)
            .ok_or_else(|| no_session(self.session.session.as_str()))?;
        Ok(self.forward.owners.whom(self.session, &record.uuid))
    }

    /// A place among the calls that wait. The error that stands, where this call does not wait.
    fn begin_to_wait(&mut self) -> Result<SemaphorePermit<'a>, OpError> {
        let waits = &self.forward.waits;
        if !self.ticket.waits || !waits.follows {
            return Err(self.error.clone());
        }
        let until = self.ticket.deadline.at_most(waits.wait_max);
        self.until.get_or_insert(until);
        waits.places.try_acquire().map_err(|_| {
            self.ended = telemetry::OwnerWait::Full;
            let words = "as many calls wait for their session's node as may; try again";
            OpError::new(ErrorCode::Unavailable, words).retry_after(FULL_RETRY_AFTER)
        })
    }

    /// Waits for news or `look_again`; false when the time is over.
    async fn wait(&self, news: &mut Subscription, look_again: Duration) -> bool {
        let left = self.until.map_or(Duration::ZERO, Deadline::left);
        if left.is_zero() {
            return false;
        }
        // That the time passes is no failure: then the mirror is looked at again.
        let _ = tokio::time::timeout(left.min(look_again), news.next()).await;
        true
    }
}

/// The error for a session whose owner nobody knows.
fn lost() -> OpError {
    unavailable("the session is changing its node; try again")
}

fn nobody(why: Why) -> OpError {
    match why {
        Why::NoNode => unavailable("no node of the cluster can run the session now"),
        Why::Moving => lost(),
        Why::NodeGone => unavailable("the node of this session is not running now"),
        Why::Unreadable => unavailable("the session is run by a newer release of the gateway"),
    }
}

/// The error for a session that an operator must look at; the reason is for operators, the admin API shows it.
fn parked() -> OpError {
    let words = "the session is parked until the operator of the gateway has decided about it";
    OpError::new(ErrorCode::Unavailable, words)
}
