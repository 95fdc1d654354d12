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
/// Address, zero byte, number → facts to filter by. Written by earlier releases only; [`IN_CHAT`] took its place.
pub(crate) const BY_CHAT: Kind = Kind(0x8A);
/// Address of a person → their other address.
pub(crate) const ALIAS: Kind = Kind(0x8B);
/// Media id → what is needed to download the file.
pub(crate) const MEDIA: Kind = Kind(0x8C);
/// Number → the protobuf of the message.
pub(crate) const PROTO: Kind = Kind(0x8D);
/// Number of an own story → who got it.
pub(crate) const AUDIENCE: Kind = Kind(0x8E);
/// Time, number → facts to filter by.
pub(crate) const BY_TIME: Kind = Kind(0x8F);
/// Sequence → event.
pub(crate) const OUTBOX: Kind = Kind(0x90);
/// Name of a sink → the last sequence it has passed.
pub(crate) const SINK: Kind = Kind(0x91);

/// Address of a conversation → what is known of it.
pub(crate) const CHAT: Kind = Kind(0x92);
/// Address of a person → what is known of them.
pub(crate) const CONTACT: Kind = Kind(0x93);
/// Number of an own message, address of a person → how far it came with them.
pub(crate) const PROGRESS: Kind = Kind(0x94);
/// Address, zero byte, time, number → facts to filter by.
pub(crate) const IN_CHAT: Kind = Kind(0x95);
/// Address, zero byte, message id → a star for a message that the log does not have yet.
pub(crate) const EARLY_STAR: Kind = Kind(0x96);
/// Empty key → whom the account blocks.
pub(crate) const BLOCKED: Kind = Kind(0x97);
/// Number of a message whose words are not what the search index has.
pub(crate) const UNINDEXED: Kind = Kind(0x98);
/// Empty key → the customer's settings.
pub(crate) const SETTINGS: Kind = Kind(0x99);
/// Address of a person → what WhatsApp last said of their account, and when.
pub(crate) const CHECKED: Kind = Kind(0x9A);
/// Archived or not, inverted hour, address of a conversation → nothing: the order in which conversations are listed.
pub(crate) const CHAT_ORDER: Kind = Kind(0x9B);
/// In the address book or not, address of a person → nothing: the order in which people are listed.
pub(crate) const CONTACT_ORDER: Kind = Kind(0x9C);

/// Every key space of the journal.
#[cfg(test)]
pub(crate) const ALL: [Kind; 24] = [
    HEAD,
    SAVED,
    WEBHOOKS,
    MESSAGE,
    BY_ID,
    BY_CHAT,
    ALIAS,
    MEDIA,
    PROTO,
    AUDIENCE,
    BY_TIME,
    OUTBOX,
    SINK,
    CHAT,
    CONTACT,
    PROGRESS,
    IN_CHAT,
    EARLY_STAR,
    BLOCKED,
    UNINDEXED,
    SETTINGS,
    CHECKED,
    CHAT_ORDER,
    CONTACT_ORDER,
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
