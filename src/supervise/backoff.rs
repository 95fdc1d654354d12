//! How long a parent waits before it starts its child again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A child that ran this long was well: the next wait is the first again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Waits that double.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The wait after a child that ran for `ran`.
    pub(super) fn next(&mut self, ran: Duration) -> Duration {
        let wait = match self.last {
            Some(last) if ran < HEALTHY_AFTER => last.saturating_mul(2).min(LONGEST),
            Some(_) | None => FIRST,
        };
        self.last = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_healthy_run() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let waits: Vec<u64> = (0..7).map(|_| backoff.next(short).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.next(HEALTHY_AFTER), FIRST);
        assert_eq!(backoff.next(short), FIRST * 2);
    }
}
