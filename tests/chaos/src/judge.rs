//! The judges: each knows one kind of evidence and nothing of how it came about.

pub mod alive;
pub mod journal;
pub mod listed;
pub mod witness;
