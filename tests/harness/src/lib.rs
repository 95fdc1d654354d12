//! The test harness: real processes of the product, a real nats-server, the simulator, and the five APIs as their own
//! clients speak them.
//!
//! Nothing here reaches inside a process: what a test learns, it learns over HTTP, from a webhook, or from the
//! simulator's journal.

#![expect(
    clippy::disallowed_methods,
    reason = "a harness waits with a deadline between two looks"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value gives null, it never panics"
)]

pub mod baileys;
pub mod drivers;
pub mod http;
pub mod processes;
pub mod simulator;
pub mod stack;
pub mod wait;
pub mod webhook;
