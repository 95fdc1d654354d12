//! The id of a store: which disk this is.

use std::fs;

use switchboard_keystore::EngineKind;

use crate::{Place, commit, every_engine, master, put, session};

every_engine!(
    all: [ids_tell_stores_apart]
    files: [ids_stay]
);

async fn ids_tell_stores_apart(place: Place) {
    let (one, other) = (place.open().await, Place::new(place.kind));
    let other = other.open().await;
    assert_eq!((one.id().len(), other.id().len()), (32, 32));
    assert_ne!(one.id(), other.id());
}

async fn ids_stay(place: Place) {
    let store = place.open().await;
    let id = store.id().to_owned();
    commit(&store, &session("a"), 1, vec![put("k", "v")]).await;
    let store = place.reopen(store).await;
    assert_eq!(store.id(), id);
    store.rotate_master(master(2)).await.unwrap();
    assert_eq!(store.id(), id, "the key is not the store");
    store.close().await.unwrap();
    drop(store);
    fs::remove_dir_all(place.path().join(match place.kind {
        EngineKind::Sled => "sled",
        _ => "redb",
    }))
    .unwrap();
    assert_ne!(
        place.open().await.id(),
        id,
        "a replaced disk is another store"
    );
}
