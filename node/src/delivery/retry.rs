//! When a failed call is tried again.

use std::time::Duration;

use rand::RngExt;

/// When a failed call is tried again.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The wait before the first retry; doubles with each.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// Tries in all, the first one included; afterwards the event is given up for this webhook.
    pub tries_max: u32,
}

impl Default for RetryPolicy {
    /// Source: design rule R-21.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(300),
            tries_max: 30,
        }
    }
}

impl RetryPolicy {
    /// The wait after this many failed tries (at least one), with full jitter; `None` when it is time to give up.
    pub(super) fn wait_after(&self, tries: u32) -> Option<Duration> {
        if tries >= self.tries_max {
            return None;
        }
        let doubled = self.first.saturating_mul(
            1u32.checked_shl(tries.saturating_sub(1))
                .unwrap_or(u32::MAX),
        );
        let ceiling = doubled.min(self.longest);
        Some(ceiling.mul_f64(rand::rng().random_range(0.0..=1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(10),
            tries_max: 5,
        };
        for (tries, ceiling) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            assert!(policy.wait_after(tries).unwrap() <= Duration::from_secs(ceiling));
        }
        assert_eq!(policy.wait_after(5), None);
        let endless = RetryPolicy {
            tries_max: u32::MAX,
            ..policy
        };
        assert!(endless.wait_after(500).unwrap() <= Duration::from_secs(10));
    }
}
