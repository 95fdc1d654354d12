//! Which events wait, and for whom.

use switchboard_vocab::DialectName;
use switchboard_vocab::webhooks::{EventClass, Subscription, Webhooks};

use super::*;
use crate::ports::WEBHOOK_SINK_PREFIX;

/// A webhook that gets these classes.
fn book(classes: &[EventClass]) -> WebhookBook {
    let subscription = Subscription {
        dialect: DialectName::Whapi,
        url: "http://hooks.test/".to_owned(),
        events: Some(classes.iter().copied().collect()),
        headers: BTreeMap::new(),
        options: BTreeMap::new(),
    };
    let webhooks = Webhooks {
        subscriptions: vec![subscription],
        events: None,
    };
    WebhookBook::from([(DialectName::Whapi, webhooks)])
}

impl Fixture {
    /// The first message of a conversation; returns the classes and sequences of the events that are new with it.
    async fn told_of(&self, at: u64) -> Vec<(EventClass, u64)> {
        let known = self.events().await.len();
        let first = incoming(message(&format!("T{at}"), at, at));
        self.journal.take(vec![first]).await.unwrap();
        let events = self.events().await;
        let new = events.iter().skip(known);
        new.map(|e| (e.event.class(), e.sequence)).collect()
    }
}

#[tokio::test]
async fn an_event_that_no_webhook_gets_is_not_recorded() {
    use EventClass::{Chats, Received};
    let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
    fixture.journal.forget(SINK).await.unwrap();
    let hook = format!("{WEBHOOK_SINK_PREFIX}whapi.one");
    let journal = &fixture.journal;
    journal.set_webhooks(book(&[Received])).await.unwrap();
    journal.pass(&hook, 0).await.unwrap();
    assert_eq!(fixture.told_of(1).await, [(Received, 1)]);
    fixture.reopen(EngineKind::Sled).await;
    assert_eq!(fixture.told_of(2).await, [(Received, 2)]);
    let wider = book(&[Received, Chats]);
    fixture.journal.set_webhooks(wider).await.unwrap();
    assert_eq!(fixture.told_of(3).await, [(Received, 3), (Chats, 4)]);
    fixture.journal.set_webhooks(book(&[])).await.unwrap();
    assert_eq!(fixture.told_of(4).await, []);
    fixture.journal.pass(SINK, 4).await.unwrap();
    assert_eq!(
        fixture.told_of(5).await,
        [(Received, 5), (Chats, 6)],
        "another kind of sink sees everything"
    );
}

#[tokio::test]
async fn what_is_read_from_memory_is_what_is_stored() {
    let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
    for at in 0..100 {
        let message = incoming(message(&format!("M{at}"), 1, at));
        fixture.journal.take(vec![message]).await.unwrap();
    }
    // The newest are at hand, the others are not.
    let seen = fixture.events().await;
    assert_eq!(seen.len(), 101);
    fixture.reopen(EngineKind::Sled).await;
    assert_eq!(fixture.events().await, seen);
}

#[tokio::test]
async fn events_stay_until_every_sink_has_passed_them() {
    let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
    fixture.journal.pass("hook", 0).await.unwrap();
    for at in 0..4 {
        fixture
            .journal
            .take(vec![incoming(message(&format!("M{at}"), 1, at))])
            .await
            .unwrap();
    }
    fixture.journal.pass(SINK, 4).await.unwrap();
    assert_eq!(fixture.events().await.len(), 5);
    fixture.journal.pass("hook", 2).await.unwrap();
    // A cursor never goes back.
    fixture.journal.pass("hook", 1).await.unwrap();
    assert!(
        fixture.journal.pass("hook", 6).await.is_err(),
        "passed what does not exist"
    );
    fixture.reopen(EngineKind::Sled).await;
    let left: Vec<_> = fixture.events().await.iter().map(|e| e.sequence).collect();
    assert_eq!(left, [3, 4, 5]);
    fixture.journal.forget("hook").await.unwrap();
    assert_eq!(fixture.events().await.len(), 1);
    fixture.journal.forget(SINK).await.unwrap();
    assert!(
        fixture.events().await.is_empty(),
        "nobody is left who wants them"
    );
    fixture
        .journal
        .take(vec![incoming(message("Z", 1, 9))])
        .await
        .unwrap();
    fixture.journal.pass("late", 0).await.unwrap();
    fixture
        .journal
        .take(vec![incoming(message("Y", 1, 9))])
        .await
        .unwrap();
    let left: Vec<_> = fixture.events().await.iter().map(|e| e.sequence).collect();
    assert_eq!(left, [7], "numbers go on where nobody listened");
}

#[tokio::test]
async fn a_full_outbox_drops_its_oldest_events_and_the_log_none() {
    let limits = Limits {
        events_max: 4,
        ..WIDE
    };
    let fixture = Fixture::new(EngineKind::Memory, limits).await;
    for at in 0..10 {
        fixture
            .journal
            .take(vec![incoming(message(&format!("M{at}"), 1, at))])
            .await
            .unwrap();
    }
    let left: Vec<_> = fixture.events().await.iter().map(|e| e.sequence).collect();
    assert_eq!(left, [8, 9, 10, 11]);
    assert_eq!(fixture.all().await.len(), 10);
}
