//! The API of whapi.cloud, version 1.8.7: 167 operations of one "channel", which is a session here.
//!
//! Every area is a module with its rows, its request and response types and the pure functions between them and the
//! vocabulary. This crate knows no other dialect, no bus, no clock and no network. Source of every path, field, pattern
//! and status: that system's public OpenAPI document; of what the document leaves open, its public help pages.
//!
//! Differences on purpose: `platform` of the health call is read and has no effect (the name in the phone's device
//! list is the installation's); message and media ids are this gateway's, in that system's form; buttons, lists and carousels
//! are shown as `buttons`, `list` and `carousel`; a parameter that this gateway cannot honour is a 400 that names it. The
//! document lets messages be sent to numbers of nine digits and wants ten in ids of chats: such chats are shown by their
//! number all the same, since there are countries with such numbers. `chat_pic` and `profile_pic` are absent: WhatsApp tells the
//! address of one picture at a time and for a while only, so `GET /contacts/{ContactID}/profile` asks for it.

mod auth;
mod business;
mod calls;
mod chats;
mod communities;
mod contacts;
mod error;
mod events;
mod groups;
mod ids;
mod labels;
mod media;
mod messages;
mod newsletters;
mod numbers;
mod paging;
mod pairing;
mod presence;
mod profile;
mod sessions;
mod settings;
mod status;
#[cfg(test)]
mod tests;

use switchboard_dialect_kit::{Dialect, Routes};
use switchboard_vocab::DialectName;

/// The dialect.
#[must_use]
pub const fn dialect() -> Dialect {
    Dialect {
        name: DialectName::Whapi,
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
        settings::routes,
        pairing::routes,
        profile::routes,
        messages::routes,
        media::routes,
        chats::routes,
        contacts::routes,
        presence::routes,
        groups::routes,
        status::routes,
        newsletters::routes,
        business::routes,
        labels::routes,
        communities::routes,
        calls::routes,
    ]
    .into_iter()
    .fold(Routes::default(), |rows, area| area(rows))
}
