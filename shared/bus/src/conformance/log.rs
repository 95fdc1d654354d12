//! Cases of [`crate::EventLog`]. They use the WAL's stream, whose subjects carry the cluster, so that all of them can
//! share one server; one case alone uses the event subjects of the contract.

mod delivery;
mod reading;
mod retention;

use std::time::Duration;

use futures::future::join_all;

pub(super) use delivery::*;
pub(super) use reading::*;
pub(super) use retention::*;

use super::{Fixture, LONG, bytes};
use crate::{
    Appended, Consumer, ConsumerName, ConsumerSpec, Delivery, EventLogError, Overflow, StreamName,
    StreamSpec, Subject, SubjectFilter,
};

impl Fixture {
    fn stream(&self) -> StreamName {
        self.names.wal_stream()
    }

    fn spec(&self) -> StreamSpec {
        StreamSpec {
            name: self.stream(),
            subjects: self.names.all_wal(),
            // A server reserves it, for each of the cases that share one.
            bytes_max: 32 * 1024 * 1024,
            overflow: Overflow::DropOldest,
            age_max: Some(Duration::from_secs(3600)),
            duplicate_window: Duration::from_secs(120),
        }
    }

    async fn open(&self) {
        self.bus.log.open(&self.spec()).await.unwrap();
    }

    fn subject(&self, session: &str) -> Subject {
        self.names.wal("t", session).unwrap()
    }

    async fn try_append(
        &self,
        session: &str,
        id: &str,
        expected_last: Option<u64>,
    ) -> Result<Appended, EventLogError> {
        let subject = self.subject(session);
        self.bus
            .log
            .append(&self.stream(), &subject, id, bytes(id), expected_last)
            .await
    }

    /// Appends a new event; its payload is its id. Returns its sequence.
    async fn append(&self, session: &str, id: &str) -> u64 {
        let appended = self.try_append(session, id, None).await.unwrap();
        assert!(!appended.duplicate, "{id}");
        appended.seq
    }

    fn reader(&self, name: &str) -> ConsumerSpec {
        ConsumerSpec::new(ConsumerName::new(name).unwrap(), self.names.all_wal())
    }

    async fn consumer(&self, spec: &ConsumerSpec) -> Box<dyn Consumer> {
        self.peer.log.consumer(&self.stream(), spec).await.unwrap()
    }
}

/// Fetches until `count` have come.
async fn take(consumer: &dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(consumer.fetch(count - taken.len(), LONG).await.unwrap());
    }
    taken
}

async fn take_one(consumer: &dyn Consumer) -> Delivery {
    take(consumer, 1).await.remove(0)
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.id.as_str())
        .collect()
}

async fn ack_all(deliveries: &[Delivery]) {
    for acked in join_all(deliveries.iter().map(Delivery::ack)).await {
        acked.unwrap();
    }
}

/// Nothing is there now.
async fn assert_nothing(consumer: &dyn Consumer) {
    let deliveries = consumer
        .fetch(10, Duration::from_millis(100))
        .await
        .unwrap();
    assert_eq!(ids(&deliveries), Vec::<&str>::new());
}

fn assert_no_stream<T: std::fmt::Debug>(outcome: Result<T, EventLogError>) {
    assert!(
        matches!(outcome, Err(EventLogError::NoStream { .. })),
        "{outcome:?}"
    );
}

fn assert_conflict<T>(outcome: Result<T, EventLogError>) {
    let error = outcome.err();
    assert!(
        matches!(error, Some(EventLogError::Conflict { .. })),
        "{error:?}"
    );
}

pub(super) async fn an_id_is_appended_once(f: Fixture) {
    f.open().await;
    let first = f.append("s", "a").await;
    f.append("s", "b").await;
    for session in ["s", "other"] {
        let again = f.try_append(session, "a", None).await.unwrap();
        assert_eq!(
            again,
            Appended {
                seq: first,
                duplicate: true
            }
        );
    }
    let consumer = f.consumer(&f.reader("r")).await;
    assert_eq!(ids(&take(&*consumer, 2).await), ["a", "b"]);
    assert_nothing(&*consumer).await;
}

fn assert_wrong(outcome: Result<Appended, EventLogError>, expected: Option<u64>) {
    let error = outcome.unwrap_err();
    assert!(error.certainly_not_executed(), "{error:?}");
    let EventLogError::WrongSequence { current, .. } = error else {
        panic!("{error:?}")
    };
    assert!(
        current.is_none() || current == expected,
        "{current:?} instead of {expected:?}"
    );
}

pub(super) async fn append_demands_the_last_sequence_of_the_subject(f: Fixture) {
    f.open().await;
    let first = f.try_append("s", "a", Some(0)).await.unwrap().seq;
    let other = f.append("other", "x").await;
    assert!(other > first);
    assert_wrong(f.try_append("s", "b", Some(0)).await, Some(first));
    assert_wrong(f.try_append("s", "c", Some(other)).await, Some(first));
    let second = f.try_append("s", "d", Some(first)).await.unwrap();
    assert!(second.seq > other && !second.duplicate, "{second:?}");
    assert_wrong(f.try_append("new", "e", Some(first)).await, None);
}

pub(super) async fn a_retried_append_finds_itself(f: Fixture) {
    f.open().await;
    let first = f.try_append("s", "a", Some(0)).await.unwrap();
    let again = f.try_append("s", "a", Some(0)).await.unwrap();
    assert_eq!(
        again,
        Appended {
            seq: first.seq,
            duplicate: true
        }
    );
}

pub(super) async fn one_of_many_appends_wins(f: Fixture) {
    f.open().await;
    let mut last = 0;
    for round in 0..10 {
        let append = |writer| {
            let (f, id) = (&f, format!("{round}.{writer}"));
            async move { f.try_append("s", &id, Some(last)).await }
        };
        let outcomes = join_all((0..8).map(append)).await;
        let won: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
        let [appended] = won.as_slice() else {
            panic!("{won:?}")
        };
        last = appended.seq;
    }
}

pub(super) async fn last_is_per_subject(f: Fixture) {
    f.open().await;
    let last = |session| {
        let subject = f.subject(session);
        async { f.bus.log.last(&f.stream(), &{ subject }).await.unwrap() }
    };
    assert_eq!(last("s").await, None);
    f.append("s", "a").await;
    let second = f.append("s", "b").await;
    let other = f.append("other", "c").await;
    assert_eq!(
        (last("s").await, last("other").await),
        (Some(second), Some(other))
    );
}

pub(super) async fn an_unknown_stream_is_an_error(f: Fixture) {
    assert_no_stream(f.try_append("s", "a", None).await);
    assert_no_stream(f.bus.log.last(&f.stream(), &f.subject("s")).await);
    assert_no_stream(f.bus.log.read(&f.stream(), &f.subject("s"), 0, 1).await);
    assert_no_stream(f.bus.log.consumer(&f.stream(), &f.reader("r")).await);
    assert_no_stream(f.bus.log.purge(&f.stream(), &f.names.all_wal(), 1).await);
    f.open().await;
    let foreign = f.other_cluster();
    let subject = foreign.subject("s");
    assert_no_stream(
        f.bus
            .log
            .append(&f.stream(), &subject, "a", bytes("a"), None)
            .await,
    );
    // The subject's own stream, once it exists, does not take it for ours either.
    foreign.open().await;
    assert_no_stream(
        f.bus
            .log
            .append(&f.stream(), &subject, "a", bytes("a"), None)
            .await,
    );
}

pub(super) async fn bad_events_are_refused(f: Fixture) {
    f.open().await;
    for id in ["", "a b", "a\n", "é", &"x".repeat(257)] {
        let error = f.try_append("s", id, None).await.unwrap_err();
        assert!(matches!(error, EventLogError::BadId { .. }), "{error:?}");
    }
    let (stream, subject, max) = (
        f.stream(),
        f.subject("s"),
        super::limits().event_bytes_max(),
    );
    let append = |size| {
        f.bus
            .log
            .append(&stream, &subject, "a", vec![0; size].into(), None)
    };
    let error = append(max + 1).await.unwrap_err();
    assert!(matches!(error, EventLogError::TooLarge { .. }), "{error:?}");
    append(max).await.unwrap();
}

/// The only case with subjects that do not carry the cluster.
pub(super) async fn the_event_subjects_of_the_contract_work(f: Fixture) {
    let stream = f.names.events_stream();
    let spec = StreamSpec {
        name: stream.clone(),
        subjects: SubjectFilter::all_events(),
        ..f.spec()
    };
    f.bus.log.open(&spec).await.unwrap();
    // A second cluster on the same account would mix its events with ours.
    let other = f.other_cluster();
    let theirs = StreamSpec {
        name: other.names.events_stream(),
        ..spec
    };
    assert_conflict(f.bus.log.open(&theirs).await);
    let filter = SubjectFilter::events_of_session("t.1", "s").unwrap();
    let reader = ConsumerSpec::new(ConsumerName::new("r").unwrap(), filter);
    let consumer = f.peer.log.consumer(&stream, &reader).await.unwrap();
    for (session, id) in [("other", "a"), ("s", "b")] {
        let subject = Subject::events("t.1", session, "message").unwrap();
        f.bus
            .log
            .append(&stream, &subject, id, bytes(id), None)
            .await
            .unwrap();
    }
    let event = take_one(&*consumer).await;
    assert_eq!(event.id, "b");
    let (tenant, session, kind) = event.subject.as_event().unwrap();
    assert_eq!(
        (tenant.as_str(), session.as_str(), kind.as_str()),
        ("t.1", "s", "message")
    );
}
