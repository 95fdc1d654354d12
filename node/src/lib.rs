//! The node: runs WhatsApp sessions as supervised actors, executes operations, keeps the durable journal.
//!
//! Owns who runs (supervision, lifecycle), what is remembered (journal) and how calls are executed. Must not know a
//! dialect's words outside `delivery`, nor HTTP, nor how WhatsApp's protocol works.

mod clock;
pub mod cluster;
pub mod config;
mod directory;
#[cfg(test)]
mod doubles;
pub mod embedded;
mod execute;
mod index;
mod limiter;
mod node;
pub mod placement;
mod rpc;
mod search;
mod session;
mod supervisor;
mod task;
mod transfer;

pub mod delivery;
pub mod egress;
pub mod media;
pub mod ports;

pub use config::NodeConfig;
pub use node::{Error, Node, NodeHandle};
pub use session::Connect;
