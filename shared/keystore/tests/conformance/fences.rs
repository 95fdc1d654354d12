//! Epochs, tombstones, drops, reopening, closing.

use switchboard_keystore::{Epoch, Error, KeyStore, Remains};

use crate::{KIND, Place, commit, every_engine, get, put, session};

every_engine!(
    all: [lower_epochs_are_refused, drops_and_tombstones, closed_is_closed]
    files: [everything_survives_reopening, dropping_without_close_is_harmless]
);

async fn stale(store: &dyn KeyStore, epoch: u64, stored: u64) {
    let error = store
        .commit(&session("a"), Epoch(epoch), vec![put("k", "stale")])
        .await;
    match error.unwrap_err() {
        Error::StaleEpoch {
            given,
            stored: found,
            ..
        } => {
            assert_eq!((given, found), (Epoch(epoch), Epoch(stored)));
        }
        other => panic!("{other}"),
    }
}

async fn lower_epochs_are_refused(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(&store, &ns, 5, vec![put("k", "5")]).await;
    stale(store.as_ref(), 4, 5).await;
    commit(&store, &ns, 5, vec![put("k", "5b")]).await;
    commit(&store, &ns, 7, vec![]).await;
    stale(store.as_ref(), 6, 7).await;
    assert_eq!(store.epoch(&ns).await.unwrap(), Some(Epoch(7)));
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"5b".as_slice())
    );
    commit(&store, &session("b"), 1, vec![]).await;
    // One stale batch in a group does not touch the others.
    let (ns, other) = (session("a"), session("b"));
    let (one, two, three) = tokio::join!(
        store.commit(&ns, Epoch(7), vec![put("x", "1")]),
        store.commit(&ns, Epoch(6), vec![put("x", "2")]),
        store.commit(&other, Epoch(1), vec![put("x", "3")]),
    );
    assert!(one.is_ok() && three.is_ok());
    assert!(matches!(two, Err(Error::StaleEpoch { .. })));
    assert_eq!(
        get(&store, &ns, "x").await.as_deref(),
        Some(b"1".as_slice())
    );
    store.close().await.unwrap();
}

async fn drops_and_tombstones(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(&store, &ns, 5, vec![put("k", "old")]).await;
    let low = store
        .drop_namespace(&ns, Remains::Tombstone(Epoch(4)))
        .await;
    assert!(matches!(low, Err(Error::StaleEpoch { .. })));
    store
        .drop_namespace(&ns, Remains::Tombstone(Epoch(5)))
        .await
        .unwrap();
    assert_eq!(get(&store, &ns, "k").await, None);
    assert_eq!(store.namespaces().await.unwrap(), []);
    assert_eq!(store.epoch(&ns).await.unwrap(), Some(Epoch(5)));
    stale(store.as_ref(), 4, 5).await;
    assert_eq!(store.namespaces().await.unwrap(), []);
    commit(&store, &ns, 6, vec![put("n", "new")]).await;
    assert_eq!(get(&store, &ns, "k").await, None);
    assert_eq!(store.verify(&ns).await.unwrap().entries, 1);
    store.drop_namespace(&ns, Remains::Nothing).await.unwrap();
    store.drop_namespace(&ns, Remains::Nothing).await.unwrap();
    assert_eq!(store.epoch(&ns).await.unwrap(), None);
    commit(&store, &ns, 1, vec![put("k", "again")]).await;
    store
        .drop_namespace(&session("b"), Remains::Tombstone(Epoch(9)))
        .await
        .unwrap();
    assert_eq!(store.epoch(&session("b")).await.unwrap(), Some(Epoch(9)));
    assert_eq!(store.namespaces().await.unwrap(), [ns]);
    store.close().await.unwrap();
}

async fn closed_is_closed(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(&store, &ns, 1, vec![put("k", "v")]).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let closed = [
        store.commit(&ns, Epoch(1), vec![]).await.map(|_| ()),
        store.get(&ns, KIND, b"k").await.map(|_| ()),
        store.namespaces().await.map(|_| ()),
        store.drop_namespace(&ns, Remains::Nothing).await,
        store.promote(&ns).await.map(|_| ()),
    ];
    for result in closed {
        assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    }
    assert_eq!(store.stats().poisoned, None);
}

async fn everything_survives_reopening(place: Place) {
    let mut store = place.open().await;
    let (a, b) = (session("a"), session("b"));
    commit(&store, &b, 8, vec![put("k", "b")]).await;
    store
        .drop_namespace(&b, Remains::Tombstone(Epoch(8)))
        .await
        .unwrap();
    for turn in 0..4_u8 {
        commit(
            &store,
            &a,
            5,
            vec![put("k", [turn]), put([turn], vec![turn; 40_000])],
        )
        .await;
        store = place.reopen(store).await;
        assert_eq!(get(&store, &a, "k").await, Some(vec![turn]));
        assert_eq!(
            store.get(&a, KIND, &[turn]).await.unwrap(),
            Some(vec![turn; 40_000])
        );
        assert_eq!(store.namespaces().await.unwrap(), std::slice::from_ref(&a));
        stale(store.as_ref(), 4, 5).await;
        let verified = store.verify(&a).await.unwrap();
        let turns = u64::from(turn) + 1;
        assert_eq!(
            (verified.sequence, verified.entries),
            (turns, 11 * turns + 1)
        );
        assert_eq!(store.epoch(&b).await.unwrap(), Some(Epoch(8)));
        assert_eq!(store.stats().orphans, 0);
    }
    store.close().await.unwrap();
}

async fn dropping_without_close_is_harmless(place: Place) {
    for turn in 0..5_u8 {
        // The files are free as soon as the committer has ended, which nobody waits for here.
        let store = loop {
            match place.try_open().await {
                Ok(opened) => break opened.store,
                Err(switchboard_keystore::OpenError::Busy { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        let ns = session("a");
        let before = turn.checked_sub(1).map(|turn| vec![turn]);
        assert_eq!(get(&store, &ns, "k").await, before);
        commit(&store, &ns, 1, vec![put("k", [turn])]).await;
    }
}
