//! What a crash, a power cut and a damaged disk may do to a store (T-1), for every engine.
//!
//! Short by default; `SWITCHBOARD_KEYSTORE_KILLS`, `_CRASH_POINTS` and `_FLIPS` scale it and
//! `SWITCHBOARD_KEYSTORE_SEED` repeats a run. The victim is this same binary started again with a
//! role in its environment.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and tells its story in one piece"
)]

mod child;
mod disk;
mod faults;
mod flips;
mod kill;
mod power_loss;
mod workload;

use std::env;

/// Reads a number from the environment.
fn scaled(name: &str, default: usize) -> usize {
    env::var(format!("SWITCHBOARD_KEYSTORE_{name}"))
        .ok()
        .map_or(default, |text| text.parse().expect("the scale is a number"))
}

/// The seed of this run; every failure prints it.
fn seed() -> u64 {
    env::var("SWITCHBOARD_KEYSTORE_SEED")
        .ok()
        .map_or_else(rand::random, |text| {
            text.parse().expect("the seed is a number")
        })
}
