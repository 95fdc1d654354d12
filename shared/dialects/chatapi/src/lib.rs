//! The API of chat-api.com as of 2018: 14 operations under `/instance{instanceId}`, an instance being a session here.
//!
//! Every area is a module with its rows, its request and response types and the pure functions between them and the
//! vocabulary. This crate knows no other dialect, no bus, no clock and no network. Source of operations, fields and
//! examples: that system's published page of late 2018; of paths, of methods and forms that its clients use besides and of
//! fields that came later: public clients and public test data. The other methods are served as aliases.
//!
//! Differences on purpose: a send is answered when the message has left, not when it was queued, so a session without
//! connection answers `sent: false`; a login that ended for good (banned, replaced) is shown as `init` and is not started
//! anew by asking for the status.

mod auth;
mod error;
mod events;
mod groups;
mod ids;
mod messages;
mod pairing;
mod sessions;
#[cfg(test)]
mod tests;
mod webhooks;

use switchboard_dialect_kit::{Dialect, Routes};
use switchboard_vocab::DialectName;

/// The dialect.
#[must_use]
pub const fn dialect() -> Dialect {
    Dialect {
        name: DialectName::Chatapi,
        routes,
        credentials: auth::credentials,
        error: error::reply,
        events: events::payloads,
        // Payloads link to files; none carries one.
        wants_media: |_, _| false,
    }
}

fn routes() -> Routes {
    [
        sessions::routes,
        pairing::routes,
        groups::routes,
        messages::routes,
        webhooks::routes,
    ]
    .into_iter()
    .fold(Routes::default(), |rows, area| area(rows))
}
