//! The stream of events: appended once, read by durable consumers at least once.
//!
//! Owns the trait and the errors. Must not know what an event says.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::limits::EVENT_ID_BYTES_MAX;
use crate::{BoxError, ConsumerName, StreamName, Subject, SubjectFilter};

/// Streams of events. A message's place in its stream is its sequence: strictly increasing, never 0.
#[async_trait]
pub trait EventLog: Send + Sync + fmt::Debug {
    /// Makes the stream if it does not exist; otherwise adopts the retention of `spec`. Call once per
    /// process before using the stream.
    ///
    /// # Errors
    /// `Conflict` when the stream exists with other subjects, or another stream takes one of them.
    async fn open(&self, spec: &StreamSpec) -> Result<(), EventLogError>;

    /// Appends one event. `id` removes duplicates within the stream's window: appending the same id
    /// again returns the first sequence and `duplicate`, whatever the payload.
    ///
    /// `expected_last`: the sequence that the last message of *this subject* must have (0: none), or
    /// the append is refused. Of two writers with the same expectation one wins. The id of an append that was refused
    /// so, or by a full stream, is spent: some servers keep refusing it for the length of the window.
    ///
    /// # Errors
    /// `WrongSequence`; `Full`; `BadId` for an id that is empty, too long or not printable ASCII; `TooLarge`;
    /// `NoStream`. After `Timeout` append again with the same id.
    async fn append(
        &self,
        stream: &StreamName,
        subject: &Subject,
        id: &str,
        payload: Bytes,
        expected_last: Option<u64>,
    ) -> Result<Appended, EventLogError>;

    /// The sequence of the last message of `subject` that is still stored.
    ///
    /// # Errors
    /// See [`EventLogError`].
    async fn last(
        &self,
        stream: &StreamName,
        subject: &Subject,
    ) -> Result<Option<u64>, EventLogError>;

    /// Stored messages of one subject with a sequence above `after`, in order, without a consumer. At least one if there
    /// is one, at most `max` (cut to [`crate::limits::FETCH_MAX`]), and no more once [`crate::limits::READ_BYTES_MAX`]
    /// bytes have come; so ask again from the last one until nothing comes. What is removed meanwhile may be missing.
    ///
    /// # Errors
    /// See [`EventLogError`].
    async fn read(
        &self,
        stream: &StreamName,
        subject: &Subject,
        after: u64,
        max: usize,
    ) -> Result<Vec<LogRecord>, EventLogError>;

    /// Opens a durable consumer, making it at its first use. It starts at the oldest stored message
    /// and remembers what was acknowledged over restarts of everything; only acknowledgements just before a crash
    /// of the server may be forgotten. Handles on the same name share the work.
    ///
    /// # Errors
    /// `Conflict` when it exists with another filter; `NoStream`.
    async fn consumer(
        &self,
        stream: &StreamName,
        spec: &ConsumerSpec,
    ) -> Result<Box<dyn Consumer>, EventLogError>;

    /// Forgets a consumer and its position. One that does not exist is not an error.
    ///
    /// # Errors
    /// See [`EventLogError`].
    async fn remove_consumer(
        &self,
        stream: &StreamName,
        name: &ConsumerName,
    ) -> Result<(), EventLogError>;

    /// Removes the messages that match `filter` with a sequence up to and including `up_to`. Returns
    /// how many there were. Sequences are never used again. A consumer may get a removed message for a moment longer.
    ///
    /// # Errors
    /// See [`EventLogError`].
    async fn purge(
        &self,
        stream: &StreamName,
        filter: &SubjectFilter,
        up_to: u64,
    ) -> Result<u64, EventLogError>;
}

/// A handle on a durable consumer.
#[async_trait]
pub trait Consumer: Send + Sync + fmt::Debug {
    /// Returns as soon as there is at least one message, with at most `max` of them (cut to
    /// [`crate::limits::FETCH_MAX`]); empty when `wait` passed without any. New messages come in
    /// sequence order; redelivered ones may come between.
    ///
    /// # Errors
    /// See [`EventLogError`].
    async fn fetch(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, EventLogError>;
}

/// What a stream holds and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name.
    pub name: StreamName,
    /// The subjects it takes. No two streams may take the same one.
    pub subjects: SubjectFilter,
    /// The stream is not larger than this, in bytes.
    pub bytes_max: u64,
    /// What happens to an append that would make it larger.
    pub overflow: Overflow,
    /// Messages older than this go; `None`: age does not matter.
    pub age_max: Option<Duration>,
    /// How long an id is remembered. At least this long; after a restart it may be longer.
    pub duplicate_window: Duration,
}

/// What a full stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest messages go, whoever has not read them.
    DropOldest,
    /// Nothing goes; the append ends in [`EventLogError::Full`].
    Refuse,
}

/// How a durable consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// Its name, unique within the stream.
    pub name: ConsumerName,
    /// Which subjects it wants. Fixed for the life of the consumer.
    pub filter: SubjectFilter,
    /// A message neither acknowledged nor refused for this long is delivered again.
    pub ack_wait: Duration,
    /// A message is delivered at most this often, then passed over. `None`: until acknowledged.
    pub deliveries_max: Option<u32>,
    /// Messages delivered and not yet acknowledged; at this number `fetch` waits.
    pub unacknowledged_max: u32,
}

impl ConsumerSpec {
    /// Default of [`ConsumerSpec::ack_wait`].
    pub const ACK_WAIT: Duration = Duration::from_secs(30);
    /// Default of [`ConsumerSpec::unacknowledged_max`].
    pub const UNACKNOWLEDGED_MAX: u32 = 1000;

    /// A consumer with the defaults: 30 s to acknowledge, no limit of deliveries.
    #[must_use]
    pub fn new(name: ConsumerName, filter: SubjectFilter) -> Self {
        Self {
            name,
            filter,
            ack_wait: Self::ACK_WAIT,
            deliveries_max: None,
            unacknowledged_max: Self::UNACKNOWLEDGED_MAX,
        }
    }
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence in the stream.
    pub seq: u64,
    /// It was there already: an append with the same id came before.
    pub duplicate: bool,
}

/// One message as [`EventLog::read`] found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its sequence in the stream.
    pub seq: u64,
    /// The id it was appended with; `None` for a message that a foreign publisher put there without one.
    pub id: Option<String>,
    /// Its bytes.
    pub payload: Bytes,
}

/// One message as delivered to a consumer.
#[derive(Debug)]
pub struct Delivery {
    /// Its sequence in the stream.
    pub seq: u64,
    /// Its subject.
    pub subject: Subject,
    /// The id it was appended with; `seq:<n>` for a message that a foreign publisher put there without one.
    pub id: String,
    /// Its bytes.
    pub payload: Bytes,
    /// 1 at the first delivery. Deliveries just before a crash may not be counted.
    pub attempt: u32,
    acknowledger: Box<dyn Acknowledger>,
}

/// How an acknowledgement gets back; one per implementation of the bus.
#[async_trait]
pub(crate) trait Acknowledger: Send + Sync + fmt::Debug {
    async fn ack(&self) -> Result<(), EventLogError>;
    async fn nak(&self, delay: Duration) -> Result<(), EventLogError>;
}

impl Delivery {
    pub(crate) fn new(
        seq: u64,
        subject: Subject,
        id: String,
        payload: Bytes,
        attempt: u32,
        acknowledger: Box<dyn Acknowledger>,
    ) -> Self {
        Self {
            seq,
            subject,
            id,
            payload,
            attempt,
            acknowledger,
        }
    }

    /// Done: this consumer never gets the message again. Returns when the log has confirmed it.
    ///
    /// # Errors
    /// See [`EventLogError`]; after any of them the message may be delivered again.
    pub async fn ack(&self) -> Result<(), EventLogError> {
        self.acknowledger.ack().await
    }

    /// Not now: deliver it again after `delay`, unless `deliveries_max` is reached.
    ///
    /// # Errors
    /// See [`EventLogError`]; after any of them it comes again after `ack_wait`.
    pub async fn nak(&self, delay: Duration) -> Result<(), EventLogError> {
        self.acknowledger.nak(delay).await
    }
}

/// Why a call of [`EventLog`] did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EventLogError {
    /// The subject's last message is not the expected one. Nothing was appended.
    #[error("append to {subject}: wrong last sequence, the current one is {current:?}")]
    WrongSequence {
        /// The subject.
        subject: Subject,
        /// The subject's last sequence as far as the log said so; `None` when it has none or did not say.
        current: Option<u64>,
    },
    /// No open stream of that name takes the subject.
    #[error("{op} on {stream}: no such stream")]
    NoStream {
        /// The operation.
        op: &'static str,
        /// The stream.
        stream: StreamName,
    },
    /// The stream or consumer exists in another shape, or another stream takes the same subjects.
    #[error("{op} on {stream}: {reason}")]
    Conflict {
        /// The operation.
        op: &'static str,
        /// The stream.
        stream: StreamName,
        /// What differs.
        reason: String,
    },
    /// The id is empty, too long or not printable ASCII. Nothing was appended.
    #[error("append to {subject}: an event id is 1 to {max} printable ascii characters")]
    BadId {
        /// The subject.
        subject: Subject,
        /// The limit in bytes.
        max: usize,
    },
    /// The event is over the limit. Nothing was appended.
    #[error("append to {subject}: event of {size} bytes is over the limit of {max} bytes")]
    TooLarge {
        /// The subject.
        subject: Subject,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The stream holds as much as it may, or its server's disk does. Nothing was appended.
    #[error("append to {subject}: the stream is full")]
    Full {
        /// The subject.
        subject: Subject,
    },
    /// No answer in time. The change may have been made.
    #[error("{op} on {stream}: no answer within {deadline:?}")]
    Timeout {
        /// The operation.
        op: &'static str,
        /// The stream.
        stream: StreamName,
        /// The limit that passed.
        deadline: Duration,
    },
    /// There is no connection, or no leader behind it. Nothing was changed.
    #[error("{op} on {stream}: the bus is disconnected")]
    Disconnected {
        /// The operation.
        op: &'static str,
        /// The stream.
        stream: StreamName,
    },
    /// Anything else of the layer below. The change may have been made.
    #[error("{op} on {stream} failed")]
    Failed {
        /// The operation.
        op: &'static str,
        /// The stream.
        stream: StreamName,
        /// What the layer below said.
        #[source]
        source: BoxError,
    },
}

impl EventLogError {
    /// True where nothing was changed for certain.
    #[must_use]
    pub fn certainly_not_executed(&self) -> bool {
        match self {
            Self::WrongSequence { .. }
            | Self::NoStream { .. }
            | Self::Conflict { .. }
            | Self::BadId { .. }
            | Self::TooLarge { .. }
            | Self::Full { .. }
            | Self::Disconnected { .. } => true,
            Self::Timeout { .. } | Self::Failed { .. } => false,
        }
    }
}

/// What both implementations demand of an event.
pub(crate) fn check_event(
    subject: &Subject,
    id: &str,
    size: usize,
    max: usize,
) -> Result<(), EventLogError> {
    let subject = || subject.clone();
    if id.is_empty() || id.len() > EVENT_ID_BYTES_MAX || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(EventLogError::BadId {
            subject: subject(),
            max: EVENT_ID_BYTES_MAX,
        });
    }
    if size > max {
        return Err(EventLogError::TooLarge {
            subject: subject(),
            size,
            max,
        });
    }
    Ok(())
}
