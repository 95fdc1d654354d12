//! The queue, on virtual time.

use tokio::task::JoinSet;

use super::*;

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

fn waiting(limiter: &Limiter) -> usize {
    let state = limiter.lock();
    state.awaited.len() + state.usual.len()
}

#[tokio::test(start_paused = true)]
async fn turns_come_at_the_configured_pace_on_average() {
    let limiter = Limiter::new(20);
    let start = Instant::now();
    for _ in 0..401 {
        limiter.acquire(Urgency::Usual).await.welcome();
    }
    // 400 gaps of 50 ms, each half more or less: their sum stays within a tenth, were it not for chance of one in 10^11.
    let took = start.elapsed().as_millis();
    assert!((18_000..=22_000).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn turns_go_in_the_order_of_asking() {
    let limiter = Limiter::new(20);
    let mut tasks = JoinSet::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    for at in 0..50 {
        let (limiter, order) = (Arc::clone(&limiter), Arc::clone(&order));
        tasks.spawn(async move {
            limiter.acquire(Urgency::Usual).await.welcome();
            order.lock().unwrap().push(at);
        });
        settle().await;
    }
    while tasks.join_next().await.is_some() {}
    let order = order.lock().unwrap().clone();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_awaited_one_overtakes_and_starves_nobody() {
    let limiter = Limiter::new(20);
    // Uses the first turn, so that all others wait.
    limiter.acquire(Urgency::Usual).await.welcome();
    let mut tasks = JoinSet::new();
    let order = Arc::new(Mutex::new(String::new()));
    let classes = [(Urgency::Usual, 'u'), (Urgency::Awaited, 'a')];
    for (urgency, letter) in classes {
        for _ in 0..4 {
            let (limiter, order) = (Arc::clone(&limiter), Arc::clone(&order));
            tasks.spawn(async move {
                limiter.acquire(urgency).await.welcome();
                order.lock().unwrap().push(letter);
            });
            settle().await;
        }
    }
    while tasks.join_next().await.is_some() {}
    assert_eq!(order.lock().unwrap().as_str(), "auauauau");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_queue_and_wakes_the_next() {
    let limiter = Limiter::new(1);
    limiter.acquire(Urgency::Usual).await.welcome();
    let mut first = Box::pin(limiter.acquire(Urgency::Usual));
    let mut second = Box::pin(limiter.acquire(Urgency::Usual));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    assert_eq!(waiting(&limiter), 2);
    drop(first);
    assert_eq!(waiting(&limiter), 1);
    // Only the wake of the one that left makes it look at the clock.
    timeout(Duration::from_secs(10), second)
        .await
        .unwrap()
        .welcome();
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_connect_slows_down_those_that_wait_already() {
    let limiter = Limiter::new(100);
    let turn = limiter.acquire(Urgency::Usual).await;
    let mut next = Box::pin(limiter.acquire(Urgency::Usual));
    assert!(futures::poll!(&mut next).is_pending());
    turn.throttled();
    let start = Instant::now();
    next.await.welcome();
    assert!(
        start.elapsed() >= Duration::from_millis(2500),
        "the hold was not kept: {:?}",
        start.elapsed()
    );
    assert!(limiter.lock().pace.rate() < 60.0);
}

#[tokio::test(start_paused = true)]
async fn a_welcome_connection_that_closes_later_is_no_refusal() {
    let limiter = Limiter::new(100);
    for _ in 0..20 {
        let turn = limiter.acquire(Urgency::Usual).await;
        turn.welcome();
        turn.welcome();
        turn.closed();
    }
    assert!((limiter.lock().pace.rate() - 100.0).abs() < 1e-9);
    for _ in 0..3 {
        limiter.acquire(Urgency::Usual).await.closed();
    }
    assert!((limiter.lock().pace.rate() - 50.0).abs() < 1e-9);
}
