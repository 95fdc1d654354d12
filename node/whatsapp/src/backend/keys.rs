//! How keys are put together from the library's texts.
//!
//! Every part but the last carries its length, so that no two tuples share a key and a tuple's first parts are a
//! prefix. Texts come from the network; one that is too long is replaced by its digest.

use sha2::{Digest, Sha256};
use switchboard_keystore::KEY_BYTES_MAX;

/// Longest text that stands in a key as it is. Four parts of this length fit into a key.
const PART_BYTES_MAX: usize = 250;
/// Begins the digest of a longer text; no UTF-8 text begins with it.
const DIGEST_MARK: u8 = 0xFF;

fn push_part(key: &mut Vec<u8>, part: &[u8]) {
    if part.len() <= PART_BYTES_MAX {
        key.extend_from_slice(part);
    } else {
        key.push(DIGEST_MARK);
        key.extend_from_slice(&Sha256::digest(part));
    }
}

fn push_sized(key: &mut Vec<u8>, part: &[u8]) {
    let at = key.len();
    key.push(0);
    push_part(key, part);
    let length = u8::try_from(key.len() - at - 1).unwrap_or(u8::MAX);
    if let Some(slot) = key.get_mut(at) {
        *slot = length;
    }
}

/// The key of one text.
pub(super) fn one(text: &str) -> Vec<u8> {
    one_bytes(text.as_bytes())
}

/// The key of one value of bytes.
pub(super) fn one_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(bytes.len().min(PART_BYTES_MAX));
    push_part(&mut key, bytes);
    key
}

/// The key of a tuple.
pub(super) fn tuple(parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    if let Some((last, first)) = parts.split_last() {
        for part in first {
            push_sized(&mut key, part);
        }
        push_part(&mut key, last);
    }
    key
}

/// What every tuple that begins with `parts` begins with.
pub(super) fn prefix(parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::new();
    for part in parts {
        push_sized(&mut key, part);
    }
    key
}

/// A key that sorts by time and then by `rest`. Times before 1970 sort as 1970.
pub(super) fn timed(seconds: i64, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + rest.len());
    key.extend_from_slice(&u64::try_from(seconds).unwrap_or(0).to_be_bytes());
    key.extend_from_slice(rest);
    key
}

/// Splits what [`timed`] made.
pub(super) fn split_timed(key: &[u8]) -> Option<(u64, &[u8])> {
    let (time, rest) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*time), rest))
}

/// The first key behind all those that begin with `prefix`.
pub(super) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(byte) = end.pop() {
        if byte < u8::MAX {
            end.push(byte + 1);
            return end;
        }
    }
    last()
}

/// A key behind every key this crate writes.
pub(super) fn last() -> Vec<u8> {
    vec![u8::MAX; KEY_BYTES_MAX]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_do_not_run_into_each_other() {
        assert_ne!(tuple(&[b"ab", b"c"]), tuple(&[b"a", b"bc"]));
        assert!(tuple(&[b"g", b"d"]).starts_with(&prefix(&[b"g"])));
        assert!(!tuple(&[b"gg", b"d"]).starts_with(&prefix(&[b"g"])));
    }

    #[test]
    fn long_texts_stay_apart_and_fit() {
        let (a, b) = ("x".repeat(5_000), format!("{}y", "x".repeat(4_999)));
        assert_ne!(one(&a), one(&b));
        let key = tuple(&[a.as_bytes(), a.as_bytes(), a.as_bytes(), b.as_bytes()]);
        assert!(key.len() < KEY_BYTES_MAX);
        let whole = "z".repeat(PART_BYTES_MAX);
        let key = tuple(&[whole.as_bytes(); 4]);
        assert!(8 + key.len() <= KEY_BYTES_MAX);
    }

    #[test]
    fn ends_of_prefixes() {
        assert_eq!(after(b"a"), b"b".to_vec());
        assert_eq!(after(&[1, 0xFF]), vec![2]);
        assert_eq!(after(&[0xFF]), last());
        assert!(timed(5, b"z") < timed(6, b"a"));
        assert_eq!(split_timed(&timed(7, b"k")), Some((7, &b"k"[..])));
        assert_eq!(timed(-3, b""), timed(0, b""));
    }
}
