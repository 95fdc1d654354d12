//! The pure middle of a call: limits, sealing of a batch, and reads from a view.
//!
//! Owns no state. Must not know threads, queues or engines.

use std::ops::{Bound, ControlFlow};

use crate::engine::View;
use crate::error::Error;
use crate::layout::{self, AREA_PARTS, AREA_VALUES};
use crate::ledger::{RawOp, TreeRef};
use crate::registry::Slot;
use crate::store::{
    BATCH_BYTES_MAX, BATCH_OPS_MAX, KEY_BYTES_MAX, Kind, MULTI_GET_MAX, Op, PAGE_BYTES_MAX,
    PAGE_ENTRIES_MAX, Page, ScanRange, VALUE_BYTES_MAX, Verified,
};

/// Bytes of keys and values of a batch.
///
/// # Errors
/// [`Error::TooLarge`] naming the limit.
pub fn measure(ops: &[Op]) -> Result<usize, Error> {
    within("batch operations", ops.len(), BATCH_OPS_MAX)?;
    let mut total = 0_usize;
    for op in ops {
        match op {
            Op::Put { key, value, .. } => {
                within("key bytes", key.len(), KEY_BYTES_MAX)?;
                within("value bytes", value.len(), VALUE_BYTES_MAX)?;
                total = total.saturating_add(key.len() + value.len());
            }
            Op::Delete { key, .. } => {
                within("key bytes", key.len(), KEY_BYTES_MAX)?;
                total = total.saturating_add(key.len());
            }
            Op::DeleteRange { from, to, .. } => {
                within("key bytes", from.len().max(to.len()), KEY_BYTES_MAX)?;
                total = total.saturating_add(from.len() + to.len());
            }
        }
    }
    within("batch bytes", total, BATCH_BYTES_MAX)?;
    Ok(total)
}

/// # Errors
/// [`Error::TooLarge`] over [`MULTI_GET_MAX`].
pub(crate) fn measure_keys(keys: &[Vec<u8>]) -> Result<(), Error> {
    within("keys of a multi_get", keys.len(), MULTI_GET_MAX)
}

fn within(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit {
        return Err(Error::TooLarge { what, size, limit });
    }
    Ok(())
}

/// Seals a batch for its tree.
pub(crate) fn seal_ops(slot: &Slot, ops: Vec<Op>) -> Result<Vec<RawOp>, Error> {
    let tree = slot.tree_ref();
    let seal = |op| match op {
        Op::Put { kind, key, value } => {
            let raw = layout::value_key(kind, &key);
            layout::seal_value(tree.key, tree.name, &raw, &value)
                .map(RawOp::Put)
                .map_err(|_error| tree.damaged("a value cannot be sealed"))
        }
        Op::Delete { kind, key } => Ok(RawOp::Delete(layout::value_key(kind, &key))),
        Op::DeleteRange { kind, from, to } => {
            let ends = (Bound::Included(from), Bound::Excluded(to));
            Ok(RawOp::DeleteRange(layout::kind_range(
                kind, &ends.0, &ends.1,
            )))
        }
    };
    ops.into_iter().map(seal).collect()
}

/// One value.
pub(crate) fn get(
    tree: &TreeRef<'_>,
    view: &dyn View,
    kind: Kind,
    key: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let raw = layout::value_key(kind, key);
    let stored = view.get(tree.id, &raw)?;
    stored
        .map(|stored| tree.open(view, &raw, &stored))
        .transpose()
}

/// Part of a kind.
pub(crate) fn scan(
    tree: &TreeRef<'_>,
    view: &dyn View,
    kind: Kind,
    range: &ScanRange,
) -> Result<Page, Error> {
    let limit = range.limit.min(PAGE_ENTRIES_MAX);
    let raw = layout::kind_range(kind, &range.from, &range.to);
    let (mut page, mut bytes) = (Page::default(), 0_usize);
    view.range(tree.id, &raw, range.reverse, &mut |at, stored| {
        if page.entries.len() >= limit || bytes >= PAGE_BYTES_MAX {
            page.more = true;
            return Ok(ControlFlow::Break(()));
        }
        let value = tree.open(view, at, stored)?;
        let key = at.get(2..).unwrap_or_default().to_vec();
        bytes = bytes.saturating_add(key.len() + value.len());
        page.entries.push((key, value));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// Opens everything and compares the sums.
pub(crate) fn verify(tree: &TreeRef<'_>, view: &dyn View) -> Result<Verified, Error> {
    let (_ledger, verified) = tree.check(view)?;
    let values = (
        Bound::Included(vec![AREA_VALUES]),
        Bound::Excluded(vec![AREA_PARTS]),
    );
    view.range(tree.id, &values, false, &mut |at, stored| {
        tree.open(view, at, stored)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(verified)
}
