//! Joining: whose record stands under this node's name, and when it may be written over.
//!
//! A record of the same store and boot belongs to a process that is gone, because this one has the store's lock. Any other
//! live record is waited for: if it changes meanwhile, somebody else has the name.

use std::time::Duration;

use switchboard_vocab::cluster::NodeRecord;

use super::Machine;
use super::lease::{Other, Stage};
use crate::{Output, Revision, Rule, Seen};

/// How often a record may change while it is watched before its writer counts as alive. Source: one change can be an old
/// copy that is corrected, around a change of the bus's leader.
const CHANGES_MAX: u32 = 2;

impl Machine {
    /// What stands under this node's name, while nothing of ours is under way.
    pub(super) fn assess(&mut self, seen: Option<Seen<NodeRecord>>) {
        let Some(Seen { record, revision }) = seen else {
            return self.join_over(0);
        };
        let record = match record {
            Ok(record) => record,
            Err(why) => {
                let text = format!(
                    "the record of node {} cannot be read: {why}; upgrade this node, or give it another node.id",
                    self.config.me
                );
                return self.refuse(text);
            }
        };
        if record.incarnation == self.life.incarnation {
            if record.state.may_run() {
                // An attempt to join whose answer was lost.
                self.applied(record.beat, record.state, revision);
            } else {
                self.fence();
            }
        } else if self.is_over(&record) {
            self.join_over(revision);
        } else {
            self.wait_for(&record, revision);
        }
    }

    /// Whether nothing can run under the record any more.
    fn is_over(&self, record: &NodeRecord) -> bool {
        let process_gone = record.store == self.config.store && record.boot == self.config.boot;
        !record.state.may_run()
            || process_gone
            || self.config.alone
            || !self.rule(Rule::DuplicateNode)
    }

    fn join_over(&mut self, revision: Revision) {
        self.life.revision = revision;
        self.life.doubt = true;
        self.beat();
    }

    fn wait_for(&mut self, record: &NodeRecord, revision: Revision) {
        let (since, changes) = match &self.life.other {
            Some(other) if other.revision == revision => (other.since, other.changes),
            Some(other) => (self.now, other.changes + 1),
            None => (self.now, 0),
        };
        if changes >= CHANGES_MAX {
            let text = format!(
                "another live node is called {0}: give this one another node.id, or stop the other one first",
                self.config.me
            );
            return self.refuse(text);
        }
        if self.life.other.is_none() {
            self.note(format!(
                "a record of {} is not older than its lease: waiting until it is, or until its writer shows that it lives",
                self.config.me
            ));
        }
        self.life.other = Some(Other {
            revision,
            since,
            changes,
        });
        let lease = Duration::from_millis(record.lease_ms);
        let over = since + lease + lease / 10;
        if self.now >= over {
            self.join_over(revision);
        } else {
            self.life.doubt = true;
            self.life.due = over.min(self.now + self.config.lease / 4);
        }
    }

    fn refuse(&mut self, text: String) {
        self.life.stage = Stage::Ended;
        self.out.push(Output::Refuse(text));
    }
}
