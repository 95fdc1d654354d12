//! The node's subject on the bus: frames in, answers out.
//!
//! Owns decoding, ownership answers, deadlines and the bound on calls under way. Must not know what an operation does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use switchboard_bus::{Bus, Key, Names, Request, RequestStream};
use switchboard_vocab::envelope::{AnswerHead, CHUNK_LEN_MAX, CallHead, Frame, Verb};
use switchboard_vocab::{Epoch, ErrorCode, OpError, Outcome, SessionRef};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::directory::{Records, read_record};
use crate::execute::{Prepared, Registry};
use crate::index::Index;
use crate::placement::{Ownership, Verdict};
use crate::ports::Ports;
use crate::session::handle::Handle;
use crate::supervisor::Supervisor;

/// Longest deadline a caller can ask for.
const DEADLINE_MAX: Duration = Duration::from_secs(300);
/// Longest wait for a session that is new, or is being started.
const START_WAIT_MAX: Duration = Duration::from_secs(3);

/// What the calls of a node work with.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) bus: Bus,
    pub(crate) names: Names,
    pub(crate) index: Arc<Index>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) records: Arc<Records>,
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
        let handle = self.door(&session, deadline).await?;
        let answer = match verb {
            Verb::Run { name } => {
                let prepared = self.registry.prepare(&name, &body)?;
                let done = self.execute(&handle, prepared, deadline, trace).await;
                done.map_err(|error| self.moved(&session, error))?
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

    /// The session's door, once it is this node's and open. A session created a moment ago may not have been seen here yet.
    async fn door(&self, session: &SessionRef, deadline: Instant) -> Result<Arc<Handle>, Refusal> {
        let until = deadline.min(Instant::now() + START_WAIT_MAX);
        let mut changes = self.ownership.changes();
        let mut epoch = match self.ownership.owner(session) {
            Verdict::Owned { epoch } => epoch,
            Verdict::NotOwned { .. } => {
                if self.records.get(session).is_none() {
                    self.find(session, deadline).await?;
                }
                self.until_owned(session, &mut changes, until).await?
            }
        };
        loop {
            let waiting = self.index.wait_for(session, epoch, until);
            let handle = tokio::select! {
                handle = waiting => handle,
                // A session that is taken away again is not waited for.
                changed = changes.changed() => match (changed, self.ownership.owner(session)) {
                    (Ok(()), Verdict::Owned { epoch: now }) => {
                        epoch = now;
                        continue;
                    }
                    (_, verdict) => return Err(not_owner(verdict)),
                },
            };
            return handle.ok_or_else(|| {
                OpError::new(ErrorCode::Unavailable, "the session is being started")
                    .retry_after(Duration::from_secs(1))
                    .into()
            });
        }
    }

    /// Waits for a session that nobody has owned yet: this node may be about to claim it. The epoch under which it is this
    /// node's.
    async fn until_owned(
        &self,
        session: &SessionRef,
        changes: &mut watch::Receiver<u64>,
        until: Instant,
    ) -> Result<Epoch, Refusal> {
        loop {
            let verdict = self.ownership.owner(session);
            match &verdict {
                Verdict::Owned { epoch } => return Ok(*epoch),
                Verdict::NotOwned {
                    epoch: NEVER,
                    hint: None,
                } => {}
                Verdict::NotOwned { .. } => return Err(not_owner(verdict)),
            }
            match timeout_at(until, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(not_owner(verdict)),
            }
        }
    }

    /// Looks for the record of a session that the watch of the directory has not shown. The watch will show it: it alone brings
    /// sessions in, so that it can also take them away.
    async fn find(&self, session: &SessionRef, deadline: Instant) -> Result<(), OpError> {
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
        let record = read_record(&entry.ok_or_else(not_found)?).map_err(OpError::internal)?;
        if record.session == *session {
            Ok(())
        } else {
            Err(not_found())
        }
    }

    /// A call that was not begun because the session went elsewhere is another node's.
    fn moved(&self, session: &SessionRef, error: OpError) -> Refusal {
        if error.code == ErrorCode::Unavailable && error.outcome == Outcome::NotExecuted {
            let verdict = self.ownership.owner(session);
            if matches!(verdict, Verdict::NotOwned { .. }) {
                return not_owner(verdict);
            }
        }
        error.into()
    }
}

/// The epoch of a session that nobody has owned.
const NEVER: Epoch = Epoch(0);

fn not_owner(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::NotOwned { epoch, hint } => {
            Refusal::NotOwner(AnswerHead::NotOwner { epoch, hint })
        }
        // It came back while the answer was being made: whoever asks again finds it.
        Verdict::Owned { epoch } => Refusal::NotOwner(AnswerHead::NotOwner { epoch, hint: None }),
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
