//! What goes when there is too much: the oldest messages, and the oldest events.

use std::ops::Bound;

use switchboard_keystore::ScanRange;
use switchboard_vocab::Timestamp;

use super::Error;
use super::rows::{self, Place};
use super::writer::Write;
use crate::session::kinds;

/// Most old messages that one request removes.
pub(super) const TRIM_MAX: usize = 256;
/// Most old events that one request drops for their bytes.
const DROP_MAX: usize = 256;
/// So few events are never too many bytes.
const FEW_EVENTS: u64 = 16;

impl Write<'_, '_> {
    /// Removes the oldest messages while there are too many of them, in number or in bytes; `true` when there still are.
    pub(super) async fn trim(&mut self) -> Result<bool, Error> {
        if !self.is_over() {
            return Ok(false);
        }
        let oldest = self
            .txn
            .scan(kinds::BY_TIME, ScanRange::all(TRIM_MAX))
            .await?;
        for (key, _) in oldest {
            if !self.is_over() {
                break;
            }
            self.trim_one(key).await?;
        }
        Ok(self.is_over())
    }

    /// Removes messages from before a moment; `true` when there are more.
    pub(super) async fn trim_before(&mut self, before: Timestamp) -> Result<bool, Error> {
        let range = ScanRange {
            from: Bound::Unbounded,
            to: Bound::Excluded(rows::time_key(Place {
                at: before,
                number: 0,
            })),
            reverse: false,
            limit: TRIM_MAX,
        };
        let old = self.txn.scan(kinds::BY_TIME, range).await?;
        let more = old.len() == TRIM_MAX;
        for (key, _) in old {
            self.trim_one(key).await?;
        }
        Ok(more)
    }

    fn is_over(&self) -> bool {
        let head = &self.txn.memory.head;
        let one_too_many = head.messages > self.limits.messages_max.max(1);
        one_too_many || (head.bytes > self.limits.bytes_max && head.messages > 1)
    }

    async fn trim_one(&mut self, key: Vec<u8>) -> Result<(), Error> {
        if self.remove(rows::number_of(&key)?).await?.is_none() {
            // An index without its message helps nobody.
            self.txn.delete(kinds::BY_TIME, key);
        }
        Ok(())
    }

    /// Drops the oldest events while those that wait have too many bytes (design rule R-22).
    pub(super) async fn bound_events(&mut self) -> Result<(), Error> {
        for _ in 0..DROP_MAX {
            let head = &self.txn.memory.head;
            if head.events() <= FEW_EVENTS {
                return Ok(());
            }
            let (first, total) = (head.first_sequence, head.event_bytes);
            let before = match self.txn.memory.oldest_event {
                Some((sequence, before)) if sequence == first => before,
                Some(_) | None => {
                    let row = self
                        .txn
                        .get(kinds::OUTBOX, &rows::number_key(first))
                        .await?;
                    let counted = row.as_deref().and_then(rows::bytes_before);
                    let Some(before) = counted else {
                        // Of an earlier release: those are bounded by their number.
                        return Ok(());
                    };
                    self.txn.memory.oldest_event = Some((first, before));
                    before
                }
            };
            if total.saturating_sub(before) <= self.limits.events_bytes_max {
                return Ok(());
            }
            self.txn.memory.head.first_sequence = first + 1;
            metrics::counter!("switchboard_outbox_dropped_total").increment(1);
        }
        Ok(())
    }
}
