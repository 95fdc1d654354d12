//! Ids as newtypes, parsed once at the edge. Mixing two kinds is a type error.

mod address;
mod token;

pub use address::{ChatId, ParseAddressError, UserId};
pub use token::{
    DialectName, Epoch, EventId, MediaId, MessageId, NodeId, ParseIdError, SessionId, SessionRef,
    TenantId, UploadId,
};
