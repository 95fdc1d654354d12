//! How keys and values of a namespace look inside its tree.
//!
//! ```text
//! 00                          ledger: epoch, sequence, count and sum of the tree, sealed
//! 01                          canary (catalog only)
//! 02                          number of the last group, sealed (catalog only)
//! 10 kind key                 a value, or the head of a large one
//! 20 kind key index(u32)      part of a large value
//!
//! value  = schema 00                    || nonce || sealed bytes
//! head   = schema 01 count(u32)         || nonce || sealed (length u64, generation)
//! part   = schema 02                    || nonce || sealed bytes
//! ledger = schema 03                    || nonce || sealed numbers
//! ```
//! Parts exist because sled must never see a large entry (R-1). A part is bound to its head by the
//! head's random generation in its associated data.
//!
//! Owns the byte format. Must not know engines. A change of format is a new schema byte.

use std::ops::Bound;

use crate::seal::{BadSeal, DataKey, ID_BYTES, NONCE_BYTES, TAG_BYTES, random_id};
use crate::store::Kind;

/// Version of this format; first byte of every value.
pub(crate) const SCHEMA: u8 = 1;
/// Plain bytes of one entry; larger values are cut into parts.
///
/// R-1 wants no sled blob files. sled 0.34.7 splits a leaf by its number of items (more than 16) and
/// not by size, merges small leaves into that (up to 21), and writes a page as a blob from 128 KB on
/// (a quarter of a segment): so 21 entries with the longest keys must stay below that.
pub(crate) const PART_BYTES: usize = 4 << 10;

/// Where the ledger of a tree lives.
pub(crate) const LEDGER_KEY: &[u8] = &[0x00];
/// Where the canary of the catalog lives.
pub(crate) const CANARY_KEY: &[u8] = &[0x01];
/// Where the number of the last group lives (catalog only).
pub(crate) const GROUP_KEY: &[u8] = &[0x02];
/// First byte of values and heads; everything from here on counts in the ledger.
pub(crate) const AREA_VALUES: u8 = 0x10;
/// First byte of parts.
pub(crate) const AREA_PARTS: u8 = 0x20;

const FORM_VALUE: u8 = 0;
const FORM_HEAD: u8 = 1;
const FORM_PART: u8 = 2;
const FORM_LEDGER: u8 = 3;

/// A raw key and what to store under it.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);
/// Upper and lower end of a raw range.
pub(crate) type RawRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Raw key of a value or head.
pub(crate) fn value_key(kind: Kind, key: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(2 + key.len());
    raw.extend_from_slice(&[AREA_VALUES, kind.0]);
    raw.extend_from_slice(key);
    raw
}

/// Raw key of part `index` of the head at `head`.
pub(crate) fn part_key(head: &[u8], index: u32) -> Vec<u8> {
    let mut raw = Vec::with_capacity(head.len() + 4);
    raw.push(AREA_PARTS);
    raw.extend_from_slice(head.get(1..).unwrap_or_default());
    raw.extend_from_slice(&index.to_be_bytes());
    raw
}

/// Head and index that a part's raw key belongs to.
pub(crate) fn head_of_part(raw: &[u8]) -> Option<(Vec<u8>, u32)> {
    let (rest, index) = raw.split_last_chunk::<4>()?;
    let (area, name) = rest.split_first()?;
    if *area != AREA_PARTS || name.is_empty() {
        return None;
    }
    let mut head = vec![AREA_VALUES];
    head.extend_from_slice(name);
    Some((head, u32::from_be_bytes(*index)))
}

/// Raw ends of a range inside one kind.
pub(crate) fn kind_range(kind: Kind, from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> RawRange {
    let place = |bound: &Bound<Vec<u8>>, open_end: Bound<Vec<u8>>| match bound {
        Bound::Included(key) => Bound::Included(value_key(kind, key)),
        Bound::Excluded(key) => Bound::Excluded(value_key(kind, key)),
        Bound::Unbounded => open_end,
    };
    let end = match kind.0.checked_add(1) {
        Some(next) => Bound::Excluded(value_key(Kind(next), &[])),
        None => Bound::Excluded(vec![AREA_VALUES + 1]),
    };
    (
        place(from, Bound::Included(value_key(kind, &[]))),
        place(to, end),
    )
}

/// Whether a range can hold a key at all; engines panic on or refuse those that cannot.
pub(crate) fn is_empty_range(range: &RawRange) -> bool {
    match range {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
    }
}

/// Everything to store for one value: the value or its head first, then the parts.
pub(crate) fn seal_value(
    key: &DataKey,
    ns: &str,
    raw: &[u8],
    value: &[u8],
) -> Result<Vec<Entry>, BadSeal> {
    if value.len() <= PART_BYTES {
        let header = [SCHEMA, FORM_VALUE];
        let sealed = key.seal(&header, &aad(ns, &header, &[], raw), value)?;
        return Ok(vec![(raw.to_vec(), sealed)]);
    }
    let generation = random_id();
    let parts = value.chunks(PART_BYTES);
    let count = u32::try_from(parts.len()).map_err(|_error| BadSeal)?;
    let mut out = Vec::with_capacity(parts.len() + 1);
    let mut facts = Vec::with_capacity(8 + ID_BYTES);
    facts.extend_from_slice(&(value.len() as u64).to_be_bytes());
    facts.extend_from_slice(&generation);
    let header = head_header(count);
    let sealed = key.seal(&header, &aad(ns, &header, &[], raw), &facts)?;
    out.push((raw.to_vec(), sealed));
    for (index, part) in (0_u32..).zip(parts) {
        let (header, at) = ([SCHEMA, FORM_PART], part_key(raw, index));
        let sealed = key.seal(&header, &aad(ns, &header, &generation, &at), part)?;
        out.push((at, sealed));
    }
    Ok(out)
}

/// A value as found at its raw key.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The whole value.
    Whole(Vec<u8>),
    /// A head: the parts must be fetched.
    Head(Head),
}

/// What a head says about its parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) parts: u32,
    pub(crate) length: u64,
    pub(crate) generation: [u8; ID_BYTES],
}

/// Opens what is stored at the raw key of a value.
pub(crate) fn open_value(
    key: &DataKey,
    ns: &str,
    raw: &[u8],
    stored: &[u8],
) -> Result<Opened, BadSeal> {
    match stored {
        [SCHEMA, FORM_VALUE, sealed @ ..] => {
            let header = [SCHEMA, FORM_VALUE];
            key.open(&aad(ns, &header, &[], raw), sealed)
                .map(Opened::Whole)
        }
        [SCHEMA, FORM_HEAD, a, b, c, d, sealed @ ..] => {
            let parts = u32::from_be_bytes([*a, *b, *c, *d]);
            let facts = key.open(&aad(ns, &head_header(parts), &[], raw), sealed)?;
            let (length, generation) = facts.split_first_chunk::<8>().ok_or(BadSeal)?;
            let generation = generation.try_into().map_err(|_error| BadSeal)?;
            Ok(Opened::Head(Head {
                parts,
                length: u64::from_be_bytes(*length),
                generation,
            }))
        }
        _ => Err(BadSeal),
    }
}

/// Opens part `index` of a large value.
pub(crate) fn open_part(
    key: &DataKey,
    ns: &str,
    raw: &[u8],
    head: &Head,
    stored: &[u8],
) -> Result<Vec<u8>, BadSeal> {
    let [SCHEMA, FORM_PART, sealed @ ..] = stored else {
        return Err(BadSeal);
    };
    key.open(
        &aad(ns, &[SCHEMA, FORM_PART], &head.generation, raw),
        sealed,
    )
}

/// How many parts belong to what is stored at the raw key of a value, read without opening it.
pub(crate) fn parts_of(stored: &[u8]) -> u32 {
    match stored {
        [SCHEMA, FORM_HEAD, a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// The tag at the end of a stored value, as a number for the ledger's sum.
pub(crate) fn tag_of(stored: &[u8]) -> Option<u128> {
    if stored.len() < 2 + NONCE_BYTES + TAG_BYTES {
        return None;
    }
    stored
        .last_chunk::<TAG_BYTES>()
        .map(|tag| u128::from_le_bytes(*tag))
}

/// Seals the ledger's numbers.
pub(crate) fn seal_ledger(key: &DataKey, ns: &str, numbers: &[u8]) -> Result<Vec<u8>, BadSeal> {
    let header = [SCHEMA, FORM_LEDGER];
    key.seal(&header, &aad(ns, &header, &[], LEDGER_KEY), numbers)
}

/// Opens the ledger's numbers.
pub(crate) fn open_ledger(key: &DataKey, ns: &str, stored: &[u8]) -> Result<Vec<u8>, BadSeal> {
    let [SCHEMA, FORM_LEDGER, sealed @ ..] = stored else {
        return Err(BadSeal);
    };
    key.open(&aad(ns, &[SCHEMA, FORM_LEDGER], &[], LEDGER_KEY), sealed)
}

fn head_header(parts: u32) -> [u8; 6] {
    let [a, b, c, d] = parts.to_be_bytes();
    [SCHEMA, FORM_HEAD, a, b, c, d]
}

/// Associated data: every piece but the last has its length in front, so no two inputs collide.
fn aad(ns: &str, header: &[u8], generation: &[u8], raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + ns.len() + header.len() + generation.len() + raw.len());
    for piece in [ns.as_bytes(), header, generation] {
        out.extend_from_slice(&(piece.len() as u64).to_be_bytes());
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(raw);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: &str = "session:a/b";

    #[test]
    fn small_values_are_one_entry_and_large_ones_are_cut() {
        let (key, raw) = (DataKey::random(), value_key(Kind(3), b"k"));
        let small = seal_value(&key, NS, &raw, &[7; PART_BYTES]).unwrap();
        assert_eq!((small.len(), parts_of(&small[0].1)), (1, 0));
        let opened = open_value(&key, NS, &raw, &small[0].1).unwrap();
        assert!(matches!(opened, Opened::Whole(value) if value == [7; PART_BYTES]));

        let large = seal_value(&key, NS, &raw, &[9; 2 * PART_BYTES + 1]).unwrap();
        assert_eq!((large.len(), parts_of(&large[0].1)), (4, 3));
        assert!(
            large
                .iter()
                .all(|(_, stored)| stored.len() < PART_BYTES + 64)
        );
        let Ok(Opened::Head(head)) = open_value(&key, NS, &raw, &large[0].1) else {
            panic!()
        };
        assert_eq!((head.parts, head.length), (3, 2 * PART_BYTES as u64 + 1));
        let last = open_part(&key, NS, &large[3].0, &head, &large[3].1).unwrap();
        assert_eq!(last, [9]);
        assert_eq!(head_of_part(&large[3].0), Some((raw, 2)));
    }

    #[test]
    fn entries_open_only_in_their_place() {
        let (key, raw) = (DataKey::random(), value_key(Kind(3), b"k"));
        let large = seal_value(&key, NS, &raw, &[9; 2 * PART_BYTES]).unwrap();
        let Ok(Opened::Head(head)) = open_value(&key, NS, &raw, &large[0].1) else {
            panic!()
        };
        assert!(open_part(&key, NS, &large[1].0, &head, &large[2].1).is_err());
        let other = seal_value(&key, NS, &raw, &[9; 2 * PART_BYTES]).unwrap();
        assert!(open_part(&key, NS, &other[1].0, &head, &other[1].1).is_err());
        assert!(open_value(&key, "session:a/c", &raw, &large[0].1).is_err());
        assert!(open_value(&key, NS, &value_key(Kind(4), b"k"), &large[0].1).is_err());
        let mut schema = large[0].1.clone();
        schema[0] = SCHEMA + 1;
        assert!(open_value(&key, NS, &raw, &schema).is_err());
        let mut count = large[0].1.clone();
        count[5] += 1;
        assert!(open_value(&key, NS, &raw, &count).is_err());
    }

    #[test]
    fn ranges_stay_inside_their_kind() {
        let all = |kind| kind_range(Kind(kind), &Bound::Unbounded, &Bound::Unbounded);
        assert_eq!(
            all(1),
            (
                Bound::Included(vec![0x10, 1]),
                Bound::Excluded(vec![0x10, 2])
            )
        );
        assert_eq!(
            all(255),
            (
                Bound::Included(vec![0x10, 255]),
                Bound::Excluded(vec![0x11])
            )
        );
        let range = |from: Bound<&[u8]>, to: Bound<&[u8]>| {
            is_empty_range(&kind_range(
                Kind(1),
                &from.map(<[u8]>::to_vec),
                &to.map(<[u8]>::to_vec),
            ))
        };
        assert!(range(Bound::Excluded(b"a"), Bound::Excluded(b"a")));
        assert!(range(Bound::Included(b"b"), Bound::Included(b"a")));
        assert!(!range(Bound::Included(b"a"), Bound::Included(b"a")));
        assert!(!range(Bound::Unbounded, Bound::Unbounded));
    }
}
