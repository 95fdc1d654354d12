//! The five functions and one table that make a dialect.

use switchboard_vocab::events::Envelope;
use switchboard_vocab::webhooks::Subscription;
use switchboard_vocab::{DialectName, OpError, SessionId, TenantId};

use crate::cx::Cx;
use crate::events::{EventCx, Payload};
use crate::input::Input;
use crate::reply::Reply;
use crate::routes::{Reject, Routes};

/// What a request showed to prove who it is. The dialect extracts, the router judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A session's API token; where the path names a session too, both must agree.
    Session {
        /// The token.
        token: String,
        /// The session the path names, as text of the caller.
        named: Option<String>,
    },
    /// A tenant's key, with the session the path names.
    Tenant {
        /// The tenant, where the caller has to name it (HTTP Basic).
        tenant: Option<TenantId>,
        /// The tenant's key.
        key: String,
        /// The session the call is for, when the route has one.
        session: Option<SessionId>,
    },
}

/// One foreign API.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Its name.
    pub name: DialectName,
    /// Its whole table, refused rows included.
    pub routes: fn() -> Routes,
    /// Finds the credentials in a request.
    pub credentials: fn(&Input) -> Result<Credentials, Reject>,
    /// Turns an error into that system's status and body. Total over [`switchboard_vocab::ErrorCode`].
    pub error: fn(&OpError, &Cx) -> Reply,
    /// Turns an event into that system's payloads for one webhook: none, one or several.
    pub events: fn(&Envelope, &Subscription, &EventCx) -> Vec<Payload>,
    /// Whether the payload of this event wants the bytes of the message's file.
    pub wants_media: fn(&Envelope, &Subscription) -> bool,
}
