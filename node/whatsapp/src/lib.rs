//! One WhatsApp account behind one trait: the only crate that names the client library's types.
//!
//! Owns the library's storage on the node's key store, its transport behind the fence, the translation of messages
//! both ways, and why a connection ended. Must not know dialects, the bus, or who owns a session.
//!
//! Start with [`Account`].

mod account;
mod addresses;
mod api;
mod app_state;
mod ask;
mod backend;
mod clock;
mod connector;
mod context_fields;
mod events;
mod facts;
mod gate;
mod history;
mod http;
mod identity;
mod incoming;
mod intake;
mod media;
mod outgoing;
mod owed;
mod own;
mod people;
mod proto_json;
mod raw;
mod task;
mod transport;
mod verdict;
mod version;

pub use api::{
    Account, AppStateChange, ChatFact, ChatTail, Choices, Config, ContactFact, Dispatched, End,
    Endpoint, Error, Fact, Fence, Group, History, Incoming, Intake, IntakeError, OpenRequest,
    Outgoing, OutgoingContent, OutgoingFile, OutgoingStory, OutgoingStoryContent, ProfileChange,
    Receipt, ReceiptKind, Signal, Target, UserInfo,
};
pub use backend::{Stripped, strip_for_lossy_restore};
pub use connector::Connector;
pub use own::is_sent_as_address;
pub use proto_json::proto_text;
