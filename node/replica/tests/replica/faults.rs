//! A log and a store that fail when they are told to, with or without having done what was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_bus::{
    Appended, Consumer, ConsumerName, ConsumerSpec, EventLog, EventLogError, LogRecord, StreamName,
    StreamSpec, Subject, SubjectFilter,
};
use switchboard_keystore::{
    Admission, Durable, Epoch, Error, Export, Import, KeyStore, Kind, MasterKey, Namespace, Op,
    Page, Remains, ScanRange, Staged, Stats, TransferKey, TransferReport, Verified,
};

/// Lets a number of changes pass, then fails every one until it is mended.
#[derive(Debug)]
pub(crate) struct Fuse {
    left: AtomicI64,
    /// The first change that fails is made all the same: only its answer is lost.
    applied: AtomicBool,
}

enum Spark {
    Pass,
    /// Make the change and lose the answer.
    Unheard,
    Fail,
}

impl Default for Fuse {
    fn default() -> Self {
        Self {
            left: AtomicI64::new(i64::MAX),
            applied: AtomicBool::new(false),
        }
    }
}

impl Fuse {
    pub(crate) fn set(&self, left: i64, applied: bool) {
        self.applied.store(applied, Ordering::SeqCst);
        self.left.store(left, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.set(i64::MAX, false);
    }

    /// Whether no change has failed since it was set to 0.
    pub(crate) fn is_whole(&self) -> bool {
        self.left.load(Ordering::SeqCst) >= 0
    }

    fn burn(&self) -> Spark {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            left if left > 0 => Spark::Pass,
            0 if self.applied.load(Ordering::SeqCst) => Spark::Unheard,
            _ => Spark::Fail,
        }
    }
}

/// One node's way to the log.
#[derive(Debug)]
pub(crate) struct FaultyLog {
    pub(crate) inner: Arc<dyn EventLog>,
    pub(crate) fuse: Arc<Fuse>,
}

fn timeout(op: &'static str, stream: &StreamName) -> EventLogError {
    EventLogError::Timeout {
        op,
        stream: stream.clone(),
        deadline: Duration::ZERO,
    }
}

#[async_trait]
impl EventLog for FaultyLog {
    async fn open(&self, spec: &StreamSpec) -> Result<(), EventLogError> {
        self.inner.open(spec).await
    }

    async fn append(
        &self,
        stream: &StreamName,
        subject: &Subject,
        id: &str,
        payload: Bytes,
        expected_last: Option<u64>,
    ) -> Result<Appended, EventLogError> {
        let append = self
            .inner
            .append(stream, subject, id, payload, expected_last);
        match self.fuse.burn() {
            Spark::Pass => append.await,
            Spark::Unheard => {
                drop(append.await);
                Err(timeout("append", stream))
            }
            Spark::Fail => Err(timeout("append", stream)),
        }
    }

    async fn last(
        &self,
        stream: &StreamName,
        subject: &Subject,
    ) -> Result<Option<u64>, EventLogError> {
        self.inner.last(stream, subject).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        subject: &Subject,
        after: u64,
        max: usize,
    ) -> Result<Vec<LogRecord>, EventLogError> {
        self.inner.read(stream, subject, after, max).await
    }

    async fn consumer(
        &self,
        stream: &StreamName,
        spec: &ConsumerSpec,
    ) -> Result<Box<dyn Consumer>, EventLogError> {
        self.inner.consumer(stream, spec).await
    }

    async fn remove_consumer(
        &self,
        stream: &StreamName,
        name: &ConsumerName,
    ) -> Result<(), EventLogError> {
        self.inner.remove_consumer(stream, name).await
    }

    async fn purge(
        &self,
        stream: &StreamName,
        filter: &SubjectFilter,
        up_to: u64,
    ) -> Result<u64, EventLogError> {
        match self.fuse.burn() {
            Spark::Pass => self.inner.purge(stream, filter, up_to).await,
            Spark::Unheard => {
                drop(self.inner.purge(stream, filter, up_to).await);
                Err(timeout("purge", stream))
            }
            Spark::Fail => Err(timeout("purge", stream)),
        }
    }
}

/// One node's disk.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<dyn KeyStore>,
    pub(crate) fuse: Arc<Fuse>,
    /// Exports wait before each frame for a commit, if one can come.
    pub(crate) slow: Arc<AtomicBool>,
    pub(crate) commits: Arc<AtomicU64>,
}

/// How long a slow export waits for a commit, in turns of the runtime.
const TURNS_MAX: usize = 2_000;

#[derive(Debug)]
struct SlowExport {
    inner: Box<dyn Export>,
    commits: Arc<AtomicU64>,
}

#[async_trait]
impl Export for SlowExport {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let before = self.commits.load(Ordering::SeqCst);
        for _ in 0..TURNS_MAX {
            if self.commits.load(Ordering::SeqCst) > before {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.inner.next().await
    }

    fn report(&self) -> Option<TransferReport> {
        self.inner.report()
    }
}

impl FaultyStore {
    fn died() -> Error {
        Error::Poisoned("the test pulled the plug".to_owned())
    }
}

#[async_trait]
impl KeyStore for FaultyStore {
    async fn commit(&self, ns: &Namespace, epoch: Epoch, ops: Vec<Op>) -> Result<Durable, Error> {
        match self.fuse.burn() {
            Spark::Pass => {
                let durable = self.inner.commit(ns, epoch, ops).await;
                self.commits.fetch_add(1, Ordering::SeqCst);
                durable
            }
            Spark::Unheard => {
                self.inner.commit(ns, epoch, ops).await?;
                Err(Self::died())
            }
            Spark::Fail => Err(Self::died()),
        }
    }

    async fn get(&self, ns: &Namespace, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.inner.get(ns, kind, key).await
    }

    async fn multi_get(
        &self,
        ns: &Namespace,
        kind: Kind,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.inner.multi_get(ns, kind, keys).await
    }

    async fn scan(&self, ns: &Namespace, kind: Kind, range: ScanRange) -> Result<Page, Error> {
        self.inner.scan(ns, kind, range).await
    }

    async fn epoch(&self, ns: &Namespace) -> Result<Option<Epoch>, Error> {
        self.inner.epoch(ns).await
    }

    async fn verify(&self, ns: &Namespace) -> Result<Verified, Error> {
        self.inner.verify(ns).await
    }

    async fn export(
        &self,
        ns: &Namespace,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Export>, Error> {
        let inner = self.inner.export(ns, transfer).await?;
        if !self.slow.load(Ordering::SeqCst) {
            return Ok(inner);
        }
        let commits = self.commits.clone();
        Ok(Box::new(SlowExport { inner, commits }))
    }

    async fn import(
        &self,
        ns: &Namespace,
        epoch: Epoch,
        transfer: &TransferKey,
    ) -> Result<Box<dyn Import>, Error> {
        self.inner.import(ns, epoch, transfer).await
    }

    async fn promote(&self, ns: &Namespace) -> Result<Durable, Error> {
        match self.fuse.burn() {
            Spark::Pass => self.inner.promote(ns).await,
            Spark::Unheard => {
                self.inner.promote(ns).await?;
                Err(Self::died())
            }
            Spark::Fail => Err(Self::died()),
        }
    }

    async fn discard_staging(&self, ns: &Namespace) -> Result<(), Error> {
        self.inner.discard_staging(ns).await
    }

    async fn staged(&self) -> Result<Vec<Staged>, Error> {
        self.inner.staged().await
    }

    async fn drop_namespace(&self, ns: &Namespace, remains: Remains) -> Result<(), Error> {
        match self.fuse.burn() {
            Spark::Pass => self.inner.drop_namespace(ns, remains).await,
            Spark::Unheard => {
                self.inner.drop_namespace(ns, remains).await?;
                Err(Self::died())
            }
            Spark::Fail => Err(Self::died()),
        }
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.inner.namespaces().await
    }

    async fn tombstones(&self) -> Result<Vec<(Namespace, Epoch)>, Error> {
        self.inner.tombstones().await
    }

    async fn rotate_master(&self, new: MasterKey) -> Result<(), Error> {
        self.inner.rotate_master(new).await
    }

    fn id(&self) -> &str {
        self.inner.id()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn admission(&self) -> Admission {
        self.inner.admission()
    }

    async fn poisoned(&self) -> String {
        self.inner.poisoned().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
