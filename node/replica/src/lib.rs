//! Replicated durability: a [`switchboard_keystore::KeyStore`] around the node's own, whose batches of sessions are also in
//! a log on the bus, so that any node can run a session whose node, or disk, is gone.
//!
//! Owns: what is written to the log and when a batch counts; snapshots, which replace the log's tail; bringing the node's
//! store to the log's state when a session is taken over; refusing to run what is behind what is known to have existed.
//! Must not know: who owns a session and why (the caller says the epoch), what keys mean, or any bus but its trait.
//!
//! The order of a commit is log first, disk second, acknowledged after both. So the log is never behind a disk, but for
//! a log that was rolled back; whoever takes over reads the log and brings the disk up to it, and a batch that was in the
//! log alone is either acknowledged by nobody and recovered, or was never there.

mod api;
mod chain;
mod clock;
mod core;
mod folder;
mod judge;
mod lossy;
mod numbers;
mod position;
mod record;
mod seal;
mod session;
mod snapshot;
mod store;
mod take_over;
mod task;
mod writer;

pub use api::{BoxError, Config, How, LossySource, ReplicaError, ReplicaKey, Strip, TakenOver};
pub use folder::{FolderError, OldFolder, open_folder};
pub use store::ReplicatedStore;
