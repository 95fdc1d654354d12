//! Transfers that must be refused, and calls that come too late.

use std::sync::atomic::Ordering;
use std::time::Duration;

use switchboard_bus::Bus;
use switchboard_keystore::{EngineKind, Epoch as StoreEpoch, Remains, Watermarks};
use switchboard_ownership::TransferFailure;

use super::support::{
    Fault, Faulty, KEY, Plan, Site, bus, fill, names, namespace, rows, session, soon,
};
use crate::transfer::wire::{Answer, Ask, Call, Keys, TransferId};

fn why(failed: Result<(), TransferFailure>) -> String {
    match failed {
        Err(TransferFailure::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

async fn sites(bus: &Bus, plan: Plan) -> (Site, Site) {
    let one = Site::new("one", bus, EngineKind::Memory).await;
    fill(&one.store, &session("a"), 100, 100).await;
    (one, Site::new("two", bus, plan).await)
}

#[tokio::test]
async fn another_master_key_is_named() {
    let plan = Plan {
        key: [8; 32],
        ..Plan::default()
    };
    let (one, two) = sites(&bus().await, plan).await;
    let a = session("a");
    let text = why(one.transfer.prepare(&a, &two.id, soon()).await);
    assert!(text.contains("master keys"), "{text}");
    assert!(why(one.send(&a, (3, 4), &two).await).contains("master keys"));
    assert_eq!(two.staged_epoch(&a).await, None);
    assert_eq!(rows(&one.store, &a).await[0].1.len(), 34);
}

#[tokio::test]
async fn a_full_disk_takes_nothing() {
    let watermarks = Watermarks {
        new_sessions_percent: 100,
        sends_percent: 0,
        sends_bytes: 0,
    };
    let plan = Plan {
        engine: EngineKind::Sled,
        watermarks,
        ..Plan::default()
    };
    let (one, two) = sites(&bus().await, plan).await;
    let a = session("a");
    one.put_file(&a, "m", b"file").await;
    assert!(why(one.transfer.prepare(&a, &two.id, soon()).await).contains("too full"));
    assert!(why(one.send(&a, (3, 4), &two).await).contains("too full"));
    assert_eq!(two.staged_epoch(&a).await, None);
    assert!(two.files(&a).await.is_empty());
}

#[tokio::test]
async fn a_node_without_a_lease_takes_nothing() {
    let (one, mut two) = sites(&bus().await, Plan::default()).await;
    let a = session("a");
    two.has_lease.store(false, Ordering::SeqCst);
    assert!(why(one.transfer.prepare(&a, &two.id, soon()).await).contains("no lease"));
    assert!(why(one.send(&a, (3, 4), &two).await).contains("no lease"));
    assert_eq!(two.staged_epoch(&a).await, None);
    two.has_lease.store(true, Ordering::SeqCst);
    one.send(&a, (3, 4), &two).await.unwrap();
    assert!(two.staged.try_recv().is_ok());
}

#[tokio::test]
async fn a_lease_that_ends_on_the_way_ends_the_import() {
    let (hand, _one, two) = by_hand().await;
    let (transfer, begun) = hand.begin("one", 4).await;
    assert_eq!(begun, Answer::Taken);
    two.has_lease.store(false, Ordering::SeqCst);
    let Answer::Refused { reason } = hand.frame(&transfer, 0, b"").await else {
        panic!("taken");
    };
    assert!(reason.contains("no lease"), "{reason}");
    assert_eq!(two.staged_epoch(&session("a")).await, None);
}

#[tokio::test]
async fn stale_epochs_are_refused() {
    let (one, two) = sites(&bus().await, Plan::default()).await;
    let (a, ns) = (session("a"), namespace(&session("a")));
    let tombstone = Remains::Tombstone(StoreEpoch(4));
    two.store.drop_namespace(&ns, tombstone).await.unwrap();
    assert!(why(one.send(&a, (3, 4), &two).await).contains("stale"));
    one.send(&a, (4, 5), &two).await.unwrap();
    // What is finished there gives way to a higher epoch only.
    assert!(why(one.send(&a, (4, 5), &two).await).contains("stale"));
    assert_eq!(two.staged_epoch(&a).await, Some(5));
    two.store.promote(&ns).await.unwrap();
    assert!(why(one.send(&a, (4, 5), &two).await).contains("stale"));
    assert_eq!(two.store.epoch(&ns).await.unwrap(), Some(StoreEpoch(5)));
}

/// Data of a higher epoch than the sender thinks it has is not sent.
#[tokio::test]
async fn data_of_a_later_owner_is_not_sent_as_an_earlier_one() {
    let (one, two) = sites(&bus().await, Plan::default()).await;
    let text = why(one.send(&session("a"), (2, 4), &two).await);
    assert!(text.contains("epoch 3"), "{text}");
    assert_eq!(two.staged_epoch(&session("a")).await, None);
}

struct ByHand {
    bus: Bus,
    keys: Keys,
}

impl ByHand {
    async fn ask(&self, from: &str, ask: Ask, blob: &[u8]) -> Answer {
        let call = Call {
            from: from.parse().unwrap(),
            session: session("a"),
            ask,
        };
        let blob = bytes::Bytes::copy_from_slice(blob);
        let (payload, mac) = self.keys.call(&call, blob).unwrap();
        let subject = names().node_peer("two").unwrap();
        let wait = Duration::from_secs(60);
        let answer = self.bus.rpc.request(&subject, payload, wait).await.unwrap();
        self.keys.read_answer(answer, &mac).unwrap()
    }

    async fn begin(&self, from: &str, next: u64) -> (TransferId, Answer) {
        let transfer = TransferId::fresh();
        let next = switchboard_vocab::Epoch(next);
        let ask = Ask::Begin {
            transfer: transfer.clone(),
            next,
        };
        let answer = self.ask(from, ask, &[]).await;
        (transfer, answer)
    }

    async fn frame(&self, transfer: &TransferId, sequence: u32, blob: &[u8]) -> Answer {
        let ask = Ask::Frame {
            transfer: transfer.clone(),
            sequence,
        };
        self.ask("one", ask, blob).await
    }
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused { .. })
}

async fn by_hand() -> (ByHand, Site, Site) {
    let bus = bus().await;
    let (one, two) = sites(&bus, Plan::default()).await;
    (
        ByHand {
            bus,
            keys: Keys::new(KEY),
        },
        one,
        two,
    )
}

#[tokio::test]
async fn a_late_begin_does_not_end_a_later_transfer() {
    let (hand, _one, _two) = by_hand().await;
    let (later, begun) = hand.begin("one", 6).await;
    assert_eq!(begun, Answer::Taken);
    assert!(is_refused(&hand.begin("one", 5).await.1));
    assert!(is_refused(&hand.begin("three", 6).await.1));
    // The later one is still known: a frame that is none is refused for what it is.
    let Answer::Refused { reason } = hand.frame(&later, 0, b"no frame").await else {
        panic!("taken");
    };
    assert!(reason.contains("header"), "{reason}");
}

#[tokio::test]
async fn a_new_begin_of_the_same_source_replaces_an_unfinished_one() {
    let (hand, one, two) = by_hand().await;
    let (first, _) = hand.begin("one", 4).await;
    let (second, begun) = hand.begin("one", 4).await;
    assert_eq!(begun, Answer::Taken);
    assert!(is_refused(&hand.frame(&first, 0, b"").await));
    assert_eq!(
        hand.ask("one", Ask::Abort { transfer: second }, &[]).await,
        Answer::Taken
    );
    one.send(&session("a"), (3, 4), &two).await.unwrap();
}

/// Frames of a real transfer, written by hand: out of order, and after the sender was silent for too long.
#[tokio::test]
async fn gaps_and_silence_end_an_import() {
    let (hand, one, two) = by_hand().await;
    let a = session("a");
    for silent in [false, true] {
        let (transfer, _) = hand.begin("one", 4).await;
        let key = hand
            .keys
            .transfer(&a, switchboard_vocab::Epoch(4), &transfer);
        let mut export = one.store.export(&namespace(&a), &key).await.unwrap();
        let header = export.next().await.unwrap().unwrap();
        let data = export.next().await.unwrap().unwrap();
        assert_eq!(hand.frame(&transfer, 0, &header).await, Answer::Taken);
        assert_eq!(hand.frame(&transfer, 0, &header).await, Answer::Taken);
        if silent {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(40)).await;
            tokio::time::resume();
            // The sweep comes at the next turn of its clock; only it can make the frame unknown.
            let sequence = 1;
            let mut last = Answer::Busy;
            for _ in 0..1_000 {
                last = hand.frame(&transfer, 0, &header).await;
                if is_refused(&last) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            assert!(is_refused(&last));
            assert!(is_refused(&hand.frame(&transfer, sequence, &data).await));
        } else {
            assert!(is_refused(&hand.frame(&transfer, 2, &data).await));
            assert!(is_refused(&hand.frame(&transfer, 1, &data).await));
        }
        assert_eq!(two.staged_epoch(&a).await, None);
    }
    one.send(&a, (3, 4), &two).await.unwrap();
}

/// Everything that an earlier, failed attempt sent comes again after a later one succeeded.
#[tokio::test]
async fn old_calls_do_not_touch_a_finished_copy() {
    let bus = bus().await;
    let a = session("a");
    let (broken, faulty) = Faulty::over(&bus, 5, Fault::Cut);
    let one = Site::new("one", &broken, EngineKind::Memory).await;
    let two = Site::new("two", &bus, EngineKind::Memory).await;
    fill(&one.store, &a, 1_500, 300).await;
    let before = rows(&one.store, &a).await;
    assert!(one.send(&a, (3, 4), &two).await.is_err());
    let old = faulty.sent.lock().unwrap().clone();

    let again = Site::new("again", &bus, EngineKind::Memory).await;
    fill(&again.store, &a, 1_500, 300).await;
    again.send(&a, (4, 5), &two).await.unwrap();
    let subject = names().node_peer("two").unwrap();
    for payload in old {
        let wait = Duration::from_secs(60);
        bus.rpc.request(&subject, payload, wait).await.unwrap();
    }
    assert_eq!(two.staged_epoch(&a).await, Some(5));
    two.store.promote(&namespace(&a)).await.unwrap();
    assert!(rows(&two.store, &a).await == before);
}

/// The source never heard that the copy is finished and gives up.
#[tokio::test]
async fn a_finished_copy_that_is_given_up_is_discarded() {
    let bus = bus().await;
    let a = session("a");
    let (heard, faulty) = Faulty::over(&bus, usize::MAX, Fault::Cut);
    let one = Site::new("one", &heard, EngineKind::Memory).await;
    let two = Site::new("two", &bus, EngineKind::Memory).await;
    fill(&one.store, &a, 100, 100).await;
    one.send(&a, (3, 4), &two).await.unwrap();
    assert_eq!(two.staged_epoch(&a).await, Some(4));
    let hand = ByHand {
        bus,
        keys: Keys::new(KEY),
    };
    let begin = faulty.sent.lock().unwrap().first().unwrap().clone();
    let (Ok((Call { ask, .. }, _)), _) = hand.keys.read_call(begin) else {
        panic!("no call");
    };
    let Ask::Begin { transfer, .. } = ask else {
        panic!("no begin: {ask:?}");
    };
    let answer = hand.ask("one", Ask::Abort { transfer }, &[]).await;
    assert_eq!(answer, Answer::Taken);
    assert_eq!(two.staged_epoch(&a).await, None);
    one.send(&a, (4, 5), &two).await.unwrap();
}
