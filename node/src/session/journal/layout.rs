//! Brings the rows of earlier releases into the layout of this one, in steps.

use std::ops::Bound;

use switchboard_keystore::ScanRange;

use super::Error;
use super::rows::{self, LAYOUT};
use super::writer::Write;
use crate::session::kinds;

/// Messages that one commit indexes.
const STEP: usize = 256;

impl Write<'_, '_> {
    /// Indexes messages numbered above `after` by time; the number to go on after, `None` when all are done.
    pub(super) async fn migrate(&mut self, after: u64) -> Result<Option<u64>, Error> {
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
        let mut last = None;
        for (key, row) in &page {
            let message = rows::decode_message(row)?.message;
            self.adopt(&message, row.len());
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
            last = Some(rows::number_of(key)?);
        }
        self.quiet = false;
        if page.len() < STEP {
            self.txn.memory.head.layout = LAYOUT;
            return Ok(None);
        }
        Ok(last)
    }
}
