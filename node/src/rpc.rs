//! The node's subject on the bus: frames in, answers out.
//!
//! Owns decoding, ownership answers, deadlines and the bound on calls under way. Must not know what an operation does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use switchboard_bus::{Bus, Key, Names, Request, RequestStream};
use switchboard_vocab::envelope::{AnswerHead, CHUNK_LEN_MAX, CallHead, Frame, Verb};
use switchboard_vocab::{ErrorCode, OpError, SessionRef};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::directory::read_record;
use crate::execute::{Prepared, Registry};
use crate::index::Index;
use crate::placement::{Ownership, Verdict};
use crate::ports::Ports;
use crate::session::handle::Handle;
use crate::supervisor::{Command, Supervisor, Wanted};

/// Longest deadline a caller can ask for.
const DEADLINE_MAX: Duration = Duration::from_secs(300);
/// Longest wait for a session whose record was written just now.
const NEW_SESSION_WAIT_MAX: Duration = Duration::from_secs(3);

/// What the calls of a node work with.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) bus: Bus,
    pub(crate) names: Names,
    pub(crate) index: Arc<Index>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) supervisor: Supervisor,
    pub(crate) ports: Ports,
    pub(crate) calls_max: usize,
}

/// What an answer carries besides its head.
#[derive(Debug, Default)]
struct Answer {
    body: Bytes,
    blob: Bytes,
}

impl Server {
    /// Serves until the stream ends or `stop`; then answers what it has taken, at most `drain`.
    pub(crate) async fn run(
        self,
        mut requests: RequestStream,
        stop: CancellationToken,
        drain: Duration,
    ) {
        let turns = Arc::new(Semaphore::new(self.calls_max));
        let mut calls = JoinSet::new();
        loop {
            // A place first, the request then: what has no place waits on the bus, where the caller sees it.
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&turns).acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            let request = tokio::select! {
                () = stop.cancelled() => break,
                request = requests.next() => request,
            };
            let Some(request) = request else { break };
            while calls.try_join_next().is_some() {}
            let server = self.clone();
            calls.spawn(async move {
                server.serve(request).await;
                drop(place);
            });
        }
        requests.stop();
        let rest = async {
            while let Some(request) = requests.next().await {
                let server = self.clone();
                calls.spawn(async move { server.serve(request).await });
            }
            while calls.join_next().await.is_some() {}
        };
        if tokio::time::timeout(drain, rest).await.is_err() {
            tracing::warn!("calls were still under way when the node stopped");
        }
        calls.shutdown().await;
    }

    async fn serve(&self, request: Request) {
        let started = Instant::now();
        let Request { payload, replier } = request;
        let (label, result) = match Frame::<CallHead>::decode(payload) {
            Ok(frame) => (
                self.label(&frame.head.verb),
                Box::pin(self.answer(frame)).await,
            ),
            Err(error) => ("malformed", Err(Refusal::Failed(error))),
        };
        let outcome = match &result {
            Ok(_) => "done",
            Err(Refusal::Failed(_)) => "failed",
            Err(Refusal::NotOwner(_)) => "not_owner",
        };
        metrics::counter!("switchboard_calls_total", "operation" => label, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("switchboard_call_seconds", "operation" => label)
            .record(started.elapsed());
        let replied = match encode(result) {
            Ok(bytes) => replier.reply(bytes).await.map_err(|e| e.to_string()),
            Err(error) => Err(error.internal.unwrap_or(error.public)),
        };
        if let Err(cause) = replied {
            tracing::warn!(operation = label, cause, "an answer did not go out");
        }
    }

    /// The operation's name for metrics: of the catalog's, or one word for all others.
    fn label(&self, verb: &Verb) -> &'static str {
        match verb {
            Verb::Run { name } => self.registry.label(name),
            Verb::Stage { .. } => "media.stage",
            Verb::ReadMedia { .. } => "media.read",
        }
    }

    async fn answer(&self, frame: Frame<CallHead>) -> Result<Answer, Refusal> {
        let Frame { head, body, blob } = frame;
        let CallHead {
            session,
            verb,
            deadline_ms,
            trace,
        } = head;
        let deadline = Instant::now() + Duration::from_millis(deadline_ms).min(DEADLINE_MAX);
        if let Verdict::NotOwned { epoch, hint } = self.ownership.owner(&session) {
            return Err(Refusal::NotOwner(AnswerHead::NotOwner { epoch, hint }));
        }
        let handle = self.door(&session, deadline).await?;
        let answer = match verb {
            Verb::Run { name } => {
                let prepared = self.registry.prepare(&name, &body)?;
                self.execute(&handle, prepared, deadline, trace).await?
            }
            Verb::Stage {
                upload,
                offset,
                total,
            } => {
                if blob.len() > CHUNK_LEN_MAX {
                    let text = format!("a piece has at most {CHUNK_LEN_MAX} bytes");
                    return Err(OpError::new(ErrorCode::TooLarge, text).into());
                }
                let media = &self.ports.media;
                let staged = media.stage(&handle.scope, &upload, offset, total, blob);
                within(deadline, staged).await?;
                Answer::default()
            }
            Verb::ReadMedia { media, offset, len } => {
                let len = len.min(u32::try_from(CHUNK_LEN_MAX).unwrap_or(u32::MAX));
                let read = self.ports.media.read(&handle.scope, &media, offset, len);
                Answer {
                    body: Bytes::new(),
                    blob: within(deadline, read).await?,
                }
            }
        };
        Ok(answer)
    }

    async fn execute(
        &self,
        handle: &Handle,
        prepared: Prepared,
        deadline: Instant,
        trace: String,
    ) -> Result<Answer, OpError> {
        let (name, erases) = (prepared.name, prepared.erases);
        let result = handle.run(prepared, deadline, trace.clone()).await;
        if let Err(error) = &result
            && let Some(internal) = &error.internal
        {
            // Here and nowhere else: the inner words never leave the process.
            tracing::error!(session = %handle.scope.session, operation = name, trace, internal, "a call failed");
        }
        let body = result?;
        if erases {
            let (session, uuid) = (handle.scope.session.clone(), handle.scope.uuid.to_string());
            self.supervisor.erase(session, uuid, false).await?;
        }
        Ok(Answer {
            body: body.into(),
            blob: Bytes::new(),
        })
    }

    /// The session's door. A session created a moment ago may not have been seen here yet.
    async fn door(&self, session: &SessionRef, deadline: Instant) -> Result<Arc<Handle>, OpError> {
        if let Some(handle) = self.index.get(session) {
            return Ok(handle);
        }
        let not_found = || {
            OpError::new(
                ErrorCode::SessionNotFound,
                format!("there is no session {}", session.session),
            )
        };
        let key = Key::session(session.tenant.as_str(), session.session.as_str());
        let key = key.map_err(|_| not_found())?;
        let bucket = self.names.sessions();
        let read = self.bus.kv.get(&bucket, &key);
        let entry = within(deadline, async {
            read.await.map_err(|e| {
                let text = "the directory of sessions cannot be read now";
                OpError::new(ErrorCode::Unavailable, text).with_internal(e.to_string())
            })
        })
        .await?;
        let record = entry.ok_or_else(not_found)?;
        let record = read_record(&record).map_err(OpError::internal)?;
        if record.session != *session {
            return Err(not_found());
        }
        if let Verdict::Owned { epoch } = self.ownership.owner(session) {
            let wanted = Wanted::new(Arc::new(record), epoch);
            self.supervisor.tell(Command::Run(wanted));
        }
        let until = deadline.min(Instant::now() + NEW_SESSION_WAIT_MAX);
        self.index.wait_for(session, until).await.ok_or_else(|| {
            OpError::new(ErrorCode::Unavailable, "the session is being started")
                .retry_after(Duration::from_secs(1))
        })
    }
}

/// Why there is no output.
enum Refusal {
    Failed(OpError),
    NotOwner(AnswerHead),
}

impl From<OpError> for Refusal {
    fn from(error: OpError) -> Self {
        Self::Failed(error)
    }
}

fn encode(result: Result<Answer, Refusal>) -> Result<Bytes, OpError> {
    let (head, answer) = match result {
        Ok(answer) => (AnswerHead::Done, answer),
        Err(Refusal::Failed(error)) => (AnswerHead::Failed { error }, Answer::default()),
        Err(Refusal::NotOwner(head)) => (head, Answer::default()),
    };
    Frame {
        head,
        body: answer.body,
        blob: answer.blob,
    }
    .encode()
}

async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, OpError>>,
) -> Result<T, OpError> {
    timeout_at(deadline, work).await.unwrap_or_else(|_| {
        Err(OpError::new(ErrorCode::Timeout, "the call did not finish in time").maybe_executed())
    })
}
