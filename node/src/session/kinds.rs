//! The key spaces of a session's namespace that the node uses.
//!
//! Owns the numbers only: 0x10..=0x7F belong to the WhatsApp client's storage, 0x80..=0xAF to the journal,
//! 0xB0..=0xB7 to delivery, 0xB8..=0xBF to the media store. A number is never given to something else.

use switchboard_keystore::Kind;

/// Empty key → [`super::journal::Head`].
pub(crate) const HEAD: Kind = Kind(0x80);
/// Empty key → [`super::lifecycle::Saved`].
pub(crate) const SAVED: Kind = Kind(0x81);
/// Empty key → [`crate::ports::WebhookBook`].
pub(crate) const WEBHOOKS: Kind = Kind(0x82);
/// Number → message.
pub(crate) const MESSAGE: Kind = Kind(0x88);
/// Message id → the numbers of the messages that carry it (writers choose ids, so there can be several).
pub(crate) const BY_ID: Kind = Kind(0x89);
/// Address, zero byte, number → facts to filter by.
pub(crate) const BY_CHAT: Kind = Kind(0x8A);
/// Address of a person → their other address.
pub(crate) const ALIAS: Kind = Kind(0x8B);
/// Media id → what is needed to download the file.
pub(crate) const MEDIA: Kind = Kind(0x8C);
/// Number → the protobuf of the message.
pub(crate) const PROTO: Kind = Kind(0x8D);
/// Number of an own story → who got it.
pub(crate) const AUDIENCE: Kind = Kind(0x8E);
/// Sequence → event.
pub(crate) const OUTBOX: Kind = Kind(0x90);
/// Name of a sink → the last sequence it has passed.
pub(crate) const SINK: Kind = Kind(0x91);

/// Every key space of the journal.
#[cfg(test)]
pub(crate) const ALL: [Kind; 12] = [
    HEAD, SAVED, WEBHOOKS, MESSAGE, BY_ID, BY_CHAT, ALIAS, MEDIA, PROTO, AUDIENCE, OUTBOX, SINK,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_distinct_and_in_the_journal_s_range() {
        let distinct: std::collections::BTreeSet<_> = ALL.iter().map(|kind| kind.0).collect();
        assert_eq!(distinct.len(), ALL.len());
        assert!(ALL.iter().all(|kind| (0x80..=0xAF).contains(&kind.0)));
    }
}
