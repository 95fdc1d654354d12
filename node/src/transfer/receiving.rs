//! The receiving end: answers other nodes, one import per session that is on its way here.
//!
//! Owns the imports under way, their order and their end: finished and told, given up by the sender, replaced, or idle for
//! too long. Every call may come twice. Must not promote anything.

mod arrivals;
mod import;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use switchboard_bus::{Request, RequestStream};
use switchboard_keystore::Admission;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{Epoch, ErrorCode, MediaId, SessionRef};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::arrivals::Arrivals;
use self::import::Refusal;
use super::wire::{Answer, Ask, Call};
use super::{Transfer, text};

/// Calls of other nodes answered at once; more wait on the bus.
const CALLS_MAX: usize = 64;
/// How often idle imports are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// What one call is answered with.
pub(super) struct Receiving {
    transfer: Arc<Transfer>,
    arrivals: Arrivals,
    staged: mpsc::Sender<(SessionRef, Epoch)>,
}

/// As [`Transfer::serve`].
pub(super) async fn run(
    transfer: Arc<Transfer>,
    mut requests: RequestStream,
    staged: mpsc::Sender<(SessionRef, Epoch)>,
    stop: CancellationToken,
) {
    let receiving = Arc::new(Receiving {
        transfer,
        arrivals: Arrivals::default(),
        staged,
    });
    let turns = Arc::new(Semaphore::new(CALLS_MAX));
    let mut calls = JoinSet::new();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let request = tokio::select! {
            () = stop.cancelled() => break,
            _ = sweep.tick() => {
                receiving.sweep().await;
                continue;
            }
            // A place first, the request then: what has no place waits on the bus.
            request = next(&turns, &mut requests) => request,
        };
        let Some((request, place)) = request else {
            break;
        };
        while calls.try_join_next().is_some() {}
        let receiving = Arc::clone(&receiving);
        calls.spawn(async move {
            receiving.answer(request).await;
            drop(place);
        });
    }
    requests.stop();
    calls.shutdown().await;
    receiving.give_up_all().await;
}

async fn next(
    turns: &Arc<Semaphore>,
    requests: &mut RequestStream,
) -> Option<(Request, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(turns).acquire_owned().await.ok()?;
    requests.next().await.map(|request| (request, place))
}

impl Receiving {
    async fn answer(&self, request: Request) {
        let Request { payload, replier } = request;
        let keys = &self.transfer.keys;
        let (call, mac) = keys.read_call(payload);
        let answer = match call {
            Ok((call, blob)) => self.act(call, blob).await,
            Err(error) => {
                tracing::warn!(%error, "a call of another node was refused");
                refuse(error)
            }
        };
        let replied = match keys.answer(&answer, &mac) {
            Ok(bytes) => replier.reply(bytes).await.map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(cause) = replied {
            tracing::warn!(cause, "an answer to another node did not go out");
        }
    }

    async fn act(&self, call: Call, blob: Bytes) -> Answer {
        let Call { from, session, ask } = call;
        let label = session.clone();
        let acted = match ask {
            Ask::MediaHave { files } => self.missing(&session, files).await,
            Ask::MediaPiece { meta, offset } => self.piece(&session, &meta, offset, blob).await,
            Ask::Begin { transfer, next } => self.begin(from, session, transfer, next).await,
            Ask::Frame { transfer, sequence } => {
                self.frame(&session, &transfer, sequence, &blob).await
            }
            Ask::Finish { transfer, report } => self.finish(&session, &transfer, report).await,
            Ask::Abort { transfer } => self.abort(&session, &transfer).await,
        };
        match acted {
            Ok(answer) => answer,
            Err(Refusal(reason)) => {
                tracing::info!(session = %label, reason, "a session or a file of another node was refused");
                Answer::Refused { reason }
            }
        }
    }

    /// A node without a lease takes nothing: its next life would find a copy that nobody may name any more.
    fn leased(&self) -> Result<(), Refusal> {
        if (self.transfer.may_take)() {
            return Ok(());
        }
        Err(Refusal("it has no lease".to_owned()))
    }

    /// Nor does a disk that takes no new sessions take one from another node.
    fn admit(&self) -> Result<(), Refusal> {
        self.leased()?;
        match self.transfer.store.admission() {
            Admission::Ok => Ok(()),
            Admission::NoNewSessions | Admission::NoSends => Err(Refusal(
                "its disk is too full for another session".to_owned(),
            )),
        }
    }

    async fn missing(&self, session: &SessionRef, files: Vec<MediaId>) -> Result<Answer, Refusal> {
        self.admit()?;
        let mut missing = Vec::new();
        for media in files {
            let known = self.transfer.media.describe(session, &media).await;
            // What cannot be read here is not here.
            if !matches!(known, Ok(Some(_))) {
                missing.push(media);
            }
        }
        Ok(Answer::Missing { files: missing })
    }

    async fn piece(
        &self,
        session: &SessionRef,
        meta: &StoredMedia,
        offset: u64,
        piece: Bytes,
    ) -> Result<Answer, Refusal> {
        self.admit()?;
        let media = &self.transfer.media;
        match media.copy_in(session, meta, offset, piece).await {
            Ok(whole) => Ok(Answer::Kept { whole }),
            Err(error) if error.code == ErrorCode::Busy => Ok(Answer::Busy),
            Err(error) => Err(Refusal(text(error))),
        }
    }
}

fn refuse(reason: impl std::fmt::Display) -> Answer {
    Answer::Refused {
        reason: reason.to_string(),
    }
}
