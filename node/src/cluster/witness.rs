//! The witness: a file that says, moment by moment, which sessions may act here.
//!
//! A diagnostic for tests and operators, off by default. Lines of one node are in order of time; those of several nodes of
//! one machine can be merged by it, and then no session may have two owners at once nor a step back of its epoch:
//!
//! ```text
//! <boottime ns> <node> <incarnation> <tenant>/<session> <epoch>
//! <boottime ns> <node> <incarnation> fence
//! <boottime ns> <node> <incarnation> run <tenant>/<session> <epoch>
//! <boottime ns> <node> <incarnation> stop <tenant>/<session> <epoch>
//! ```
//!
//! The first kind is written every 50 ms for each session that has a life here and whose gate is open at that very moment.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_ownership::Rules;
use switchboard_vocab::cluster::Incarnation;
use switchboard_vocab::{Epoch, NodeId, SessionRef};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::LeaseClock;
use crate::index::Index;

/// How often it looks. Source: the prototype of design-notes 3.7.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The file.
#[derive(Debug)]
pub(crate) struct Witness {
    node: NodeId,
    clock: LeaseClock,
    file: Mutex<File>,
}

impl Witness {
    /// Goes on at the end of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(path: &Path, node: NodeId) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            node,
            // Always the clock that nobody can set: what it says is compared between nodes.
            clock: LeaseClock::new(&Rules::all()),
            file: Mutex::new(file),
        })
    }

    /// Looks until `stop`.
    pub(crate) async fn run(self: Arc<Self>, index: Arc<Index>, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.look(&index),
            }
        }
    }

    fn look(&self, index: &Index) {
        let mut lines = String::new();
        for handle in index.all() {
            // The moment first, then the gate at that moment: a line never says more than was so.
            if handle.gate.is_open_now() {
                let now = self.clock.now().as_nanos();
                if !handle.gate.is_open_now() {
                    continue;
                }
                let (scope, incarnation) = (&handle.scope, handle.gate.incarnation());
                let (session, epoch) = (&scope.session, scope.epoch.0);
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "{now} {} {incarnation} {session} {epoch}", self.node);
            }
        }
        self.append(&lines);
    }

    /// The life of the node is over.
    pub(crate) fn fence(&self, incarnation: &Incarnation) {
        self.note(incarnation, "fence");
    }

    /// A session is started.
    pub(crate) fn started(&self, incarnation: &Incarnation, session: &SessionRef, epoch: Epoch) {
        self.note(incarnation, &format!("run {session} {}", epoch.0));
    }

    /// Nothing of a session runs any more.
    pub(crate) fn stopped(&self, incarnation: &Incarnation, session: &SessionRef, epoch: Epoch) {
        self.note(incarnation, &format!("stop {session} {}", epoch.0));
    }

    fn note(&self, incarnation: &Incarnation, what: &str) {
        let now = self.clock.now().as_nanos();
        self.append(&format!("{now} {} {incarnation} {what}\n", self.node));
    }

    fn append(&self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(lines.as_bytes()) {
            tracing::warn!(%error, "the witness could not be written");
        }
    }
}
