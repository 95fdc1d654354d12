//! Accounts against the simulator, through the public interface only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::missing_errors_doc,
    unreachable_pub,
    reason = "a test fails by panicking, and tells its story in one piece"
)]

mod app_state;
mod bench;
mod ends;
mod fence;
mod groups;
mod handover;
mod history;
mod kinds;
mod lossy;
mod messages;
mod pairing;
mod phones;
mod proxy;
mod questions;
mod relay;
