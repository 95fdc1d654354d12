//! Reading the message log.

use std::ops::Bound;
use std::time::Duration;

use switchboard_keystore::{Kind, MULTI_GET_MAX, ScanRange};
use switchboard_vocab::messages::{
    LIST_LIMIT_MAX, ListMessages, ListOrder, Message, MessageList, MessageRef,
};
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};

use super::rows::{self, Facts, Place, StoredMessage, Wanted};
use super::{Error, Journal};
use crate::session::kinds;

/// Entries read at a time.
const PAGE: usize = 1_000;
/// Whoever asks for what is new since a message this near to the last one is answered from the messages themselves, without a walk
/// over an index of the whole log. At most [`PAGE`].
const RECENT_MAX: u64 = 500;

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

    /// After how long the messages of a conversation disappear. Its row stands under one of its addresses.
    pub(crate) async fn timer(&self, chat: &ChatId) -> Result<Option<Duration>, Error> {
        let other = self.other_chat(chat).await?;
        for id in [Some(chat.clone()), other].into_iter().flatten() {
            let key = id.to_string().into_bytes();
            if let Some(row) = self.store.get(&self.namespace, kinds::CHAT, &key).await? {
                let row: rows::ChatRow = rows::decode("chat", &row)?;
                return Ok(row.chat.ephemeral);
            }
        }
        Ok(None)
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

    /// Lists messages of the log: in the order of time, or of their numbers where only those above one are wanted.
    pub(crate) async fn list(&self, filter: &ListMessages) -> Result<MessageList, Error> {
        let head = self.head();
        let limit = to_usize(filter.limit.min(LIST_LIMIT_MAX));
        let skip = to_usize(filter.offset);
        let other = match &filter.author {
            Some(author) => self.other_address(author).await?,
            None => None,
        };
        let wanted = Wanted::of(filter, other.as_ref());
        let reverse = filter.order == ListOrder::NewestFirst;
        let recent = wanted.only_after().filter(|after| {
            filter.chat.is_none() && head.last_number.saturating_sub(*after) <= RECENT_MAX
        });
        let (numbers, total) = if filter.chat.is_none() && wanted.is_everything() {
            let numbers = self.ends(reverse, skip, limit).await?;
            // The newest may be in the log and not counted yet.
            let shown = u64::try_from(skip.saturating_add(numbers.len())).unwrap_or(u64::MAX);
            let counted = if numbers.is_empty() {
                head.messages
            } else {
                head.messages.max(shown)
            };
            (numbers, counted)
        } else if let Some(after) = recent {
            let mut numbers = self.behind(after).await?;
            if reverse {
                numbers.reverse();
            }
            let total = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
            (numbers.into_iter().skip(skip).take(limit).collect(), total)
        } else {
            let mut places = self.matching(filter.chat.as_ref(), &wanted).await?;
            if wanted.after_number.is_some() {
                places.sort_unstable_by_key(|place| place.number);
            }
            if reverse {
                places.reverse();
            }
            let total = u64::try_from(places.len()).unwrap_or(u64::MAX);
            let page = places.into_iter().skip(skip).take(limit);
            (page.map(|place| place.number).collect(), total)
        };
        let messages = self.fetch(&numbers).await?;
        let last_number = numbers.into_iter().fold(head.last_number, u64::max);
        Ok(MessageList {
            messages: messages.into_iter().map(|stored| stored.message).collect(),
            total,
            last_number,
        })
    }

    /// The numbers of the messages behind one that is near the end of the log.
    async fn behind(&self, after: u64) -> Result<Vec<u64>, Error> {
        let range = ScanRange {
            from: Bound::Excluded(rows::number_key(after)),
            to: Bound::Unbounded,
            reverse: false,
            limit: PAGE,
        };
        let page = self
            .store
            .scan(&self.namespace, kinds::MESSAGE, range)
            .await?;
        page.entries
            .iter()
            .map(|(key, _)| rows::number_of(key))
            .collect()
    }

    /// The numbers of a page of all messages, from one end.
    async fn ends(&self, reverse: bool, skip: usize, limit: usize) -> Result<Vec<u64>, Error> {
        let mut numbers = Vec::new();
        let mut seen = 0;
        let mut last: Option<Vec<u8>> = None;
        let wanted = skip.saturating_add(limit);
        // Ends with the log, which is bounded.
        while seen < wanted {
            let behind = last.map_or(Bound::Unbounded, Bound::Excluded);
            let (from, to) = if reverse {
                (Bound::Unbounded, behind)
            } else {
                (behind, Bound::Unbounded)
            };
            let range = ScanRange {
                from,
                to,
                reverse,
                limit: PAGE.min(wanted - seen),
            };
            let page = self
                .store
                .scan(&self.namespace, kinds::BY_TIME, range)
                .await?;
            for (key, _) in &page.entries {
                if seen >= skip {
                    numbers.push(rows::number_of(key)?);
                }
                seen += 1;
            }
            match page.entries.into_iter().next_back() {
                Some((key, _)) => last = Some(key),
                None => break,
            }
        }
        Ok(numbers)
    }

    /// The places of messages that are wanted, earliest first: in a conversation under either address of its partner, or in
    /// all. Bounded by the length of the log.
    async fn matching(&self, chat: Option<&ChatId>, wanted: &Wanted) -> Result<Vec<Place>, Error> {
        let mut found = Vec::new();
        match chat {
            None => {
                self.matching_in(kinds::BY_TIME, &[], wanted, &mut found)
                    .await?
            }
            Some(chat) => {
                let other = self.other_chat(chat).await?;
                let both = other.is_some();
                for address in [Some(chat.clone()), other].into_iter().flatten() {
                    let prefix = rows::chat_prefix(&address);
                    self.matching_in(kinds::IN_CHAT, &prefix, wanted, &mut found)
                        .await?;
                }
                if both {
                    found.sort_unstable();
                }
            }
        }
        Ok(found)
    }

    async fn matching_in(
        &self,
        kind: Kind,
        prefix: &[u8],
        wanted: &Wanted,
        found: &mut Vec<Place>,
    ) -> Result<(), Error> {
        let key = |at: Timestamp, number: u64| {
            let mut key = prefix.to_vec();
            key.extend_from_slice(&rows::time_key(Place { at, number }));
            key
        };
        let last = wanted.until.unwrap_or(Timestamp::from_millis(u64::MAX));
        let to = Bound::Included(key(last, u64::MAX));
        let mut from = Bound::Included(key(wanted.from.unwrap_or_default(), 0));
        if wanted.from > Some(last) {
            return Ok(());
        }
        loop {
            let range = ScanRange {
                from,
                to: to.clone(),
                reverse: false,
                limit: PAGE,
            };
            let page = self.store.scan(&self.namespace, kind, range).await?;
            for (key, row) in &page.entries {
                let place = Place::of_key(key)?;
                if wanted.passes(place.number, Facts::decode(row)?) {
                    found.push(place);
                }
            }
            match page.entries.into_iter().next_back() {
                Some((key, _)) if page.more => from = Bound::Excluded(key),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// The messages with these numbers, in this order; those that are gone are left out.
    pub(super) async fn fetch(&self, numbers: &[u64]) -> Result<Vec<StoredMessage>, Error> {
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
                messages.push(rows::decode_message(&row)?);
            }
        }
        Ok(messages)
    }

    /// Messages of these numbers as they are shown.
    pub(crate) async fn numbered(&self, numbers: &[u64]) -> Result<Vec<Message>, Error> {
        let found = self.fetch(numbers).await?;
        Ok(found.into_iter().map(|stored| stored.message).collect())
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
