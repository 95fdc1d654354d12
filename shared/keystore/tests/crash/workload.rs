//! Batches that are a pure function of session and number, so that the right content of a session
//! can be computed from its last batch alone; and the checker that does.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use switchboard_keystore::{
    Config, EngineKind, Epoch, Error, KeyStore, Kind, MasterKey, Namespace, OnBroken, Op,
    OpenError, ScanRange, TransferKey, open,
};

pub(crate) const SESSIONS: u64 = 8;
/// This session is dropped before every batch whose number is a multiple of [`DROP_EVERY`].
pub(crate) const DROPPED: u64 = 1;
pub(crate) const DROP_EVERY: u64 = 25;
/// This session is exported, imported and promoted over itself now and then.
const TRAVELLER: u64 = 0;
const TRAVEL_EVERY: u64 = 20;

const DATA: Kind = Kind(2);
const MARKER: Kind = Kind(200);

/// Key and value of every entry but the marker.
pub(crate) type Content = BTreeMap<Vec<u8>, Vec<u8>>;

pub(crate) fn name(session: u64) -> Namespace {
    Namespace::session(&format!("crash/s{session}")).unwrap()
}

pub(crate) async fn open_store(
    dir: &Path,
    engine: EngineKind,
) -> Result<Arc<dyn KeyStore>, OpenError> {
    let mut key = [1; 32];
    key[0] = 2;
    let mut config = Config::new(dir, engine, MasterKey::new(key));
    config.cache_bytes = 4 << 20;
    config.on_broken = OnBroken::Refuse;
    open(config).await.map(|opened| opened.store)
}

fn key(rng: &mut ChaCha8Rng) -> Vec<u8> {
    format!("key-{:02}", rng.random_range(0..40_u8)).into_bytes()
}

/// Batch `number` of a session, without its marker.
fn changes(session: u64, number: u64) -> Vec<Op> {
    let mut rng = ChaCha8Rng::seed_from_u64(session << 32 | number);
    let count = rng.random_range(3..=10);
    (0..count)
        .map(|_| match rng.random_range(0..100) {
            0..13 => Op::Delete {
                kind: DATA,
                key: key(&mut rng),
            },
            13..16 => Op::DeleteRange {
                kind: DATA,
                from: key(&mut rng),
                to: key(&mut rng),
            },
            choice => {
                let key = key(&mut rng);
                let length = if choice < 19 { 6_000..14_000 } else { 100..400 };
                let mut value = vec![0; rng.random_range(length)];
                rng.fill_bytes(&mut value);
                Op::Put {
                    kind: DATA,
                    key,
                    value,
                }
            }
        })
        .collect()
}

fn apply(content: &mut Content, ops: Vec<Op>) {
    for op in ops {
        match op {
            Op::Put { key, value, .. } => drop(content.insert(key, value)),
            Op::Delete { key, .. } => drop(content.remove(&key)),
            Op::DeleteRange { from, to, .. } => content.retain(|key, _| *key < from || *key >= to),
        }
    }
}

/// What a session holds after `batches` batches.
pub(crate) fn expected(session: u64, batches: u64) -> Content {
    let mut content = Content::new();
    let first = if session == DROPPED {
        batches.saturating_sub(1) / DROP_EVERY * DROP_EVERY
    } else {
        0
    };
    (first..batches).for_each(|number| apply(&mut content, changes(session, number)));
    content
}

/// Commits batch `number` and whatever belongs to it.
pub(crate) async fn perform(
    store: &Arc<dyn KeyStore>,
    session: u64,
    number: u64,
) -> Result<(), Error> {
    let ns = name(session);
    if session == DROPPED && number.is_multiple_of(DROP_EVERY) {
        store
            .drop_namespace(&ns, switchboard_keystore::Remains::Nothing)
            .await?;
    }
    if session == TRAVELLER && number > 0 && number.is_multiple_of(TRAVEL_EVERY) {
        travel(store, &ns).await?;
    }
    let mut ops = changes(session, number);
    let value = (number + 1).to_be_bytes().to_vec();
    ops.push(Op::Put {
        kind: MARKER,
        key: b"batches".to_vec(),
        value,
    });
    store.commit(&ns, Epoch(1), ops).await.map(|_durable| ())
}

async fn travel(store: &Arc<dyn KeyStore>, ns: &Namespace) -> Result<(), Error> {
    let key = TransferKey::new([6; 32]);
    let mut export = store.export(ns, &key).await?;
    let mut import = store.import(ns, Epoch(1), &key).await?;
    while let Some(frame) = export.next().await? {
        import.write(&frame).await?;
    }
    import.finish().await?;
    store.promote(ns).await.map(|_durable| ())
}

/// How many batches a session says it holds. `None` when it does not exist.
pub(crate) async fn batches(store: &Arc<dyn KeyStore>, session: u64) -> Result<Option<u64>, Error> {
    let marker = store.get(&name(session), MARKER, b"batches").await?;
    Ok(marker.map(|value| u64::from_be_bytes(value.try_into().expect("a marker is a u64"))))
}

/// Everything but the marker.
pub(crate) async fn content(store: &Arc<dyn KeyStore>, session: u64) -> Result<Content, Error> {
    let page = store
        .scan(&name(session), DATA, ScanRange::all(1_000))
        .await?;
    Ok(page.entries.into_iter().collect())
}

/// Checks every session after a crash: nothing acknowledged is lost, nothing is torn, and at most
/// the one batch under way is there beyond that. Gives the batches found.
pub(crate) async fn check(
    store: &Arc<dyn KeyStore>,
    acknowledged: &[u64],
) -> Result<Vec<u64>, String> {
    let mut found = Vec::new();
    for (session, &acknowledged) in (0..SESSIONS).zip(acknowledged) {
        let words = |error: Error| format!("session {session}: {error}");
        let marker = batches(store, session).await.map_err(words)?;
        let content = content(store, session).await.map_err(words)?;
        let under_way = acknowledged + 1;
        let at = match marker {
            Some(at) => at,
            None if content.is_empty() && may_be_empty(session, acknowledged) => {
                found.push(acknowledged);
                continue;
            }
            None => {
                return Err(format!(
                    "session {session}: lost, {acknowledged} acknowledged"
                ));
            }
        };
        if at < acknowledged || at > under_way {
            return Err(format!(
                "session {session}: at {at}, {acknowledged} acknowledged"
            ));
        }
        if content != expected(session, at) {
            return Err(format!("session {session}: torn at {at}"));
        }
        store.verify(&name(session)).await.map_err(words)?;
        found.push(at);
    }
    let orphans = store.stats().orphans;
    if orphans > 0 {
        return Err(format!("{orphans} trees that no record names"));
    }
    Ok(found)
}

/// A session that was never written, or that was dropped for the batch under way.
fn may_be_empty(session: u64, acknowledged: u64) -> bool {
    acknowledged == 0 || (session == DROPPED && acknowledged.is_multiple_of(DROP_EVERY))
}
