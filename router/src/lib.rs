//! The stateless router: five foreign REST APIs and the admin API in front, the bus behind.
//!
//! Owns HTTP, keys, limits and the directory of tenants and sessions. Every endpoint of every dialect goes through one
//! handler; what differs stands in the dialects' tables. Must not know a dialect by name, how a session runs, or what
//! a message says. Keeps no state that another router could not rebuild: everything durable lies on the bus.

mod admin;
mod app;
mod auth;
mod body;
mod clock;
mod cluster;
mod config;
mod dialects;
mod directory;
mod docs;
mod download;
mod files;
mod follow;
mod forward;
mod gate;
mod gauges;
mod handler;
mod health;
mod orders;
mod owners;
mod problem;
mod secret;
mod serve;
mod staging;
mod table;
mod task;
mod telemetry;
mod trace;
mod watcher;

pub use config::{AdminKey, DialectListener, Limits, RouterConfig};
pub use dialects::dialects;
pub use serve::{Error, Router, RouterHandle};
pub use table::Error as TableError;
