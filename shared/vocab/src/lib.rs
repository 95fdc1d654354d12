//! The vocabulary of Switchboard: what a call, an answer, an event and an error are.
//!
//! Every other crate speaks these types; none of them knows a dialect, a client library, a socket or a
//! store. Operations live in one module per area and are listed once, in [`catalog`]. Ids are newtypes parsed at
//! the edge. There is no I/O here and no clock: a [`Timestamp`] is always handed in.

pub mod catalog;
pub mod chats;
pub mod cluster;
pub mod codec;
pub mod contacts;
pub mod content;
pub mod directory;
pub mod envelope;
pub mod error;
pub mod events;
pub mod ids;
pub mod media;
pub mod messages;
pub mod operation;
pub mod pairing;
pub mod placement;
pub mod presence;
pub mod profile;
pub mod sessions;
pub mod settings;
pub mod stories;
pub mod time;
pub mod webhooks;

pub use error::{ErrorCode, OpError, Outcome};
pub use ids::{
    ChatId, DialectName, Epoch, EventId, MediaId, MessageId, NodeId, SessionId, SessionRef,
    TenantId, UploadId, UserId,
};
pub use operation::{Effect, Operation, Scope};
pub use time::Timestamp;
