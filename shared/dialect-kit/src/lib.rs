//! What a dialect is made of: a table of routes and pure functions.
//!
//! A dialect turns a foreign request into an operation of the vocabulary and an operation's output into a foreign
//! response; an event into foreign payloads; an error into a foreign status and body. There is no axum, no tokio,
//! no clock and no network here, so a dialect cannot hold business logic: it has nothing to do it with.

pub mod cx;
pub mod dialect;
pub mod events;
pub mod input;
pub mod lenient;
pub mod links;
pub mod media;
pub mod phone;
pub mod qr;
pub mod reply;
pub mod routes;
#[cfg(feature = "testing")]
pub mod testing;

pub use cx::{Cx, Env};
pub use dialect::{Credentials, Dialect};
pub use events::{EventCx, HistoryPage, Payload};
pub use input::{Body, Fields, FromInput, Input, Json, NoBody, Part, Query};
pub use links::MediaLinks;
pub use reply::{FILE_HERE, Reply, ReplyBody};
pub use routes::{Access, Action, Prepared, Refusal, Reject, Route, Routes, Upload};
