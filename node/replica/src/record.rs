//! The records of a session's log, and the messages in which they travel.
//!
//! ```text
//! message = 01 'R' id(16) epoch(u64) number(u64) part(u16) parts(u16)  sealed piece
//! record  = the pieces of all parts in order: bincode of `Record`
//! ```
//! A record that does not fit into one message is cut into parts, which are appended one after the other; one whose end
//! is missing (torn) never counted. Records of a session are numbered from 1 and each names the id of the one before, so
//! neither a lost nor a foreign record goes unseen. Ids are random: a log that was rolled back and went on differently has
//! the same numbers, but other ids.
//!
//! Owns the bytes. Must not know the bus or the store.

use bincode::{Decode, Encode};
use bytes::Bytes;
use switchboard_keystore::{BATCH_BYTES_MAX, Kind, Op};

use crate::seal::{BadSeal, Sealer, random};

/// Bytes of an id.
const ID_BYTES: usize = 16;
const MAGIC: [u8; 2] = [1, b'R'];
const HEAD_BYTES: usize = 2 + ID_BYTES + 8 + 8 + 2 + 2;
/// Refuses what a damaged length would allocate.
const DECODE_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

/// Names a record, or a snapshot.
pub(crate) type Id = [u8; ID_BYTES];

/// What the first record names as the one before.
pub(crate) const NO_RECORD: Id = [0; ID_BYTES];

/// A fresh id.
pub(crate) fn new_id() -> Id {
    random()
}

/// What a message says in clear, bound to what it seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: Id,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) part: u16,
    pub(crate) parts: u16,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Record {
    /// The id of the record before.
    pub(crate) previous: Id,
    pub(crate) what: What,
}

#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum What {
    /// The record's epoch begins: nothing of an older one follows.
    Begin,
    /// One or more batches, in order.
    Batch(Vec<Change>),
    /// A snapshot is complete.
    Base(Base),
}

impl std::fmt::Debug for What {
    /// Never shows values.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Begin => out.write_str("Begin"),
            Self::Batch(changes) => write!(out, "Batch({} changes)", changes.len()),
            Self::Base(base) => write!(out, "{base:?}"),
        }
    }
}

/// Where a snapshot is, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Base {
    /// Its id.
    pub(crate) snapshot: Id,
    /// Sequence of its first message.
    pub(crate) first: u64,
    /// Sequence of its last message.
    pub(crate) last: u64,
    /// Its messages.
    pub(crate) messages: u32,
    /// Bytes of the tree.
    pub(crate) bytes: u64,
    /// SHA-256 over the plain messages.
    pub(crate) hash: [u8; 32],
    /// The number of the last record that is in it for certain; `None`: it is the state at this very record, and everything
    /// before is void.
    pub(crate) covers: Option<u64>,
}

/// [`Op`], as it is written.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Change {
    Put(u8, Vec<u8>, Vec<u8>),
    Delete(u8, Vec<u8>),
    DeleteRange(u8, Vec<u8>, Vec<u8>),
}

impl From<Op> for Change {
    fn from(op: Op) -> Self {
        match op {
            Op::Put { kind, key, value } => Self::Put(kind.0, key, value),
            Op::Delete { kind, key } => Self::Delete(kind.0, key),
            Op::DeleteRange { kind, from, to } => Self::DeleteRange(kind.0, from, to),
        }
    }
}

impl From<Change> for Op {
    fn from(change: Change) -> Self {
        match change {
            Change::Put(kind, key, value) => Self::Put {
                kind: Kind(kind),
                key,
                value,
            },
            Change::Delete(kind, key) => Self::Delete {
                kind: Kind(kind),
                key,
            },
            Change::DeleteRange(kind, from, to) => Self::DeleteRange {
                kind: Kind(kind),
                from,
                to,
            },
        }
    }
}

/// A message or record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bad {
    #[error("not a message of a known version")]
    Form,
    #[error(transparent)]
    Seal(#[from] BadSeal),
    #[error("the record cannot be decoded: {0}")]
    Decode(String),
    #[error("the record cannot be encoded: {0}")]
    Encode(String),
}

fn settings() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_BYTES_MAX>()
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.part.to_be_bytes());
        out.extend_from_slice(&self.parts.to_be_bytes());
        out
    }

    fn decode(head: &[u8]) -> Option<Self> {
        let rest = head.strip_prefix(&MAGIC)?;
        let (id, rest) = rest.split_first_chunk::<ID_BYTES>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_first_chunk::<2>()?;
        let parts = rest.first_chunk::<2>()?;
        let head = Self {
            id: *id,
            epoch: u64::from_be_bytes(*epoch),
            number: u64::from_be_bytes(*number),
            part: u16::from_be_bytes(*part),
            parts: u16::from_be_bytes(*parts),
        };
        (head.part < head.parts).then_some(head)
    }
}

/// Reads one message: its head and its piece of the record.
pub(crate) fn open(sealer: &Sealer, place: &str, message: &[u8]) -> Result<(Head, Vec<u8>), Bad> {
    let (head, sealed) = message.split_at_checked(HEAD_BYTES).ok_or(Bad::Form)?;
    let plain = sealer.open(place, head, sealed);
    // A form that is not ours and a text that is not ours are told apart for whoever has to look for the cause.
    let head = Head::decode(head).ok_or(Bad::Form)?;
    Ok((head, plain?))
}

/// Reads the pieces of all parts.
pub(crate) fn decode(plain: &[u8]) -> Result<Record, Bad> {
    let bad = |what: String| Bad::Decode(what);
    match bincode::decode_from_slice(plain, settings()) {
        Ok((record, used)) if used == plain.len() => Ok(record),
        Ok(_) => Err(bad("it is longer than it says".to_owned())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// The messages of a record.
pub(crate) fn encode(
    sealer: &Sealer,
    place: &str,
    (id, epoch, number): (Id, u64, u64),
    record: &Record,
    piece_bytes: usize,
) -> Result<Vec<Bytes>, Bad> {
    let plain = bincode::encode_to_vec(record, settings())
        .map_err(|error| Bad::Encode(error.to_string()))?;
    let plain = zeroize::Zeroizing::new(plain);
    let pieces = plain.chunks(piece_bytes.max(1));
    let too_long = || Bad::Encode(format!("{} bytes are too many", plain.len()));
    let parts = u16::try_from(pieces.len()).map_err(|_error| too_long())?;
    (0..parts)
        .zip(pieces)
        .map(|(part, piece)| {
            let head = Head {
                id,
                epoch,
                number,
                part,
                parts,
            };
            Ok(sealer.seal(place, &head.encode(), piece)?.into())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ReplicaKey;

    fn sealer(first: u8) -> Sealer {
        Sealer::new(&ReplicaKey::new([first; 32]))
    }

    #[test]
    fn a_record_survives_and_opens_only_in_its_place() {
        let (sealer, id) = (sealer(1), new_id());
        let big = vec![7; 2_000];
        let changes = vec![
            Change::Put(1, vec![2], big),
            Change::Delete(3, vec![]),
            Change::DeleteRange(4, vec![5], vec![6]),
        ];
        let record = Record {
            previous: NO_RECORD,
            what: What::Batch(changes),
        };
        let messages = encode(&sealer, "a", (id, 9, 4), &record, 1_000).unwrap();
        assert_eq!(messages.len(), 3);
        let mut plain = Vec::new();
        for (part, message) in (0..).zip(&messages) {
            let (head, piece) = open(&sealer, "a", message).unwrap();
            let expected = Head {
                id,
                epoch: 9,
                number: 4,
                part,
                parts: 3,
            };
            assert_eq!(head, expected);
            plain.extend_from_slice(&piece);
        }
        assert_eq!(decode(&plain).unwrap(), record);
        assert!(decode(&plain[..plain.len() - 1]).is_err());
        let (place, key) = (open(&sealer, "b", &messages[0]), &self::sealer(2));
        assert!(place.is_err() && open(key, "a", &messages[0]).is_err());
    }

    #[test]
    fn no_bit_of_a_message_can_change() {
        let sealer = sealer(1);
        let record = Record {
            previous: new_id(),
            what: What::Begin,
        };
        let message = encode(&sealer, "a", (new_id(), 1, 1), &record, 1_000)
            .unwrap()
            .remove(0);
        for bit in 0..message.len() * 8 {
            let mut damaged = message.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&sealer, "a", &damaged).is_err(), "bit {bit}");
        }
        for length in 0..message.len() {
            assert!(
                open(&sealer, "a", &message[..length]).is_err(),
                "cut to {length}"
            );
        }
    }
}
