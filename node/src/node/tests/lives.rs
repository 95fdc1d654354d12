//! Sessions that run, crash, end and go away.

use super::*;

#[tokio::test]
async fn what_ran_runs_again_after_a_restart_and_what_was_stopped_does_not() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    for name in ["a", "b"] {
        world.create(name, name).await;
        world.connected(name).await;
    }
    let stopped = world.call("b", Stop {}).await.unwrap();
    assert_eq!(stopped.state, SessionState::Stopped);
    assert!(node.shutdown(WAIT).await);
    assert_eq!(world.script.running(), 0);
    let node = world.node().await;
    world
        .until("a", |status| status.state == SessionState::Connected)
        .await;
    let off = world.status("b").await;
    assert_eq!(off.state, SessionState::Stopped);
    assert!(off.is_paired(), "a stopped session still shows who it is");
    assert_eq!(world.script.running(), 1);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_crash_loop_parks_its_session_and_touches_no_other() {
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let script = Script::new(move |stage: Stage| {
        let broken = stage.session == session("bad") && breaks.load(Ordering::SeqCst);
        async move {
            assert!(!broken, "the run loop fails");
            stage.stay().await
        }
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("good", "g").await;
    world.connected("good").await;
    let since = world.status("good").await.since;
    world.create("bad", "b").await;
    // Whether the call is answered before the crash is a matter of luck.
    let _ = world.call("bad", start()).await;
    let parked = world
        .until("bad", |status| status.state == SessionState::Parked)
        .await;
    assert!(parked.reason.unwrap().contains("crashed 4 times"));
    world.until("bad", |_| world.script.running() == 1).await;
    // Parked, it still answers for what it has.
    assert_eq!(world.call("bad", everything()).await.unwrap().total, 0);
    let good = world.status("good").await;
    assert_eq!((good.state, good.since), (SessionState::Connected, since));
    // Started while still broken it parks without an actor, and a start after the repair brings it back.
    let _ = world.call("bad", start()).await;
    let parked = world.until("bad", |status| {
        let hard = status
            .reason
            .as_ref()
            .is_some_and(|r| r.contains("again while parked"));
        status.state == SessionState::Parked && hard
    });
    parked.await;
    let refused = world.call("bad", everything()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotConnected);
    broken.store(false, Ordering::SeqCst);
    world.connected("bad").await;
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_replaced_session_comes_back_by_a_call_only() {
    let script = Script::new(|stage: Stage| async move {
        if stage.run == 0 {
            return End::Replaced;
        }
        stage.stay().await
    });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.call("a", start()).await.unwrap();
    world
        .until("a", |status| status.state == SessionState::Replaced)
        .await;
    let polled = Start {
        wait: Duration::ZERO,
        keep_final: true,
    };
    let polled = world.call("a", polled).await.unwrap();
    assert_eq!(polled.state, SessionState::Replaced);
    assert!(node.shutdown(WAIT).await);
    let node = world.node().await;
    assert_eq!(
        world.status("a").await.state,
        SessionState::Replaced,
        "the first answer is true"
    );
    assert_eq!(*world.script.runs.borrow(), 1);
    world.connected("a").await;
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn without_its_rule_a_replaced_session_fights_for_its_connection() {
    let script = Script::new(|stage: Stage| async move {
        if stage.run == 0 {
            return End::Replaced;
        }
        stage.stay().await
    });
    let mut world = World::new(script).await;
    world.rules = Rules::without([Rule::NoReconnectWhenReplaced]);
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    assert_eq!(*world.script.runs.borrow(), 2);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn without_its_rule_a_crash_loop_is_never_given_up() {
    let script = Script::new(|_: Stage| async move { panic!("the run loop fails") });
    let mut world = World::new(script).await;
    world.rules = Rules::without([Rule::CrashBudget]);
    let node = world.node().await;
    world.create("a", "u1").await;
    // Whether the call is answered before the crash is a matter of luck.
    let _ = world.call("a", start()).await;
    let mut runs = world.script.runs.subscribe();
    let past = usize::try_from(world.limits.restarts.crashes_max).unwrap() + 4;
    timeout(WAIT, runs.wait_for(|runs| *runs > past))
        .await
        .unwrap()
        .unwrap();
    assert_ne!(world.status("a").await.state, SessionState::Parked);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn whatsapp_away_leaves_a_named_state_with_a_time() {
    let script = Script::new(|_: Stage| async { End::Closed("connection refused".to_owned()) });
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.call("a", start()).await.unwrap();
    let waiting = world
        .until("a", |status| status.state == SessionState::Waiting)
        .await;
    assert!(waiting.next_try_at.is_some() && waiting.failures >= 1);
    let error = world
        .call(
            "a",
            GetQr {
                wait: Duration::ZERO,
                start: false,
            },
        )
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NotConnected);
    assert!(error.public.contains("connection refused") && error.retry_after.is_some());
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn logging_out_forgets_the_login_and_lets_the_session_pair_again() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    let status = world.call("a", Logout {}).await.unwrap();
    assert_eq!(
        (status.state, status.identity),
        (SessionState::LoggedOut, None)
    );
    assert_eq!(world.script.running(), 0);
    let again = world.call("a", Logout {}).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::NotPaired);
    assert_eq!(world.status("a").await.state, SessionState::LoggedOut);
    world.connected("a").await;
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn deleting_a_record_removes_the_session_and_its_data() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.create("b", "u2").await;
    world.connected("a").await;
    world.connected("b").await;
    world.call("a", Erase {}).await.unwrap();
    let erased = world.ports.media.erased.lock().unwrap().clone();
    assert_eq!(erased, [("default/a".parse().unwrap(), "u1".to_owned())]);
    assert_eq!(
        world.status("a").await.identity,
        None,
        "it starts empty while the record stays"
    );
    world.delete("a").await;
    world.delete("b").await;
    let until = Instant::now() + WAIT;
    let second = ("default/b".parse().unwrap(), "u2".to_owned());
    let erased = || world.ports.media.erased.lock().unwrap().clone();
    // Files go after the rows.
    while node.sessions() > 0 || !world.namespaces().await.is_empty() || !erased().contains(&second)
    {
        assert!(Instant::now() < until, "{:?}", erased());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(world.script.running(), 0);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn data_without_a_record_is_kept() {
    let world = World::new(Script::pairs_and_stays()).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    assert!(node.shutdown(WAIT).await);
    world.delete("a").await;
    let node = world.node().await;
    assert!(node.is_ready());
    assert_eq!(world.namespaces().await, ["default/a"]);
    assert!(node.shutdown(WAIT).await);
    // A session of the same name that is created later is another one: it must not inherit.
    world.create("a", "u2").await;
    let node = world.node().await;
    let status = world.call("a", GetStatus {}).await.unwrap();
    assert_eq!(
        (status.state, status.identity),
        (SessionState::Stopped, None)
    );
    assert_eq!(world.call("a", everything()).await.unwrap().total, 0);
    assert!(node.shutdown(WAIT).await);
}

#[tokio::test]
async fn a_connection_that_does_not_close_cannot_hold_the_node() {
    let mut script = Script::new(|stage: Stage| async move { stage.stay().await });
    script.closes = false;
    let world = World::new(script).await;
    let node = world.node().await;
    world.create("a", "u1").await;
    world.connected("a").await;
    assert!(
        !node.shutdown(Duration::from_millis(300)).await,
        "it was cut"
    );
    // Not waited for: the node has no more business with it.
    assert_eq!(world.script.running(), 0);
}
