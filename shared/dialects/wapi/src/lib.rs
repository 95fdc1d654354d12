//! The "Whatsapp Business API", version 0.14.0: 45 operations under `/v1`, in the manner of the official Business API.
//!
//! Every area is a module with its rows, its request and response types and the pure functions between them and the
//! vocabulary. This crate knows no other dialect, no bus, no clock and no network. Source of the operations and fields: that
//! system's published page, which names few paths; of paths and payloads: its public Python client. Where both are silent the
//! table also serves the methods a client might use, as aliases.
//!
//! Differences on purpose: `GET /v1/contacts` takes `limit` and `offset`, and without a limit it ends after 50 pages of the
//! store, which are some hundred people each.

mod accounts;
mod auth;
mod chats;
mod contacts;
mod envelope;
mod error;
mod events;
mod groups;
mod ids;
mod media;
mod messages;
mod newsletters;
mod profile;
#[cfg(test)]
mod tests;
mod webhooks;

use switchboard_dialect_kit::{Dialect, Routes};
use switchboard_vocab::DialectName;

/// The dialect.
#[must_use]
pub const fn dialect() -> Dialect {
    Dialect {
        name: DialectName::Wapi,
        routes,
        credentials: auth::credentials,
        error: error::reply,
        events: events::payloads,
        // Payloads name files by id; none carries one.
        wants_media: |_, _| false,
    }
}

fn routes() -> Routes {
    [
        accounts::routes,
        webhooks::routes,
        messages::routes,
        media::routes,
        profile::routes,
        chats::routes,
        groups::routes,
        contacts::routes,
        newsletters::routes,
    ]
    .into_iter()
    .fold(Routes::default(), |rows, area| area(rows))
}
