//! The connect-storm limiter: so many connections a second on a node, in the order of asking.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Gives out moments at a steady pace.
#[derive(Debug)]
pub(crate) struct Limiter {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    /// At most `per_second` a second; zero counts as one.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            gap: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::new(None),
        }
    }

    /// Returns when it is the caller's turn. A caller that gives up has used its turn.
    pub(crate) async fn acquire(&self) {
        let turn = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.gap);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_the_configured_pace() {
        let limiter = Limiter::new(20);
        let start = Instant::now();
        for _ in 0..41 {
            limiter.acquire().await;
        }
        assert_eq!(start.elapsed().as_millis() / 10, 200, "40 gaps of 50 ms");
    }
}
