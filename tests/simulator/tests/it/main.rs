//! The simulator against the unmodified whatsapp-rust client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "tests fail by panicking, and a scenario is told in one piece"
)]

mod app_state;
mod app_state_snapshots;
mod channels;
mod client;
mod faults;
mod group_life;
mod groups;
mod handshake;
mod history;
mod http;
mod kinds;
mod media;
mod messages;
mod pairing;
mod privacy;
mod profile;
mod recovery;
mod stories;
mod users;
