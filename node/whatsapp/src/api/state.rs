//! What the account is asked to change, and what it is asked about.

use bytes::Bytes;
use switchboard_vocab::chats::Mute;
use switchboard_vocab::contacts::GroupName;
use switchboard_vocab::{ChatId, Timestamp, UserId};

use super::Target;

/// A change of the account's synchronised state, seen on all its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppStateChange {
    /// Archives a conversation, or takes it out of the archive.
    Archive(ChatTail, bool),
    /// Pins a conversation, or takes the pin away.
    Pin(ChatId, bool),
    /// Mutes a conversation; `None` unmutes it.
    Mute(ChatId, Option<Mute>),
    /// Marks a conversation as read (true) or unread.
    MarkRead(ChatTail, bool),
    /// Removes a conversation's messages.
    Clear(ChatTail),
    /// Removes a conversation.
    Delete(ChatTail),
    /// Stars a message, or takes the star away.
    Star(ChatId, Target, bool),
    /// Deletes a message on the account's devices.
    DeleteForMe(ChatId, Target, Timestamp),
    /// Puts a person into the address book: whole name, first name.
    SaveContact(UserId, String, Option<String>),
    /// Takes a person out of the address book.
    RemoveContact(UserId),
}

/// A conversation with its last message, which WhatsApp's devices compare to know that they mean the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTail {
    /// The conversation.
    pub chat: ChatId,
    /// Its last message and when it was written, when the log has one.
    pub last: Option<(Target, Timestamp)>,
}

/// What WhatsApp tells of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// As it was asked.
    pub user: UserId,
    /// Whether there is an account.
    pub registered: bool,
    /// The number, when known.
    pub phone: Option<UserId>,
    /// The LID, when known.
    pub lid: Option<UserId>,
    /// What they say about themselves, when they show it.
    pub about: Option<String>,
    /// When they said it.
    pub about_at: Option<Timestamp>,
    /// Id of their picture, when they show one.
    pub picture_id: Option<String>,
    /// Whether they are a business.
    pub business: bool,
    /// The name WhatsApp verified.
    pub verified_name: Option<String>,
    /// Their devices; the phone is 0.
    pub devices: Vec<u16>,
}

/// A change of the account's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileChange {
    /// Another name.
    Name(String),
    /// Another about text; empty takes it away.
    About(String),
    /// Another picture: a square JPEG.
    Picture(Bytes),
    /// No picture.
    RemovePicture,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Address and name.
    pub name: GroupName,
    /// Who is in it, by every address that WhatsApp told.
    pub members: Vec<UserId>,
}
