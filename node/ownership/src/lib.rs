//! Who runs a session: the decisions of one node of the cluster, as a pure state machine.
//!
//! Time, records as they were seen, and results of compare-and-sets come in; compare-and-sets to try, and sessions to start,
//! stop and hand over come out. There is no I/O here, no clock, no randomness and no task: the node's driver has them.
//! Design rules are decided here and nowhere else.

mod api;
mod machine;
mod rules;

pub use api::{
    Bucket, Command, Config, DataFrom, Held, Input, MoveLimits, OpId, Output, PeerView, Position,
    Record, RecordKey, Refused, Revision, Seen, TransferFailure, Verdict, Written,
};
pub use machine::Machine;
pub use rules::{Rule, Rules};
