//! The orders in which conversations and people are listed, and how many there are.
//!
//! Owns the two indexes and the counts in the head: whoever writes a row of either kind writes it here, so that a page costs what it
//! holds, and not what the store holds. Must not know why a row changes.

use std::ops::Bound;

use switchboard_keystore::{Kind, MULTI_GET_MAX, ScanRange};
use switchboard_vocab::chats::{self, ChatList};
use switchboard_vocab::contacts::{self, Contact, ContactList};

use super::rows::{self, ChatRow, Head};
use super::writer::Write;
use super::{Error, Journal};
use crate::session::kinds;

/// Rows of an index read at a time.
const PAGE: usize = 1_000;
/// Most rows of an index that a listing looks at.
const LISTED_MAX: usize = 200_000;

/// One more or one less of what is counted.
fn recount(count: &mut u64, before: bool, after: bool) {
    *count = count.saturating_sub(u64::from(before)) + u64::from(after);
}

impl Write<'_, '_> {
    /// Writes the row of a conversation; `before` is the row that stands under its address.
    pub(super) fn put_chat(
        &mut self,
        before: Option<&ChatRow>,
        after: &ChatRow,
    ) -> Result<(), Error> {
        let key = after.chat.id.to_string().into_bytes();
        self.txn.put(kinds::CHAT, key, rows::encode("chat", after)?);
        self.order_chat(before, Some(after));
        Ok(())
    }

    /// Removes the row of a conversation.
    pub(super) fn drop_chat(&mut self, row: &ChatRow) {
        let key = row.chat.id.to_string().into_bytes();
        self.txn.delete(kinds::CHAT, key);
        self.order_chat(Some(row), None);
    }

    /// Writes the row of a person; `before` is the row that stands under their address.
    pub(super) fn put_contact(
        &mut self,
        before: Option<&Contact>,
        after: &Contact,
    ) -> Result<(), Error> {
        let key = after.id.to_string().into_bytes();
        let row = rows::encode("contact", after)?;
        self.txn.put(kinds::CONTACT, key, row);
        self.order_contact(before, Some(after));
        Ok(())
    }

    /// Removes the row of a person.
    pub(super) fn drop_contact(&mut self, contact: &Contact) {
        let key = contact.id.to_string().into_bytes();
        self.txn.delete(kinds::CONTACT, key);
        self.order_contact(Some(contact), None);
    }

    fn order_chat(&mut self, before: Option<&ChatRow>, after: Option<&ChatRow>) {
        let (before, after) = (before.map(|row| &row.chat), after.map(|row| &row.chat));
        let archived = |chat: Option<&chats::Chat>| chat.is_some_and(|chat| chat.archived);
        let head = &mut self.txn.memory.head;
        recount(&mut head.chats, before.is_some(), after.is_some());
        recount(&mut head.chats_archived, archived(before), archived(after));
        let keys = (
            before.map(rows::chat_order_key),
            after.map(rows::chat_order_key),
        );
        self.reorder(kinds::CHAT_ORDER, keys);
    }

    fn order_contact(&mut self, before: Option<&Contact>, after: Option<&Contact>) {
        let saved = |contact: Option<&Contact>| contact.is_some_and(|contact| contact.saved);
        let head = &mut self.txn.memory.head;
        recount(&mut head.contacts, before.is_some(), after.is_some());
        recount(&mut head.contacts_saved, saved(before), saved(after));
        let keys = (
            before.map(rows::contact_order_key),
            after.map(rows::contact_order_key),
        );
        self.reorder(kinds::CONTACT_ORDER, keys);
    }

    fn reorder(&mut self, kind: Kind, (before, after): (Option<Vec<u8>>, Option<Vec<u8>>)) {
        if before == after {
            return;
        }
        if let Some(key) = before {
            self.txn.delete(kind, key);
        }
        if let Some(key) = after {
            self.txn.put(kind, key, Vec::new());
        }
    }

    /// Puts a row of an earlier layout into its order, where its kind has one, and counts it.
    pub(super) fn order_old(&mut self, kind: Kind, row: &[u8]) -> Result<(), Error> {
        if kind == kinds::CHAT {
            let row: ChatRow = rows::decode("chat", row)?;
            self.order_chat(None, Some(&row));
        } else if kind == kinds::CONTACT {
            let contact: Contact = rows::decode("contact", row)?;
            self.order_contact(None, Some(&contact));
        } else {
            self.txn.memory.head.checked += 1;
        }
        Ok(())
    }
}

/// How many rows pass a filter by one flag of theirs.
fn counted(flag: Option<bool>, all: u64, with: u64) -> u64 {
    match flag {
        None => all,
        Some(true) => with,
        Some(false) => all.saturating_sub(with),
    }
}

/// What the keys of conversations share that are not told apart by them.
fn group(key: &[u8]) -> Option<&[u8]> {
    key.get(1..rows::CHAT_ORDER_HEAD)
}

/// Which part of an order is asked for.
#[derive(Debug, Clone, Copy)]
struct Part {
    skip: usize,
    limit: usize,
}

impl Part {
    fn of(offset: u32, limit: u32) -> Self {
        let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            skip: wide(offset),
            limit: wide(limit),
        }
    }

    /// Rows from the first to the last of the part.
    fn end(self) -> usize {
        self.skip.saturating_add(self.limit).min(LISTED_MAX)
    }

    /// The total, given so many rows of the part: what was written since the head was read may be among them.
    fn total(self, counted: u64, shown: usize) -> u64 {
        let shown = if shown == 0 { 0 } else { self.skip + shown };
        counted.max(u64::try_from(shown).unwrap_or(u64::MAX))
    }
}

impl Journal {
    /// Conversations, those that said something last first.
    pub(crate) async fn chats(&self, filter: &chats::List) -> Result<ChatList, Error> {
        let part = Part::of(filter.offset, filter.limit.min(chats::LIST_LIMIT_MAX));
        let Head {
            chats,
            chats_archived,
            ..
        } = self.head();
        let keys = self.ordered(kinds::CHAT_ORDER, filter.archived, part.end());
        let mut page = Vec::new();
        let mut skip = part.skip;
        for hour in keys.await?.chunk_by(|a, b| group(a) == group(b)) {
            if skip >= hour.len() {
                skip -= hour.len();
                continue;
            }
            let left = part.limit.saturating_sub(page.len());
            if left == 0 {
                break;
            }
            for row in self.hour(hour).await?.into_iter().skip(skip).take(left) {
                page.push(self.filled(row.chat).await?);
            }
            skip = 0;
        }
        let counted = counted(filter.archived, chats, chats_archived);
        Ok(ChatList {
            total: part.total(counted, page.len()),
            chats: page,
        })
    }

    /// People in the order of their addresses.
    pub(crate) async fn contacts(&self, filter: &contacts::List) -> Result<ContactList, Error> {
        let part = Part::of(filter.offset, filter.limit.min(contacts::LIST_LIMIT_MAX));
        let Head {
            contacts,
            contacts_saved,
            ..
        } = self.head();
        let page = self.people(filter.saved, part).await?;
        let counted = counted(filter.saved, contacts, contacts_saved);
        Ok(ContactList {
            total: part.total(counted, page.len()),
            contacts: page,
        })
    }

    /// The people in the account's address book.
    pub(crate) async fn saved_contacts(&self) -> Result<Vec<Contact>, Error> {
        let all = Part {
            skip: 0,
            limit: LISTED_MAX,
        };
        self.people(Some(true), all).await
    }

    /// The conversations that said something last within one hour, in their order.
    async fn hour(&self, keys: &[Vec<u8>]) -> Result<Vec<ChatRow>, Error> {
        let addresses = keys.iter().map(|key| rows::ordered_chat(key));
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let found = self.rows_of(kinds::CHAT, &addresses).await?;
        let found = found.iter().map(|row| rows::decode::<ChatRow>("chat", row));
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        // The sort is stable, and the keys are in the order of the addresses.
        found.sort_by_key(|row| std::cmp::Reverse(row.chat.last_at));
        Ok(found)
    }

    async fn people(&self, saved: Option<bool>, part: Part) -> Result<Vec<Contact>, Error> {
        let keys = self.ordered(kinds::CONTACT_ORDER, saved, part.end());
        let keys = keys.await?.into_iter().skip(part.skip).take(part.limit);
        let addresses = keys.map(|key| rows::ordered_contact(&key));
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let found = self.rows_of(kinds::CONTACT, &addresses).await?;
        let found = found.iter().map(|row| rows::decode("contact", row));
        found.collect()
    }

    /// The first keys of an order and the rest of the last one's group; both halves of it where the flag is not asked for.
    async fn ordered(
        &self,
        kind: Kind,
        flag: Option<bool>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let halves: &[bool] = match flag {
            None => &[false, true],
            Some(false) => &[false],
            Some(true) => &[true],
        };
        let mut keys = Vec::new();
        for half in halves {
            self.half(kind, *half, limit, &mut keys).await?;
        }
        if let [_, _] = halves {
            // The flag stands in front and counts for nothing here.
            keys.sort_unstable_by(|a: &Vec<u8>, b: &Vec<u8>| a.get(1..).cmp(&b.get(1..)));
        }
        Ok(keys)
    }

    /// The first keys of one half of an order, and of conversations the rest of the last one's group.
    async fn half(
        &self,
        kind: Kind,
        flag: bool,
        limit: usize,
        keys: &mut Vec<Vec<u8>>,
    ) -> Result<(), Error> {
        let mut range = ScanRange::prefix(&[u8::from(flag)], limit.clamp(1, PAGE));
        let mut half: Vec<Vec<u8>> = Vec::new();
        loop {
            let page = self
                .store
                .scan(&self.namespace, kind, range.clone())
                .await?;
            half.extend(page.entries.into_iter().map(|(key, _)| key));
            let end = limit.checked_sub(1).and_then(|last| half.get(last));
            let is_full = match (end, half.last()) {
                (Some(end), Some(last)) => kind != kinds::CHAT_ORDER || group(end) != group(last),
                (Some(_) | None, _) => limit == 0,
            };
            match half.last() {
                Some(key) if page.more && !is_full && half.len() < LISTED_MAX => {
                    range.from = Bound::Excluded(key.clone());
                }
                Some(_) | None => break,
            }
        }
        keys.append(&mut half);
        Ok(())
    }

    /// The rows under these keys, in this order; those that are gone since the index was read are left out.
    async fn rows_of(&self, kind: Kind, keys: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Error> {
        let mut rows = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(MULTI_GET_MAX) {
            let found = self.store.multi_get(&self.namespace, kind, chunk).await?;
            rows.extend(found.into_iter().flatten());
        }
        Ok(rows)
    }
}
