//! The sealed account of a tree: how many entries it must hold and what their tags add up to.
//!
//! Sealing alone proves that a value was once written; it cannot prove that nothing is missing or
//! has fallen back to an older value, which is what a damaged sled log does. So every batch also
//! stores count and sum (modulo 2^128) of the Poly1305 tags of all entries. A tag depends on key
//! name, nonce and value, so a lost, added or rolled-back entry changes the sum. It is a guard
//! against damage; an attacker who may write the disk can still restore a whole older tree.
//!
//! Owns the numbers and the planning of a batch around them. Must not know epochs' meaning.

use std::collections::btree_map;
use std::ops::{Bound, ControlFlow};

use crate::engine::{Changes, TreeId, View};
use crate::error::Error;
use crate::layout::{
    self, AREA_VALUES, Entry, LEDGER_KEY, Opened, PART_BYTES, RawRange, parts_of, tag_of,
};
use crate::seal::DataKey;
use crate::store::{VALUE_BYTES_MAX, Verified};

/// More parts than the largest value has: a damaged head.
const PARTS_MAX: usize = VALUE_BYTES_MAX.div_ceil(PART_BYTES);
const LEDGER_BYTES: usize = 40;

/// The numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    pub(crate) count: u64,
    pub(crate) sum: u128,
}

impl Ledger {
    fn encode(&self) -> [u8; LEDGER_BYTES] {
        let mut out = [0; LEDGER_BYTES];
        let fields = self
            .epoch
            .to_be_bytes()
            .into_iter()
            .chain(self.sequence.to_be_bytes())
            .chain(self.count.to_be_bytes())
            .chain(self.sum.to_be_bytes());
        out.iter_mut()
            .zip(fields)
            .for_each(|(place, byte)| *place = byte);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk::<8>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let sum: [u8; 16] = rest.try_into().ok()?;
        Some(Self {
            epoch: u64::from_be_bytes(*epoch),
            sequence: u64::from_be_bytes(*sequence),
            count: u64::from_be_bytes(*count),
            sum: u128::from_be_bytes(sum),
        })
    }

    fn add(&mut self, tag: u128) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(tag);
    }

    fn remove(&mut self, tag: u128) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(tag);
    }
}

/// A tree with what it takes to open it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeRef<'a> {
    pub(crate) id: TreeId,
    /// Name in the associated data of every value.
    pub(crate) name: &'a str,
    pub(crate) key: &'a DataKey,
}

impl TreeRef<'_> {
    pub(crate) fn damaged(&self, what: impl Into<String>) -> Error {
        Error::Damaged {
            namespace: self.name.to_owned(),
            what: what.into(),
        }
    }

    /// The stored ledger, not compared with the entries.
    pub(crate) fn ledger(&self, view: &dyn View) -> Result<Option<Ledger>, Error> {
        let Some(stored) = view.get(self.id, LEDGER_KEY)? else {
            return Ok(None);
        };
        let bytes = layout::open_ledger(self.key, self.name, &stored)
            .map_err(|_error| self.damaged("its ledger does not open"))?;
        Ledger::decode(&bytes)
            .map(Some)
            .ok_or_else(|| self.damaged("its ledger has an unknown form"))
    }

    /// Compares every entry with the ledger. A tree without entries and ledger has the empty one.
    pub(crate) fn check(&self, view: &dyn View) -> Result<(Ledger, Verified), Error> {
        let ledger = self.ledger(view)?;
        let mut found = Ledger::default();
        let mut bytes = 0_u64;
        let (mut short, mut astray) = (false, false);
        let entries = (Bound::Included(vec![AREA_VALUES]), Bound::Unbounded);
        view.range(self.id, &entries, false, &mut |key, stored| {
            // A damaged inner page can lead past an entry that a walk over the leaves still meets.
            astray |= view.get(self.id, key)?.as_deref() != Some(stored);
            match tag_of(stored) {
                Some(tag) => found.add(tag),
                None => short = true,
            }
            bytes = bytes.saturating_add((key.len() + stored.len()) as u64);
            Ok(ControlFlow::Continue(()))
        })?;
        let expected = ledger.unwrap_or_default();
        if short {
            return Err(self.damaged("an entry is too short"));
        }
        if astray {
            return Err(self.damaged("an entry is not found by its key"));
        }
        if (found.count, found.sum) != (expected.count, expected.sum) {
            return Err(self.damaged(format!(
                "{} entries found, {} expected, sums {}",
                found.count,
                expected.count,
                if found.sum == expected.sum {
                    "equal"
                } else {
                    "differ"
                },
            )));
        }
        let verified = Verified {
            entries: found.count,
            bytes,
            sequence: expected.sequence,
        };
        Ok((expected, verified))
    }

    /// Opens what is stored at a value's raw key, fetching its parts.
    pub(crate) fn open(
        &self,
        view: &dyn View,
        raw: &[u8],
        stored: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let opened = layout::open_value(self.key, self.name, raw, stored)
            .map_err(|_error| self.damaged("a value does not open"))?;
        let head = match opened {
            Opened::Whole(value) => return Ok(value),
            Opened::Head(head) => head,
        };
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if length > VALUE_BYTES_MAX || head.parts as usize > PARTS_MAX {
            return Err(self.damaged("a large value is over the limit"));
        }
        let mut value = Vec::with_capacity(length);
        for index in 0..head.parts {
            let at = layout::part_key(raw, index);
            let part = view
                .get(self.id, &at)?
                .ok_or_else(|| self.damaged("part of a large value is missing"))?;
            let part = layout::open_part(self.key, self.name, &at, &head, &part)
                .map_err(|_error| self.damaged("part of a large value does not open"))?;
            value.extend_from_slice(&part);
        }
        if value.len() != length {
            return Err(self.damaged("a large value has another length"));
        }
        Ok(value)
    }
}

/// One change, sealed and ready.
#[derive(Debug)]
pub(crate) enum RawOp {
    /// A value: itself or its head first, then the parts.
    Put(Vec<Entry>),
    /// A value goes, with its parts.
    Delete(Vec<u8>),
    /// All values of a raw range go, with their parts.
    DeleteRange(RawRange),
    /// An entry as another store sealed it.
    Insert(Entry),
}

/// Turns operations into the net changes of one batch, the new ledger among them.
pub(crate) fn plan(
    view: &dyn View,
    tree: &TreeRef<'_>,
    ledger: &mut Ledger,
    ops: Vec<RawOp>,
) -> Result<Changes, Error> {
    let mut next = *ledger;
    let mut plan = Plan {
        view,
        tree,
        ledger: &mut next,
        changes: Changes::new(),
    };
    for op in ops {
        match op {
            RawOp::Put(entries) => plan.put(entries)?,
            RawOp::Delete(raw) => plan.delete(raw)?,
            RawOp::DeleteRange(range) => plan.delete_range(&range)?,
            RawOp::Insert((raw, stored)) => plan.set(raw, Some(stored))?,
        }
    }
    let mut changes = plan.changes;
    next.sequence = next.sequence.wrapping_add(1);
    let sealed = layout::seal_ledger(tree.key, tree.name, &next.encode())
        .map_err(|_error| tree.damaged("its ledger cannot be sealed"))?;
    changes.insert(LEDGER_KEY.to_vec(), Some(sealed));
    *ledger = next;
    Ok(changes)
}

struct Plan<'a> {
    view: &'a dyn View,
    tree: &'a TreeRef<'a>,
    ledger: &'a mut Ledger,
    changes: Changes,
}

impl Plan<'_> {
    fn put(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut entries = entries.into_iter();
        let Some((raw, stored)) = entries.next() else {
            return Ok(());
        };
        let old = self.current(&raw)?;
        self.remove_parts(&raw, old.as_deref())?;
        self.replace(raw, old.as_deref(), Some(stored))?;
        entries.try_for_each(|(raw, stored)| self.set(raw, Some(stored)))
    }

    fn delete(&mut self, raw: Vec<u8>) -> Result<(), Error> {
        let old = self.current(&raw)?;
        self.remove_parts(&raw, old.as_deref())?;
        self.replace(raw, old.as_deref(), None)
    }

    fn delete_range(&mut self, range: &RawRange) -> Result<(), Error> {
        if layout::is_empty_range(range) {
            return Ok(());
        }
        let mut doomed: Vec<Vec<u8>> = self
            .changes
            .range::<Vec<u8>, _>((range.0.as_ref(), range.1.as_ref()))
            .map(|(raw, _)| raw.clone())
            .collect();
        self.view
            .range(self.tree.id, range, false, &mut |raw, _stored| {
                doomed.push(raw.to_vec());
                Ok(ControlFlow::Continue(()))
            })?;
        doomed.into_iter().try_for_each(|raw| self.delete(raw))
    }

    fn remove_parts(&mut self, head: &[u8], stored: Option<&[u8]>) -> Result<(), Error> {
        let parts = stored.map_or(0, parts_of);
        if parts as usize > PARTS_MAX {
            return Err(self.tree.damaged("a large value is over the limit"));
        }
        (0..parts).try_for_each(|index| self.set(layout::part_key(head, index), None))
    }

    /// What the key holds after the operations so far.
    fn current(&self, raw: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(raw) {
            Some(change) => Ok(change.clone()),
            None => self.view.get(self.tree.id, raw),
        }
    }

    fn set(&mut self, raw: Vec<u8>, new: Option<Vec<u8>>) -> Result<(), Error> {
        let old = self.current(&raw)?;
        self.replace(raw, old.as_deref(), new)
    }

    fn replace(
        &mut self,
        raw: Vec<u8>,
        old: Option<&[u8]>,
        new: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let tag = |stored: &[u8]| {
            tag_of(stored).ok_or_else(|| self.tree.damaged("an entry is too short"))
        };
        let old = old.map(tag).transpose()?;
        let added = new.as_deref().map(tag).transpose()?;
        if let Some(old) = old {
            self.ledger.remove(old);
        }
        if let Some(added) = added {
            self.ledger.add(added);
        }
        match self.changes.entry(raw) {
            btree_map::Entry::Occupied(mut place) => {
                place.insert(new);
            }
            // A removal of what is not there needs no write.
            btree_map::Entry::Vacant(place) => {
                if old.is_some() || new.is_some() {
                    place.insert(new);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_survive_their_encoding() {
        let ledger = Ledger {
            epoch: 1,
            sequence: u64::MAX,
            count: 3,
            sum: u128::MAX - 4,
        };
        assert_eq!(Ledger::decode(&ledger.encode()), Some(ledger));
        assert_eq!(Ledger::decode(&ledger.encode()[1..]), None);
    }

    #[test]
    fn removing_undoes_adding_in_any_order() {
        let mut ledger = Ledger::default();
        [u128::MAX, 7, u128::MAX - 3]
            .into_iter()
            .for_each(|tag| ledger.add(tag));
        [7, u128::MAX - 3, u128::MAX]
            .into_iter()
            .for_each(|tag| ledger.remove(tag));
        assert_eq!(ledger, Ledger::default());
    }
}
