//! One session: its lifecycle, its actor, its journal, its sends.
//!
//! Owns everything a session is while it runs on this node. Must not know how many others there are, who supervises
//! it, or what a dialect is.

mod account;
pub(crate) mod actor;
pub(crate) mod context;
pub(crate) mod handle;
mod job;
pub(crate) mod journal;
mod kinds;
pub(crate) mod lanes;
pub(crate) mod lifecycle;
mod link;
pub(crate) mod outbound;

pub use account::Connect;
pub(crate) use account::remote;
