//! One connection to NATS and the two kinds of JetStream exchange over it: API requests and publishing.

mod login;
mod setup;

use std::fmt;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use async_nats::{Client, HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use crate::{BoxError, Limits, clock};

/// JetStream publishes of this process that wait for their acknowledgement; more wait for a place.
const PUBLISH_IN_FLIGHT_MAX: usize = 4096;
/// The compare-and-set. Source: NATS ADR-8.
pub(super) const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";
/// The first pause before a compare-and-set that was refused without a reason is tried again.
const SWAP_PAUSE: Duration = Duration::from_millis(1);
/// The first pause between attempts while a cluster elects its leaders.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
pub(super) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Codes of nats-server's JetStream API. Source: nats-server `server/errors.json`.
pub(super) mod code {
    /// No peers yet for the copies asked for.
    pub(in crate::nats) const NO_PEERS: u64 = 10005;
    pub(in crate::nats) const CONSUMER_NOT_FOUND: u64 = 10014;
    /// Not enough servers yet for the copies asked for.
    pub(in crate::nats) const INSUFFICIENT_RESOURCES: u64 = 10023;
    pub(in crate::nats) const NO_MESSAGE: u64 = 10037;
    pub(in crate::nats) const STREAM_NAME_IN_USE: u64 = 10058;
    pub(in crate::nats) const STREAM_NOT_FOUND: u64 = 10059;
    /// The publish went to another stream than it named.
    pub(in crate::nats) const STREAM_MISMATCH: u64 = 10060;
    pub(in crate::nats) const SUBJECTS_OVERLAP: u64 = 10065;
    /// A limit of the stream refuses a message; the description says which.
    pub(in crate::nats) const STORE_FAILED: u64 = 10077;
    /// The server's disk, or what it may use of it, is full.
    pub(in crate::nats) const STORAGE_EXCEEDED: u64 = 10047;
    pub(in crate::nats) const WRONG_LAST_SEQUENCE: u64 = 10071;
    /// From 2.11 on, while another append with the same id is under way, or its end is being noted.
    pub(in crate::nats) const SAME_ID_IN_PROCESS: u64 = 10158;
    /// From 2.11 on, while a new leader still applies what it has.
    pub(in crate::nats) const EXPECTED_NOT_READY: u64 = 10163;
    /// From 2.11 on, while another write to the subject is under way, or its end is being noted.
    pub(in crate::nats) const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10164;
}

/// The connection, shared by the three traits.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    pub(super) limits: Limits,
    pub(super) replicas: usize,
    pub(super) setup_deadline: Duration,
    publishes: Semaphore,
    connects: watch::Receiver<u64>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.client.connection_state())
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// Why a JetStream exchange failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer in time; the effect is unknown.
    Timeout(Duration),
    /// No connection; no effect.
    Disconnected,
    /// Nobody answers to the subject: no leader yet, or nothing of that name; no effect.
    Nobody,
    /// A message of the same id is under way; whether it will be stored is not known yet.
    SameId,
    /// A compare-and-set found this sequence instead of the expected one (0: none), or did not say which; no effect.
    Lost(Option<u64>),
    /// The server's answer is another error.
    Api(ApiError),
    /// The answer cannot be read, or the client library gave up; the effect is unknown.
    Other(BoxError),
}

/// An error as JetStream sends it.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{description} (code {code}, error {err_code})")]
pub(super) struct ApiError {
    pub(super) code: u64,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

impl ApiError {
    /// Turns the errors of a compare-and-set into [`Failure::Lost`].
    fn of_publish(self) -> Failure {
        match self.err_code {
            // "wrong last sequence: 7"
            code::WRONG_LAST_SEQUENCE => {
                let found = self.description.rsplit(": ").next().unwrap_or_default();
                Failure::Lost(found.parse().ok())
            }
            code::WRONG_LAST_SEQUENCE_CONSTANT | code::EXPECTED_NOT_READY => Failure::Lost(None),
            code::SAME_ID_IN_PROCESS => Failure::SameId,
            _ => Failure::Api(self),
        }
    }

    /// True where an append was refused because the stream or its disk is full.
    pub(super) fn is_full(&self) -> bool {
        match self.err_code {
            code::INSUFFICIENT_RESOURCES | code::STORAGE_EXCEEDED => true,
            code::STORE_FAILED => self.description.contains("maximum bytes exceeded"),
            _ => false,
        }
    }

    /// True while a cluster may still be finding its leaders.
    fn is_temporary(&self) -> bool {
        self.code == 503
            || self.err_code == code::NO_PEERS
            || self.err_code == code::INSUFFICIENT_RESOURCES
    }
}

/// The body of a JetStream request.
pub(super) fn json(body: &impl Serialize) -> Result<Bytes, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::Other(error.into()))?;
    Ok(body.into())
}

fn nobody(failure: &Failure) -> bool {
    matches!(failure, Failure::Nobody)
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    match serde_json::from_slice(answer) {
        Ok(Answer::Done(answer)) => Ok(answer),
        Ok(Answer::Failed { error }) => Err(Failure::Api(error)),
        Err(error) => Err(Failure::Other(error.into())),
    }
}

/// Any answer of JetStream.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Failed { error: ApiError },
    Done(T),
}

/// A stored message, as far as its place is concerned.
#[derive(Deserialize)]
struct Stored {
    message: Place,
}

#[derive(Deserialize)]
struct Place {
    seq: u64,
}

/// The acknowledgement of a publish.
#[derive(Debug, Deserialize)]
pub(super) struct Ack {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) duplicate: bool,
}

impl Connection {
    /// Refuses a bucket or stream that has copies on servers that cannot be trusted with them.
    pub(super) fn check_copies(&self, name: &str, copies: usize) -> Result<(), Failure> {
        let version = self.client.server_info().version;
        if copies <= 1 || setup::copies_are_safe(&version) {
            return Ok(());
        }
        Err(Failure::Other(
            setup::unsafe_copies(name, copies, &version).into(),
        ))
    }

    /// True if bytes can leave now.
    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Wakes at every connection made from now on: subscriptions may then have a gap.
    pub(super) fn connects(&self) -> watch::Receiver<u64> {
        let mut connects = self.connects.clone();
        connects.mark_unchanged();
        connects
    }

    /// The payload limit: the operator's or the server's, whichever is less.
    pub(super) fn payload_bytes_max(&self) -> usize {
        self.limits.payload_bytes_max.min(self.client.max_payload())
    }

    /// Asks the JetStream API. `body` is JSON; most questions have none.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        let subject = format!("$JS.API.{subject}");
        let request = || Request::new().payload(body.clone());
        read(
            &self
                .insist(nobody, || self.send(subject.clone(), request()))
                .await?,
        )
    }

    /// Asks the JetStream API again and again while the cluster is electing, until the setup deadline.
    pub(super) async fn setup<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        let attempts = async {
            let mut pause = RETRY_PAUSE;
            loop {
                match self.api(subject, body.clone()).await {
                    Err(Failure::Disconnected | Failure::Nobody | Failure::Timeout(_)) => {}
                    Err(Failure::Api(error)) if error.is_temporary() => {}
                    outcome => return outcome,
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            }
        };
        match tokio::time::timeout(self.setup_deadline, attempts).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Timeout(self.setup_deadline)),
        }
    }

    /// Waits until the cluster's meta leader knows a stream that may just have been made: until then it may deny it to the
    /// next question, or allow another stream on the same subjects.
    pub(super) async fn settle(&self, stream: &str) -> Result<(), Failure> {
        // The meta leader answers for a consumer that does not exist. An id of ours never is this name.
        let subject = format!("CONSUMER.INFO.{stream}.$settle");
        let attempts = async {
            loop {
                match self
                    .setup::<serde::de::IgnoredAny>(&subject, Bytes::new())
                    .await
                {
                    Err(Failure::Api(error)) if error.err_code == code::STREAM_NOT_FOUND => {}
                    Err(Failure::Api(error)) if error.err_code == code::CONSUMER_NOT_FOUND => {
                        return Ok(());
                    }
                    outcome => return outcome.map(drop),
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        };
        match tokio::time::timeout(self.setup_deadline, attempts).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Timeout(self.setup_deadline)),
        }
    }

    /// Publishes into a stream and waits for its acknowledgement. `Nobody` at once if no stream takes it now.
    pub(super) async fn publish(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Ack, Failure> {
        let request = Request::new().payload(payload).headers(headers);
        let publish = async {
            // Never closed.
            let _permit = self.publishes.acquire().await;
            match read(&self.send(subject.to_owned(), request).await?) {
                Err(Failure::Api(error)) => Err(error.of_publish()),
                outcome => outcome,
            }
        };
        self.in_time(publish).await
    }

    /// Publishes where the subject's last sequence is `expected`, else `Lost`. The stream must exist.
    ///
    /// A cluster refuses for a moment after an acknowledged write too, so a refusal that does not name the sequence
    /// that stands is tried again as long as the expected one does stand.
    pub(super) async fn swap(
        &self,
        stream: &str,
        subject: &str,
        mut headers: HeaderMap,
        payload: Bytes,
        expected: u64,
    ) -> Result<Ack, Failure> {
        headers.insert(EXPECTED_LAST, expected.to_string());
        let until = clock::monotonic() + self.limits.operation_deadline;
        let mut pause = SWAP_PAUSE;
        loop {
            let publish = || self.publish(subject, headers.clone(), payload.clone());
            let outcome = self.insist(nobody, publish).await;
            // From 2.11 on a refused message's id may be held for "under way" for long.
            let Err(Failure::Lost(None) | Failure::SameId) = outcome else {
                return outcome;
            };
            let found = self.last_sequence(stream, subject).await?;
            let next = clock::monotonic() + pause;
            if found != expected || next >= until {
                return Err(Failure::Lost(Some(found)));
            }
            tokio::time::sleep_until(next).await;
            pause = (pause * 2).min(RETRY_PAUSE);
        }
    }

    /// The sequence of the last stored message that matches `filter`, as the stream's leader knows it; 0 if there is
    /// none.
    pub(super) async fn last_sequence(&self, stream: &str, filter: &str) -> Result<u64, Failure> {
        let body = serde_json::json!({ "last_by_subj": filter }).to_string();
        match self
            .api::<Stored>(&format!("STREAM.MSG.GET.{stream}"), body.into())
            .await
        {
            Ok(stored) => Ok(stored.message.seq),
            Err(Failure::Api(error)) if error.err_code == code::NO_MESSAGE => Ok(0),
            Err(failure) => Err(failure),
        }
    }

    /// The same for a stream that is known to exist: if nobody takes it, or a message of the same id is under way
    /// (it will be a duplicate, or free again), it is tried again for a while.
    pub(super) async fn publish_to_known(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Ack, Failure> {
        let passes = |failure: &Failure| matches!(failure, Failure::Nobody | Failure::SameId);
        self.insist(passes, || {
            self.publish(subject, headers.clone(), payload.clone())
        })
        .await
    }

    /// Sends `payload` to a subject that a server answers with anything.
    pub(super) async fn confirm(&self, subject: &str, payload: Bytes) -> Result<(), Failure> {
        let request = || Request::new().payload(payload.clone());
        self.insist(nobody, || self.send(subject.to_owned(), request()))
            .await
            .map(drop)
    }

    /// Repeats `work` while it fails with what passes, until the operation deadline. Nobody answers while the leader
    /// of a stream or consumer is being elected, or other servers have not heard of it yet; nothing was executed
    /// then, so nothing is done twice.
    async fn insist<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        again: impl Fn(&Failure) -> bool,
        mut work: impl FnMut() -> F,
    ) -> Result<T, Failure> {
        let until = clock::monotonic() + self.limits.operation_deadline;
        let mut pause = RETRY_PAUSE;
        loop {
            let outcome = work().await;
            let next = clock::monotonic() + pause;
            if !outcome.as_ref().is_err_and(&again) || next >= until {
                return outcome;
            }
            tokio::time::sleep_until(next).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    async fn send(&self, subject: String, request: Request) -> Result<Bytes, Failure> {
        if !self.is_up() {
            return Err(Failure::Disconnected);
        }
        let deadline = self.limits.operation_deadline;
        let request = request.timeout(Some(deadline));
        let exchange = async {
            match self.client.send_request(subject, request).await {
                Ok(message) => Ok(message.payload),
                Err(error) => Err(match error.kind() {
                    RequestErrorKind::TimedOut => Failure::Timeout(deadline),
                    RequestErrorKind::NoResponders => Failure::Nobody,
                    RequestErrorKind::InvalidSubject
                    | RequestErrorKind::MaxPayloadExceeded
                    | RequestErrorKind::Other => Failure::Other(error.into()),
                }),
            }
        };
        self.in_time(exchange).await
    }

    /// The client's own timeout does not cover its full queue of commands.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let deadline = self.limits.operation_deadline;
        match tokio::time::timeout(deadline, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Timeout(deadline)),
        }
    }
}
