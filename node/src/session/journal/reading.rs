//! Reading what is known of conversations and people, and of how far messages came.

use std::ops::Bound;

use switchboard_keystore::ScanRange;
use switchboard_vocab::chats::Chat;
use switchboard_vocab::contacts::Contact;
use switchboard_vocab::content::Body;
use switchboard_vocab::messages::{Message, Progress};
use switchboard_vocab::{ChatId, Timestamp, UserId};
use switchboard_whatsapp::{ChatTail, Target};

use super::rows::{self, ChatRow, Facts, Place};
use super::{Error, Journal};
use crate::session::kinds;

/// Rows read at a time.
const PAGE: usize = 1_000;
/// Index rows looked at to find the last message that says something.
const LAST_LOOKED_MAX: usize = 512;
/// Most people whose progress with one message is told. Source: a group has at most 1,024 members.
const RECIPIENTS_MAX: usize = 1_100;
/// Most messages of which the writers are told at once that they were read.
const UNREAD_MAX: usize = 500;

impl Journal {
    /// The address under which a conversation's row stands, and the other one.
    async fn canonical(&self, chat: &ChatId) -> Result<(ChatId, Option<ChatId>), Error> {
        let other = self.other_chat(chat).await?;
        Ok(match other {
            Some(phone @ ChatId::User(UserId::Phone(_)))
                if matches!(chat, ChatId::User(UserId::Lid(_))) =>
            {
                (phone, Some(chat.clone()))
            }
            other => (chat.clone(), other),
        })
    }

    /// A conversation by either address, with its name and last message.
    pub(crate) async fn chat(&self, chat: &ChatId) -> Result<Option<Chat>, Error> {
        let (id, _) = self.canonical(chat).await?;
        let key = id.to_string().into_bytes();
        let Some(row) = self.store.get(&self.namespace, kinds::CHAT, &key).await? else {
            return Ok(None);
        };
        let row: ChatRow = rows::decode("chat", &row)?;
        Ok(Some(self.filled(row.chat).await?))
    }

    pub(super) async fn filled(&self, mut chat: Chat) -> Result<Chat, Error> {
        if let Some(user) = chat.id.as_user() {
            let contact = self.contact(user).await?;
            if chat.name.is_none() {
                let name = contact.as_ref().and_then(Contact::shown_name);
                chat.name = name.map(str::to_owned);
            }
            if chat.alt.is_none() {
                chat.alt = self.other_address(user).await?;
            }
        }
        chat.last_message = self.last_message(&chat.id).await?.map(Box::new);
        Ok(chat)
    }

    /// The last message of a conversation that says something by itself.
    pub(crate) async fn last_message(&self, chat: &ChatId) -> Result<Option<Message>, Error> {
        let other = self.other_chat(chat).await?;
        let mut last: Option<Place> = None;
        for address in [Some(chat.clone()), other].into_iter().flatten() {
            let mut range = ScanRange::prefix(&rows::chat_prefix(&address), 16);
            range.reverse = true;
            let mut looked = 0;
            'address: while looked < LAST_LOOKED_MAX {
                let page = self
                    .store
                    .scan(&self.namespace, kinds::IN_CHAT, range.clone());
                let page = page.await?;
                for (key, row) in &page.entries {
                    looked += 1;
                    if Facts::decode(row)?.says {
                        last = last.max(Some(Place::of_key(key)?));
                        break 'address;
                    }
                }
                match page.entries.into_iter().next_back() {
                    Some((key, _)) if page.more => range.to = Bound::Excluded(key),
                    Some(_) | None => break,
                }
            }
        }
        let Some(place) = last else { return Ok(None) };
        Ok(self.numbered(&[place.number]).await?.pop())
    }

    /// A conversation with its last message, as the account's devices compare it.
    pub(crate) async fn tail(&self, chat: &ChatId) -> Result<ChatTail, Error> {
        let last = self.last_message(chat).await?;
        Ok(ChatTail {
            chat: chat.clone(),
            last: last.map(|message| {
                let target = Target {
                    id: message.id,
                    from_me: message.from_me,
                    sender: Some(message.sender),
                };
                (target, message.at)
            }),
        })
    }

    /// The unread messages of a conversation, newest first, at most 500.
    pub(crate) async fn unread(&self, chat: &ChatId) -> Result<Vec<Message>, Error> {
        let (id, other) = self.canonical(chat).await?;
        let key = id.to_string().into_bytes();
        let Some(row) = self.store.get(&self.namespace, kinds::CHAT, &key).await? else {
            return Ok(Vec::new());
        };
        let row: ChatRow = rows::decode("chat", &row)?;
        let wanted = usize::try_from(row.chat.unread)
            .unwrap_or(UNREAD_MAX)
            .min(UNREAD_MAX);
        let mut places = Vec::new();
        for address in [Some(id), other].into_iter().flatten() {
            let mut range = ScanRange::prefix(&rows::chat_prefix(&address), PAGE);
            range.reverse = true;
            // One page is enough: what was said in between by this account ends what is unread.
            let page = self
                .store
                .scan(&self.namespace, kinds::IN_CHAT, range)
                .await?;
            for (key, facts) in &page.entries {
                let (place, facts) = (Place::of_key(key)?, Facts::decode(facts)?);
                let is_read = row
                    .read
                    .is_some_and(|read| read >= (place.at, place.number));
                if !facts.from_me && facts.says && !is_read {
                    places.push(place);
                }
            }
        }
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.truncate(wanted);
        let numbers: Vec<_> = places.into_iter().map(|place| place.number).collect();
        self.numbered(&numbers).await
    }

    /// A person by either address.
    pub(crate) async fn contact(&self, user: &UserId) -> Result<Option<Contact>, Error> {
        let (id, _) = self.canonical(&ChatId::User(user.clone())).await?;
        let key = id.to_string().into_bytes();
        let row = self
            .store
            .get(&self.namespace, kinds::CONTACT, &key)
            .await?;
        row.map(|row| rows::decode("contact", &row)).transpose()
    }

    /// A person as they are shown, known or not.
    pub(crate) async fn person(&self, user: &UserId) -> Result<Contact, Error> {
        if let Some(contact) = self.contact(user).await? {
            return Ok(contact);
        }
        let (id, other) = self.canonical(&ChatId::User(user.clone())).await?;
        let id = id.as_user().cloned().unwrap_or_else(|| user.clone());
        let mut contact = Contact::unknown(id);
        contact.alt = other.and_then(|other| other.as_user().cloned());
        Ok(contact)
    }

    /// How far an own message came with each person.
    pub(crate) async fn progress(&self, number: u64) -> Result<Vec<Progress>, Error> {
        let range = ScanRange::prefix(&rows::number_key(number), RECIPIENTS_MAX);
        let page = self
            .store
            .scan(&self.namespace, kinds::PROGRESS, range)
            .await?;
        let found = page.entries.iter();
        found
            .map(|(_, row)| rows::decode("progress", row))
            .collect()
    }

    /// Numbers of messages that are not in the search index as they are now, lowest first.
    pub(crate) async fn unindexed(&self, limit: usize) -> Result<Vec<u64>, Error> {
        let range = ScanRange::all(limit);
        let page = self
            .store
            .scan(&self.namespace, kinds::UNINDEXED, range)
            .await?;
        page.entries
            .iter()
            .map(|(key, _)| rows::number_of(key))
            .collect()
    }

    /// Messages numbered above this, lowest first, and the highest number that was looked at.
    pub(crate) async fn numbered_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let range = ScanRange {
            from: Bound::Excluded(rows::number_key(after)),
            to: Bound::Unbounded,
            reverse: false,
            limit,
        };
        let page = self
            .store
            .scan(&self.namespace, kinds::MESSAGE, range)
            .await?;
        let found = page.entries.iter();
        found
            .map(|(_, row)| Ok(rows::decode_message(row)?.message))
            .collect()
    }

    /// The number of the newest message.
    pub(crate) fn last_number(&self) -> u64 {
        self.head().last_number
    }

    /// What was said in a conversation from a moment on and was not deleted, newest first; at most 10,000 messages.
    pub(crate) async fn said_since(
        &self,
        chat: &ChatId,
        since: Timestamp,
    ) -> Result<Vec<Message>, Error> {
        let range = ScanRange {
            from: Bound::Included(rows::in_chat_key(
                chat,
                Place {
                    at: since,
                    number: 0,
                },
            )),
            to: ScanRange::prefix(&rows::chat_prefix(chat), 1).to,
            reverse: true,
            limit: switchboard_keystore::PAGE_ENTRIES_MAX,
        };
        let page = self
            .store
            .scan(&self.namespace, kinds::IN_CHAT, range)
            .await?;
        let mut numbers = Vec::new();
        for (key, row) in &page.entries {
            if Facts::decode(row)?.says {
                numbers.push(rows::number_of(key)?);
            }
        }
        let mut said = self.numbered(&numbers).await?;
        said.retain(|message| !matches!(message.body, Body::Deleted { .. }));
        Ok(said)
    }
}
