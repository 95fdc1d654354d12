//! Cases of what consumers get.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ack_all, assert_conflict, assert_nothing, ids, take, take_one};
use crate::conformance::{Fixture, LONG, eventually};
use crate::{ConsumerName, ConsumerSpec, SubjectFilter};

pub(in crate::conformance) async fn events_come_in_order_with_their_ids(f: Fixture) {
    f.open().await;
    let seqs = [f.append("s", "a").await, f.append("other", "b").await];
    let consumer = f.consumer(&f.reader("r")).await;
    let third = f.append("s", "c").await;
    let events = take(&*consumer, 3).await;
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.seq,
                event.subject.clone(),
                event.id.as_str(),
                event.attempt,
            )
        })
        .collect();
    let (ours, other) = (f.subject("s"), f.subject("other"));
    let expected = [
        (seqs[0], ours.clone(), "a", 1),
        (seqs[1], other, "b", 1),
        (third, ours, "c", 1),
    ];
    assert_eq!(seen, expected);
    assert!(events.iter().all(|event| event.payload == event.id));
    assert!(seqs[0] < seqs[1] && seqs[1] < third);
}

pub(in crate::conformance) async fn a_consumer_sees_its_filter_only(f: Fixture) {
    f.open().await;
    let filter = SubjectFilter::from(f.subject("s"));
    let spec = ConsumerSpec::new(ConsumerName::new("r").unwrap(), filter);
    let consumer = f.consumer(&spec).await;
    for (session, id) in [("other", "a"), ("s", "b"), ("other", "c"), ("s", "d")] {
        f.append(session, id).await;
    }
    assert_eq!(ids(&take(&*consumer, 2).await), ["b", "d"]);
    assert_nothing(&*consumer).await;
}

pub(in crate::conformance) async fn an_acknowledged_event_does_not_come_again(f: Fixture) {
    f.open().await;
    let spec = ConsumerSpec {
        ack_wait: Duration::from_millis(500),
        ..f.reader("r")
    };
    let consumer = f.consumer(&spec).await;
    for id in ["a", "b", "c"] {
        f.append("s", id).await;
    }
    let events = take(&*consumer, 3).await;
    // Out of order, with a gap.
    events[2].ack().await.unwrap();
    events[0].ack().await.unwrap();
    drop(consumer);
    let consumer = f.consumer(&spec).await;
    let again = take_one(&*consumer).await;
    assert_eq!((again.id.as_str(), again.attempt), ("b", 2));
    again.ack().await.unwrap();
    // Acknowledging twice is no error.
    again.ack().await.unwrap();
    f.append("s", "d").await;
    assert_eq!(take_one(&*consumer).await.id, "d");
}

pub(in crate::conformance) async fn a_refused_event_comes_again(f: Fixture) {
    f.open().await;
    let consumer = f.consumer(&f.reader("r")).await;
    f.append("s", "a").await;
    for attempt in 1..4 {
        let event = take_one(&*consumer).await;
        assert_eq!((event.id.as_str(), event.attempt), ("a", attempt));
        event.nak(Duration::ZERO).await.unwrap();
    }
}

pub(in crate::conformance) async fn a_refused_event_comes_again_later(f: Fixture) {
    f.open().await;
    let consumer = f.consumer(&f.reader("r")).await;
    f.append("s", "a").await;
    take_one(&*consumer)
        .await
        .nak(Duration::from_millis(700))
        .await
        .unwrap();
    f.append("s", "b").await;
    // It does not hold up what comes behind it.
    assert_eq!(take_one(&*consumer).await.id, "b");
    let event = take_one(&*consumer).await;
    assert_eq!((event.id.as_str(), event.attempt), ("a", 2));
}

pub(in crate::conformance) async fn a_forgotten_event_comes_again(f: Fixture) {
    f.open().await;
    let spec = ConsumerSpec {
        ack_wait: Duration::from_millis(300),
        ..f.reader("r")
    };
    let consumer = f.consumer(&spec).await;
    f.append("s", "a").await;
    drop(take_one(&*consumer).await);
    let event = take_one(&*consumer).await;
    assert_eq!((event.id.as_str(), event.attempt), ("a", 2));
    event.ack().await.unwrap();
    assert_nothing(&*consumer).await;
}

pub(in crate::conformance) async fn an_event_is_given_up_after_its_deliveries(f: Fixture) {
    f.open().await;
    let spec = ConsumerSpec {
        deliveries_max: Some(2),
        ..f.reader("r")
    };
    let consumer = f.consumer(&spec).await;
    f.append("s", "a").await;
    for attempt in 1..=2 {
        let event = take_one(&*consumer).await;
        assert_eq!((event.id.as_str(), event.attempt), ("a", attempt));
        event.nak(Duration::ZERO).await.unwrap();
    }
    assert_nothing(&*consumer).await;
    f.append("s", "b").await;
    assert_eq!(take_one(&*consumer).await.id, "b");
}

pub(in crate::conformance) async fn unacknowledged_events_are_limited(f: Fixture) {
    f.open().await;
    let spec = ConsumerSpec {
        unacknowledged_max: 2,
        ..f.reader("r")
    };
    let consumer = f.consumer(&spec).await;
    for id in ["a", "b", "c", "d"] {
        f.append("s", id).await;
    }
    let events = take(&*consumer, 2).await;
    assert_eq!(ids(&events), ["a", "b"]);
    assert_nothing(&*consumer).await;
    events[0].ack().await.unwrap();
    assert_eq!(take_one(&*consumer).await.id, "c");
    assert_nothing(&*consumer).await;
}

pub(in crate::conformance) async fn fetch_without_events_is_empty(f: Fixture) {
    f.open().await;
    let consumer = f.consumer(&f.reader("r")).await;
    for wait in [Duration::ZERO, Duration::from_millis(50)] {
        assert!(consumer.fetch(10, wait).await.unwrap().is_empty());
    }
    f.append("s", "a").await;
    // What is there comes without waiting; nothing asked for is nothing special.
    assert_eq!(
        eventually(|| async { consumer.fetch(0, Duration::ZERO).await.unwrap().pop() })
            .await
            .id,
        "a"
    );
}

pub(in crate::conformance) async fn fetch_wakes_when_an_event_comes(f: Fixture) {
    f.open().await;
    let consumer = f.consumer(&f.reader("r")).await;
    let (fetched, ()) = tokio::join!(consumer.fetch(10, LONG), async {
        // Once it is certain that the fetch has begun to wait, or has had every chance to.
        tokio::task::yield_now().await;
        f.append("s", "a").await;
    });
    assert_eq!(ids(&fetched.unwrap()), ["a"]);
}

pub(in crate::conformance) async fn fetch_returns_at_most_max(f: Fixture) {
    f.open().await;
    let consumer = f.consumer(&f.reader("r")).await;
    let wanted: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    for id in &wanted {
        f.append("s", id).await;
    }
    let mut seen = Vec::new();
    while seen.len() < wanted.len() {
        let events = consumer.fetch(10, LONG).await.unwrap();
        assert!((1..=10).contains(&events.len()), "{}", events.len());
        ack_all(&events).await;
        seen.extend(events.into_iter().map(|event| event.id));
    }
    assert_eq!(seen, wanted);
}

pub(in crate::conformance) async fn two_handles_share_the_events(f: Fixture) {
    f.open().await;
    let (first, second) = (
        f.consumer(&f.reader("r")).await,
        f.consumer(&f.reader("r")).await,
    );
    let mut wanted = BTreeSet::new();
    for n in 0..10 {
        f.append("s", &n.to_string()).await;
        wanted.insert(n.to_string());
    }
    let mut seen = Vec::new();
    while seen.len() < wanted.len() {
        for handle in [&first, &second] {
            let events = handle.fetch(1, Duration::from_millis(50)).await.unwrap();
            ack_all(&events).await;
            seen.extend(events.into_iter().map(|event| event.id));
        }
    }
    assert_eq!(seen.len(), wanted.len());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), wanted);
}

pub(in crate::conformance) async fn consumers_are_independent(f: Fixture) {
    f.open().await;
    f.append("s", "a").await;
    let first = f.consumer(&f.reader("first")).await;
    ack_all(&take(&*first, 1).await).await;
    let second = f.consumer(&f.reader("second")).await;
    assert_eq!(take_one(&*second).await.id, "a");
}

pub(in crate::conformance) async fn a_consumer_keeps_its_filter(f: Fixture) {
    f.open().await;
    f.consumer(&f.reader("r")).await;
    let other = ConsumerSpec {
        filter: f.subject("s").into(),
        ..f.reader("r")
    };
    assert_conflict(f.bus.log.consumer(&f.stream(), &other).await);
    // Everything else may change.
    let spec = ConsumerSpec {
        ack_wait: Duration::from_millis(300),
        ..f.reader("r")
    };
    let consumer = f.consumer(&spec).await;
    f.append("s", "a").await;
    drop(take_one(&*consumer).await);
    assert_eq!(take_one(&*consumer).await.attempt, 2);
}

pub(in crate::conformance) async fn a_removed_consumer_starts_anew(f: Fixture) {
    f.open().await;
    let spec = f.reader("r");
    f.append("s", "a").await;
    ack_all(&take(&*f.consumer(&spec).await, 1).await).await;
    f.bus
        .log
        .remove_consumer(&f.stream(), &spec.name)
        .await
        .unwrap();
    f.bus
        .log
        .remove_consumer(&f.stream(), &spec.name)
        .await
        .unwrap();
    let event = take_one(&*f.consumer(&spec).await).await;
    assert_eq!((event.id.as_str(), event.attempt), ("a", 1));
}
