//! One-time prekeys, 64 consecutive ids to a row.
//!
//! A session has hundreds of them, and they are written, marked and used up in runs: as rows of their own they were
//! nearly all of a session's rows, and what copies a session pays by the row. A page without keys is no row.
//!
//! Which of them were offered to the server stands in rows of its own, a bit for each key: marking hundreds of keys is a few
//! bytes then, not every key written again.
//!
//! Whoever changes a page reads it first, so every change is made under one lock and committed at once.

use std::collections::BTreeMap;

use bytes::Bytes;
use switchboard_keystore::{Op, ScanRange};
use wacore::store::error::{Result, StoreError};

use super::{Backend, kinds};

/// First byte of a page. Lower ones began what no release ever wrote.
const SCHEMA: u8 = 3;
/// Ids of one page, as a power of two.
const PAGE_BITS: u32 = 6;
/// Which bits of an id say where in its page it is.
const SLOT_MASK: u32 = (1 << PAGE_BITS) - 1;

/// The records of one page by slot. They stay in the row's bytes.
#[derive(Default)]
struct Page(BTreeMap<u8, Bytes>);

/// Which keys of a page were offered to the server; the lowest bit is the first slot. A key that is gone may keep its bit.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Marks(u64);

fn page_of(id: u32) -> u32 {
    id >> PAGE_BITS
}

fn slot_of(id: u32) -> u8 {
    u8::try_from(id & SLOT_MASK).unwrap_or(u8::MAX)
}

fn key_of(page: u32) -> Vec<u8> {
    page.to_be_bytes().to_vec()
}

fn broken(page: u32, what: &str) -> StoreError {
    StoreError::Validation(format!("read prekeys, page {page}: {what}"))
}

impl Page {
    /// Reads what [`Page::row`] wrote.
    fn read(page: u32, row: Vec<u8>) -> Result<Self> {
        let mut rest = Bytes::from(row);
        match rest.first() {
            Some(&SCHEMA) => {}
            Some(other) => {
                let what = format!("schema {other} is not known to this release");
                return Err(broken(page, &what));
            }
            None => return Err(broken(page, "the row is empty")),
        }
        let _schema = rest.split_to(1);
        let mut entries = BTreeMap::new();
        while !rest.is_empty() {
            let Some(&[slot, high, low]) = rest.first_chunk() else {
                return Err(broken(page, "an entry has no length"));
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let _head = rest.split_to(3);
            if rest.len() < length {
                return Err(broken(page, "an entry is cut off"));
            }
            let record = rest.split_to(length);
            if u32::from(slot) > SLOT_MASK || entries.insert(slot, record).is_some() {
                return Err(broken(page, "an entry is in the wrong place"));
            }
        }
        Ok(Self(entries))
    }

    /// The row: the schema byte, then for each key its slot, the record's length in two bytes, big-endian, and the record.
    fn row(&self, page: u32) -> Result<Vec<u8>> {
        let length: usize = self.0.values().map(|record| 3 + record.len()).sum();
        let mut row = Vec::with_capacity(1 + length);
        row.push(SCHEMA);
        for (slot, record) in &self.0 {
            let length = u16::try_from(record.len()).map_err(|_| {
                StoreError::Validation(format!(
                    "store prekey {}: a record of {} bytes is too large",
                    (page << PAGE_BITS) | u32::from(*slot),
                    record.len()
                ))
            })?;
            row.push(*slot);
            row.extend_from_slice(&length.to_be_bytes());
            row.extend_from_slice(record);
        }
        Ok(row)
    }

    /// The changes that make the store hold this page.
    fn ops(&self, page: u32) -> Result<Vec<Op>> {
        if self.0.is_empty() {
            return Ok(Vec::from([kinds::PREKEYS, kinds::PREKEY_MARKS].map(
                |kind| Op::Delete {
                    kind,
                    key: key_of(page),
                },
            )));
        }
        Ok(vec![Op::Put {
            kind: kinds::PREKEYS,
            key: key_of(page),
            value: self.row(page)?,
        }])
    }
}

impl Marks {
    fn read(page: u32, row: &[u8]) -> Result<Self> {
        <[u8; 8]>::try_from(row)
            .map(|row| Self(u64::from_be_bytes(row)))
            .map_err(|_| broken(page, "the marks are not 8 bytes"))
    }

    fn op(self, page: u32) -> Op {
        Op::Put {
            kind: kinds::PREKEY_MARKS,
            key: key_of(page),
            value: self.0.to_be_bytes().to_vec(),
        }
    }

    fn set(&mut self, id: u32, is_uploaded: bool) {
        let bit = 1 << slot_of(id);
        if is_uploaded {
            self.0 |= bit;
        } else {
            self.0 &= !bit;
        }
    }
}

impl Backend {
    /// The pages in which these ids are, those without keys included.
    async fn pages_of(&self, ids: impl Iterator<Item = u32>) -> Result<BTreeMap<u32, Page>> {
        let mut pages: BTreeMap<u32, Page> = ids.map(|id| (page_of(id), Page::default())).collect();
        let keys: Vec<Vec<u8>> = pages.keys().map(|page| key_of(*page)).collect();
        let rows = self.get_all(kinds::PREKEYS, &keys).await?;
        for ((number, page), row) in pages.iter_mut().zip(rows) {
            if let Some(row) = row {
                *page = Page::read(*number, row)?;
            }
        }
        Ok(pages)
    }

    /// The changes that mark these keys so; none where they are marked so already.
    async fn marked(
        &self,
        ids: impl Iterator<Item = u32> + Clone,
        is_uploaded: bool,
    ) -> Result<Vec<Op>> {
        let mut marks: BTreeMap<u32, Marks> = ids
            .clone()
            .map(|id| (page_of(id), Marks::default()))
            .collect();
        let keys: Vec<Vec<u8>> = marks.keys().map(|page| key_of(*page)).collect();
        let rows = self.get_all(kinds::PREKEY_MARKS, &keys).await?;
        for ((page, marks), row) in marks.iter_mut().zip(rows) {
            if let Some(row) = row {
                *marks = Marks::read(*page, &row)?;
            }
        }
        let before = marks.clone();
        for id in ids {
            if let Some(marks) = marks.get_mut(&page_of(id)) {
                marks.set(id, is_uploaded);
            }
        }
        let changed = marks
            .iter()
            .filter(|(page, marks)| before.get(page) != Some(marks));
        Ok(changed.map(|(page, marks)| marks.op(*page)).collect())
    }

    pub(super) async fn put_prekeys(
        &self,
        keys: impl ExactSizeIterator<Item = (u32, Bytes)> + Clone + Send,
        is_uploaded: bool,
    ) -> Result<()> {
        let _order = self.locks.prekeys.lock().await;
        let ids = keys.clone().map(|(id, _)| id);
        let mut pages = self.pages_of(ids.clone()).await?;
        for (id, record) in keys {
            if let Some(Page(records)) = pages.get_mut(&page_of(id)) {
                records.insert(slot_of(id), record);
            }
        }
        let mut ops = changes(&pages)?;
        ops.extend(self.marked(ids, is_uploaded).await?);
        self.commit(ops).await
    }

    /// The records of those ids that are there, in the order of `ids`.
    pub(super) async fn prekeys(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let pages = self.pages_of(ids.iter().copied()).await?;
        let record = |id: &u32| {
            let record = pages.get(&page_of(*id))?.0.get(&slot_of(*id))?;
            Some((*id, record.clone()))
        };
        Ok(ids.iter().filter_map(record).collect())
    }

    /// Marks those that are still there: a key that was used up meanwhile stays away.
    pub(super) async fn note_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        let _order = self.locks.prekeys.lock().await;
        let there: Vec<u32> = self
            .prekeys(ids)
            .await?
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        self.commit(self.marked(there.into_iter(), true).await?)
            .await
    }

    pub(super) async fn delete_prekey(&self, id: u32) -> Result<()> {
        let _order = self.locks.prekeys.lock().await;
        let mut pages = self.pages_of(std::iter::once(id)).await?;
        let page = pages.get_mut(&page_of(id));
        if page.is_none_or(|page| page.0.remove(&slot_of(id)).is_none()) {
            return Ok(());
        }
        self.commit(changes(&pages)?).await
    }

    /// The highest id there is, or zero.
    pub(super) async fn last_prekey(&self) -> Result<u32> {
        let found = self
            .store
            .scan(&self.namespace, kinds::PREKEYS, last_page())
            .await
            .map_err(|error| self.failed(error))?;
        last_id(found)
    }
}

/// What to read for [`last_id`].
pub(super) fn last_page() -> ScanRange {
    ScanRange {
        reverse: true,
        ..ScanRange::all(1)
    }
}

/// The highest id of the last page, or zero when there is none.
pub(super) fn last_id(found: switchboard_keystore::Page) -> Result<u32> {
    let Some((key, row)) = found.entries.into_iter().next() else {
        return Ok(0);
    };
    let number = <[u8; 4]>::try_from(key)
        .map(u32::from_be_bytes)
        .map_err(|key| {
            StoreError::Validation(format!(
                "read prekeys: a page's key has {} bytes",
                key.len()
            ))
        })?;
    let page = Page::read(number, row)?;
    let (slot, _) = page
        .0
        .last_key_value()
        .ok_or_else(|| broken(number, "it has no keys"))?;
    Ok((number << PAGE_BITS) | u32::from(*slot))
}

fn changes(pages: &BTreeMap<u32, Page>) -> Result<Vec<Op>> {
    let mut ops = Vec::with_capacity(pages.len());
    for (number, page) in pages {
        ops.extend(page.ops(*number)?);
    }
    Ok(ops)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(row: &[u8]) -> String {
        match Page::read(7, row.to_vec()) {
            Ok(_) => "it was read".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn damaged_and_foreign_rows_are_refused() {
        for (row, why) in [
            (&[][..], "empty"),
            (&[0, 1, 2], "schema 0"),
            (&[1, 1, 2], "schema 1"),
            (&[2, 0, 0, 0], "schema 2"),
            (&[4], "schema 4"),
            (&[SCHEMA, 0, 0], "no length"),
            (&[SCHEMA, 0, 0, 2, 9], "cut off"),
            (&[SCHEMA, 64, 0, 0], "wrong place"),
            (&[SCHEMA, 3, 0, 0, 3, 0, 0], "wrong place"),
        ] {
            let told = refusal(row);
            assert!(told.contains(why), "{row:?}: {told}");
        }
    }

    #[test]
    fn ids_have_their_place() {
        assert_eq!((page_of(63), slot_of(63)), (0, 63));
        assert_eq!((page_of(64), slot_of(64)), (1, 0));
        assert_eq!((page_of(u32::MAX), slot_of(u32::MAX)), (u32::MAX >> 6, 63));
    }
}
