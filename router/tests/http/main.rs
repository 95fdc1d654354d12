//! The router over real HTTP and the in-process bus, with dialects and owners made for these tests.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: a broken expectation should stop the test, and tasks end with their runtime"
)]

mod admin;
mod auth;
mod bodies;
mod calls;
mod cluster;
mod dialects;
mod download;
mod owner;
mod stopping;
mod support;
mod surfaces;
