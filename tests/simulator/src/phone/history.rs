//! The messages a phone has: what was sent and received while the simulator ran, and the past it was given. From
//! here companions get their history when they are linked and when they ask.
//!
//! Live messages are kept within [`LIVE_BYTES_MAX`]; a given past stays on top of that.

mod answer;
mod build;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use buffa::Message as _;
use wa::web_message_info::Status;
use waproto::whatsapp as wa;

pub use self::answer::{Asked, asked};
pub use self::build::{Chunk, Wants};
use super::{Kind, Phone};

/// Bytes of live messages that a phone keeps; the oldest go first.
pub const LIVE_BYTES_MAX: usize = 128 * 1024;
/// Bytes of past that a phone can be given.
pub const PAST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Chats that a phone can have.
pub const CHATS_MAX: usize = 20_000;
/// Names of other people that a phone remembers.
const NAMES_MAX: usize = 20_000;
/// Where status updates stand.
pub(super) const STATUS: &str = "status@broadcast";

/// A chat with its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatName {
    /// The address by phone number, or the group's.
    pub shown: String,
    /// The address by LID.
    pub lid: Option<String>,
    /// The name in the chat list, of groups.
    pub name: Option<String>,
}

/// A message as a phone keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The message's id.
    pub id: String,
    /// Unix seconds.
    pub at_s: u64,
    /// Whether the own account wrote it.
    pub from_me: bool,
    /// Address of the author, in groups.
    pub author: Option<String>,
    /// What the author calls himself.
    pub push_name: Option<String>,
    /// The content.
    pub message: wa::Message,
}

/// Why a phone did not take a past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It is too large.
    #[error("give history: more than {PAST_BYTES_MAX} bytes")]
    Bytes,
    /// It has too many chats.
    #[error("give history: more than {CHATS_MAX} chats")]
    Chats,
}

#[derive(Debug)]
struct Logged {
    at_s: u64,
    id: Box<str>,
    /// `WebMessageInfo`, with the chat as it is shown.
    info: Box<[u8]>,
}

impl Logged {
    const fn bytes(&self) -> usize {
        self.id.len() + self.info.len() + size_of::<Self>()
    }

    fn decode(&self) -> Option<wa::WebMessageInfo> {
        wa::WebMessageInfo::decode_from_slice(&self.info).ok()
    }
}

#[derive(Debug, Default)]
struct ChatLog {
    lid: Option<Box<str>>,
    name: Option<Box<str>>,
    unread: u32,
    ephemeral_s: u32,
    /// Oldest first.
    messages: VecDeque<Logged>,
}

/// All messages of a phone.
#[derive(Debug, Default)]
pub(super) struct History {
    chats: BTreeMap<Box<str>, ChatLog>,
    /// What people call themselves, by address.
    names: BTreeMap<Box<str>, Box<str>>,
    bytes: usize,
    /// Bytes that came as a past.
    given: usize,
}

impl History {
    pub(super) const fn heap_bytes(&self) -> usize {
        self.bytes
    }

    fn add(&mut self, chat: &ChatName, kept: Kept) -> Result<usize, HistoryError> {
        if self.chats.len() >= CHATS_MAX && !self.chats.contains_key(&*chat.shown) {
            return Err(HistoryError::Chats);
        }
        let log = self.chats.entry(chat.shown.as_str().into()).or_default();
        if let Some(lid) = &chat.lid {
            log.lid = Some(lid.as_str().into());
        }
        if let Some(name) = &chat.name {
            log.name = Some(name.as_str().into());
        }
        if let (Some(name), false) = (&kept.push_name, kept.from_me) {
            let author = kept.author.as_deref().unwrap_or(&chat.shown);
            if self.names.len() < NAMES_MAX || self.names.contains_key(author) {
                self.names.insert(author.into(), name.as_str().into());
            }
        }
        if kept.from_me {
            log.unread = 0;
        } else {
            log.unread = log.unread.saturating_add(1);
        }
        let logged = kept.into_logged(&chat.shown);
        let bytes = logged.bytes();
        let at = log.messages.partition_point(|m| m.at_s <= logged.at_s);
        log.messages.insert(at, logged);
        self.bytes += bytes;
        Ok(bytes)
    }

    /// Forgets the oldest live messages beyond the limit.
    fn trim(&mut self) {
        while self.bytes > self.given + LIVE_BYTES_MAX {
            let oldest = self
                .chats
                .iter()
                .filter_map(|(chat, log)| Some((log.messages.front()?.at_s, chat.clone())))
                .min();
            let Some((_, chat)) = oldest else {
                return;
            };
            if let Some(gone) = self
                .chats
                .get_mut(&chat)
                .and_then(|log| log.messages.pop_front())
            {
                self.bytes = self.bytes.saturating_sub(gone.bytes());
            }
        }
    }

    /// A message by its id, in the chat if that is known.
    fn find(&self, chat: &str, id: &str) -> Option<(&str, &Logged)> {
        let named = self.chat(chat).into_iter();
        let all = self.chats.iter().map(|(shown, log)| (&**shown, log));
        named.chain(all).find_map(|(shown, log)| {
            let found = log.messages.iter().rev().find(|m| &*m.id == id)?;
            Some((shown, found))
        })
    }

    /// A chat by any of its addresses.
    fn chat(&self, address: &str) -> Option<(&str, &ChatLog)> {
        let shown = self.chats.get_key_value(address);
        let by_lid = || {
            let mut all = self.chats.iter();
            all.find(|(_, log)| log.lid.as_deref() == Some(address))
        };
        shown.or_else(by_lid).map(|(shown, log)| (&**shown, log))
    }
}

impl Kept {
    fn into_logged(self, chat: &str) -> Logged {
        let context = self.message.message_context_info.as_option();
        let secret = context.and_then(|c| c.message_secret.clone());
        let status = if self.from_me {
            Status::DELIVERY_ACK
        } else {
            Status::SERVER_ACK
        };
        let info = wa::WebMessageInfo {
            key: wa::MessageKey {
                remote_jid: Some(chat.to_owned()),
                from_me: Some(self.from_me),
                id: Some(self.id.clone()),
                participant: self.author.clone(),
            }
            .into(),
            message: self.message.into(),
            message_timestamp: Some(self.at_s),
            status: Some(status),
            participant: self.author,
            push_name: self.push_name,
            message_secret: secret,
            ..Default::default()
        };
        Logged {
            at_s: self.at_s,
            id: self.id.into(),
            info: info.encode_to_vec().into(),
        }
    }
}

impl Phone {
    /// Keeps a message that was just sent or received. An edit changes the message it is about and a revocation takes
    /// it away; what is no message of its own is not kept.
    pub fn keep_message(&mut self, chat: &ChatName, kind: Kind, target: Option<&str>, kept: Kept) {
        let history = self.history.get_or_insert_default();
        match (kind, target) {
            (Kind::Revoke, Some(id)) => history.revoke(&chat.shown, id),
            (Kind::Edit, Some(id)) => history.edit(&chat.shown, id, &kept.message),
            (Kind::Reaction | Kind::PollVote | Kind::Pin | Kind::Edit | Kind::Revoke, _) => {}
            (Kind::Timer, _) => history.set_timer(&chat.shown, &kept.message),
            _ => {
                if history.add(chat, kept).is_ok() {
                    history.trim();
                }
            }
        }
    }

    /// Keeps a message that the phone itself sent, see [`Self::keep_message`].
    pub fn keep_sent(&mut self, chat: &ChatName, id: &str, at_s: u64, message: &wa::Message) {
        let sent = super::Received {
            id: id.to_owned(),
            from: self.own_jid(),
            chat: chat.shown.clone(),
            timestamp: at_s,
            own: true,
        };
        let Some(record) = super::read(sent, message) else {
            return;
        };
        let kept = Kept {
            id: record.id,
            at_s,
            from_me: true,
            author: None,
            push_name: None,
            message: message.clone(),
        };
        self.keep_message(chat, record.kind, record.target.as_deref(), kept);
    }

    /// Gives the phone a chat from before, or more of one: its messages, how many of them are unread, and after how
    /// many seconds new ones disappear.
    ///
    /// # Errors
    /// Beyond the limits; what came before stays.
    pub fn give_past(
        &mut self,
        chat: &ChatName,
        messages: Vec<Kept>,
        unread: u32,
        ephemeral_s: u32,
    ) -> Result<(), HistoryError> {
        let history = self.history.get_or_insert_default();
        for kept in messages {
            if history.given > PAST_BYTES_MAX {
                return Err(HistoryError::Bytes);
            }
            history.given += history.add(chat, kept)?;
        }
        if history.chats.len() >= CHATS_MAX && !history.chats.contains_key(&*chat.shown) {
            return Err(HistoryError::Chats);
        }
        let log = history.chats.entry(chat.shown.as_str().into()).or_default();
        log.unread = unread;
        log.ephemeral_s = ephemeral_s;
        if let Some(name) = &chat.name {
            log.name = Some(name.as_str().into());
        }
        if let Some(lid) = &chat.lid {
            log.lid = Some(lid.as_str().into());
        }
        Ok(())
    }

    /// A message that the phone has, by its id; `chat` is any address of its chat.
    #[must_use]
    pub fn kept_message(&self, chat: &str, id: &str) -> Option<wa::Message> {
        let (_, found) = self.history.as_deref()?.find(chat, id)?;
        found.decode()?.message.into_option()
    }

    /// The newest message of a chat.
    pub(super) fn newest_message(&self, chat: &str) -> Option<wa::WebMessageInfo> {
        let (_, log) = self.history.as_deref()?.chat(chat)?;
        log.messages.back()?.decode()
    }

    /// The user opened a chat.
    pub fn opened_chat(&mut self, chat: &str) {
        if let Some(log) = self.history.as_mut().and_then(|h| h.chats.get_mut(chat)) {
            log.unread = 0;
        }
    }
}

impl History {
    fn change(&mut self, chat: &str, id: &str, change: impl FnOnce(&mut wa::WebMessageInfo)) {
        let log = self.chats.get_mut(chat);
        let logged = log.and_then(|l| l.messages.iter_mut().rev().find(|m| &*m.id == id));
        let Some(logged) = logged else {
            return;
        };
        let Some(mut info) = logged.decode() else {
            return;
        };
        let before = logged.bytes();
        change(&mut info);
        logged.info = info.encode_to_vec().into();
        self.bytes = self.bytes.saturating_sub(before) + logged.bytes();
        self.trim();
    }

    fn revoke(&mut self, chat: &str, id: &str) {
        self.change(chat, id, |info| {
            info.message = wa::Message::default().into();
            info.message_stub_type = Some(wa::web_message_info::StubType::REVOKE);
        });
    }

    fn edit(&mut self, chat: &str, id: &str, edit: &wa::Message) {
        let inner = super::reading::unwrapped(edit).message;
        let protocol = inner.protocol_message.as_option();
        if let Some(new) = protocol.and_then(|p| p.edited_message.as_option()) {
            self.change(chat, id, |info| info.message = new.clone().into());
        }
    }

    fn set_timer(&mut self, chat: &str, message: &wa::Message) {
        let protocol = message.protocol_message.as_option();
        let seconds = protocol.and_then(|p| p.ephemeral_expiration);
        if let (Some(seconds), Some(log)) = (seconds, self.chats.get_mut(chat)) {
            log.ephemeral_s = seconds;
        }
    }
}
