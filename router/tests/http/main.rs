//! The router over real HTTP and the in-process bus, with dialects and owners made for these tests.
#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: a broken expectation should stop the test, tasks end with their runtime, and the kit fixes the functions of dialects"
)]

mod admin;
mod auth;
mod bodies;
mod calls;
mod cluster;
mod dialects;
mod download;
mod following;
mod listing;
mod owner;
mod product;
mod records;
mod stopping;
mod support;
mod surfaces;
