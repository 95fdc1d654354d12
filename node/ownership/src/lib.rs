//! Who runs a session: the decisions of one node of the cluster, as a pure state machine.
//!
//! Time, records as they were seen, and results of compare-and-sets come in; compare-and-sets to try, and sessions to start,
//! stop and hand over come out. There is no I/O here, no clock, no randomness and no task: the node's driver has them.
//! Design rules are decided here and nowhere else.
//!
//! What the driver must keep to, because the machine builds on it:
//! - It closes the gate at the moment of the last [`Output::OpenUntil`] by itself; the machine may be late with
//!   [`Output::Fence`], never the gate.
//! - Things done with one session are done one after the other, in the order of the outputs.
//! - [`Input::Running`] says that a session's data is live. Before it the machine starts no hand-over; a driver that is told
//!   to send what was never made live refuses.
//! - Before [`Machine::new`] it removes what its store has of sessions that the directory does not list, or lists as another
//!   session of that name: [`Held`] does not say whose the data is.
//! - A node without a lease takes no copies: another one may have its name.
//! - After a roll-back it watches both buckets anew, and while [`Machine::is_after_roll_back`] it remembers that for its next
//!   start.
//!
//! What is not promised: after a roll-back, data that is on one disk only, of which nobody who is there has the newest copy
//! when a lease and a margin have passed; and anything about a node that joins with an empty store in that time, since nothing
//! tells it that the records went back.

mod api;
mod machine;
mod rules;

pub use api::{
    Age, Bucket, Command, Config, DataFrom, Held, Input, MoveLimits, OpId, Output, PeerView,
    Position, Record, RecordKey, Refused, Revision, Seen, TransferFailure, Verdict, Written,
};
pub use machine::Machine;
pub use rules::{Rule, Rules};
