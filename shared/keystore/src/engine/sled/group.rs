//! A group of batches on sled: gathered, then written as one atomic change.
//!
//! sled writes its log twice per atomic change, whatever the size of that, each time on another thread; a change per batch made
//! that the greater part of a commit. Owns what waits and how reads see it. Must not know durability.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::PoisonError;

use sled::Transactional;
use sled::transaction::{TransactionError, TransactionResult};

use super::{SledEngine, engine, get, walk};
use crate::engine::{Changes, Group, TreeId, View, Visit};
use crate::error::Error;
use crate::layout::{RawRange, is_empty_range};

/// Most bytes of batches that are written together, unless one is larger: readers wait for a write, and sled holds its log.
const TOGETHER_BYTES_MAX: usize = 256 << 10;

/// Batches that are written together.
pub(super) struct SledGroup<'a> {
    engine: &'a SledEngine,
    /// What the batches so far change, and sled does not have yet.
    waiting: BTreeMap<TreeId, Changes>,
    /// How large that is.
    bytes: usize,
    dirty: bool,
}

impl View for SledGroup<'_> {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let waiting = self.waiting.get(&tree).and_then(|rows| rows.get(key));
        waiting.map_or_else(|| get(self.engine, tree, key), |row| Ok(row.clone()))
    }

    fn range(
        &self,
        tree: TreeId,
        range: &RawRange,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let none = Changes::new();
        let waiting = self.waiting.get(&tree).unwrap_or(&none);
        if is_empty_range(range) {
            return Ok(());
        }
        let mut waiting: Vec<_> = waiting
            .range::<Vec<u8>, _>((range.0.as_ref(), range.1.as_ref()))
            .collect();
        // The next one is taken from the end.
        if !reverse {
            waiting.reverse();
        }
        let mut over = false;
        walk(self.engine, tree, range, reverse, &mut |key, stored| {
            while let Some((place, row)) = waiting.last().copied() {
                let order = place.as_slice().cmp(key);
                if order == if reverse { Less } else { Greater } {
                    break;
                }
                waiting.pop();
                if let Some(row) = row {
                    over = visit(place, row)?.is_break();
                }
                if over {
                    return Ok(ControlFlow::Break(()));
                }
                if order == Equal {
                    return Ok(ControlFlow::Continue(()));
                }
            }
            let flow = visit(key, stored)?;
            over = flow.is_break();
            Ok(flow)
        })?;
        while let (false, Some((place, row))) = (over, waiting.pop()) {
            if let Some(row) = row {
                over = visit(place, row)?.is_break();
            }
        }
        Ok(())
    }
}

impl Group for SledGroup<'_> {
    fn apply(&mut self, tree: TreeId, changes: Changes) -> Result<(), Error> {
        self.dirty = true;
        if self.engine.tree(tree).is_none() {
            // Its record is among what waits: a tree that no record names would be left behind by a crash.
            self.write()?;
            self.engine.tree_or_new(tree)?;
        }
        let rows = self.waiting.entry(tree).or_default();
        for (key, value) in changes {
            self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            rows.insert(key, value);
        }
        if self.bytes >= TOGETHER_BYTES_MAX {
            self.write()?;
        }
        Ok(())
    }
}

impl<'a> SledGroup<'a> {
    pub(super) fn new(engine: &'a SledEngine) -> Self {
        Self {
            engine,
            waiting: BTreeMap::new(),
            bytes: 0,
            dirty: false,
        }
    }

    /// Writes what waits; says whether there was anything to write in the whole group.
    pub(super) fn finish(mut self) -> Result<bool, Error> {
        self.write()?;
        Ok(self.dirty)
    }

    /// Hands over what waits, as one atomic change. Each tree's batches were atomic before and still are.
    fn write(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        let (mut handles, mut batches) = (Vec::new(), Vec::new());
        for (tree, changes) in std::mem::take(&mut self.waiting) {
            handles.push(self.engine.tree_or_new(tree)?);
            let mut batch = sled::Batch::default();
            for (key, value) in changes {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            batches.push(batch);
        }
        if handles.is_empty() {
            return Ok(());
        }
        let _gates: Vec<_> = handles
            .iter()
            .map(|handle| handle.gate.write().unwrap_or_else(PoisonError::into_inner))
            .collect();
        let trees: Vec<&sled::Tree> = handles.iter().map(|handle| &handle.tree).collect();
        let done: TransactionResult<(), Infallible> = trees.as_slice().transaction(|trees| {
            let pairs = trees.iter().zip(&batches);
            Ok(pairs
                .into_iter()
                .try_for_each(|(tree, batch)| tree.apply_batch(batch))?)
        });
        done.map_err(|error| match error {
            TransactionError::Abort(never) => match never {},
            TransactionError::Storage(error) => engine("apply a group", &error),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;
    use crate::engine::Engine;

    const TREE: TreeId = TreeId(7);

    fn changes(rows: &[(&str, Option<&str>)]) -> Changes {
        let own = |text: &str| text.as_bytes().to_vec();
        rows.iter()
            .map(|(key, value)| (own(key), value.map(own)))
            .collect()
    }

    /// The first rows of a range as the group sees them.
    fn seen(view: &dyn View, (from, to): (&str, &str), reverse: bool, most: usize) -> Vec<String> {
        let bounds = (
            Bound::Included(from.as_bytes().to_vec()),
            Bound::Excluded(to.as_bytes().to_vec()),
        );
        let mut rows = Vec::new();
        view.range(TREE, &bounds, reverse, &mut |key, value| {
            rows.push(format!(
                "{}={}",
                str::from_utf8(key).unwrap(),
                str::from_utf8(value).unwrap()
            ));
            Ok(if rows.len() == most {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })
        .unwrap();
        rows
    }

    #[test]
    fn what_waits_is_seen_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path(), 1 << 20).unwrap();
        let stored = changes(&[("b", Some("1")), ("d", Some("1")), ("f", Some("1"))]);
        engine
            .group(&mut |group| group.apply(TREE, stored.clone()))
            .unwrap();
        engine
            .group(&mut |group| {
                let first = [("a", Some("2")), ("b", None), ("d", Some("2"))];
                group.apply(TREE, changes(&first))?;
                group.apply(TREE, changes(&[("e", Some("2")), ("g", Some("2"))]))?;
                let forward = ["a=2", "d=2", "e=2", "f=1", "g=2"];
                assert_eq!(seen(group, ("a", "z"), false, 9), forward);
                let back: Vec<_> = forward.iter().rev().copied().collect();
                assert_eq!(seen(group, ("a", "z"), true, 9), back);
                assert_eq!(seen(group, ("b", "f"), false, 9), ["d=2", "e=2"]);
                for most in 1..=5 {
                    assert_eq!(seen(group, ("a", "z"), false, most), forward[..most]);
                    assert_eq!(seen(group, ("a", "z"), true, most), back[..most]);
                }
                assert_eq!(group.get(TREE, b"b")?, None);
                assert_eq!(group.get(TREE, b"e")?, Some(b"2".to_vec()));
                assert_eq!(group.get(TREE, b"f")?, Some(b"1".to_vec()));
                Ok(())
            })
            .unwrap();
        engine
            .read(TREE, &mut |view| {
                assert_eq!(seen(view, ("a", "z"), false, 9).len(), 5);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_new_tree_is_made_behind_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path(), 1 << 20).unwrap();
        let record = TreeId(0);
        engine
            .group(&mut |group| {
                group.apply(record, changes(&[("r", Some("1"))]))?;
                assert_eq!(get(&engine, record, b"r")?, None, "it waits");
                group.apply(TREE, changes(&[("a", Some("1"))]))?;
                assert!(engine.tree(TREE).is_some());
                assert!(get(&engine, record, b"r")?.is_some(), "it is written");
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_large_group_is_written_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path(), 1 << 20).unwrap();
        let large = "x".repeat(TOGETHER_BYTES_MAX / 2);
        engine
            .group(&mut |group| {
                for (at, key) in ["a", "b", "c"].into_iter().enumerate() {
                    group.apply(TreeId(at as u64), changes(&[(key, Some(&large))]))?;
                }
                Ok(())
            })
            .unwrap();
        for (at, key) in ["a", "b", "c"].into_iter().enumerate() {
            let tree = TreeId(at as u64);
            engine
                .read(tree, &mut |view| {
                    assert!(view.get(tree, key.as_bytes())?.is_some());
                    Ok(())
                })
                .unwrap();
        }
    }
}
