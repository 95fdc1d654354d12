//! Replicated durability as its callers see it: nodes with stores of their own, one log, and what crashes leave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::missing_errors_doc,
    reason = "a test fails by panicking, and tells its story in one piece"
)]

mod bench;
mod faults;
mod guards;
mod lossy;
mod model;
mod nats;
mod queue;
mod snapshots;
mod world;
