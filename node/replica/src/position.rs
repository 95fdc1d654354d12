//! What the node's store remembers about the log: inside a session's tree, where in the log its state is; beside it, what is
//! known to have existed of sessions whose tree is elsewhere.
//!
//! The position is written in the same batch as the data, so it is never wrong about them; it travels with the tree.

use bincode::{Decode, Encode};
use switchboard_keystore::{Epoch, Error, KeyStore, Kind, Namespace, Op};

use crate::chain::After;
use crate::record::Id;

/// The kind of the position in every session's tree. Nobody else may write it.
pub(crate) const POSITION: Kind = Kind(0xF0);
const POSITION_KEY: &[u8] = b"position";
/// First byte of both values.
const VERSION: u8 = 1;
/// Tree of what is known of sessions that have no tree here.
const MARKS_NAMESPACE: &str = "replica";
const MARKS: Kind = Kind(0x01);
/// Node trees have one owner for ever.
const MARKS_EPOCH: Epoch = Epoch(1);

/// Where a tree stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Position {
    /// It is the state after this record.
    At(At),
    /// It is ahead of the log, which is being written anew from it as this snapshot.
    Seeding {
        epoch: u64,
        snapshot: Id,
        /// Above every number that the log had.
        number: u64,
    },
}

/// A record that was applied, and what has to be known of the log before it to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct At {
    pub(crate) id: Id,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    /// Sequence of its last message.
    pub(crate) seq: u64,
    /// Records since the last snapshot.
    pub(crate) tail: u64,
    /// Their bytes.
    pub(crate) tail_bytes: u64,
    /// Bytes of the tree in the last snapshot.
    pub(crate) tree_bytes: u64,
}

impl At {
    pub(crate) fn after(&self) -> After {
        After {
            id: self.id,
            number: self.number,
            epoch: self.epoch,
        }
    }
}

/// How far a session is known to have come: epoch first, then the number of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
pub(crate) struct Known {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
}

impl std::fmt::Display for Known {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number {
            0 => write!(out, "epoch {}", self.epoch),
            number => write!(out, "record {number} of epoch {}", self.epoch),
        }
    }
}

/// What is remembered of a session beside its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub(crate) struct Mark {
    pub(crate) known: Known,
    /// The tree is a lossy restore that was not finished: it must not be believed.
    pub(crate) unfinished: bool,
}

fn encode(value: impl Encode) -> Result<Vec<u8>, Error> {
    let mut out = vec![VERSION];
    let text = bincode::encode_to_vec(value, bincode::config::standard());
    out.extend(text.map_err(|error| Error::Engine {
        action: "encode a position",
        cause: error.to_string(),
    })?);
    Ok(out)
}

fn decode<T: Decode<()>>(ns: &Namespace, value: &[u8]) -> Result<T, Error> {
    let damaged = |what: &str| Error::Damaged {
        namespace: ns.to_string(),
        what: format!("its position in the log {what}"),
    };
    let (version, rest) = value.split_first().ok_or_else(|| damaged("is empty"))?;
    if *version != VERSION {
        return Err(damaged("is of an unknown version"));
    }
    let limited = bincode::config::standard().with_limit::<1024>();
    match bincode::decode_from_slice(rest, limited) {
        Ok((value, used)) if used == rest.len() => Ok(value),
        Ok(_) | Err(_) => Err(damaged("cannot be decoded")),
    }
}

impl Position {
    /// Writes it; belongs into the batch that it speaks of.
    pub(crate) fn put(self) -> Result<Op, Error> {
        Ok(Op::Put {
            kind: POSITION,
            key: POSITION_KEY.to_vec(),
            value: encode(self)?,
        })
    }

    pub(crate) async fn read(store: &dyn KeyStore, ns: &Namespace) -> Result<Option<Self>, Error> {
        let value = store.get(ns, POSITION, POSITION_KEY).await?;
        value.map(|value| decode(ns, &value)).transpose()
    }
}

impl Mark {
    pub(crate) async fn read(store: &dyn KeyStore, ns: &Namespace) -> Result<Self, Error> {
        let value = store.get(&marks()?, MARKS, ns.as_str().as_bytes()).await?;
        value.map_or(Ok(Self::default()), |value| decode(ns, &value))
    }

    /// Writes it, or removes it when it says nothing.
    pub(crate) async fn write(self, store: &dyn KeyStore, ns: &Namespace) -> Result<(), Error> {
        if Self::read(store, ns).await? == self {
            return Ok(());
        }
        let (kind, key) = (MARKS, ns.as_str().as_bytes().to_vec());
        let op = if self == Self::default() {
            Op::Delete { kind, key }
        } else {
            let value = encode(self)?;
            Op::Put { kind, key, value }
        };
        store
            .commit(&marks()?, MARKS_EPOCH, vec![op])
            .await
            .map(drop)
    }
}

fn marks() -> Result<Namespace, Error> {
    Namespace::node(MARKS_NAMESPACE).map_err(|error| Error::Engine {
        action: "name the tree of marks",
        cause: error.to_string(),
    })
}
