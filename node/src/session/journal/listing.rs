//! Reading the message log.

use std::ops::Bound;

use switchboard_keystore::{Kind, MULTI_GET_MAX, ScanRange};
use switchboard_vocab::contacts::Contact;
use switchboard_vocab::messages::{
    LIST_LIMIT_MAX, ListMessages, ListOrder, Message, MessageList, MessageRef,
};
use switchboard_vocab::{ChatId, MessageId, UserId};

use super::rows::{self, Facts, StoredMessage};
use super::{Error, Journal};
use crate::session::kinds;

/// Entries read at a time.
const PAGE: usize = 1_000;

impl Journal {
    /// The message that carries this id; the newest, where several do.
    pub(crate) async fn message(&self, id: &MessageId) -> Result<Option<StoredMessage>, Error> {
        Ok(self.with_id(id).await?.pop())
    }

    /// The own message that carries this id.
    pub(crate) async fn own(&self, id: &MessageId) -> Result<Option<StoredMessage>, Error> {
        let mut found = self.with_id(id).await?;
        found.retain(|stored| stored.message.from_me);
        Ok(found.pop())
    }

    /// The message that a reference names.
    pub(crate) async fn find(&self, target: &MessageRef) -> Result<Option<StoredMessage>, Error> {
        let mut found = self.with_id(&target.id).await?;
        if let Some(chat) = &target.chat {
            let other = self.other_chat(chat).await?;
            let is_there = |there: &ChatId| there == chat || Some(there) == other.as_ref();
            found.retain(|stored| is_there(&stored.message.chat));
        }
        if let Some(from_me) = target.from_me {
            found.retain(|stored| stored.message.from_me == from_me);
        }
        Ok(found.pop())
    }

    /// The protobuf of a message.
    pub(crate) async fn proto(&self, number: u64) -> Result<Option<bytes::Bytes>, Error> {
        let key = rows::number_key(number);
        let row = self.store.get(&self.namespace, kinds::PROTO, &key).await?;
        row.map(|row| rows::decode_bytes("protobuf", &row))
            .transpose()
    }

    /// Who got an own story.
    pub(crate) async fn audience(&self, number: u64) -> Result<Option<Vec<UserId>>, Error> {
        let key = rows::number_key(number);
        let row = self
            .store
            .get(&self.namespace, kinds::AUDIENCE, &key)
            .await?;
        row.map(|row| rows::decode("audience", &row)).transpose()
    }

    /// The other address of a conversation with one person.
    pub(crate) async fn other_chat(&self, chat: &ChatId) -> Result<Option<ChatId>, Error> {
        if chat.as_user().is_none() {
            return Ok(None);
        }
        let key = chat.to_string().into_bytes();
        let row = self.store.get(&self.namespace, kinds::ALIAS, &key).await?;
        row.map(|row| rows::decode("alias", &row)).transpose()
    }

    /// The other address of a person.
    pub(crate) async fn other_address(&self, user: &UserId) -> Result<Option<UserId>, Error> {
        let other = self.other_chat(&ChatId::User(user.clone())).await?;
        Ok(other.and_then(|chat| chat.as_user().cloned()))
    }

    /// The people in the account's address book.
    #[expect(
        clippy::unused_async,
        reason = "contacts are stored in the next change"
    )]
    pub(crate) async fn saved_contacts(&self) -> Result<Vec<Contact>, Error> {
        Ok(Vec::new())
    }

    /// Every message that carries this id, the newest last.
    async fn with_id(&self, id: &MessageId) -> Result<Vec<StoredMessage>, Error> {
        let key = rows::id_key(id);
        let Some(row) = self.store.get(&self.namespace, kinds::BY_ID, &key).await? else {
            return Ok(Vec::new());
        };
        let numbers: Vec<u64> = rows::decode("message id", &row)?;
        let keys: Vec<_> = numbers.into_iter().map(rows::number_key).collect();
        let found = self.store.multi_get(&self.namespace, kinds::MESSAGE, &keys);
        let found = found.await?.into_iter().flatten();
        found.map(|row| rows::decode_message(&row)).collect()
    }

    /// Lists messages of the log.
    pub(crate) async fn list(&self, filter: &ListMessages) -> Result<MessageList, Error> {
        let head = self.head();
        let first = filter
            .after_number
            .unwrap_or(0)
            .saturating_add(1)
            .max(head.first_number);
        let window = Window {
            first,
            last: head.last_number,
        };
        let limit = filter.limit.min(LIST_LIMIT_MAX);
        let plain = filter.from_me.is_none() && filter.from.is_none() && filter.until.is_none();
        let (numbers, total) = match &filter.chat {
            None if plain => window.page(filter.order, filter.offset, limit),
            None => self
                .matching(kinds::MESSAGE, &[], window, filter)
                .await?
                .page(filter, limit),
            Some(chat) => self
                .of_chat(chat, window, filter)
                .await?
                .page(filter, limit),
        };
        let messages = self.fetch(&numbers).await?;
        Ok(MessageList {
            messages,
            total,
            last_number: head.last_number,
        })
    }

    /// The numbers of a conversation's messages, under either address of its partner.
    async fn of_chat(
        &self,
        chat: &ChatId,
        window: Window,
        filter: &ListMessages,
    ) -> Result<Matches, Error> {
        let mut matches = self
            .matching(kinds::BY_CHAT, &rows::chat_prefix(chat), window, filter)
            .await?;
        if let Some(other) = self.other_chat(chat).await? {
            let prefix = rows::chat_prefix(&other);
            let more = self
                .matching(kinds::BY_CHAT, &prefix, window, filter)
                .await?;
            matches.0.extend(more.0);
            matches.0.sort_unstable();
            matches.0.dedup();
        }
        Ok(matches)
    }

    /// The numbers, lowest first, of the rows below `prefix` that pass the filter. Bounded by the length of the log.
    async fn matching(
        &self,
        kind: Kind,
        prefix: &[u8],
        window: Window,
        filter: &ListMessages,
    ) -> Result<Matches, Error> {
        let mut found = Vec::new();
        if window.is_empty() {
            return Ok(Matches(found));
        }
        let end = |number: u64| [prefix, &number.to_be_bytes()].concat();
        let mut from = Bound::Included(end(window.first));
        loop {
            let to = Bound::Included(end(window.last));
            let range = ScanRange {
                from,
                to,
                reverse: false,
                limit: PAGE,
            };
            let page = self.store.scan(&self.namespace, kind, range).await?;
            for (key, row) in &page.entries {
                if passes(Facts::decode(row)?, filter) {
                    found.push(rows::number_of(key)?);
                }
            }
            match page.entries.into_iter().next_back() {
                Some((key, _)) if page.more => from = Bound::Excluded(key),
                Some(_) | None => return Ok(Matches(found)),
            }
        }
    }

    async fn fetch(&self, numbers: &[u64]) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::with_capacity(numbers.len());
        for chunk in numbers.chunks(MULTI_GET_MAX) {
            let keys: Vec<_> = chunk
                .iter()
                .map(|number| rows::number_key(*number))
                .collect();
            let found = self
                .store
                .multi_get(&self.namespace, kinds::MESSAGE, &keys)
                .await?;
            // A message may have been trimmed since the index was read.
            for row in found.into_iter().flatten() {
                messages.push(rows::decode_message(&row)?.message);
            }
        }
        Ok(messages)
    }
}

fn passes(facts: Facts, filter: &ListMessages) -> bool {
    filter.from_me.is_none_or(|wanted| facts.from_me == wanted)
        && filter.from.is_none_or(|from| facts.at >= from)
        && filter.until.is_none_or(|until| facts.at <= until)
}

/// Numbers of messages, lowest first.
struct Matches(Vec<u64>);

impl Matches {
    fn page(self, filter: &ListMessages, limit: u32) -> (Vec<u64>, u64) {
        let total = self.0.len();
        let (skip, take) = (to_usize(filter.offset), to_usize(limit));
        let page = match filter.order {
            ListOrder::OldestFirst => self.0.into_iter().skip(skip).take(take).collect(),
            ListOrder::NewestFirst => self.0.into_iter().rev().skip(skip).take(take).collect(),
        };
        (page, u64::try_from(total).unwrap_or(u64::MAX))
    }
}

/// A range of numbers, both ends included.
#[derive(Debug, Clone, Copy)]
struct Window {
    first: u64,
    last: u64,
}

impl Window {
    const fn is_empty(self) -> bool {
        self.first > self.last
    }

    /// The page without looking at any row: numbers have no gaps.
    fn page(self, order: ListOrder, offset: u32, limit: u32) -> (Vec<u64>, u64) {
        if self.is_empty() {
            return (Vec::new(), 0);
        }
        let total = self.last - self.first + 1;
        let (skip, take) = (to_usize(offset), to_usize(limit));
        let numbers = self.first..=self.last;
        let page = match order {
            ListOrder::OldestFirst => numbers.skip(skip).take(take).collect(),
            ListOrder::NewestFirst => numbers.rev().skip(skip).take(take).collect(),
        };
        (page, total)
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
