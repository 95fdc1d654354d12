//! The catalog: which tree belongs to which namespace, and its data key.
//!
//! It is a tree like any other, with a ledger of its own, sealed under a key derived from the
//! master key. A namespace is renamed, dropped or given a new tree by one batch here; trees that
//! are to go are first buried (a `GRAVE` record), so that a crash between the record and the
//! removal loses nothing and forgets nothing. A tree that no record names is never removed: only
//! damage makes one.
//!
//! Owns the records and the canary. Must not know who asks.

use std::ops::{Bound, ControlFlow};

use crate::engine::{CATALOG, Changes, Group, TreeId, View};
use crate::error::Error;
use crate::layout::{self, CANARY_KEY, GROUP_KEY, SCHEMA};
use crate::ledger::{Ledger, RawOp, TreeRef, plan};
use crate::namespace::Namespace;
use crate::seal::{DataKey, ID_BYTES, KEY_BYTES, MasterKey, random_id};
use crate::store::{Epoch, Kind};

/// Name of the catalog in associated data; no namespace can have it.
const NAME: &str = "catalog";
const CANARY_TEXT: &[u8] = b"switchboard keystore canary";
const GROUP_TEXT: &[u8] = b"switchboard keystore group";
const WITNESS_TEXT: &[u8] = b"switchboard keystore witness";

const LIVE: Kind = Kind(1);
const STAGING: Kind = Kind(2);
const GRAVE: Kind = Kind(3);
const TOMBSTONE: Kind = Kind(4);

/// One record.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// The tree of a namespace. `settled` = its first batch was applied: from then on a tree
    /// without ledger is damage.
    Live {
        ns: Namespace,
        tree: TreeId,
        key: DataKey,
        settled: bool,
    },
    /// A tree that is being imported, or was imported completely.
    Staging {
        ns: Namespace,
        tree: TreeId,
        key: DataKey,
        epoch: Epoch,
        complete: bool,
    },
    /// A tree that must go.
    Grave { tree: TreeId },
    /// Highest epoch released.
    Tombstone { ns: Namespace, epoch: Epoch },
}

/// One change of the catalog.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Put(Record),
    RemoveLive(Namespace),
    RemoveStaging(Namespace),
    RemoveGrave(TreeId),
    RemoveTombstone(Namespace),
}

/// Why a catalog does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The canary does not open.
    #[error("the master key does not open the canary")]
    WrongKey,
    /// Records are missing or damaged.
    #[error("catalog is damaged: {0}")]
    Damaged(String),
}

/// Key and account of the catalog. The committer owns the only one.
#[derive(Debug)]
pub(crate) struct Catalog {
    store: [u8; ID_BYTES],
    key: DataKey,
    ledger: Ledger,
    /// Number of the last group that changed anything.
    group: u64,
}

impl Catalog {
    /// A catalog for a new store; [`Catalog::birth`] writes it.
    pub(crate) fn new(master: &MasterKey) -> Self {
        let store = random_id();
        Self {
            store,
            key: master.catalog_key(&store),
            ledger: Ledger::default(),
            group: 0,
        }
    }

    /// Writes canary and empty ledger of a new store.
    pub(crate) fn birth(&mut self, group: &mut dyn Group) -> Result<(), Error> {
        self.write(group, Vec::new(), true)
    }

    /// Opens the catalog and gives its records.
    pub(crate) fn load(
        view: &dyn View,
        master: &MasterKey,
    ) -> Result<(Self, Vec<Record>), LoadError> {
        let damaged = |error: Error| LoadError::Damaged(error.to_string());
        let canary = view.get(CATALOG, CANARY_KEY).map_err(damaged)?;
        let canary =
            canary.ok_or_else(|| LoadError::Damaged("its canary is missing".to_owned()))?;
        let store = match canary.split_first() {
            Some((&SCHEMA, rest)) => rest.first_chunk::<ID_BYTES>().copied(),
            _ => None,
        };
        let store =
            store.ok_or_else(|| LoadError::Damaged("its canary has an unknown form".to_owned()))?;
        let key = master.catalog_key(&store);
        let sealed = canary.get(1 + ID_BYTES..).unwrap_or_default();
        if key.open(&canary_aad(&store), sealed).as_deref() != Ok(CANARY_TEXT) {
            return Err(LoadError::WrongKey);
        }
        let mut catalog = Self {
            store,
            key,
            ledger: Ledger::default(),
            group: 0,
        };
        let (ledger, _) = catalog.tree().check(view).map_err(damaged)?;
        let records = catalog.records(view).map_err(damaged)?;
        catalog.ledger = ledger;
        catalog.group = catalog.stored_group(view)?;
        Ok((catalog, records))
    }

    /// Applies edits as one batch.
    pub(crate) fn edit(&mut self, group: &mut dyn Group, edits: Vec<Edit>) -> Result<(), Error> {
        let ops = edits
            .into_iter()
            .map(|edit| self.op(edit))
            .collect::<Result<_, _>>()?;
        self.write(group, ops, false)
    }

    /// Seals every record and the canary under a new master key, in one batch.
    pub(crate) fn rotate(
        &mut self,
        group: &mut dyn Group,
        master: &MasterKey,
    ) -> Result<(), Error> {
        let records = self.records(group)?;
        self.key = master.catalog_key(&self.store);
        let ops = records
            .into_iter()
            .map(|record| self.op(Edit::Put(record)))
            .collect::<Result<_, _>>()?;
        self.write(group, ops, true)
    }

    fn write(&mut self, group: &mut dyn Group, ops: Vec<RawOp>, canary: bool) -> Result<(), Error> {
        let mut ledger = self.ledger;
        let mut changes: Changes = plan(group, &self.tree(), &mut ledger, ops)?;
        if canary {
            let mut header = vec![SCHEMA];
            header.extend_from_slice(&self.store);
            let sealed = self
                .key
                .seal(&header, &canary_aad(&self.store), CANARY_TEXT)
                .map_err(|_error| self.tree().damaged("its canary cannot be sealed"))?;
            changes.insert(CANARY_KEY.to_vec(), Some(sealed));
        }
        group.apply(CATALOG, changes)?;
        self.ledger = ledger;
        Ok(())
    }

    /// Numbers a group. Must be the last change of it: whoever finds the number finds the group.
    pub(crate) fn tick(&mut self, group: &mut dyn Group) -> Result<(), Error> {
        let next = self.group.wrapping_add(1);
        let sealed = self.seal_number(next, GROUP_TEXT)?;
        let mut changes = Changes::new();
        changes.insert(GROUP_KEY.to_vec(), Some(sealed));
        group.apply(CATALOG, changes)?;
        self.group = next;
        Ok(())
    }

    /// The store's id as text.
    pub(crate) fn store_id(&self) -> String {
        use std::fmt::Write as _;
        self.store.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _written = write!(text, "{byte:02x}");
            text
        })
    }

    /// Number of the last group.
    pub(crate) fn group(&self) -> u64 {
        self.group
    }

    /// What the witness repeats about the last group.
    pub(crate) fn testimony(&self) -> Result<Vec<u8>, Error> {
        self.seal_number(self.group, WITNESS_TEXT)
    }

    /// The group a witness speaks of; `None` when it speaks of another store or not at all.
    pub(crate) fn testified(&self, testimony: &[u8]) -> Option<u64> {
        self.open_number(testimony, WITNESS_TEXT)
    }

    /// A store that was born but never wrote has no number.
    fn stored_group(&self, view: &dyn View) -> Result<u64, LoadError> {
        let damaged = |error: Error| LoadError::Damaged(error.to_string());
        let Some(stored) = view.get(CATALOG, GROUP_KEY).map_err(damaged)? else {
            return Ok(0);
        };
        self.open_number(&stored, GROUP_TEXT)
            .ok_or_else(|| LoadError::Damaged("its group number does not open".to_owned()))
    }

    fn seal_number(&self, number: u64, text: &[u8]) -> Result<Vec<u8>, Error> {
        self.key
            .seal(
                &[SCHEMA],
                &[text, &self.store].concat(),
                &number.to_be_bytes(),
            )
            .map_err(|_error| self.tree().damaged("a number cannot be sealed"))
    }

    fn open_number(&self, stored: &[u8], text: &[u8]) -> Option<u64> {
        let (&SCHEMA, sealed) = stored.split_first()? else {
            return None;
        };
        let number = self.key.open(&[text, &self.store].concat(), sealed).ok()?;
        Some(u64::from_be_bytes(number.try_into().ok()?))
    }

    fn tree(&self) -> TreeRef<'_> {
        TreeRef {
            id: CATALOG,
            name: NAME,
            key: &self.key,
        }
    }

    fn op(&self, edit: Edit) -> Result<RawOp, Error> {
        let delete = |kind, key: &[u8]| Ok(RawOp::Delete(layout::value_key(kind, key)));
        match edit {
            Edit::Put(record) => {
                let (kind, key, value) = encode(&record);
                layout::seal_value(&self.key, NAME, &layout::value_key(kind, &key), &value)
                    .map(RawOp::Put)
                    .map_err(|_error| self.tree().damaged("a record cannot be sealed"))
            }
            Edit::RemoveLive(ns) => delete(LIVE, ns.as_str().as_bytes()),
            Edit::RemoveStaging(ns) => delete(STAGING, ns.as_str().as_bytes()),
            Edit::RemoveGrave(tree) => delete(GRAVE, &tree.0.to_be_bytes()),
            Edit::RemoveTombstone(ns) => delete(TOMBSTONE, ns.as_str().as_bytes()),
        }
    }

    fn records(&self, view: &(impl View + ?Sized)) -> Result<Vec<Record>, Error> {
        let mut raw = Vec::new();
        let range = (
            Bound::Included(layout::value_key(LIVE, &[])),
            Bound::Excluded(layout::value_key(Kind(TOMBSTONE.0 + 1), &[])),
        );
        view.range(CATALOG, &range, false, &mut |key, stored| {
            raw.push((key.to_vec(), stored.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        raw.iter()
            .map(|(key, stored)| self.record(key, stored))
            .collect()
    }

    fn record(&self, raw: &[u8], stored: &[u8]) -> Result<Record, Error> {
        let value = match layout::open_value(&self.key, NAME, raw, stored) {
            Ok(layout::Opened::Whole(value)) => value,
            Ok(layout::Opened::Head(_)) | Err(_) => {
                return Err(self.tree().damaged("a record does not open"));
            }
        };
        decode(raw, &value).ok_or_else(|| self.tree().damaged("a record has an unknown form"))
    }
}

fn canary_aad(store: &[u8; ID_BYTES]) -> Vec<u8> {
    [CANARY_TEXT, store].concat()
}

fn encode(record: &Record) -> (Kind, Vec<u8>, Vec<u8>) {
    let name = |ns: &Namespace| ns.as_str().as_bytes().to_vec();
    let place = |tree: &TreeId, key: &DataKey| {
        let mut value = tree.0.to_be_bytes().to_vec();
        value.extend_from_slice(key.bytes());
        value
    };
    match record {
        Record::Live {
            ns,
            tree,
            key,
            settled,
        } => {
            let mut value = place(tree, key);
            value.push(u8::from(*settled));
            (LIVE, name(ns), value)
        }
        Record::Staging {
            ns,
            tree,
            key,
            epoch,
            complete,
        } => {
            let mut value = place(tree, key);
            value.push(u8::from(*complete));
            value.extend_from_slice(&epoch.0.to_be_bytes());
            (STAGING, name(ns), value)
        }
        Record::Grave { tree } => (GRAVE, tree.0.to_be_bytes().to_vec(), Vec::new()),
        Record::Tombstone { ns, epoch } => (TOMBSTONE, name(ns), epoch.0.to_be_bytes().to_vec()),
    }
}

fn decode(raw: &[u8], value: &[u8]) -> Option<Record> {
    let (prefix, name) = raw.split_first_chunk::<2>()?;
    let ns = || Namespace::parse(std::str::from_utf8(name).ok()?).ok();
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    match Kind(prefix[1]) {
        LIVE => {
            let (tree, key, rest) = decode_place(value)?;
            let [settled @ (0 | 1)] = rest else {
                return None;
            };
            Some(Record::Live {
                ns: ns()?,
                tree,
                key,
                settled: *settled == 1,
            })
        }
        STAGING => {
            let (tree, key, rest) = decode_place(value)?;
            let [complete @ (0 | 1), epoch @ ..] = rest else {
                return None;
            };
            let epoch = Epoch(number(epoch)?);
            Some(Record::Staging {
                ns: ns()?,
                tree,
                key,
                epoch,
                complete: *complete == 1,
            })
        }
        GRAVE => Some(Record::Grave {
            tree: TreeId(number(name)?),
        }),
        TOMBSTONE => Some(Record::Tombstone {
            ns: ns()?,
            epoch: Epoch(number(value)?),
        }),
        _ => None,
    }
}

fn decode_place(value: &[u8]) -> Option<(TreeId, DataKey, &[u8])> {
    let (tree, rest) = value.split_first_chunk::<8>()?;
    let (key, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
    Some((
        TreeId(u64::from_be_bytes(*tree)),
        DataKey::from_bytes(key).ok()?,
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &Record) {
        let (kind, key, value) = encode(record);
        let back = decode(&layout::value_key(kind, &key), &value).unwrap();
        assert_eq!(encode(&back), (kind, key.clone(), value.clone()));
        for length in 0..value.len() {
            assert!(decode(&layout::value_key(kind, &key), &value[..length]).is_none());
        }
    }

    #[test]
    fn records_survive_their_encoding() {
        let (ns, key, tree) = (
            Namespace::session("a/b").unwrap(),
            DataKey::random(),
            TreeId(7),
        );
        check(&Record::Live {
            ns: ns.clone(),
            tree,
            key: key.clone(),
            settled: true,
        });
        let epoch = Epoch(9);
        check(&Record::Staging {
            ns: ns.clone(),
            tree,
            key,
            epoch,
            complete: false,
        });
        check(&Record::Grave { tree });
        check(&Record::Tombstone { ns, epoch });
    }
}
