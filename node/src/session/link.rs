//! One connection from its permission to its end: the only task that calls [`switchboard_whatsapp::Account::run`].
//!
//! Owns the order of things around a connection: limiter, ownership, opening, running, signals, closing. Decides nothing
//! about what follows; its one result is why it ended.

use std::sync::Arc;
use std::time::Duration;

use switchboard_vocab::events::{Event, presence};
use switchboard_whatsapp::{Account, End, Fence, Receipt, Signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::account::Opened;
use super::context::Session;
use super::journal::Acked;
use super::lifecycle::Input;
use crate::limiter::{Turn, Urgency};
use crate::placement::Verdict;

/// Longest graceful close of one connection. Source: design rule R-27.
pub(crate) const CLOSE_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a connection that was cut to end.
const CUT_MAX: Duration = Duration::from_secs(2);
/// Longest wait for the last signals to be recorded.
const SIGNALS_DRAIN_MAX: Duration = Duration::from_secs(5);

/// Signals taken from the queue at once; the queue of the journal has room for them.
const SIGNALS_AT_ONCE: usize = 64;

/// What a connection is told while it lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    /// Close, flushing.
    pub(crate) close: CancellationToken,
}

/// Where a connection tells what it sees; the actor's mailbox.
pub(crate) type Tell = Arc<dyn Fn(Input) + Send + Sync>;

/// Runs one connection.
pub(crate) async fn run(session: Arc<Session>, fresh: bool, control: Control, tell: Tell) -> End {
    let turn = tokio::select! {
        turn = session.limiter.acquire(urgency(&session)) => Arc::new(turn),
        () = control.close.cancelled() => return End::Stopped,
        () = session.cut_off() => return End::Fenced,
    };
    if !may_run(&session) {
        return End::Fenced;
    }
    let opened = match open(&session, fresh).await {
        Ok(opened) => opened,
        Err(text) => return End::Closed(text),
    };
    tell(Input::Opened(opened.account.identity()));
    if control.close.is_cancelled() {
        return End::Stopped;
    }
    let tell = welcoming(tell, Arc::clone(&turn));
    let end = connected(&session, &opened, &control, &tell).await;
    report(&turn, &end);
    if end == End::Fenced {
        // A client that was cut is of no use any more.
        session.account.clear().await;
    }
    end
}

/// Who is not linked yet has somebody in front of a screen who waits for the code.
fn urgency(session: &Session) -> Urgency {
    if session.status.borrow().is_paired() {
        Urgency::Usual
    } else {
        Urgency::Awaited
    }
}

/// Tells the limiter what WhatsApp says of the pace, which is all of the node's business.
fn report(turn: &Turn, end: &End) {
    match end {
        End::Throttled(_) => turn.throttled(),
        End::Closed(_) => turn.closed(),
        End::Restart
        | End::PairingExpired
        | End::LoggedOut(_)
        | End::Banned { .. }
        | End::Replaced
        | End::Outdated(_)
        | End::Fenced
        | End::Stopped => {}
    }
}

/// The first progress that WhatsApp lets a connection make says that it took it.
fn welcoming(tell: Tell, turn: Arc<Turn>) -> Tell {
    Arc::new(move |input| {
        if matches!(
            input,
            Input::Challenged(_) | Input::Paired(_) | Input::Syncing(_) | Input::Connected(_)
        ) {
            turn.welcome();
        }
        tell(input);
    })
}

/// Ownership is asked before every connect, whatever was true before (design rules ).
fn may_run(session: &Session) -> bool {
    let verdict = session.ownership.owner(&session.scope.session);
    let owned = matches!(verdict, Verdict::Owned { epoch } if epoch == session.scope.epoch);
    owned && session.gate.is_open()
}

async fn open(session: &Session, fresh: bool) -> Result<Opened, String> {
    let opened = session.account.renew().await.map_err(|e| e.to_string())?;
    if !fresh || opened.account.identity().is_none() {
        return Ok(opened);
    }
    opened
        .account
        .logout()
        .await
        .map_err(|e| format!("remove the ended login: {e}"))?;
    drop(opened);
    session.account.clear().await;
    session.account.open().await.map_err(|e| e.to_string())
}

async fn connected(session: &Session, opened: &Opened, control: &Control, tell: &Tell) -> End {
    let quiet = CancellationToken::new();
    let mut signals = opened.signals.lock().await;
    let listening = listen(session, &mut signals, tell, &quiet);
    tokio::pin!(listening);
    let running = until_end(session, &*opened.account, control);
    tokio::pin!(running);
    let end = tokio::select! {
        end = &mut running => end,
        // Nobody can signal any more: the client has let go of its sender.
        () = &mut listening => return running.await,
    };
    quiet.cancel();
    if timeout(SIGNALS_DRAIN_MAX, listening).await.is_err() {
        tracing::warn!(session = %session.scope.session, "the last signals of a connection were not recorded in time");
    }
    end
}

async fn until_end(session: &Session, account: &dyn Account, control: &Control) -> End {
    // Dropped in the middle, a connection is cut, never left to itself.
    let cut = CutOnDrop {
        account,
        armed: true,
    };
    let running = account.run();
    tokio::pin!(running);
    let end = tokio::select! {
        end = &mut running => Some(end),
        () = control.close.cancelled() => None,
        // Aborted by the guard's drop: not a byte more, and nothing flushed (design rule R-12).
        () = session.cut_off() => return End::Fenced,
    };
    let end = match end {
        Some(end) => end,
        None => {
            tokio::select! {
                end = close(session, account, &mut running) => end,
                () = session.cut_off() => return End::Fenced,
            }
        }
    };
    cut.disarm();
    end
}

async fn close(
    session: &Session,
    account: &dyn Account,
    running: &mut (impl Future<Output = End> + Unpin),
) -> End {
    let flushed = async {
        let (flushed, end) = tokio::join!(account.shutdown(CLOSE_MAX), &mut *running);
        if let Err(error) = flushed {
            tracing::error!(session = %session.scope.session, %error, "a connection closed without flushing");
        }
        end
    };
    if let Ok(end) = timeout(CLOSE_MAX, flushed).await {
        return end;
    }
    tracing::warn!(session = %session.scope.session, "a connection did not close in time and is cut");
    account.abort();
    session.account.clear().await;
    timeout(CUT_MAX, running).await.unwrap_or(End::Stopped)
}

struct CutOnDrop<'a> {
    account: &'a dyn Account,
    armed: bool,
}

impl CutOnDrop<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for CutOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.account.abort();
        }
    }
}

/// Hands signals on in their order until `quiet`, then what is left of them.
async fn listen(
    session: &Session,
    signals: &mut mpsc::Receiver<Signal>,
    tell: &Tell,
    quiet: &CancellationToken,
) {
    let mut heard = Vec::with_capacity(SIGNALS_AT_ONCE);
    loop {
        let count = tokio::select! {
            biased;
            count = signals.recv_many(&mut heard, SIGNALS_AT_ONCE) => count,
            () = quiet.cancelled() => return,
        };
        if count == 0 {
            return;
        }
        let mut steps = Vec::new();
        for signal in heard.drain(..) {
            if let Some(input) = sort(session, signal, &mut steps) {
                // What was recorded is seen before the state that followed it.
                record(session, &mut steps).await;
                tell(input);
            }
        }
        record(session, &mut steps).await;
    }
}

/// How far an own message came.
enum Step {
    Acked(Acked),
    Receipt(Receipt),
}

/// Hints are passed on at once, steps of messages gathered; what the actor must hear is returned.
fn sort(session: &Session, signal: Signal, steps: &mut Vec<Step>) -> Option<Input> {
    match signal {
        Signal::Challenge(challenge) => return Some(Input::Challenged(challenge)),
        Signal::Paired(identity) => return Some(Input::Paired(identity)),
        Signal::Syncing(identity) => return Some(Input::Syncing(identity)),
        Signal::Connected(identity) => return Some(Input::Connected(identity)),
        Signal::PairingFailed(text) => return Some(Input::PairingFailed(text)),
        Signal::Presence(change) => {
            session.presence.changed(&change);
            session.hint(Event::Presence(presence::Event::Changed(change)));
        }
        Signal::ChatState(change) => {
            session.presence.state(&change);
            session.hint(Event::Presence(presence::Event::ChatState(change)));
        }
        Signal::Acked {
            id,
            chat,
            error,
            at,
        } => steps.push(Step::Acked(Acked {
            id,
            chat,
            error,
            at,
        })),
        Signal::Receipt(receipt) => steps.push(Step::Receipt(receipt)),
    }
    None
}

/// Records steps in their order. They are asked for together, so that they share a commit.
async fn record(session: &Session, steps: &mut Vec<Step>) {
    let recording = steps.drain(..).map(|step| async {
        match step {
            Step::Acked(acked) => session.journal.acked(acked).await,
            Step::Receipt(receipt) => session.journal.receipt(receipt).await,
        }
    });
    let recorded = futures::future::join_all(recording).await;
    for error in recorded.into_iter().filter_map(Result::err) {
        tracing::error!(session = %session.scope.session, %error, "the progress of a message was not recorded");
    }
}
