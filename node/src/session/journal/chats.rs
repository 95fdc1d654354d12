//! Conversations: what is known of them, what is unread in them, and how they are emptied.

use std::ops::Bound;

use switchboard_keystore::ScanRange;
use switchboard_vocab::chats::Chat;
use switchboard_vocab::content::is_stories;
use switchboard_vocab::events::Event;
use switchboard_vocab::events::chats::{ChatChange, Event as ChatEvent};
use switchboard_vocab::messages::Message;
use switchboard_vocab::{ChatId, Timestamp, UserId};

use super::rows::{self, ChatRow, Facts, Place};
use super::writer::Write;
use super::{Emptying, Error};
use crate::session::kinds;

/// Most unread messages that are counted one by one.
const UNREAD_COUNT_MAX: u32 = 1_000;
/// Most messages that one commit removes from a conversation.
pub(super) const CLEAR_STEP_MAX: usize = 500;
/// Index rows read at a time.
const PAGE: usize = 200;

/// A conversation of which nothing but the address is known.
fn unknown(id: ChatId) -> Chat {
    Chat {
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

/// What makes a change worth telling: new messages and counts do not.
fn told(chat: &Chat) -> Chat {
    Chat {
        alt: None,
        last_at: None,
        last_message: None,
        unread: 0,
        unread_mention: false,
        ..chat.clone()
    }
}

impl Write<'_, '_> {
    /// The address under which the row of a conversation stands, and the other one of its person.
    pub(super) async fn canonical_chat(
        &self,
        chat: &ChatId,
    ) -> Result<(ChatId, Option<UserId>), Error> {
        match chat.as_user() {
            Some(user) => {
                let (user, other) = self.canonical(user).await?;
                Ok((ChatId::User(user), other))
            }
            None => Ok((chat.clone(), None)),
        }
    }

    async fn chat_row(&self, id: &ChatId) -> Result<Option<ChatRow>, Error> {
        let row = self.txn.get(kinds::CHAT, id.to_string().as_bytes()).await?;
        row.map(|row| rows::decode("chat", &row)).transpose()
    }

    /// With the name of the contact, where it has none of its own.
    async fn shown(&self, mut chat: Chat) -> Result<Chat, Error> {
        if chat.name.is_none()
            && let Some(user) = chat.id.as_user()
        {
            chat.name = self.name_of(user).await?;
        }
        Ok(chat)
    }

    /// Changes what is known of a conversation, and tells it where it is worth telling.
    pub(super) async fn change_chat(
        &mut self,
        chat: &ChatId,
        at: Timestamp,
        edit: impl FnOnce(&mut ChatRow),
    ) -> Result<(), Error> {
        let (id, other) = self.canonical_chat(chat).await?;
        let before = self.chat_row(&id).await?;
        let mut after = before.clone().unwrap_or_else(|| ChatRow {
            chat: unknown(id),
            read: None,
        });
        after.chat.alt = other;
        edit(&mut after);
        if before.as_ref() == Some(&after) {
            return Ok(());
        }
        self.put_chat(before.as_ref(), &after)?;
        let event = match before {
            None => ChatEvent::Added(self.shown(after.chat).await?),
            // More unread messages tell of themselves; fewer were read somewhere.
            Some(before)
                if told(&before.chat) == told(&after.chat)
                    && before.chat.unread <= after.chat.unread =>
            {
                return Ok(());
            }
            Some(before) => ChatEvent::Changed(ChatChange {
                before: self.shown(before.chat).await?,
                after: self.shown(after.chat).await?,
            }),
        };
        self.emit(at, Event::Chats(event))
    }

    /// A message was said in its conversation.
    pub(super) async fn said(&mut self, message: &Message) -> Result<(), Error> {
        if is_stories(&message.chat) || !Facts::of(message).says {
            return Ok(());
        }
        let counts = !message.from_me && !self.quiet;
        let mentions_me = message.context.mention_all
            || message.context.mentions.iter().any(|user| self.is_me(user));
        self.change_chat(&message.chat, message.at, |row| {
            row.chat.last_at = row.chat.last_at.max(Some(message.at));
            if counts {
                row.chat.unread = row.chat.unread.saturating_add(1);
                row.chat.unread_mention |= mentions_me;
            }
        })
        .await
    }

    /// Everything up to a message was read, on whatever device.
    pub(super) async fn read_up_to(
        &mut self,
        message: &Message,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (id, _) = self.canonical_chat(&message.chat).await?;
        let Some(row) = self.chat_row(&id).await? else {
            return Ok(());
        };
        let read = (message.at, message.number);
        if row.read >= Some(read) {
            return Ok(());
        }
        let unread = self.unread_after(&id, read, row.chat.unread).await?;
        self.change_chat(&id, at, |row| {
            row.read = Some(read);
            row.chat.unread = unread;
            row.chat.unread_mention &= unread > 0;
            row.chat.marked_unread = false;
        })
        .await
    }

    /// Everything in a conversation was read.
    pub(super) async fn read_all(&mut self, chat: &ChatId, at: Timestamp) -> Result<(), Error> {
        let (id, _) = self.canonical_chat(chat).await?;
        if self.chat_row(&id).await?.is_none() {
            return Ok(());
        }
        let last = self.txn.memory.head.last_number;
        self.change_chat(&id, at, |row| all_read(row, last)).await
    }

    /// Messages of others behind a place, at most `most`.
    async fn unread_after(
        &self,
        chat: &ChatId,
        (at, number): (Timestamp, u64),
        most: u32,
    ) -> Result<u32, Error> {
        let most = most.min(UNREAD_COUNT_MAX);
        let mut count = 0;
        for address in self.addresses(chat).await? {
            let mut from = rows::in_chat_key(&address, Place { at, number });
            let to = rows::in_chat_key(&address, END);
            while count < most {
                let range = ScanRange {
                    from: Bound::Excluded(from.clone()),
                    to: Bound::Included(to.clone()),
                    reverse: false,
                    limit: PAGE,
                };
                let page = self.txn.scan(kinds::IN_CHAT, range).await?;
                for (_, row) in &page {
                    let facts = Facts::decode(row)?;
                    count += u32::from(!facts.from_me && facts.says);
                }
                match page.last() {
                    Some((key, _)) if page.len() == PAGE => from = key.clone(),
                    Some(_) | None => break,
                }
            }
        }
        Ok(count.min(most))
    }

    async fn addresses(&self, chat: &ChatId) -> Result<Vec<ChatId>, Error> {
        let other = self.other_chat(chat).await?;
        Ok([Some(chat.clone()), other].into_iter().flatten().collect())
    }

    /// Removes messages of a conversation, oldest first, at most [`CLEAR_STEP_MAX`] at once: how many, and whether there are
    /// more.
    pub(super) async fn clear_step(
        &mut self,
        chat: &ChatId,
        until: Option<Timestamp>,
        what: Emptying,
    ) -> Result<(u64, bool), Error> {
        let until = Place {
            at: until.unwrap_or(END.at),
            number: u64::MAX,
        };
        let mut removed = 0;
        for address in self.addresses(chat).await? {
            let mut range = ScanRange {
                from: Bound::Included(rows::chat_prefix(&address)),
                to: Bound::Included(rows::in_chat_key(&address, until)),
                reverse: false,
                limit: CLEAR_STEP_MAX,
            };
            // Ends with the conversation: a page of which nothing goes is all stars.
            loop {
                let page = self.txn.scan(kinds::IN_CHAT, range.clone()).await?;
                let last = page.last().map(|(key, _)| key.clone());
                let is_last = page.len() < CLEAR_STEP_MAX;
                for (key, _) in page {
                    removed += u64::from(self.clear_one(key, what).await?);
                }
                if removed > 0 {
                    return Ok((removed, true));
                }
                match last {
                    Some(key) if !is_last => range.from = Bound::Excluded(key),
                    Some(_) | None => break,
                }
            }
        }
        Ok((removed, false))
    }

    /// Removes the message of an index row; `false` where it stays.
    async fn clear_one(&mut self, key: Vec<u8>, what: Emptying) -> Result<bool, Error> {
        let number = rows::number_of(&key)?;
        if what == Emptying::ButStarred && self.is_starred(number).await? {
            return Ok(false);
        }
        if self.remove(number).await?.is_none() {
            // An index without its message helps nobody.
            self.txn.delete(kinds::IN_CHAT, key);
        }
        Ok(true)
    }

    async fn is_starred(&self, number: u64) -> Result<bool, Error> {
        let key = rows::number_key(number);
        let row = self.txn.get(kinds::MESSAGE, &key).await?;
        let stored = row.map(|row| rows::decode_message(&row)).transpose()?;
        Ok(stored.is_some_and(|stored| stored.message.marks.starred))
    }

    /// Its messages up to `until` are gone: the conversation shows it. `gone` is how many there were.
    pub(super) async fn cleared(
        &mut self,
        chat: &ChatId,
        until: Option<Timestamp>,
        gone: u64,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (id, _) = self.canonical_chat(chat).await?;
        if gone == 0 {
            return Ok(());
        }
        self.recount(&id, until, at).await?;
        self.emit(at, Event::Chats(ChatEvent::Cleared { chat: id }))
    }

    /// The conversation is gone with its messages up to `until`; one that went on since stays.
    pub(super) async fn chat_deleted(
        &mut self,
        chat: &ChatId,
        until: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (id, _) = self.canonical_chat(chat).await?;
        let Some(row) = self.chat_row(&id).await? else {
            return Ok(());
        };
        for address in self.addresses(&id).await? {
            let range = ScanRange::prefix(&rows::chat_prefix(&address), 1);
            if !self.txn.scan(kinds::IN_CHAT, range).await?.is_empty() {
                return self.recount(&id, until, at).await;
            }
        }
        self.drop_chat(&row);
        self.emit(at, Event::Chats(ChatEvent::Removed { chat: id }))
    }

    /// What is unread once messages up to a moment are gone.
    async fn recount(
        &mut self,
        id: &ChatId,
        until: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let Some(row) = self.chat_row(id).await? else {
            return Ok(());
        };
        let unread = match until {
            None => 0,
            Some(until) => {
                let from = row.read.unwrap_or_default().max((until, u64::MAX));
                self.unread_after(id, from, row.chat.unread).await?
            }
        };
        self.change_chat(id, at, |row| {
            row.chat.unread = unread;
            row.chat.unread_mention &= unread > 0;
        })
        .await
    }

    pub(super) async fn merge_chats(&mut self, phone: &UserId, lid: &UserId) -> Result<(), Error> {
        let (phone, loose) = (ChatId::User(phone.clone()), ChatId::User(lid.clone()));
        let Some(other) = self.chat_row(&loose).await? else {
            return Ok(());
        };
        self.drop_chat(&other);
        let before = self.chat_row(&phone).await?;
        let mut row = before.clone().unwrap_or_else(|| ChatRow {
            chat: unknown(phone),
            read: None,
        });
        let (chat, from) = (&mut row.chat, other.chat);
        chat.alt = Some(lid.clone());
        chat.name = chat.name.take().or(from.name);
        chat.last_at = chat.last_at.max(from.last_at);
        chat.unread = chat.unread.saturating_add(from.unread);
        chat.marked_unread |= from.marked_unread;
        chat.unread_mention |= from.unread_mention;
        chat.archived |= from.archived;
        chat.pinned_at = chat.pinned_at.or(from.pinned_at);
        chat.muted = chat.muted.or(from.muted);
        chat.ephemeral = chat.ephemeral.or(from.ephemeral);
        chat.read_only |= from.read_only;
        chat.not_spam = chat.not_spam.or(from.not_spam);
        row.read = row.read.max(other.read);
        self.put_chat(before.as_ref(), &row)
    }
}

/// Behind every place.
const END: Place = Place {
    at: Timestamp::from_millis(u64::MAX),
    number: u64::MAX,
};

/// Everything was read, up to the message of this number.
pub(super) fn all_read(row: &mut ChatRow, last_number: u64) {
    if let Some(at) = row.chat.last_at {
        row.read = row.read.max(Some((at, last_number)));
    }
    row.chat.unread = 0;
    row.chat.unread_mention = false;
    row.chat.marked_unread = false;
}
