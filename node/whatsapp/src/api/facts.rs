//! What WhatsApp and other devices tell of chats, people and messages.

use std::time::Duration;

use switchboard_vocab::chats::Mute;
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};

use super::Incoming;

/// A fact that WhatsApp or another device of the account told. `at` is when it happened, as it was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A conversation is as its phone shows it. What is `None` was not told.
    Chat(ChatFact),
    /// The messages of a conversation are gone.
    ChatCleared {
        /// Which conversation.
        chat: ChatId,
        /// Messages up to this moment; all when `None`.
        until: Option<Timestamp>,
        /// Messages that carry a star stay.
        keeps_starred: bool,
    },
    /// A conversation is gone with its messages.
    ChatDeleted {
        /// Which conversation.
        chat: ChatId,
        /// Messages up to this moment; all when `None`.
        until: Option<Timestamp>,
    },
    /// A message was starred, or is no longer.
    Starred {
        /// The conversation.
        chat: ChatId,
        /// The message.
        id: MessageId,
        /// Whether it carries a star.
        starred: bool,
    },
    /// A message was deleted on the account's devices.
    DeletedForMe {
        /// The conversation.
        chat: ChatId,
        /// The message.
        id: MessageId,
        /// When.
        at: Timestamp,
    },
    /// A person is as the account or WhatsApp knows them. What is `None` was not told.
    Contact(ContactFact),
    /// A person left the address book.
    ContactRemoved {
        /// Who.
        user: UserId,
    },
    /// Two addresses are of one person.
    Pair {
        /// The number.
        phone: UserId,
        /// The LID.
        lid: UserId,
    },
    /// A person has a new number.
    NumberChanged {
        /// The number before.
        from: UserId,
        /// The number now.
        to: UserId,
    },
    /// The whole block list.
    Blocked(Vec<UserId>),
    /// A message could not be decrypted for good, or is not for linked devices. It takes the place of the message until that
    /// comes after all.
    Unreadable(Box<Incoming>),
    /// The account gave itself another name.
    OwnName(String),
}

/// What was told of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatFact {
    /// Which one.
    pub chat: ChatId,
    /// Its other address.
    pub alt: Option<UserId>,
    /// Its name (groups, and unsaved people in the history).
    pub name: Option<String>,
    /// When something was last said.
    pub last_at: Option<Timestamp>,
    /// How many messages were not read.
    pub unread: Option<u32>,
    /// Whether it is marked as unread. `false` also means that everything was read.
    pub marked_unread: Option<bool>,
    /// Whether it is archived.
    pub archived: Option<bool>,
    /// Since when it is pinned; `Some(None)` = it is not.
    pub pinned_at: Option<Option<Timestamp>>,
    /// Until when it is mute; `Some(None)` = it is not.
    pub muted: Option<Option<Mute>>,
    /// After how long its messages disappear; `Some(None)` = they stay.
    pub ephemeral: Option<Option<Duration>>,
    /// Whether the account may not write there.
    pub read_only: Option<bool>,
    /// Whether a person said that it is no spam.
    pub not_spam: Option<bool>,
}

impl ChatFact {
    /// Nothing but the address.
    #[must_use]
    pub const fn of(chat: ChatId) -> Self {
        Self {
            chat,
            alt: None,
            name: None,
            last_at: None,
            unread: None,
            marked_unread: None,
            archived: None,
            pinned_at: None,
            muted: None,
            ephemeral: None,
            read_only: None,
            not_spam: None,
        }
    }
}

/// What was told of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactFact {
    /// Who.
    pub user: UserId,
    /// Their other address.
    pub alt: Option<UserId>,
    /// Whole name and first name in the address book: they are saved.
    pub saved: Option<(String, Option<String>)>,
    /// The name they gave themselves.
    pub push_name: Option<String>,
    /// The name WhatsApp verified.
    pub verified_name: Option<String>,
    /// Whether they are a business.
    pub business: Option<bool>,
    /// What they say about themselves; `Some(None)` = nothing, or hidden.
    pub about: Option<Option<String>>,
    /// Id of their picture; `Some(None)` = none, or hidden.
    pub picture_id: Option<Option<String>>,
}

impl ContactFact {
    /// Nothing but the address.
    #[must_use]
    pub const fn of(user: UserId) -> Self {
        Self {
            user,
            alt: None,
            saved: None,
            push_name: None,
            verified_name: None,
            business: None,
            about: None,
            picture_id: None,
        }
    }
}
