//! One-time prekeys, 64 consecutive ids to a row.
//!
//! A session has hundreds of them, and they are written, marked and used up in runs: as rows of their own they were
//! nearly all of a session's rows, and what copies a session pays by the row. A page without keys is no row.
//!
//! Whoever changes a page reads it first, so every change is made under one lock and committed at once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use switchboard_keystore::{Op, ScanRange};
use wacore::store::error::{Result, StoreError};

use super::{Backend, kinds};

/// First byte of a row. Zero and one began rows of single keys, which no release ever wrote.
const SCHEMA: u8 = 2;
/// Ids of one page, as a power of two.
const PAGE_BITS: u32 = 6;
/// Which bits of an id, and of an entry's first byte, say where in the page it is.
const SLOT_MASK: u32 = (1 << PAGE_BITS) - 1;
/// Set in an entry's first byte once the key was offered to the server.
const UPLOADED: u8 = 0x80;

/// The keys of one page by slot. Their records stay in the row's bytes.
#[derive(Default)]
struct Page(BTreeMap<u8, Entry>);

struct Entry {
    record: Bytes,
    is_uploaded: bool,
}

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
            let Some(&[head, high, low]) = rest.first_chunk() else {
                return Err(broken(page, "an entry has no length"));
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let _head = rest.split_to(3);
            if rest.len() < length {
                return Err(broken(page, "an entry is cut off"));
            }
            let entry = Entry {
                record: rest.split_to(length),
                is_uploaded: head & UPLOADED != 0,
            };
            let slot = head & !UPLOADED;
            if u32::from(slot) > SLOT_MASK || entries.insert(slot, entry).is_some() {
                return Err(broken(page, "an entry is in the wrong place"));
            }
        }
        Ok(Self(entries))
    }

    /// The row: the schema byte, then for each key its slot with the mark, the record's length in two bytes, big-endian,
    /// and the record.
    fn row(&self, page: u32) -> Result<Vec<u8>> {
        let length: usize = self.0.values().map(|entry| 3 + entry.record.len()).sum();
        let mut row = Vec::with_capacity(1 + length);
        row.push(SCHEMA);
        for (slot, entry) in &self.0 {
            let length = u16::try_from(entry.record.len()).map_err(|_| {
                StoreError::Validation(format!(
                    "store prekey {}: a record of {} bytes is too large",
                    (page << PAGE_BITS) | u32::from(*slot),
                    entry.record.len()
                ))
            })?;
            row.push(slot | if entry.is_uploaded { UPLOADED } else { 0 });
            row.extend_from_slice(&length.to_be_bytes());
            row.extend_from_slice(&entry.record);
        }
        Ok(row)
    }

    /// The change that makes the store hold this page.
    fn op(&self, page: u32) -> Result<Op> {
        let (kind, key) = (kinds::PREKEYS, key_of(page));
        if self.0.is_empty() {
            return Ok(Op::Delete { kind, key });
        }
        let value = self.row(page)?;
        Ok(Op::Put { kind, key, value })
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

    pub(super) async fn put_prekeys(
        &self,
        keys: impl ExactSizeIterator<Item = (u32, Bytes)> + Clone + Send,
        is_uploaded: bool,
    ) -> Result<()> {
        let _order = self.locks.prekeys.lock().await;
        let mut pages = self.pages_of(keys.clone().map(|(id, _)| id)).await?;
        for (id, record) in keys {
            if let Some(Page(entries)) = pages.get_mut(&page_of(id)) {
                entries.insert(
                    slot_of(id),
                    Entry {
                        record,
                        is_uploaded,
                    },
                );
            }
        }
        self.commit(changes(&pages)?).await
    }

    /// The records of those ids that are there, in the order of `ids`.
    pub(super) async fn prekeys(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let pages = self.pages_of(ids.iter().copied()).await?;
        let record = |id: &u32| {
            let entry = pages.get(&page_of(*id))?.0.get(&slot_of(*id))?;
            Some((*id, entry.record.clone()))
        };
        Ok(ids.iter().filter_map(record).collect())
    }

    /// Marks those that are still there: a key that was used up meanwhile stays away.
    pub(super) async fn note_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        let _order = self.locks.prekeys.lock().await;
        let mut pages = self.pages_of(ids.iter().copied()).await?;
        let mut changed = BTreeSet::new();
        for id in ids {
            let entry = pages
                .get_mut(&page_of(*id))
                .and_then(|page| page.0.get_mut(&slot_of(*id)));
            if let Some(entry) = entry.filter(|entry| !entry.is_uploaded) {
                entry.is_uploaded = true;
                changed.insert(page_of(*id));
            }
        }
        pages.retain(|page, _| changed.contains(page));
        self.commit(changes(&pages)?).await
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
    pages
        .iter()
        .map(|(number, page)| page.op(*number))
        .collect()
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
            (&[3], "schema 3"),
            (&[SCHEMA, 0, 0], "no length"),
            (&[SCHEMA, 0, 0, 2, 9], "cut off"),
            (&[SCHEMA, 64, 0, 0], "wrong place"),
            (&[SCHEMA, 3, 0, 0, 3 | UPLOADED, 0, 0], "wrong place"),
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
