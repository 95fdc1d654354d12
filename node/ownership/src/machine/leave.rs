//! Leaving: everything is handed over, what cannot be is stopped, and the record says that nothing runs here any more.

use switchboard_vocab::SessionRef;

use super::Machine;
use super::lease::Stage;
use crate::{Output, Position};

/// The node is on its way out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    /// When what is left is dropped.
    pub(super) deadline: Position,
    /// Sessions are stopped now instead of handed over.
    pub(super) stopping: bool,
    /// Nothing runs any more; the record shall say so.
    pub(super) done: bool,
}

impl Machine {
    /// Goes on with leaving.
    pub(super) fn drive_leave(&mut self) {
        let Some(leaving) = self.leaving else {
            return;
        };
        if leaving.done {
            return;
        }
        let is_late = leaving.deadline <= self.now;
        let nobody_takes = !self.somebody_takes() && self.moving.is_empty();
        if is_late || (nobody_takes && !leaving.stopping) {
            self.set_leaving(|leaving| leaving.stopping = true);
            self.stop_all(is_late);
        }
        let is_empty = self.running.is_empty();
        // What is on its way is given the time that there is.
        let is_quiet = self.moving.is_empty() && self.owner_ops == 0 && self.queue.is_empty();
        if is_empty && (is_quiet || is_late) {
            self.set_leaving(|leaving| leaving.done = true);
            self.drive_life();
        }
    }

    fn set_leaving(&mut self, change: impl FnOnce(&mut Leaving)) {
        if let Some(leaving) = &mut self.leaving {
            change(leaving);
        }
    }

    fn stop_all(&mut self, abort: bool) {
        let running: Vec<SessionRef> = self.running.iter().cloned().collect();
        for session in running {
            self.stop(&session, abort);
        }
    }

    /// The record says that nothing runs here.
    pub(super) fn left(&mut self) {
        self.drop_ops();
        self.life.stage = Stage::Ended;
        self.life.lease = None;
        self.out.push(Output::Left);
    }

    /// Leaves without a word: there is no lease, so nothing runs, and the record is not this life's to write.
    pub(super) fn end_without_record(&mut self) {
        self.life.stage = Stage::Ended;
        self.note(format!(
            "node {} left without a lease: the others notice when its last one has run out",
            self.config.me
        ));
        self.out.push(Output::Left);
    }
}
