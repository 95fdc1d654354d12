//! Batches, reads, order, limits, large values.

use std::ops::Bound;
use std::sync::Arc;

use switchboard_keystore::{
    BATCH_OPS_MAX, Epoch, Error, KEY_BYTES_MAX, Kind, MULTI_GET_MAX, Namespace, Op, Page,
    ScanRange, VALUE_BYTES_MAX,
};

use crate::{KIND, Place, commit, delete, delete_range, every_engine, get, put, session};

every_engine!(
    all: [values_come_back, kinds_and_namespaces_are_apart, scans_keep_order, batches_apply_in_order, large_values, limits_are_refused, many_at_once, unknown_is_empty, pages_end_by_bytes, reads_are_of_one_moment]
    files: []
);

async fn values_come_back(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(
        &store,
        &ns,
        1,
        vec![put("k", "v"), put("", ""), put([0, 255, 0], [0; 300])],
    )
    .await;
    assert_eq!(
        get(&store, &ns, "k").await.as_deref(),
        Some(b"v".as_slice())
    );
    assert_eq!(get(&store, &ns, "").await.as_deref(), Some(b"".as_slice()));
    assert_eq!(get(&store, &ns, "other").await, None);
    commit(&store, &ns, 1, vec![put("k", "w"), delete("")]).await;
    let keys = vec![b"".to_vec(), b"k".to_vec(), vec![0, 255, 0], b"k".to_vec()];
    let found = store.multi_get(&ns, KIND, &keys).await.unwrap();
    let expected = [
        None,
        Some(b"w".to_vec()),
        Some(vec![0; 300]),
        Some(b"w".to_vec()),
    ];
    assert_eq!(found, expected);
    let verified = store.verify(&ns).await.unwrap();
    assert_eq!((verified.entries, verified.sequence), (2, 2));
    store.close().await.unwrap();
}

async fn kinds_and_namespaces_are_apart(place: Place) {
    let store = place.open().await;
    let (one, two, node) = (
        session("a"),
        session("ab"),
        Namespace::node("facts").unwrap(),
    );
    let key = || b"k".to_vec();
    for (ns, value) in [(&one, 1), (&two, 2), (&node, 3)] {
        let ops = [0, 6, 7, 8, 255].map(|kind| Op::Put {
            kind: Kind(kind),
            key: key(),
            value: vec![value, kind],
        });
        commit(&store, ns, 1, ops.into()).await;
    }
    commit(&store, &two, 1, vec![delete_range("", "z")]).await;
    for (ns, value, kinds) in [(&one, 1, 5), (&two, 2, 4), (&node, 3, 5)] {
        let mut found = 0;
        for kind in [0, 6, 7, 8, 255] {
            if let Some(stored) = store.get(ns, Kind(kind), b"k").await.unwrap() {
                assert_eq!(stored, [value, kind]);
                found += 1;
            }
        }
        assert_eq!(found, kinds, "{ns}");
        let page = store.scan(ns, Kind(255), ScanRange::all(10)).await.unwrap();
        assert_eq!(page.entries, [(key(), vec![value, 255])]);
    }
    assert_eq!(store.namespaces().await.unwrap(), [node, one, two]);
    store.close().await.unwrap();
}

fn names(page: &Page) -> String {
    let keys: Vec<_> = page
        .entries
        .iter()
        .map(|(key, _)| String::from_utf8_lossy(key))
        .collect();
    format!("{}{}", keys.join(" "), if page.more { " .." } else { "" })
}

async fn scans_keep_order(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    let ops = ["b", "a", "ba", "c", "bb", "\u{7f}"].map(|key| put(key, key));
    commit(&store, &ns, 1, ops.into()).await;
    let other = Op::Put {
        kind: Kind(KIND.0 + 1),
        key: b"x".to_vec(),
        value: b"x".to_vec(),
    };
    commit(&store, &ns, 1, vec![other]).await;
    let text = |text: &str| text.as_bytes().to_vec();
    let check = async |from, to, reverse, limit, expected: &str| {
        let range = ScanRange {
            from,
            to,
            reverse,
            limit,
        };
        let page = store.scan(&ns, KIND, range.clone()).await.unwrap();
        assert_eq!(names(&page), expected, "{range:?}");
    };
    let (open, included, excluded) = (Bound::Unbounded, Bound::Included, Bound::Excluded);
    check(open.clone(), open.clone(), false, 100, "a b ba bb c \u{7f}").await;
    check(open.clone(), open.clone(), true, 100, "\u{7f} c bb ba b a").await;
    check(open.clone(), open.clone(), false, 2, "a b ..").await;
    check(open.clone(), open.clone(), true, 2, "\u{7f} c ..").await;
    check(open.clone(), open.clone(), false, 6, "a b ba bb c \u{7f}").await;
    check(
        open.clone(),
        open.clone(),
        false,
        5_000,
        "a b ba bb c \u{7f}",
    )
    .await;
    check(
        included(text("b")),
        excluded(text("c")),
        false,
        9,
        "b ba bb",
    )
    .await;
    check(
        excluded(text("b")),
        included(text("c")),
        false,
        9,
        "ba bb c",
    )
    .await;
    check(excluded(text("b")), included(text("c")), true, 2, "c bb ..").await;
    check(excluded(text("b")), excluded(text("b")), false, 9, "").await;
    check(included(text("c")), included(text("b")), false, 9, "").await;
    check(included(text("c")), included(text("c")), false, 9, "c").await;
    let page = store
        .scan(&ns, KIND, ScanRange::prefix(b"b", 9))
        .await
        .unwrap();
    assert_eq!(names(&page), "b ba bb");
    let page = store
        .scan(&ns, KIND, ScanRange::prefix(&[255], 9))
        .await
        .unwrap();
    assert_eq!(names(&page), "");
    store.close().await.unwrap();
}

async fn batches_apply_in_order(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    commit(
        &store,
        &ns,
        1,
        vec![put("a", "1"), put("b", "1"), put("c", "1"), put("d", "1")],
    )
    .await;
    let ops = vec![
        put("bb", "2"),
        put("x", "2"),
        delete_range("b", "d"),
        put("b", "3"),
        delete("x"),
        delete("never"),
        put("a", "2"),
        put("a", "3"),
        delete_range("z", "a"),
        delete_range("d", "d"),
    ];
    commit(&store, &ns, 1, ops).await;
    let page = store.scan(&ns, KIND, ScanRange::all(100)).await.unwrap();
    let expected = [("a", "3"), ("b", "3"), ("d", "1")];
    assert_eq!(
        page.entries,
        expected.map(|(key, value)| (key.into(), value.into()))
    );
    assert_eq!(store.verify(&ns).await.unwrap().entries, 3);
    store.close().await.unwrap();
}

async fn large_values(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    let value = |size: usize| (0..size).map(|at| (at % 251) as u8).collect::<Vec<u8>>();
    for size in [
        0,
        32 << 10,
        (32 << 10) + 1,
        64 << 10,
        200_000,
        1 << 20,
        5,
        100_000,
        70_000,
    ] {
        commit(
            &store,
            &ns,
            1,
            vec![put("big", value(size)), put("bi", "x"), put("bigg", "y")],
        )
        .await;
        assert_eq!(get(&store, &ns, "big").await, Some(value(size)), "{size}");
    }
    // 70,000 bytes: a head and 18 parts, nothing left of the larger ones before.
    assert_eq!(store.verify(&ns).await.unwrap().entries, 2 + 1 + 18);
    let page = store.scan(&ns, KIND, ScanRange::all(10)).await.unwrap();
    assert_eq!(page.entries[1], (b"big".to_vec(), value(70_000)));
    commit(
        &store,
        &ns,
        1,
        vec![put("big2", value(90_000)), delete_range("big", "bigg")],
    )
    .await;
    assert_eq!(store.verify(&ns).await.unwrap().entries, 2);
    commit(
        &store,
        &ns,
        1,
        vec![put("big", value(90_000)), delete("big")],
    )
    .await;
    assert_eq!(store.verify(&ns).await.unwrap().entries, 2);
    store.close().await.unwrap();
    let blobs = place.path().join("sled/blobs");
    if blobs.exists() {
        assert_eq!(
            std::fs::read_dir(blobs).unwrap().count(),
            0,
            "sled used a blob file (R-1)"
        );
    }
}

async fn limits_are_refused(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    let refused = async |ops: Vec<Op>| {
        let error = store.commit(&ns, Epoch(1), ops).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        assert!(error.certainly_not_stored());
    };
    refused(vec![put(vec![0; KEY_BYTES_MAX + 1], "")]).await;
    refused(vec![put("", vec![0; VALUE_BYTES_MAX + 1])]).await;
    refused(vec![put("", vec![0; VALUE_BYTES_MAX]); 3]).await;
    refused(vec![delete("x"); BATCH_OPS_MAX + 1]).await;
    let keys = vec![Vec::new(); MULTI_GET_MAX + 1];
    assert!(matches!(
        store.multi_get(&ns, KIND, &keys).await,
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(store.namespaces().await.unwrap(), []);
    commit(&store, &ns, 1, vec![put(vec![7; KEY_BYTES_MAX], "long")]).await;
    let found = store.get(&ns, KIND, &[7; KEY_BYTES_MAX]).await.unwrap();
    assert_eq!(found.as_deref(), Some(b"long".as_slice()));
    store.close().await.unwrap();
}

async fn many_at_once(place: Place) {
    let store = place.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16_u8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let ns = session(&format!("s{}", task % 8));
            for turn in 0..10_u8 {
                let ops = vec![put([task, turn], [turn]), put([task, 255], [turn])];
                store.commit(&ns, Epoch(1), ops).await.unwrap();
                let last = store.get(&ns, KIND, &[task, 255]).await.unwrap();
                assert_eq!(last, Some(vec![turn]), "own commit is visible");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let stats = store.stats();
    assert_eq!((stats.batches, stats.namespaces, stats.queued), (160, 8, 0));
    assert!(stats.groups <= stats.batches);
    for ns in store.namespaces().await.unwrap() {
        let verified = store.verify(&ns).await.unwrap();
        assert_eq!((verified.entries, verified.sequence), (22, 20));
    }
    store.close().await.unwrap();
}

async fn unknown_is_empty(place: Place) {
    let (store, ns) = (place.open().await, session("nobody"));
    assert_eq!(get(&store, &ns, "k").await, None);
    assert_eq!(
        store
            .multi_get(&ns, KIND, &[vec![1], vec![2]])
            .await
            .unwrap(),
        [None, None]
    );
    assert_eq!(
        store.scan(&ns, KIND, ScanRange::all(9)).await.unwrap(),
        Page::default()
    );
    assert_eq!(store.epoch(&ns).await.unwrap(), None);
    assert!(matches!(
        store.verify(&ns).await,
        Err(Error::UnknownNamespace(_))
    ));
    assert_eq!(store.namespaces().await.unwrap(), []);
    store.close().await.unwrap();
}

async fn pages_end_by_bytes(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    for key in ["a", "b", "c", "d"] {
        commit(&store, &ns, 1, vec![put(key, vec![1; 4 << 20])]).await;
    }
    let page = store.scan(&ns, KIND, ScanRange::all(4)).await.unwrap();
    assert_eq!(names(&page), "a b ..");
    store.close().await.unwrap();
}

async fn reads_are_of_one_moment(place: Place) {
    let (store, ns) = (place.open().await, session("a"));
    let mut writer = tokio::task::JoinSet::new();
    let (theirs, name) = (Arc::clone(&store), ns.clone());
    writer.spawn(async move {
        for turn in 0..80_u32 {
            let value = turn.to_be_bytes();
            // Many keys between the two, so that a torn read has time to happen.
            let mut ops: Vec<Op> = (0..60_u8).map(|key| put([b'm', key], value)).collect();
            ops.insert(0, put("a", value));
            ops.push(put("z", value));
            theirs.commit(&name, Epoch(1), ops).await.unwrap();
        }
    });
    while writer.try_join_next().is_none() {
        let found = store
            .multi_get(&ns, KIND, &[b"a".to_vec(), b"z".to_vec()])
            .await
            .unwrap();
        assert_eq!(found[0], found[1]);
        let page = store.scan(&ns, KIND, ScanRange::all(200)).await.unwrap();
        assert!(page.entries.windows(2).all(|pair| pair[0].1 == pair[1].1));
        tokio::task::yield_now().await;
    }
    assert_eq!(
        get(&store, &ns, "a").await,
        Some(79_u32.to_be_bytes().to_vec())
    );
    store.close().await.unwrap();
}
