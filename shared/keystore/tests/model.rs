//! A store against a sorted map: random operations, with the store closed and opened again between
//! any two of them. The map is the specification; the store may differ in nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and tells its story in one piece"
)]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use switchboard_keystore::{
    Config, EngineKind, Epoch, Error, KeyStore, Kind, MasterKey, Namespace, OnBroken, Op, Remains,
    ScanRange, TransferKey, open,
};

/// Random runs per engine; `SWITCHBOARD_KEYSTORE_MODEL_CASES` scales it.
const CASES: u32 = 24;
const NAMESPACES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Commit {
        ns: usize,
        epoch: u64,
        ops: Vec<Change>,
    },
    Scan {
        ns: usize,
        kind: u8,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        reverse: bool,
        limit: usize,
    },
    Drop {
        ns: usize,
        tombstone: Option<u64>,
    },
    /// Export into a second store and back, replacing the live tree.
    Travel {
        ns: usize,
        promote: bool,
        reopen: bool,
    },
    Rotate,
    Reopen,
}

#[derive(Debug, Clone)]
enum Change {
    Put(u8, Vec<u8>, usize),
    Delete(u8, Vec<u8>),
    DeleteRange(u8, Vec<u8>, Vec<u8>),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![Just(0_u8), Just(1), Just(0x7f), Just(0xff)],
        0..4,
    )
}

fn change() -> impl Strategy<Value = Change> {
    let kind = || prop_oneof![Just(0_u8), Just(1), Just(255)];
    let length = prop_oneof![8 => 0_usize..300, 1 => 4_000_usize..4_200, 1 => 8_000_usize..20_000];
    prop_oneof![
        6 => (kind(), key(), length).prop_map(|(kind, key, length)| Change::Put(kind, key, length)),
        2 => (kind(), key()).prop_map(|(kind, key)| Change::Delete(kind, key)),
        1 => (kind(), key(), key()).prop_map(|(kind, from, to)| Change::DeleteRange(kind, from, to)),
    ]
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let ns = || 0..NAMESPACES;
    let scan = (
        ns(),
        prop_oneof![Just(0_u8), Just(255)],
        bound(),
        bound(),
        any::<bool>(),
        0_usize..9,
    );
    prop_oneof![
        8 => (ns(), 0_u64..6, vec(change(), 0..8))
            .prop_map(|(ns, epoch, ops)| Step::Commit { ns, epoch, ops }),
        3 => scan.prop_map(|(ns, kind, from, to, reverse, limit)|
            Step::Scan { ns, kind, from, to, reverse, limit }),
        1 => (ns(), proptest::option::of(0_u64..6))
            .prop_map(|(ns, tombstone)| Step::Drop { ns, tombstone }),
        1 => (ns(), any::<bool>(), any::<bool>())
            .prop_map(|(ns, promote, reopen)| Step::Travel { ns, promote, reopen }),
        1 => Just(Step::Rotate),
        3 => Just(Step::Reopen),
    ]
}

type Content = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

#[derive(Debug, Default, Clone)]
struct Model {
    trees: [Option<(u64, Content)>; NAMESPACES],
    tombstones: [Option<u64>; NAMESPACES],
}

impl Model {
    fn epoch(&self, ns: usize) -> Option<u64> {
        self.trees[ns]
            .as_ref()
            .map(|tree| tree.0)
            .max(self.tombstones[ns])
    }
}

struct Run {
    dir: tempfile::TempDir,
    engine: EngineKind,
    master: u8,
    store: Arc<dyn KeyStore>,
    model: Model,
    writes: usize,
}

fn name(ns: usize) -> Namespace {
    Namespace::session(&format!("tenant/{ns}")).unwrap()
}

fn master(number: u8) -> MasterKey {
    let mut key = [1; 32];
    (key[0], key[1]) = (number, 77);
    MasterKey::new(key)
}

impl Run {
    async fn start(engine: EngineKind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Self::open(&dir, engine, 0).await;
        Self {
            dir,
            engine,
            master: 0,
            store,
            model: Model::default(),
            writes: 0,
        }
    }

    async fn open(dir: &tempfile::TempDir, engine: EngineKind, number: u8) -> Arc<dyn KeyStore> {
        let mut config = Config::new(dir.path(), engine, master(number));
        config.cache_bytes = 4 << 20;
        config.on_broken = OnBroken::Refuse;
        open(config).await.unwrap().store
    }

    async fn reopen(&mut self) {
        self.store.close().await.unwrap();
        self.store = Self::open(&self.dir, self.engine, self.master).await;
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Commit { ns, epoch, ops } => self.commit(ns, epoch, ops).await,
            Step::Scan {
                ns,
                kind,
                from,
                to,
                reverse,
                limit,
            } => {
                let range = ScanRange {
                    from,
                    to,
                    reverse,
                    limit,
                };
                self.scan(ns, kind, range).await;
            }
            Step::Drop { ns, tombstone } => self.drop(ns, tombstone).await,
            Step::Travel {
                ns,
                promote,
                reopen,
            } => self.travel(ns, promote, reopen).await,
            Step::Rotate => {
                self.master = self.master.wrapping_add(1);
                self.store.rotate_master(master(self.master)).await.unwrap();
            }
            Step::Reopen => self.reopen().await,
        }
        self.compare().await;
    }

    async fn commit(&mut self, ns: usize, epoch: u64, changes: Vec<Change>) {
        let mut tree = self.model.trees[ns].clone().unwrap_or_default();
        let mut ops = Vec::new();
        for change in changes {
            ops.push(match change {
                Change::Put(kind, key, length) => {
                    self.writes += 1;
                    let value: Vec<u8> = (0..length)
                        .map(|at| (at + self.writes * 31) as u8)
                        .collect();
                    tree.1.insert((kind, key.clone()), value.clone());
                    Op::Put {
                        kind: Kind(kind),
                        key,
                        value,
                    }
                }
                Change::Delete(kind, key) => {
                    tree.1.remove(&(kind, key.clone()));
                    Op::Delete {
                        kind: Kind(kind),
                        key,
                    }
                }
                Change::DeleteRange(kind, from, to) => {
                    tree.1
                        .retain(|(at, key), _| *at != kind || *key < from || *key >= to);
                    Op::DeleteRange {
                        kind: Kind(kind),
                        from,
                        to,
                    }
                }
            });
        }
        let result = self.store.commit(&name(ns), Epoch(epoch), ops).await;
        if self.model.epoch(ns).is_some_and(|stored| epoch < stored) {
            assert!(
                matches!(result, Err(Error::StaleEpoch { .. })),
                "{result:?}"
            );
        } else {
            assert_eq!(result.unwrap().epoch(), Epoch(epoch));
            tree.0 = epoch;
            self.model.trees[ns] = Some(tree);
        }
    }

    async fn scan(&self, ns: usize, kind: u8, range: ScanRange) {
        let page = self
            .store
            .scan(&name(ns), Kind(kind), range.clone())
            .await
            .unwrap();
        let inside = |key: &Vec<u8>| {
            (match &range.from {
                Bound::Included(from) => key >= from,
                Bound::Excluded(from) => key > from,
                Bound::Unbounded => true,
            }) && match &range.to {
                Bound::Included(to) => key <= to,
                Bound::Excluded(to) => key < to,
                Bound::Unbounded => true,
            }
        };
        let mut expected: Vec<(Vec<u8>, Vec<u8>)> = self.model.trees[ns]
            .iter()
            .flat_map(|tree| &tree.1)
            .filter(|((at, key), _)| *at == kind && inside(key))
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        if range.reverse {
            expected.reverse();
        }
        assert_eq!(page.more, expected.len() > range.limit);
        expected.truncate(range.limit);
        assert!(page.entries == expected, "{range:?}");
    }

    async fn drop(&mut self, ns: usize, tombstone: Option<u64>) {
        let remains = tombstone.map_or(Remains::Nothing, |epoch| Remains::Tombstone(Epoch(epoch)));
        let result = self.store.drop_namespace(&name(ns), remains).await;
        let stale = tombstone
            .zip(self.model.epoch(ns))
            .is_some_and(|(given, known)| given < known);
        if stale {
            assert!(
                matches!(result, Err(Error::StaleEpoch { .. })),
                "{result:?}"
            );
        } else {
            result.unwrap();
            self.model.trees[ns] = None;
            self.model.tombstones[ns] = tombstone;
        }
    }

    async fn travel(&mut self, ns: usize, promote: bool, reopen: bool) {
        let (transfer, name) = (TransferKey::new([8; 32]), name(ns));
        if self.model.trees[ns].is_none() {
            let export = self.store.export(&name, &transfer).await;
            assert!(matches!(export, Err(Error::UnknownNamespace(_))));
            return;
        }
        let epoch = Epoch(self.model.epoch(ns).unwrap());
        let away = open(Config::new("", EngineKind::Memory, master(200)))
            .await
            .unwrap()
            .store;
        copy(&self.store, &away, &name, epoch, &transfer).await;
        away.promote(&name).await.unwrap();
        copy(&away, &self.store, &name, epoch, &transfer).await;
        away.close().await.unwrap();
        if reopen {
            self.reopen().await;
        }
        assert_eq!(self.store.staged().await.unwrap().len(), 1);
        if promote {
            self.store.promote(&name).await.unwrap();
            self.model.trees[ns].as_mut().unwrap().0 = epoch.0;
        } else {
            self.store.discard_staging(&name).await.unwrap();
        }
    }

    async fn compare(&self) {
        let live = self.store.namespaces().await.unwrap();
        let expected: Vec<Namespace> = (0..NAMESPACES)
            .filter(|ns| self.model.trees[*ns].is_some())
            .map(name)
            .collect();
        assert_eq!(live, expected);
        assert_eq!(self.store.stats().orphans, 0);
        for ns in 0..NAMESPACES {
            let epoch = self.store.epoch(&name(ns)).await.unwrap();
            assert_eq!(epoch, self.model.epoch(ns).map(Epoch));
            let Some((_, content)) = &self.model.trees[ns] else {
                continue;
            };
            self.store.verify(&name(ns)).await.unwrap();
            let mut found = Content::new();
            for kind in [0, 1, 255] {
                let page = self
                    .store
                    .scan(&name(ns), Kind(kind), ScanRange::all(9_999))
                    .await;
                for (key, value) in page.unwrap().entries {
                    found.insert((kind, key), value);
                }
            }
            assert!(found == *content, "content of {ns} differs");
        }
    }
}

async fn copy(
    from: &Arc<dyn KeyStore>,
    to: &Arc<dyn KeyStore>,
    name: &Namespace,
    epoch: Epoch,
    transfer: &TransferKey,
) {
    let mut export = from.export(name, transfer).await.unwrap();
    let mut import = to.import(name, epoch, transfer).await.unwrap();
    while let Some(frame) = export.next().await.unwrap() {
        import.write(&frame).await.unwrap();
    }
    assert_eq!(Some(import.finish().await.unwrap()), export.report());
}

fn check(engine: EngineKind) {
    let cases = std::env::var("SWITCHBOARD_KEYSTORE_MODEL_CASES");
    let cases = cases
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(CASES);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    proptest!(config, |(steps in vec(step(), 1..30))| {
        runtime.block_on(async {
            let mut run = Run::start(engine).await;
            for step in steps {
                run.step(step).await;
            }
            run.reopen().await;
            run.compare().await;
            run.store.close().await.unwrap();
        });
    });
}

#[test]
fn sled_is_a_sorted_map() {
    check(EngineKind::Sled);
}

#[test]
fn redb_is_a_sorted_map() {
    check(EngineKind::Redb);
}
