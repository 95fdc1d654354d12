//! Transfers that are interrupted at every call: the source keeps its data, nothing becomes live, and the next attempt works.

use std::sync::Arc;

use switchboard_bus::Bus;
use switchboard_keystore::EngineKind;
use switchboard_ownership::TransferFailure;
use switchboard_vocab::SessionRef;
use tokio::sync::Mutex;

use super::support::{Fault, Faulty, Rows, Site, bus, fill, namespace, rows, session};

/// Begin, what is missing, five frames (header, two of data, trailer...), finish: enough for every kind of call.
const KEYS: u32 = 1_500;

struct Pair {
    a: SessionRef,
    before: Rows,
    one: Site,
    two: Arc<Mutex<Site>>,
    faulty: Arc<Faulty>,
    bus: Bus,
}

async fn pair(
    engine: EngineKind,
    at: usize,
    fault: impl FnOnce(&Bus, &Arc<Mutex<Site>>) -> Fault,
) -> Pair {
    let bus = bus().await;
    let a = session("a");
    let two = Arc::new(Mutex::new(Site::new("two", &bus, engine).await));
    let (broken, faulty) = Faulty::over(&bus, at, fault(&bus, &two));
    let one = Site::new("one", &broken, engine).await;
    fill(&one.store, &a, KEYS, 300).await;
    one.put_file(&a, "m", b"file").await;
    let before = rows(&one.store, &a).await;
    Pair {
        a,
        before,
        one,
        two,
        faulty,
        bus,
    }
}

impl Pair {
    async fn send(&self, epochs: (u64, u64)) -> Result<(), TransferFailure> {
        // The target's lock must be free: a fault may restart it.
        let target = self.two.lock().await.id.clone();
        let (epoch, next) = (
            switchboard_vocab::Epoch(epochs.0),
            switchboard_vocab::Epoch(epochs.1),
        );
        let deadline = super::support::soon();
        self.one
            .transfer
            .send(&self.a, epoch, next, &target, deadline)
            .await
    }

    /// Nothing happened here, and nothing counts there.
    async fn check_untouched(&self, at: usize) {
        assert!(
            rows(&self.one.store, &self.a).await == self.before,
            "source after {at}"
        );
        let two = self.two.lock().await;
        assert_eq!(two.store.namespaces().await.unwrap(), [], "live after {at}");
    }

    /// The next attempt succeeds whatever the last one left.
    async fn check_next(&self, at: usize) {
        self.send((4, 5)).await.unwrap();
        let two = self.two.lock().await;
        assert_eq!(two.staged_epoch(&self.a).await, Some(5), "after {at}");
        two.store.promote(&namespace(&self.a)).await.unwrap();
        assert!(
            rows(&two.store, &self.a).await == self.before,
            "copy after {at}"
        );
        assert_eq!(two.files(&self.a).await, self.one.files(&self.a).await);
    }
}

/// How many calls an undisturbed transfer makes.
async fn calls() -> usize {
    let pair = pair(EngineKind::Memory, usize::MAX, |_, _| Fault::Cut).await;
    pair.send((3, 4)).await.unwrap();
    pair.faulty.seen()
}

#[tokio::test]
async fn lost_and_repeated_calls_change_nothing() {
    let calls = calls().await;
    assert!(calls >= 8, "{calls} calls");
    for fault in [Fault::LoseCall, Fault::LoseAnswer, Fault::Twice] {
        for at in 0..calls {
            let pair = pair(EngineKind::Memory, at, |_, _| fault.clone()).await;
            pair.send((3, 4)).await.unwrap();
            let mut two = pair.two.lock().await;
            assert_eq!(two.staged_epoch(&pair.a).await, Some(4));
            assert_eq!(two.staged.try_recv().unwrap().1.0, 4, "told, at {at}");
            assert!(two.staged.try_recv().is_err(), "told twice, at {at}");
            two.store.promote(&namespace(&pair.a)).await.unwrap();
            assert!(rows(&two.store, &pair.a).await == pair.before, "at {at}");
        }
    }
}

#[tokio::test]
async fn a_source_that_is_cut_off_keeps_its_session() {
    for at in 0..calls().await {
        let cut = pair(EngineKind::Memory, at, |_, _| Fault::Cut).await;
        assert!(cut.send((3, 4)).await.is_err());
        cut.check_untouched(at).await;
        assert_eq!(
            cut.two.lock().await.staged_epoch(&cut.a).await,
            None,
            "staged after {at}"
        );
    }
}

#[tokio::test]
async fn a_source_that_dies_leaves_nothing_that_counts() {
    for at in 0..calls().await {
        let died = pair(EngineKind::Memory, at, |_, _| {
            Fault::Before(Arc::new(|| Box::pin(std::future::pending())))
        })
        .await;
        let send = died.send((3, 4));
        tokio::select! {
            _ = send => panic!("it ended"),
            () = until(|| died.faulty.seen() > at) => {}
        }
        died.check_untouched(at).await;
        died.check_next(at).await;
    }
}

#[tokio::test]
async fn a_target_that_restarts_refuses_and_the_next_attempt_succeeds() {
    for engine in [EngineKind::Memory, EngineKind::Sled] {
        let calls = calls().await;
        for at in 2..calls {
            let restarted = pair(engine, at, |bus, two| {
                let (bus, two) = (bus.clone(), Arc::clone(two));
                Fault::Before(Arc::new(move || {
                    let (bus, two) = (bus.clone(), Arc::clone(&two));
                    Box::pin(async move { two.lock().await.serve_again(&bus).await })
                }))
            })
            .await;
            let failed = restarted.send((3, 4)).await;
            assert!(
                matches!(failed, Err(TransferFailure::Refused(_))),
                "{failed:?} at {at}"
            );
            restarted.check_untouched(at).await;
            restarted.check_next(at).await;
        }
    }
}

#[tokio::test]
async fn a_target_that_is_not_there_is_reported() {
    let pair = pair(EngineKind::Memory, usize::MAX, |_, _| Fault::Cut).await;
    pair.two.lock().await.stop_serving().await;
    let failed = pair.send((3, 4)).await;
    assert!(
        matches!(&failed, Err(TransferFailure::Refused(why)) if why.contains("no responders")),
        "{failed:?}"
    );
    pair.check_untouched(0).await;
    pair.two.lock().await.serve_again(&pair.bus).await;
    pair.check_next(0).await;
}

#[tokio::test]
async fn a_commit_during_the_export_ends_the_transfer() {
    let store = Arc::new(Mutex::new(None));
    let writes = Arc::clone(&store);
    let pair = pair(EngineKind::Memory, 3, move |_, _| {
        Fault::Before(Arc::new(move || {
            let writes = Arc::clone(&writes);
            Box::pin(async move {
                let held = writes.lock().await;
                let (store, a): &(Arc<dyn switchboard_keystore::KeyStore>, SessionRef) =
                    held.as_ref().unwrap();
                fill(store, a, 1, 1).await;
            })
        }))
    })
    .await;
    *store.lock().await = Some((Arc::clone(&pair.one.store), pair.a.clone()));
    let failed = pair.send((3, 4)).await;
    assert!(
        matches!(&failed, Err(TransferFailure::Refused(why)) if why.contains("changed during")),
        "{failed:?}"
    );
    assert_eq!(pair.two.lock().await.staged_epoch(&pair.a).await, None);
}

async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}
