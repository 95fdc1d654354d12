//! The API of the wuzapi server as of mid 2024: 32 operations, and the ones its clients use that its reference leaves out.
//!
//! Keys of requests match in any case, a JSON body is read even on GET, every answer has an envelope with `code`, `data` and
//! `success`, and webhooks are forms. Source of every path, field and text: that system's API reference and its public source.
//!
//! Differences on purpose: a fault that is not in that system's list has the status HTTP has for it, where that system would say
//! 500; connecting a session that is connected succeeds; templates, buttons and lists leave as native flows, because phones
//! show nothing else; `HistorySync` has what the store knows of a part of the history, in several calls where it is large; the
//! message that carried a deletion has an id of our own; the address book ends after 50 pages of the store, which are some
//! hundred people each.

mod auth;
mod chats;
mod contacts;
mod error;
mod events;
mod groups;
mod ids;
mod input;
mod media;
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
        name: DialectName::Wuzapi,
        routes,
        credentials: auth::credentials,
        error: error::reply,
        events: events::payloads,
        wants_media: events::wants_media,
    }
}

fn routes() -> Routes {
    [
        webhooks::routes,
        sessions::routes,
        pairing::routes,
        messages::routes,
        media::routes,
        chats::routes,
        contacts::routes,
        groups::routes,
    ]
    .into_iter()
    .fold(Routes::default(), |rows, area| area(rows))
}
