//! Export, import, staging, promotion; between engines and between master keys.

use std::sync::Arc;

use switchboard_keystore::{
    Config, EngineKind, Epoch, Error, KeyStore, Namespace, Remains, ScanRange, TransferKey,
    convert, open,
};

use crate::{KIND, Place, commit, delete, every_engine, get, master, put, session, transfer};

every_engine!(
    all: [trees_travel, bad_frames_are_refused, exports_notice_commits, staging_is_fenced, empty_trees_travel, stores_convert]
    files: [staging_survives_reopening]
);

/// Another store, with another master key.
async fn target() -> Arc<dyn KeyStore> {
    open(Config::new("", EngineKind::Memory, master(2)))
        .await
        .unwrap()
        .store
}

async fn filled(place: &Place, ns: &Namespace) -> Arc<dyn KeyStore> {
    let store = place.open().await;
    for batch in 0..10_u8 {
        let ops = (0..20_u8)
            .map(|at| put([batch, at], vec![at; 300]))
            .collect();
        commit(&store, ns, 3, ops).await;
    }
    commit(
        &store,
        ns,
        3,
        vec![put("large", vec![7; 500_000]), delete("never")],
    )
    .await;
    store
}

async fn frames(store: &Arc<dyn KeyStore>, ns: &Namespace) -> Vec<Vec<u8>> {
    let mut export = store.export(ns, &transfer()).await.unwrap();
    let mut frames = Vec::new();
    assert_eq!(export.report(), None);
    while let Some(frame) = export.next().await.unwrap() {
        assert!(frame.len() <= switchboard_keystore::FRAME_BYTES_MAX);
        frames.push(frame.to_vec());
    }
    let report = export.report().unwrap();
    assert_eq!(
        (report.frames as usize, report.source_epoch),
        (frames.len(), Epoch(3))
    );
    frames
}

async fn receive(
    store: &Arc<dyn KeyStore>,
    ns: &Namespace,
    epoch: u64,
    key: &TransferKey,
    frames: &[Vec<u8>],
) -> Result<switchboard_keystore::TransferReport, Error> {
    let mut import = store.import(ns, Epoch(epoch), key).await?;
    for frame in frames {
        import.write(frame).await?;
    }
    import.finish().await
}

#[expect(clippy::cognitive_complexity, reason = "one journey, step by step")]
async fn trees_travel(place: Place) {
    let ns = session("a");
    let (source, target) = (filled(&place, &ns).await, target().await);
    let mut export = source.export(&ns, &transfer()).await.unwrap();
    let mut import = target.import(&ns, Epoch(4), &transfer()).await.unwrap();
    while let Some(frame) = export.next().await.unwrap() {
        import.write(&frame).await.unwrap();
    }
    let report = import.finish().await.unwrap();
    assert_eq!(Some(report), export.report());
    assert_eq!(report.entries, 200 + 1 + 123);
    assert!(report.frames > 3);

    assert_eq!(target.namespaces().await.unwrap(), []);
    assert_eq!(get(&target, &ns, "large").await, None);
    assert_eq!(target.staged().await.unwrap()[0].epoch, Epoch(4));
    assert_eq!(target.promote(&ns).await.unwrap().epoch(), Epoch(4));
    assert_eq!(target.staged().await.unwrap(), []);
    assert_eq!(target.epoch(&ns).await.unwrap(), Some(Epoch(4)));
    let verified = target.verify(&ns).await.unwrap();
    assert_eq!(
        (verified.entries, verified.bytes),
        (report.entries, report.bytes)
    );
    let all = ScanRange::all(2_000);
    assert_eq!(
        source.scan(&ns, KIND, all.clone()).await.unwrap(),
        target.scan(&ns, KIND, all).await.unwrap(),
    );
    // And back, over the tree that is still there.
    commit(&target, &ns, 4, vec![put("large", "small")]).await;
    let mut export = target.export(&ns, &transfer()).await.unwrap();
    let mut import = source.import(&ns, Epoch(5), &transfer()).await.unwrap();
    while let Some(frame) = export.next().await.unwrap() {
        import.write(&frame).await.unwrap();
    }
    import.finish().await.unwrap();
    assert_eq!(get(&source, &ns, "large").await, Some(vec![7; 500_000]));
    source.promote(&ns).await.unwrap();
    assert_eq!(
        get(&source, &ns, "large").await.as_deref(),
        Some(b"small".as_slice())
    );
    assert_eq!(source.verify(&ns).await.unwrap().entries, 201);
    assert_eq!(source.stats().namespaces, 1);
    source.close().await.unwrap();
    target.close().await.unwrap();
}

/// Leaves an entry out of a data frame, as somebody without any key could.
fn drop_last_entry(frame: &mut Vec<u8>) {
    let number = |at: usize, length: usize| {
        frame[at..at + length]
            .iter()
            .fold(0, |sum, byte| sum * 256 + usize::from(*byte))
    };
    let count = number(5, 4);
    let mut at = 9;
    for _ in 1..count {
        at += 2 + number(at, 2);
        at += 4 + number(at, 4);
    }
    frame.truncate(at);
    frame[5..9].copy_from_slice(&u32::try_from(count - 1).unwrap().to_be_bytes());
}

async fn bad_frames_are_refused(place: Place) {
    let ns = session("a");
    let (source, target) = (filled(&place, &ns).await, target().await);
    let good = frames(&source, &ns).await;
    let refused = async |ns: &Namespace, epoch, key: &TransferKey, frames: &[Vec<u8>]| {
        let error = receive(&target, ns, epoch, key, frames).await.unwrap_err();
        assert!(matches!(error, Error::BadImport { .. }), "{error}");
        assert!(matches!(target.promote(ns).await, Err(Error::NotStaged(_))));
        assert_eq!(target.staged().await.unwrap(), []);
    };
    refused(&ns, 3, &TransferKey::new([4; 32]), &good).await;
    refused(&session("b"), 3, &transfer(), &good).await;
    refused(&ns, 2, &transfer(), &good).await;
    refused(&ns, 3, &transfer(), &good[..good.len() - 1]).await;
    refused(&ns, 3, &transfer(), &good[1..]).await;
    refused(&ns, 3, &transfer(), &[]).await;
    let without = |at: usize| {
        let mut frames = good.clone();
        frames.remove(at);
        frames
    };
    refused(&ns, 3, &transfer(), &without(1)).await;
    refused(&ns, 3, &transfer(), &without(2)).await;
    let mut swapped = good.clone();
    swapped.swap(1, 2);
    refused(&ns, 3, &transfer(), &swapped).await;
    let mut thinned = good.clone();
    drop_last_entry(&mut thinned[1]);
    refused(&ns, 3, &transfer(), &thinned).await;
    // A trailer of another export of the same tree.
    let mut mixed = good.clone();
    *mixed.last_mut().unwrap() = frames(&source, &ns).await.pop().unwrap();
    refused(&ns, 3, &transfer(), &mixed).await;
    for frame in 0..good.len() {
        for part in 0..2 {
            let mut damaged = good.clone();
            let at = (damaged[frame].len() - 1) * part;
            damaged[frame][at] ^= 0x10;
            refused(&ns, 3, &transfer(), &damaged).await;
        }
    }
    receive(&target, &ns, 3, &transfer(), &good).await.unwrap();
    target.promote(&ns).await.unwrap();
    assert_eq!(target.verify(&ns).await.unwrap().entries, 324);
    source.close().await.unwrap();
    target.close().await.unwrap();
}

async fn exports_notice_commits(place: Place) {
    let ns = session("a");
    let store = filled(&place, &ns).await;
    let mut export = store.export(&ns, &transfer()).await.unwrap();
    export.next().await.unwrap();
    export.next().await.unwrap();
    commit(&store, &ns, 3, vec![put("late", "x")]).await;
    assert!(matches!(
        export.next().await,
        Err(Error::ChangedDuringExport(_))
    ));
    let mut export = store.export(&ns, &transfer()).await.unwrap();
    export.next().await.unwrap();
    store.drop_namespace(&ns, Remains::Nothing).await.unwrap();
    assert!(matches!(export.next().await, Err(Error::Retired(_))));
    let unknown = store.export(&ns, &transfer()).await;
    assert!(matches!(unknown, Err(Error::UnknownNamespace(_))));
    store.close().await.unwrap();
}

async fn staging_is_fenced(place: Place) {
    let ns = session("a");
    let (source, target) = (filled(&place, &ns).await, target().await);
    let good = frames(&source, &ns).await;
    commit(&target, &ns, 6, vec![put("k", "v")]).await;
    let low = receive(&target, &ns, 5, &transfer(), &good).await;
    assert!(matches!(low, Err(Error::StaleEpoch { .. })));
    receive(&target, &ns, 6, &transfer(), &good).await.unwrap();
    commit(&target, &ns, 7, vec![]).await;
    assert!(matches!(
        target.promote(&ns).await,
        Err(Error::StaleEpoch { .. })
    ));
    target.discard_staging(&ns).await.unwrap();
    target.discard_staging(&ns).await.unwrap();
    assert!(matches!(
        target.promote(&ns).await,
        Err(Error::NotStaged(_))
    ));
    // A second import takes the place of the first, which cannot finish any more.
    let mut first = target.import(&ns, Epoch(7), &transfer()).await.unwrap();
    first.write(&good[0]).await.unwrap();
    receive(&target, &ns, 7, &transfer(), &good).await.unwrap();
    assert!(matches!(
        first.write(&good[1]).await,
        Err(Error::Retired(_))
    ));
    assert_eq!(
        get(&target, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    target.promote(&ns).await.unwrap();
    assert_eq!(get(&target, &ns, "k").await, None);
    assert_eq!(target.verify(&ns).await.unwrap().entries, 324);
    source.close().await.unwrap();
    target.close().await.unwrap();
}

async fn empty_trees_travel(place: Place) {
    let ns = session("a");
    let (source, target) = (place.open().await, target().await);
    commit(&source, &ns, 3, vec![]).await;
    let all = frames(&source, &ns).await;
    assert_eq!(all.len(), 2);
    receive(&target, &ns, 3, &transfer(), &all).await.unwrap();
    target.promote(&ns).await.unwrap();
    assert_eq!(target.epoch(&ns).await.unwrap(), Some(Epoch(3)));
    source.close().await.unwrap();
    target.close().await.unwrap();
}

async fn staging_survives_reopening(place: Place) {
    let (ns, away) = (session("a"), Place::new(EngineKind::Memory));
    let source = filled(&away, &ns).await;
    let good = frames(&source, &ns).await;
    let mut store = place.open().await;
    receive(&store, &ns, 4, &transfer(), &good).await.unwrap();
    store = place.reopen(store).await;
    assert_eq!(store.staged().await.unwrap().len(), 1);
    // Unfinished ones go away, and take the place of finished ones at their first frame.
    let mut import = store.import(&ns, Epoch(4), &transfer()).await.unwrap();
    import.write(&good[0]).await.unwrap();
    import.write(&good[1]).await.unwrap();
    drop(import);
    store = place.reopen(store).await;
    assert_eq!(
        (store.staged().await.unwrap().len(), store.stats().orphans),
        (0, 0)
    );
    receive(&store, &ns, 4, &transfer(), &good).await.unwrap();
    store = place.reopen(store).await;
    store.promote(&ns).await.unwrap();
    store = place.reopen(store).await;
    assert_eq!(store.verify(&ns).await.unwrap().entries, 324);
    assert_eq!(get(&store, &ns, "large").await, Some(vec![7; 500_000]));
    assert_eq!(store.epoch(&ns).await.unwrap(), Some(Epoch(4)));
    store.close().await.unwrap();
    source.close().await.unwrap();
}

async fn stores_convert(place: Place) {
    let (ns, dropped, again) = (session("a"), session("b"), session("c"));
    let (source, target) = (filled(&place, &ns).await, target().await);
    source
        .drop_namespace(&dropped, Remains::Tombstone(Epoch(8)))
        .await
        .unwrap();
    source
        .drop_namespace(&again, Remains::Tombstone(Epoch(2)))
        .await
        .unwrap();
    commit(&source, &again, 4, vec![put("k", "v")]).await;
    for _twice in 0..2 {
        let count = convert(source.as_ref(), target.as_ref()).await.unwrap();
        assert_eq!(count, 2);
        assert_eq!(
            target.namespaces().await.unwrap(),
            [ns.clone(), again.clone()]
        );
        assert_eq!(
            target.tombstones().await.unwrap(),
            source.tombstones().await.unwrap()
        );
        assert_eq!(target.verify(&ns).await.unwrap().entries, 324);
        assert_eq!(target.epoch(&again).await.unwrap(), Some(Epoch(4)));
        assert_eq!(
            get(&target, &again, "k").await.as_deref(),
            Some(b"v".as_slice())
        );
        assert_eq!(target.staged().await.unwrap(), []);
    }
    commit(&target, &again, 5, vec![]).await;
    let older = convert(source.as_ref(), target.as_ref()).await;
    assert!(matches!(older, Err(Error::StaleEpoch { .. })));
    source.close().await.unwrap();
    target.close().await.unwrap();
}
