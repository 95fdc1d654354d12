//! What every part of the crate works with, and the two ways to the log: append one record, read one session's records.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_bus::limits::FETCH_MAX;
use switchboard_bus::{
    EventLog, EventLogError, Names, Overflow, StreamName, StreamSpec, Subject, SubjectFilter,
};
use switchboard_keystore::{KeyStore, Namespace};
use switchboard_ownership::Rule;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{Config, ReplicaError};
use crate::chain::{After, Chain};
use crate::clock;
use crate::numbers;
use crate::position::At;
use crate::record::{self, Id, NO_RECORD, Record, What};
use crate::seal::Sealer;
use crate::session::Session;
use crate::task::Tasks;

/// Sessions taken over at once: each holds what it read of its log in memory.
const TAKE_OVERS_MAX: usize = 32;
/// Snapshots written at once: each holds its tree in memory.
const SNAPSHOTS_MAX: usize = 2;
/// How long the bus remembers an id. Source: longer than one append is tried again.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// The first pause before an append with an unknown result, or none, is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Shared by the store, its sessions and their tasks.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) local: Arc<dyn KeyStore>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) names: Names,
    pub(crate) sealer: Sealer,
    pub(crate) config: Config,
    pub(crate) wal: StreamName,
    pub(crate) snapshots: StreamName,
    pub(crate) tasks: Tasks,
    pub(crate) taking_over: Semaphore,
    pub(crate) copying: Semaphore,
}

/// Where the log of a session ends for whoever may write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) seq: u64,
    pub(crate) id: Id,
    pub(crate) number: u64,
}

impl From<At> for End {
    fn from(at: At) -> Self {
        Self {
            seq: at.seq,
            id: at.id,
            number: at.number,
        }
    }
}

/// A record that is in the log now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) end: End,
    pub(crate) bytes: u64,
}

/// Why a record is not in the log, or why nobody knows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendFailure {
    /// The log does not end where this node left it.
    #[error("the log does not end where this node left it")]
    Lost,
    #[error("the log is full")]
    Full,
    #[error("the session was let go while its batch waited for the bus")]
    LetGo,
    #[error("the bus did not take it: {0}")]
    Bus(#[source] EventLogError),
    #[error(transparent)]
    Bad(#[from] record::Bad),
}

impl Core {
    pub(crate) fn new(
        local: Arc<dyn KeyStore>,
        log: Arc<dyn EventLog>,
        names: Names,
        sealer: Sealer,
        config: Config,
    ) -> Self {
        let (wal, snapshots) = (names.wal_stream(), names.snapshots_stream());
        Self {
            local,
            log,
            names,
            sealer,
            config,
            wal,
            snapshots,
            tasks: Tasks::default(),
            taking_over: Semaphore::new(TAKE_OVERS_MAX),
            copying: Semaphore::new(SNAPSHOTS_MAX),
        }
    }

    /// Makes the streams where they do not exist. What they hold never goes by itself.
    pub(crate) async fn open_streams(&self) -> Result<(), EventLogError> {
        let spec = |name: &StreamName, subjects, bytes_max| StreamSpec {
            name: name.clone(),
            subjects,
            bytes_max,
            overflow: Overflow::Refuse,
            age_max: None,
            duplicate_window: DUPLICATE_WINDOW,
        };
        let config = &self.config;
        let (wal, snapshots) = (self.names.all_wal(), self.names.all_snapshots());
        self.log
            .open(&spec(&self.wal, wal, config.log_bytes_max))
            .await?;
        let snapshots = spec(&self.snapshots, snapshots, config.snapshots_bytes_max);
        self.log.open(&snapshots).await
    }

    /// Appends a record after `end`, or finds that somebody else has.
    pub(crate) async fn append(
        &self,
        session: &Session,
        epoch: u64,
        end: End,
        what: What,
        leave: &CancellationToken,
    ) -> Result<(Written, What), AppendFailure> {
        let record = Record {
            previous: end.id,
            what,
        };
        self.append_as(
            session,
            (epoch, end.number.saturating_add(1)),
            end,
            record,
            leave,
        )
        .await
        .map(|(written, record)| (written, record.what))
    }

    /// The same under a number of the caller's choice.
    pub(crate) async fn append_as(
        &self,
        session: &Session,
        (epoch, number): (u64, u64),
        end: End,
        record: Record,
        leave: &CancellationToken,
    ) -> Result<(Written, Record), AppendFailure> {
        let started = clock::monotonic();
        let id = record::new_id();
        let head = (id, epoch, number);
        let piece_bytes = self.config.message_bytes_max;
        let messages = record::encode(&self.sealer, session.place(), head, &record, piece_bytes)?;
        let bytes = messages.iter().map(|message| message.len() as u64).sum();
        let commits = usize::from(matches!(record.what, What::Batch(_)));
        let (mut seq, until) = (end.seq, started + self.config.patience);
        let fenced = self.config.rules.has(Rule::LogFence);
        for (part, message) in messages.into_iter().enumerate() {
            let name = format!("{}.{part}", hex(&id));
            let place = (&self.wal, &session.wal);
            let expected = fenced.then_some(seq);
            match self
                .offer(place, &name, message, expected, until, leave)
                .await
            {
                Ok(appended) => seq = appended,
                Err(failure) => {
                    numbers::appended(failure.word(), clock::monotonic() - started, commits);
                    return Err(failure);
                }
            }
        }
        numbers::appended("ok", clock::monotonic() - started, commits);
        let end = End { seq, id, number };
        Ok((Written { end, bytes }, record))
    }

    /// Appends one message, again and again with the same id while nobody knows whether it was taken.
    pub(crate) async fn offer(
        &self,
        (stream, subject): (&StreamName, &Subject),
        id: &str,
        message: Bytes,
        expected: Option<u64>,
        until: Instant,
        leave: &CancellationToken,
    ) -> Result<u64, AppendFailure> {
        let mut pause = PAUSE;
        loop {
            let append = self
                .log
                .append(stream, subject, id, message.clone(), expected);
            let outcome = tokio::select! {
                biased;
                () = leave.cancelled() => return Err(AppendFailure::LetGo),
                outcome = append => outcome,
            };
            let error = match outcome {
                Ok(appended) => return Ok(appended.seq),
                Err(EventLogError::WrongSequence { .. }) => return Err(AppendFailure::Lost),
                Err(EventLogError::Full { .. }) => return Err(AppendFailure::Full),
                Err(
                    error @ (EventLogError::Timeout { .. }
                    | EventLogError::Disconnected { .. }
                    | EventLogError::Failed { .. }),
                ) => error,
                Err(
                    error @ (EventLogError::NoStream { .. }
                    | EventLogError::Conflict { .. }
                    | EventLogError::BadId { .. }
                    | EventLogError::TooLarge { .. }),
                ) => return Err(AppendFailure::Bus(error)),
            };
            let next = clock::monotonic() + pause;
            if next >= until {
                return Err(AppendFailure::Bus(error));
            }
            tokio::select! {
                () = leave.cancelled() => return Err(AppendFailure::LetGo),
                () = tokio::time::sleep_until(next) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Reads on what a chain does not have yet.
    pub(crate) async fn read_on(
        &self,
        session: &Session,
        chain: &mut Chain,
    ) -> Result<(), EventLogError> {
        self.read_from(session, chain, chain.last_seq()).await
    }

    async fn read_from(
        &self,
        session: &Session,
        chain: &mut Chain,
        mut after: u64,
    ) -> Result<(), EventLogError> {
        loop {
            let found = self
                .log
                .read(&self.wal, &session.wal, after, FETCH_MAX)
                .await?;
            let Some(last) = found.last() else {
                return Ok(());
            };
            after = last.seq;
            for message in &found {
                chain.push(&self.sealer, session.place(), message.seq, &message.payload);
            }
        }
    }

    /// Everything that the log has of a session; from `at` on where that record is in it, or was when a snapshot covered it.
    pub(crate) async fn read_chain(
        &self,
        session: &Session,
        at: Option<&At>,
    ) -> Result<Chain, EventLogError> {
        if let Some(at) = at
            && let Some(mut chain) = self.chain_after(session, at).await?
        {
            self.read_on(session, &mut chain).await?;
            return Ok(chain);
        }
        let mut chain = Chain::default();
        self.read_from(session, &mut chain, 0).await?;
        Ok(chain)
    }

    /// A chain that begins after a record, if that one is where it should be.
    async fn chain_after(
        &self,
        session: &Session,
        at: &At,
    ) -> Result<Option<Chain>, EventLogError> {
        let before = at.seq.saturating_sub(1);
        let found = self.log.read(&self.wal, &session.wal, before, 1).await?;
        let Some(first) = found.first().filter(|first| first.seq == at.seq) else {
            return Ok(None);
        };
        match record::open(&self.sealer, session.place(), &first.payload) {
            Ok((head, _)) if head.id == at.id && head.part + 1 == head.parts => {
                let mut chain = Chain::after(at.after());
                chain.begin_at(first.seq);
                Ok(Some(chain))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The last record that can be read, for saying who the newer owner is.
    pub(crate) async fn peek(&self, session: &Session) -> Result<Option<After>, EventLogError> {
        let Some(last) = self.log.last(&self.wal, &session.wal).await? else {
            return Ok(None);
        };
        let before = last.saturating_sub(1);
        let found = self.log.read(&self.wal, &session.wal, before, 1).await?;
        let opened = found
            .first()
            .and_then(|message| record::open(&self.sealer, session.place(), &message.payload).ok());
        Ok(opened.map(|(head, _)| After {
            id: head.id,
            number: head.number,
            epoch: head.epoch,
        }))
    }

    /// Removes what the log has of a session up to a sequence.
    pub(crate) async fn purge(
        &self,
        stream: &StreamName,
        subject: &Subject,
        up_to: u64,
    ) -> Result<(), EventLogError> {
        if up_to == 0 {
            return Ok(());
        }
        let filter = SubjectFilter::from(subject.clone());
        self.log.purge(stream, &filter, up_to).await.map(drop)
    }
}

impl End {
    /// The end of a log as it was read. The numbers of a damaged one go on above everything in it.
    pub(crate) fn of(chain: &Chain) -> Self {
        let last = chain.last();
        Self {
            seq: chain.last_seq(),
            id: last.map_or(NO_RECORD, |last| last.id),
            number: last.map_or(0, |last| last.number),
        }
    }
}

impl AppendFailure {
    fn word(&self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Full => "full",
            Self::LetGo => "let_go",
            Self::Bus(_) => "bus",
            Self::Bad(_) => "bad",
        }
    }

    /// As the answer to a taking over; `None`: somebody else was faster, look again.
    pub(crate) fn of_take_over(self, action: &'static str, ns: &Namespace) -> Option<ReplicaError> {
        let namespace = ns.to_string();
        Some(match self {
            Self::Lost => return None,
            Self::Full => ReplicaError::Full { namespace },
            Self::Bus(source) => ReplicaError::Bus {
                action,
                namespace,
                source,
            },
            Self::LetGo => ReplicaError::LetGo { namespace },
            Self::Bad(bad) => ReplicaError::Internal {
                action,
                namespace,
                what: bad.to_string(),
            },
        })
    }
}

/// Bytes as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
