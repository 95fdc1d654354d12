//! Chats as this system shows them, in answers and callbacks alike.

use serde::Serialize;
use switchboard_vocab::chats::{Chat as Known, Mute};
use switchboard_vocab::{ChatId, Timestamp, UserId};

use crate::ids::Wid;
use crate::messages::shown::Message;
use crate::numbers;

/// What a marked chat without unread messages counts. Source: WhatsApp Web's own count.
const MARKED_UNREAD: i64 = -1;
/// The end of a muting that has none. Source: the library's `muteExpiration`.
const FOREVER: i64 = -1;

/// `Chat`: the fields that are known here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chat<'a> {
    id: Wid,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    is_group: bool,
    is_read_only: bool,
    unread_count: i64,
    /// Unix seconds of what was said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    archived: bool,
    pinned: bool,
    is_muted: bool,
    /// Unix seconds; zero without a muting.
    mute_expiration: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<Message<'a>>,
}

impl<'a> Chat<'a> {
    /// A chat of the store. `own` is the account's address, where the caller knows it.
    pub(crate) fn of(chat: &'a Known, own: Option<&UserId>, now: Timestamp) -> Self {
        let until = match chat.muted {
            Some(Mute::Forever) => FOREVER,
            Some(Mute::Until(at)) if at.as_millis() > now.as_millis() => {
                i64::try_from(at.as_secs()).unwrap_or(i64::MAX)
            }
            Some(Mute::Until(_)) | None => 0,
        };
        let last = chat.last_message.as_deref();
        Self {
            id: Wid::chat(&chat.id, chat.alt.as_ref()),
            name: title(chat),
            is_group: chat.id.is_group(),
            is_read_only: chat.read_only,
            unread_count: match chat.unread {
                0 if chat.marked_unread => MARKED_UNREAD,
                unread => unread.into(),
            },
            timestamp: chat.last_at.map(Timestamp::as_secs),
            archived: chat.archived,
            pinned: chat.pinned_at.is_some(),
            is_muted: until != 0,
            mute_expiration: until,
            last_message: last.map(|message| Message::of(message, own)),
        }
    }
}

/// The name, or the number of a person who has none.
fn title(chat: &Known) -> Option<String> {
    let number = || {
        let known = chat.id.as_user().and_then(UserId::as_phone);
        let known = known.or_else(|| chat.alt.as_ref().and_then(UserId::as_phone));
        known.map(numbers::formatted)
    };
    chat.name.clone().or_else(number)
}

/// A chat of which only the address is known: one that is gone, or that nobody has written in.
pub(crate) const fn empty(id: ChatId) -> Known {
    Known {
        id,
        alt: None,
        name: None,
        last_at: None,
        last_message: None,
        unread: 0,
        marked_unread: false,
        unread_mention: false,
        archived: false,
        pinned_at: None,
        muted: None,
        ephemeral: None,
        read_only: false,
        not_spam: None,
    }
}
