//! What WhatsApp said of numbers, kept for as long as it is believed.
//!
//! Owns how long that is and how many are kept. Must not know who asks.

use std::ops::Bound;
use std::time::Duration;

use switchboard_keystore::ScanRange;
use switchboard_vocab::{Timestamp, UserId};

use super::rows::{self, CheckedRow};
use super::writer::Write;
use super::{Error, Journal};
use crate::session::kinds;

/// How long an answer about a number is believed. Source: our choice; accounts come and go rarely.
pub(super) const CHECK_AGE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Most answers kept; beyond it others go, whatever their age. Source: our choice, some megabytes.
pub(super) const CHECKED_MAX: u64 = 20_000;
/// Answers looked at when new ones come, besides as many as come, and each time that the log is looked through.
const LOOKED_MAX: usize = 64;

impl Journal {
    /// What WhatsApp last said of a number, while it is believed.
    pub(crate) async fn checked(&self, user: &UserId) -> Result<Option<CheckedRow>, Error> {
        let key = user.to_string().into_bytes();
        let row = self
            .store
            .get(&self.namespace, kinds::CHECKED, &key)
            .await?;
        let row: Option<CheckedRow> = row
            .map(|row| rows::decode("checked number", &row))
            .transpose()?;
        let now = crate::clock::now();
        Ok(row.filter(|row| is_believed(row, now)))
    }
}

fn is_believed(row: &CheckedRow, now: Timestamp) -> bool {
    row.at.plus(CHECK_AGE_MAX) >= now
}

impl Write<'_, '_> {
    /// What WhatsApp said of numbers.
    pub(super) async fn checked(
        &mut self,
        found: &[CheckedRow],
        at: Timestamp,
    ) -> Result<(), Error> {
        for checked in found {
            let key = checked.user.user.to_string().into_bytes();
            if self.txn.get(kinds::CHECKED, &key).await?.is_none() {
                self.txn.memory.head.checked += 1;
            }
            let row = rows::encode("checked number", checked)?;
            self.txn.put(kinds::CHECKED, key, row);
            if let (Some(phone), Some(lid)) = (&checked.user.phone, &checked.user.lid) {
                self.pair(phone, lid, at).await?;
            }
        }
        self.forget_checked(found.len().saturating_add(LOOKED_MAX), at)
            .await
    }

    /// Looks at some answers, from where it stopped last, and removes those that are too old or too many.
    pub(super) async fn sweep_checked(&mut self, at: Timestamp) -> Result<(), Error> {
        if self.txn.memory.head.checked == 0 {
            return Ok(());
        }
        self.forget_checked(LOOKED_MAX, at).await
    }

    async fn forget_checked(&mut self, most: usize, at: Timestamp) -> Result<(), Error> {
        let range = ScanRange {
            from: Bound::Excluded(self.txn.memory.checked_until.clone()),
            to: Bound::Unbounded,
            reverse: false,
            limit: most,
        };
        let page = self.txn.scan(kinds::CHECKED, range).await?;
        // Begins anew behind the last one.
        let last = page.last().filter(|_| page.len() == most);
        self.txn.memory.checked_until = last.map(|(key, _)| key.clone()).unwrap_or_default();
        for (key, row) in page {
            let row: CheckedRow = rows::decode("checked number", &row)?;
            let head = &mut self.txn.memory.head;
            if head.checked > CHECKED_MAX || !is_believed(&row, at) {
                head.checked = head.checked.saturating_sub(1);
                self.txn.delete(kinds::CHECKED, key);
            }
        }
        Ok(())
    }
}
