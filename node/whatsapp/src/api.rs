//! What the node sees of WhatsApp: one [`Account`] per session, its [`Signal`]s, and the durable [`Intake`].
//!
//! No type of the client library passes this module. Futures are boxed on purpose, so that the crates above do not
//! compile the client's state machines again.

mod account;
mod error;
mod facts;
mod intake;
mod open;
mod outgoing;
mod signals;
mod state;

pub use account::Account;
pub use error::Error;
pub use facts::{ChatFact, ContactFact, Fact};
pub use intake::{History, Incoming, Intake, IntakeError};
pub use open::{Choices, Config, Endpoint, Fence, OpenRequest};
pub use outgoing::{
    Dispatched, Outgoing, OutgoingContent, OutgoingFile, OutgoingStory, OutgoingStoryContent,
    Target,
};
pub use signals::{End, Receipt, ReceiptKind, Signal};
pub use state::{AppStateChange, ChatTail, Group, ProfileChange, UserInfo};
