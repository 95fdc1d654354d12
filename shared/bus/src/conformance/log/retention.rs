//! Cases of what streams keep.

use std::time::Duration;

use super::{assert_conflict, assert_nothing, ids, take};
use crate::conformance::{Fixture, eventually};
use crate::{Appended, StreamSpec, SubjectFilter};

pub(in crate::conformance) async fn purge_takes_what_matches_up_to_and_including(f: Fixture) {
    f.open().await;
    f.append("s", "a").await;
    f.append("other", "b").await;
    let third = f.append("s", "c").await;
    f.append("s", "d").await;
    let filter = SubjectFilter::from(f.subject("s"));
    assert_eq!(
        f.bus.log.purge(&f.stream(), &filter, third).await.unwrap(),
        2
    );
    assert_eq!(
        f.bus.log.purge(&f.stream(), &filter, third).await.unwrap(),
        0
    );
    let consumer = f.consumer(&f.reader("r")).await;
    assert_eq!(ids(&take(&*consumer, 2).await), ["b", "d"]);
    assert_eq!(
        f.bus
            .log
            .purge(&f.stream(), &f.names.all_wal(), u64::MAX - 1)
            .await
            .unwrap(),
        2
    );
    assert_nothing(&*consumer).await;
}

pub(in crate::conformance) async fn sequences_are_not_used_again(f: Fixture) {
    f.open().await;
    let seq = f.append("s", "a").await;
    f.bus
        .log
        .purge(&f.stream(), &f.names.all_wal(), seq)
        .await
        .unwrap();
    assert_eq!(
        f.bus.log.last(&f.stream(), &f.subject("s")).await.unwrap(),
        None
    );
    // To the compare-and-set a purged subject is an empty one.
    let next = f.try_append("s", "b", Some(0)).await.unwrap();
    assert!(next.seq > seq, "{next:?} after {seq}");
}

pub(in crate::conformance) async fn a_full_stream_drops_the_oldest(f: Fixture) {
    f.bus
        .log
        .open(&StreamSpec {
            bytes_max: 20_000,
            ..f.spec()
        })
        .await
        .unwrap();
    let (stream, subject) = (f.stream(), f.subject("s"));
    for n in 0..30_u8 {
        let payload = vec![n; 1000].into();
        f.bus
            .log
            .append(&stream, &subject, &n.to_string(), payload, None)
            .await
            .unwrap();
    }
    let consumer = f.consumer(&f.reader("r")).await;
    let events = take(&*consumer, 10).await;
    let first: usize = events[0].id.parse().unwrap();
    assert!((10..20).contains(&first), "the oldest kept is {first}");
    let rest = take(&*consumer, 30 - first - 10).await;
    assert_eq!(rest.last().unwrap().id, "29");
}

pub(in crate::conformance) async fn old_events_go(f: Fixture) {
    let age_max = Duration::from_millis(500);
    f.bus
        .log
        .open(&StreamSpec {
            age_max,
            ..f.spec()
        })
        .await
        .unwrap();
    let first = f.append("s", "a").await;
    eventually(|| async {
        let last = f.bus.log.last(&f.stream(), &f.subject("s")).await.unwrap();
        last.is_none().then_some(())
    })
    .await;
    assert!(f.append("s", "b").await > first);
}

pub(in crate::conformance) async fn opening_again_adopts_the_retention(f: Fixture) {
    f.open().await;
    for n in 0..5_u8 {
        let (stream, subject) = (f.stream(), f.subject("s"));
        let payload = vec![n; 10_000].into();
        f.bus
            .log
            .append(&stream, &subject, &n.to_string(), payload, None)
            .await
            .unwrap();
    }
    f.open().await;
    f.peer
        .log
        .open(&StreamSpec {
            bytes_max: 25_000,
            ..f.spec()
        })
        .await
        .unwrap();
    let consumer = f.consumer(&f.reader("r")).await;
    assert_eq!(ids(&take(&*consumer, 2).await), ["3", "4"]);
}

pub(in crate::conformance) async fn a_stream_keeps_its_subjects(f: Fixture) {
    f.open().await;
    let subjects = f.names.wal_of_tenant("t").unwrap();
    assert_conflict(
        f.bus
            .log
            .open(&StreamSpec {
                subjects,
                ..f.spec()
            })
            .await,
    );
    let appended = f.try_append("s", "a", None).await.unwrap();
    assert_eq!(
        f.try_append("s", "a", None).await.unwrap(),
        Appended {
            duplicate: true,
            ..appended
        }
    );
}

pub(in crate::conformance) async fn streams_do_not_overlap(f: Fixture) {
    f.open().await;
    let other = f.other_cluster();
    let subjects = f.names.wal_of_tenant("t").unwrap();
    assert_conflict(
        f.bus
            .log
            .open(&StreamSpec {
                subjects,
                ..other.spec()
            })
            .await,
    );
    other.open().await;
}
