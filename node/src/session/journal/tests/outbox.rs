//! Which events wait, and for whom.

use super::*;

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
