//! The REST wrapper around whatsapp-web.js, version 1.0.0: 88 operations under `/session`, `/client`, `/chat`, `/groupChat`,
//! `/message` and `/contact`.
//!
//! Every area is a module with its rows, its request and response types and the pure functions between them and the
//! vocabulary. This crate knows no other dialect, no bus, no clock and no network. Source of the paths: that system's
//! published page; of fields, shapes and words: its public source and that of the library it wraps.
//!
//! Differences on purpose: input that makes that system's browser throw, which it answers with 500, is 422 here, the
//! status it gives to the input it does check; a session that some other API left stopped is started by asking for its QR
//! code, since that system knows no stopped sessions; fields of its objects that nobody here knows are absent. Deleting for
//! everyone what cannot be deleted for everyone is an error, where that system deletes it for the account only. Listings
//! end after 50 pages of the store, which are at least some hundred chats or contacts each.

mod auth;
mod body;
mod chats;
mod contacts;
mod error;
mod events;
mod groups;
mod ids;
mod labels;
mod messages;
mod numbers;
mod pairing;
mod presence;
mod profile;
mod sessions;
#[cfg(test)]
mod tests;

use switchboard_dialect_kit::{Dialect, Routes};
use switchboard_vocab::DialectName;

/// The dialect.
#[must_use]
pub const fn dialect() -> Dialect {
    Dialect {
        name: DialectName::Wwebjs,
        routes,
        credentials: auth::credentials,
        error: error::reply,
        events: events::payloads,
        wants_media: events::wants_media,
    }
}

fn routes() -> Routes {
    [
        sessions::routes,
        pairing::routes,
        profile::routes,
        messages::routes,
        chats::routes,
        presence::routes,
        groups::routes,
        contacts::routes,
        labels::routes,
    ]
    .into_iter()
    .fold(Routes::default(), |rows, area| area(rows))
}
