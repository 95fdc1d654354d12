//! The key spaces this crate owns in a session's namespace: 0x10 to 0x4F. Numbers are never reused.

use switchboard_keystore::Kind;

/// First key space of this crate.
pub(crate) const FIRST: u8 = 0x10;
/// Last key space of this crate.
pub(crate) const LAST: u8 = 0x4F;

/// The device row; its key is empty.
pub(super) const DEVICE: Kind = Kind(0x10);
/// Identity keys by Signal address.
pub(super) const IDENTITY: Kind = Kind(0x11);
/// Signal sessions by address.
pub(super) const SESSION: Kind = Kind(0x12);
/// One-time prekeys by page, big-endian; see [`super::prekeys`].
pub(super) const PREKEYS: Kind = Kind(0x13);
/// Signed prekeys by id, big-endian.
pub(super) const SIGNED_PREKEY: Kind = Kind(0x14);
/// Sender keys of groups by address.
pub(super) const SENDER_KEY: Kind = Kind(0x15);
/// Which one-time prekeys of a page were offered to the server, by page.
pub(super) const PREKEY_MARKS: Kind = Kind(0x16);

/// App-state keys by key id.
pub(super) const SYNC_KEY: Kind = Kind(0x18);
/// Id of the app-state key stored last; its key is empty.
pub(super) const LATEST_SYNC_KEY: Kind = Kind(0x19);
/// App-state versions by collection.
pub(super) const APP_VERSION: Kind = Kind(0x1A);
/// App-state value MACs by collection and index MAC.
pub(super) const MUTATION_MAC: Kind = Kind(0x1B);
/// The highest version of a collection that another device was said to have made, by collection. Ours, not the library's.
pub(super) const TOLD_VERSION: Kind = Kind(0x1C);

/// Which device has a group's sender key, by group and device.
pub(super) const SENDER_KEY_DEVICE: Kind = Kind(0x20);
/// The same by device and group: an index.
pub(super) const SENDER_KEY_GROUP: Kind = Kind(0x21);
/// LID to phone number, by LID.
pub(super) const LID_MAPPING: Kind = Kind(0x22);
/// The newest LID of a phone number, by number.
pub(super) const PHONE_MAPPING: Kind = Kind(0x23);
/// Base keys of sessions under retry, by address and message.
pub(super) const BASE_KEY: Kind = Kind(0x24);
/// Devices of a user.
pub(super) const DEVICE_LIST: Kind = Kind(0x25);
/// What the library remembers of a group.
pub(super) const GROUP_METADATA: Kind = Kind(0x26);
/// Trusted-contact tokens by address.
pub(super) const TC_TOKEN: Kind = Kind(0x27);
/// Sent messages kept for retries, by chat and message.
pub(super) const SENT_MESSAGE: Kind = Kind(0x28);
/// The same by time: an index.
pub(super) const SENT_BY_TIME: Kind = Kind(0x29);
/// Decrypted messages the intake has not taken yet, by chat, sender and message.
pub(super) const PENDING_INBOUND: Kind = Kind(0x2A);

/// Secrets of messages by chat, sender and message.
pub(super) const MESSAGE_SECRET: Kind = Kind(0x30);
/// The same by expiry: an index.
pub(super) const SECRET_BY_EXPIRY: Kind = Kind(0x31);

/// What answers to a poll or event need, by message and author. Ours, not the library's.
pub(super) const BALLOT: Kind = Kind(0x32);
/// The same by expiry: an index.
pub(super) const BALLOT_BY_EXPIRY: Kind = Kind(0x33);

/// The phone's platform; its key is empty. Ours, not the library's.
pub(super) const PLATFORM: Kind = Kind(0x40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_ours_and_used_once() {
        let kinds = [
            DEVICE,
            IDENTITY,
            SESSION,
            PREKEYS,
            TOLD_VERSION,
            PREKEY_MARKS,
            SIGNED_PREKEY,
            SENDER_KEY,
            SYNC_KEY,
            LATEST_SYNC_KEY,
            APP_VERSION,
            MUTATION_MAC,
            SENDER_KEY_DEVICE,
            SENDER_KEY_GROUP,
            LID_MAPPING,
            PHONE_MAPPING,
            BASE_KEY,
            DEVICE_LIST,
            GROUP_METADATA,
            TC_TOKEN,
            SENT_MESSAGE,
            SENT_BY_TIME,
            PENDING_INBOUND,
            MESSAGE_SECRET,
            SECRET_BY_EXPIRY,
            BALLOT,
            BALLOT_BY_EXPIRY,
            PLATFORM,
        ];
        let mut numbers: Vec<u8> = kinds.iter().map(|kind| kind.0).collect();
        assert!(numbers.iter().all(|number| (FIRST..=LAST).contains(number)));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), kinds.len());
    }
}
