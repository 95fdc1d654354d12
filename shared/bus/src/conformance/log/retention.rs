//! Cases of what streams keep.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::assert_conflict;
use crate::conformance::{Fixture, eventually};
use crate::{Appended, EventLogError, Overflow, StreamSpec, SubjectFilter};

/// What a consumer made now would get.
async fn stored(f: &Fixture, round: u32) -> Vec<String> {
    let consumer = f.consumer(&f.reader(&format!("look-{round}"))).await;
    let mut stored = Vec::new();
    loop {
        let events = consumer
            .fetch(50, Duration::from_millis(200))
            .await
            .unwrap();
        if events.is_empty() {
            return stored;
        }
        stored.extend(events.into_iter().map(|event| event.id));
    }
}

/// Waits until consumers get exactly `expected`: in a cluster each server removes messages in its own time.
async fn until_stored(f: &Fixture, expected: &[&str]) {
    let round = AtomicU32::new(0);
    eventually(|| async {
        let stored = stored(f, round.fetch_add(1, Ordering::Relaxed)).await;
        assert!(
            expected
                .iter()
                .all(|id| stored.iter().any(|other| other == id)),
            "{stored:?}"
        );
        (stored == expected).then_some(())
    })
    .await;
}

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
    until_stored(&f, &["b", "d"]).await;
    assert_eq!(
        f.bus
            .log
            .purge(&f.stream(), &f.names.all_wal(), u64::MAX - 1)
            .await
            .unwrap(),
        2
    );
    until_stored(&f, &[]).await;
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
    let round = AtomicU32::new(0);
    let kept = eventually(|| async {
        let stored = stored(&f, round.fetch_add(1, Ordering::Relaxed)).await;
        (stored.len() < 20).then_some(stored)
    })
    .await;
    // The newest, without a gap, and about as many as fit.
    let first = 30 - kept.len();
    assert!((10..20).contains(&first), "{kept:?}");
    assert_eq!(kept, (first..30).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub(in crate::conformance) async fn a_full_stream_that_keeps_refuses(f: Fixture) {
    let spec = StreamSpec {
        bytes_max: 20_000,
        overflow: Overflow::Refuse,
        age_max: None,
        ..f.spec()
    };
    f.bus.log.open(&spec).await.unwrap();
    let (stream, subject) = (f.stream(), f.subject("s"));
    let append = |n: u8, last: u64| {
        let (f, stream, subject) = (&f, &stream, &subject);
        let payload = vec![n; 1000].into();
        async move {
            let id = n.to_string();
            f.bus
                .log
                .append(stream, subject, &id, payload, Some(last))
                .await
        }
    };
    let (mut last, mut kept) = (0, 0_u8);
    let error = loop {
        match append(kept, last).await {
            Ok(appended) => last = appended.seq,
            Err(error) => break error,
        }
        kept += 1;
    };
    assert!(matches!(error, EventLogError::Full { .. }), "{error:?}");
    assert!(error.certainly_not_executed());
    assert!((10..20).contains(&kept), "{kept}");
    let found = f.peer.log.read(&stream, &subject, 0, 50).await.unwrap();
    assert_eq!(found.len(), usize::from(kept), "nothing went");
    let first = found[0].seq;
    let filter = SubjectFilter::from(subject.clone());
    f.bus.log.purge(&stream, &filter, first).await.unwrap();
    // With another id: that of what was refused may be spent.
    let appended = eventually(|| async { append(kept + 1, last).await.ok() }).await;
    assert!(!appended.duplicate && appended.seq > last, "{appended:?}");
    f.bus
        .log
        .open(&StreamSpec {
            bytes_max: 40_000,
            ..spec
        })
        .await
        .unwrap();
    append(kept + 2, appended.seq).await.unwrap();
}

pub(in crate::conformance) async fn old_events_go(f: Fixture) {
    let age_max = Duration::from_millis(500);
    f.bus
        .log
        .open(&StreamSpec {
            age_max: Some(age_max),
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
    until_stored(&f, &["3", "4"]).await;
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
