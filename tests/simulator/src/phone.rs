//! The phone double: the primary device (device 0) of one simulated account.
//!
//! Owns everything only a phone knows: the account's identity, its Signal sessions and sender keys, the
//! signatures over linked devices, the app-state key, media keys, and what the user would see in the chat list.
//!
//! It must not know the network, the clock or a global source of randomness: `now` and a random generator are
//! arguments, so a run can be replayed from its seed. It also knows nothing of stanzas; the server half of the
//! simulator wraps what comes out of here into nodes and unwraps what goes in.
//!
//! Phones exist by the ten thousand. All long-lived keys are derived from a seed when they are first needed, and
//! Signal records are kept as the bytes they serialise to.

mod addons;
mod adv;
mod app_state;
mod blob;
mod cipher;
mod code;
mod compose;
mod context;
mod error;
mod group;
mod history;
mod inbox;
mod keys;
mod known;
mod media;
mod outgoing;
mod qr;
mod reading;
mod reupload;
mod store;
mod sync_key;
#[cfg(test)]
mod tests;

pub use addons::Addon;
pub use adv::{KeyIndexList, LINKED_DEVICES_MAX, LinkedDevice, PairSuccess};
pub use app_state::{
    Act, AppStateFault, AppStateRead, Chat, Contact, Drafted, Label, MessageRef, Named, Settings,
    State, SyncNews, SyncPatch, Told,
};
pub use blob::{BlobKind, SealedBlob, seal_blob};
pub use cipher::{Enc, EncKind, Opened, RETRY_COUNT_MAX, SENT_MAX};
pub use code::{CODE_VALIDITY_SECS, CodeCompanion, CodePairing, PrimaryHello};
pub use compose::{ComposeError, Destination};
pub use error::{Error, MediaError, PairError};
pub use group::{GROUP_MEMBERS_MAX, GroupEnc};
pub use history::{
    Asked, CHATS_MAX, ChatName, Chunk, HistoryError, Kept, LIVE_BYTES_MAX, PAST_BYTES_MAX, Wants,
    asked,
};
pub use inbox::{
    INBOX_BYTES_MAX, INBOX_MAX, Inbox, Kind, Location, MediaInfo, Record, TEXT_BYTES_MAX,
};
pub use keys::{Bundle, DeviceAddress, PREKEYS_OUTSTANDING_MAX, SignedPrekey};
pub use known::{KNOWN_MAX, Known, Person};
pub use media::{MEDIA_BYTES_MAX, MediaKind, MediaRef, SealedMedia, open_media, seal_media};
pub use outgoing::{FileForm, MediaDetails, StoredAt, device_sent, media_message, text_message};
pub use qr::QrText;
pub use reading::{Received, is_view_once, read};
pub use reupload::{ReuploadError, SealedRetry, uploaded_again};
pub use store::{SENDER_KEYS_MAX, SESSIONS_MAX};
pub use sync_key::{AppStateKey, asks_for_app_state_keys};

use std::collections::VecDeque;

use self::addons::poll_options;
use self::adv::Linked;
use self::app_state::AppState;
use self::cipher::Sent;
use self::group::OwnGroups;
use self::history::History;
use self::keys::{AccountKeys, Root};
use self::known::KnownMessages;
use self::store::{Prekeys, SenderKeys, Sessions};

/// The primary device of one account.
///
/// Addresses use the account's phone number even where the wire used its LID: the caller resolves LIDs, so that a
/// device has one session however it was addressed.
#[derive(Debug)]
pub struct Phone {
    number: u64,
    lid: u64,
    push_name: Box<str>,
    root: Root,
    keys: AccountKeys,
    prekeys: Prekeys,
    sessions: Sessions,
    sender_keys: SenderKeys,
    own_groups: OwnGroups,
    linked: Vec<Linked>,
    key_index: u32,
    key_index_list: Option<KeyIndexList>,
    signatures: u32,
    sent: VecDeque<Sent>,
    inbox: Inbox,
    known: KnownMessages,
    app_state: Option<Box<AppState>>,
    history: Option<Box<History>>,
}

impl Phone {
    /// A phone that was just set up: no linked device, no session, an empty inbox.
    ///
    /// `number` and `lid` are the decimal digits of the two addresses. All keys follow from `seed` and `number`, so
    /// phones of one run may share a seed, and another seed for the same number is a reinstalled phone.
    #[must_use]
    pub fn new(number: u64, lid: u64, push_name: &str, seed: u64) -> Self {
        let root = Root::new(seed, number);
        Self {
            number,
            lid,
            push_name: push_name.into(),
            root,
            keys: AccountKeys::default(),
            prekeys: Prekeys::new(root),
            sessions: Sessions::default(),
            sender_keys: SenderKeys::default(),
            own_groups: OwnGroups::default(),
            linked: Vec::new(),
            key_index: 0,
            key_index_list: None,
            signatures: 0,
            sent: VecDeque::new(),
            inbox: Inbox::default(),
            known: KnownMessages::default(),
            app_state: None,
            history: None,
        }
    }

    /// The phone number, digits only.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The account's LID, digits only.
    #[must_use]
    pub const fn lid(&self) -> u64 {
        self.lid
    }

    /// The name the user gave the profile.
    #[must_use]
    pub fn push_name(&self) -> &str {
        &self.push_name
    }

    /// Changes the profile name.
    pub fn set_push_name(&mut self, push_name: &str) {
        self.push_name = push_name.into();
    }

    /// The address of the phone itself.
    #[must_use]
    pub const fn address(&self) -> DeviceAddress {
        DeviceAddress {
            number: self.number,
            device: 0,
        }
    }

    /// What the user sees in the chats, oldest first.
    #[must_use]
    pub const fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// For recording what arrived, see [`read`].
    pub const fn inbox_mut(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    /// Bytes of heap this phone holds beyond its own struct, for capacity tests: Signal records, the inbox and the
    /// copies kept for resending. Container overhead is estimated, not measured.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.sessions.heap_bytes()
            + self.sender_keys.heap_bytes()
            + self.own_groups.heap_bytes()
            + self.keys.heap_bytes()
            + self.inbox.heap_bytes()
            + self.known.heap_bytes()
            + self.sent.iter().map(Sent::heap_bytes).sum::<usize>()
            + self.linked.iter().map(Linked::heap_bytes).sum::<usize>()
            + self.history.as_ref().map_or(0, |h| h.heap_bytes())
            + self.app_state.as_ref().map_or(0, |s| s.heap_bytes())
            + self.push_name.len()
    }
}
