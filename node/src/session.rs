//! One session: its lifecycle, its actor, its journal, its sends.
//!
//! Owns everything a session is while it runs on this node. Must not know how many others there are, who supervises
//! it, or what a dialect is.

pub(crate) mod journal;
mod kinds;
pub(crate) mod lifecycle;
