//! The sending end: asks the target, streams the stopped session's tree, compares what both sides saw.
//!
//! Owns repeating: a call whose answer was lost is sent again, unchanged, and the target answers it again. Must not change
//! anything of the session here.

use std::time::Duration;

use bytes::Bytes;
use switchboard_bus::{RpcError, Subject};
use switchboard_keystore::{Epoch as StoreEpoch, Error as StoreError, Export, Namespace};
use switchboard_ownership::TransferFailure;
use switchboard_vocab::{Epoch, NodeId, SessionRef};
use tokio::time::{Instant, sleep, timeout_at};

use super::wire::{Answer, Ask, Call, Report, TransferId};
use super::{Transfer, files, namespace};

/// How long one call may wait for its answer before it is sent again. The longest work behind one is a frame's commit.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How often one call is sent.
const ATTEMPTS_MAX: u32 = 5;
/// How often one call is sent to a target that is busy or cannot be reached at all just now.
const NOT_BEGUN_ATTEMPTS_MAX: u32 = 20;
/// The wait before a call is sent again.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);
/// How long giving up may take; the target gives up by itself too.
const ABORT_WAIT: Duration = Duration::from_millis(500);

/// Why a call, or all of them together, did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The target said no, or something here did; the same would happen again.
    Refused(String),
    /// No answer, however often it was asked.
    Unreachable(String),
    /// The time was over.
    TimedOut,
}

impl From<Failure> for TransferFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(why) | Failure::Unreachable(why) => Self::Refused(why),
            Failure::TimedOut => Self::TimedOut,
        }
    }
}

/// As [`Transfer::prepare`].
pub(super) async fn prepare(
    transfer: &Transfer,
    session: &SessionRef,
    target: &NodeId,
    deadline: Instant,
) -> Result<(), TransferFailure> {
    let peer = Peer::new(transfer, session, target, deadline)?;
    let copied = timeout_at(deadline, files::copy_all(&peer)).await;
    copied.unwrap_or(Err(Failure::TimedOut)).map_err(Into::into)
}

/// As [`Transfer::send`].
pub(super) async fn send(
    transfer: &Transfer,
    session: &SessionRef,
    epochs: (Epoch, Epoch),
    target: &NodeId,
    deadline: Instant,
) -> Result<(), TransferFailure> {
    let started = Instant::now();
    let peer = Peer::new(transfer, session, target, deadline)?;
    let id = TransferId::fresh();
    let sent = timeout_at(deadline, stream(&peer, &id, epochs))
        .await
        .unwrap_or(Err(Failure::TimedOut));
    let outcome = match &sent {
        Ok(_) => "sent",
        Err(Failure::Refused(_) | Failure::Unreachable(_)) => "refused",
        Err(Failure::TimedOut) => "timed_out",
    };
    metrics::counter!("switchboard_transfers_total", "outcome" => outcome).increment(1);
    match sent {
        Ok(report) => {
            metrics::histogram!("switchboard_transfer_seconds").record(started.elapsed());
            metrics::counter!("switchboard_transfer_bytes_total").increment(report.bytes());
            Ok(())
        }
        Err(failure) => {
            peer.abort(id).await;
            Err(failure.into())
        }
    }
}

async fn stream(
    peer: &Peer<'_>,
    id: &TransferId,
    (epoch, next): (Epoch, Epoch),
) -> Result<Report, Failure> {
    let begin = Ask::Begin {
        transfer: id.clone(),
        next,
    };
    peer.taken(begin, Bytes::new()).await?;
    files::copy_rest(peer).await?;
    let ns = namespace(&peer.session).map_err(Failure::Refused)?;
    let mut export = open(peer, &ns, id, (epoch, next)).await?;
    let mut sequence = 0u32;
    let mut frame = following(peer, export.as_mut()).await?;
    while let Some(blob) = frame {
        let ask = Ask::Frame {
            transfer: id.clone(),
            sequence,
        };
        // The next frame is read while this one is on its way; two in memory at most.
        let (taken, next) = tokio::join!(peer.taken(ask, blob), following(peer, export.as_mut()));
        taken?;
        frame = next?;
        sequence = sequence.saturating_add(1);
    }
    let report = export.report().map(Report::from);
    let report = report.ok_or_else(|| peer.refused("the export has no report"))?;
    if report.source_epoch() > epoch {
        let text = format!("the data here is of epoch {}", report.source_epoch());
        return Err(peer.refused(text));
    }
    let finish = Ask::Finish {
        transfer: id.clone(),
        report: report.clone(),
    };
    let answer = peer.ask(finish, Bytes::new()).await?;
    let Answer::Staged { report: theirs } = &answer else {
        return Err(peer.unexpected(&answer));
    };
    if *theirs == report {
        return Ok(report);
    }
    let text = format!("the copy differs: {report:?} here, {theirs:?} there");
    Err(peer.refused(text))
}

/// The export of the session's tree. A session that never stored anything gets an empty one, so that it moves as the others.
async fn open(
    peer: &Peer<'_>,
    ns: &Namespace,
    id: &TransferId,
    (epoch, next): (Epoch, Epoch),
) -> Result<Box<dyn Export>, Failure> {
    let store = &peer.transfer.store;
    let key = peer.transfer.keys.transfer(&peer.session, next, id);
    let failed = |e: StoreError| peer.refused(format!("the key store: {e}"));
    match store.export(ns, &key).await {
        Err(StoreError::UnknownNamespace(_)) => {
            let empty = store.commit(ns, StoreEpoch(epoch.0), Vec::new()).await;
            empty.map_err(failed)?;
            store.export(ns, &key).await.map_err(failed)
        }
        opened => opened.map_err(failed),
    }
}

async fn following(peer: &Peer<'_>, export: &mut dyn Export) -> Result<Option<Bytes>, Failure> {
    let next = export.next().await;
    next.map_err(|e| peer.refused(format!("the key store: {e}")))
}

/// The node that a session goes to.
pub(super) struct Peer<'a> {
    pub(super) transfer: &'a Transfer,
    pub(super) session: SessionRef,
    target: NodeId,
    subject: Subject,
    pub(super) deadline: Instant,
}

impl<'a> Peer<'a> {
    fn new(
        transfer: &'a Transfer,
        session: &SessionRef,
        target: &NodeId,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let subject = transfer.names.node_peer(target.as_str());
        Ok(Self {
            transfer,
            session: session.clone(),
            target: target.clone(),
            subject: subject.map_err(|e| Failure::Refused(e.to_string()))?,
            deadline,
        })
    }

    /// A failure that names who was to take what.
    pub(super) fn refused(&self, why: impl std::fmt::Display) -> Failure {
        Failure::Refused(self.failed(why))
    }

    fn failed(&self, why: impl std::fmt::Display) -> String {
        format!("move {} to {}: {why}", self.session, self.target)
    }

    pub(super) fn unexpected(&self, answer: &Answer) -> Failure {
        self.refused(format!("an answer to something else: {answer:?}"))
    }

    async fn taken(&self, ask: Ask, blob: Bytes) -> Result<(), Failure> {
        let answer = self.ask(ask, blob).await?;
        if answer == Answer::Taken {
            Ok(())
        } else {
            Err(self.unexpected(&answer))
        }
    }

    /// Asks until there is an answer that is not "busy". The same bytes each time, so that the target can tell.
    pub(super) async fn ask(&self, ask: Ask, blob: Bytes) -> Result<Answer, Failure> {
        let call = Call {
            from: self.transfer.me.clone(),
            session: self.session.clone(),
            ask,
        };
        let keys = &self.transfer.keys;
        let (payload, mac) = keys.call(&call, blob).map_err(|e| self.refused(e))?;
        let (mut lost, mut not_begun) = (0, 0);
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::TimedOut);
            }
            let wait = left.min(ANSWER_WAIT);
            let rpc = &self.transfer.bus.rpc;
            let cause = match rpc.request(&self.subject, payload.clone(), wait).await {
                Ok(answer) => match keys
                    .read_answer(answer, &mac)
                    .map_err(|e| self.refused(e))?
                {
                    Answer::Busy => {
                        not_begun += 1;
                        "it takes too many sessions already".to_owned()
                    }
                    Answer::Refused { reason } => return Err(self.refused(reason)),
                    answer @ (Answer::Taken
                    | Answer::Missing { .. }
                    | Answer::Kept { .. }
                    | Answer::Staged { .. }) => return Ok(answer),
                },
                Err(error @ RpcError::TooLarge { .. }) => return Err(self.refused(error)),
                Err(error) => {
                    if error.certainly_not_executed() {
                        not_begun += 1;
                    } else {
                        lost += 1;
                    }
                    error.to_string()
                }
            };
            if lost >= ATTEMPTS_MAX || not_begun >= NOT_BEGUN_ATTEMPTS_MAX {
                return Err(Failure::Unreachable(self.failed(cause)));
            }
            tracing::debug!(session = %self.session, target = %self.target, cause, "a call to another node is repeated");
            sleep(ATTEMPT_PAUSE).await;
        }
    }

    /// Tells the target that nothing follows, once: it forgets by itself too.
    async fn abort(&self, transfer: TransferId) {
        let call = Call {
            from: self.transfer.me.clone(),
            session: self.session.clone(),
            ask: Ask::Abort { transfer },
        };
        let rpc = &self.transfer.bus.rpc;
        let told = match self.transfer.keys.call(&call, Bytes::new()) {
            Ok((payload, _)) => rpc.request(&self.subject, payload, ABORT_WAIT).await.err(),
            Err(_) => None,
        };
        if let Some(error) = told {
            tracing::debug!(session = %self.session, target = %self.target, %error, "a given up move was not told");
        }
    }
}
