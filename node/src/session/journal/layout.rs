//! Brings the rows of earlier releases into the layout of this one, in steps.

use std::ops::Bound;

use switchboard_keystore::{Kind, ScanRange};

use super::rows::{self, LAYOUT};
use super::writer::{Change, Reply, Write};
use super::{Error, Journal};
use crate::session::kinds;

/// Rows that one commit brings over.
const STEP: usize = 256;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Messages numbered above this get their order by time.
    Messages(u64),
    /// What a migration that was interrupted left in this order goes: rows may have changed since.
    Clear(Kind),
    /// Conversations or people behind this key get their order; answers about numbers are counted.
    Order(Kind, Vec<u8>),
}

impl Step {
    /// What a journal of that layout begins with; none where there is nothing to do.
    pub(super) fn first(layout: u8) -> Option<Self> {
        match layout {
            0 => Some(Self::Messages(0)),
            1 => Some(Self::Clear(kinds::CHAT_ORDER)),
            _ => None,
        }
    }
}

impl Journal {
    /// Brings the rows of an earlier release into the layout of this one.
    pub(super) async fn migrate(&self, layout: u8) -> Result<(), Error> {
        if layout > LAYOUT {
            return Err(Error::schema("head", layout));
        }
        let mut next = Step::first(layout);
        while let Some(step) = next {
            let Reply::Next(then) = self.call(Change::Migrate(step)).await? else {
                break;
            };
            next = then;
        }
        Ok(())
    }
}

impl Write<'_, '_> {
    /// Does one step; what to go on with, `None` when all is done.
    pub(super) async fn migrate(&mut self, step: Step) -> Result<Option<Step>, Error> {
        match step {
            Step::Messages(after) => self.migrate_messages(after).await,
            Step::Clear(kind) => self.clear_order(kind).await,
            Step::Order(kind, after) => self.migrate_order(kind, after).await,
        }
    }

    async fn migrate_messages(&mut self, after: u64) -> Result<Option<Step>, Error> {
        let head = &mut self.txn.memory.head;
        if after == 0 {
            // A crash in the middle begins anew: what was indexed is indexed again.
            head.messages = 0;
            head.bytes = 0;
        }
        let range = ScanRange {
            from: Bound::Excluded(rows::number_key(after)),
            to: Bound::Unbounded,
            reverse: false,
            limit: STEP,
        };
        self.quiet = true;
        let page = self.txn.scan(kinds::MESSAGE, range).await?;
        let mut last = after;
        for (key, row) in &page {
            let message = rows::decode_message(row)?.message;
            let proto = self.txn.get(kinds::PROTO, key).await?;
            let bytes = row.len() + proto.map_or(0, |proto| proto.len());
            self.adopt(&message, bytes);
            self.said(&message).await?;
            let old = [
                Some(message.chat.clone()),
                message.chat_alt.clone().map(Into::into),
            ];
            for chat in old.into_iter().flatten() {
                let mut key = rows::chat_prefix(&chat);
                key.extend_from_slice(&rows::number_key(message.number));
                self.txn.delete(kinds::BY_CHAT, key);
            }
            last = rows::number_of(key)?;
        }
        self.quiet = false;
        if page.len() == STEP {
            return Ok(Some(Step::Messages(last)));
        }
        self.txn.memory.head.layout = 1;
        Ok(Step::first(1))
    }

    async fn clear_order(&mut self, kind: Kind) -> Result<Option<Step>, Error> {
        let left = self.txn.scan(kind, ScanRange::all(STEP)).await?;
        let more = left.len() == STEP;
        for (key, _) in left {
            self.txn.delete(kind, key);
        }
        let head = &mut self.txn.memory.head;
        (head.chats, head.chats_archived) = (0, 0);
        (head.contacts, head.contacts_saved) = (0, 0);
        head.checked = 0;
        Ok(Some(if more {
            Step::Clear(kind)
        } else if kind == kinds::CHAT_ORDER {
            Step::Clear(kinds::CONTACT_ORDER)
        } else {
            Step::Order(kinds::CHAT, Vec::new())
        }))
    }

    async fn migrate_order(&mut self, kind: Kind, after: Vec<u8>) -> Result<Option<Step>, Error> {
        let range = ScanRange {
            from: Bound::Excluded(after),
            to: Bound::Unbounded,
            reverse: false,
            limit: STEP,
        };
        let page = self.txn.scan(kind, range).await?;
        for (_, row) in &page {
            self.order_old(kind, row)?;
        }
        let more = page.len() == STEP;
        match page.into_iter().next_back() {
            Some((last, _)) if more => return Ok(Some(Step::Order(kind, last))),
            Some(_) | None => {}
        }
        let next = if kind == kinds::CHAT {
            kinds::CONTACT
        } else if kind == kinds::CONTACT {
            kinds::CHECKED
        } else {
            self.txn.memory.head.layout = LAYOUT;
            return Ok(None);
        };
        Ok(Some(Step::Order(next, Vec::new())))
    }
}
