//! How fast a node may connect, as a pure function of what became of the connects before.
//!
//! Knows no clock, no randomness and no waiting: the moment and the jitter are arguments.

use std::time::Duration;

/// The slowest pace, in connects a second, however often WhatsApp says no: somebody must try, or nobody would learn that it is over.
pub(super) const PACE_MIN: f64 = 0.2;
/// What a slow-down leaves of the pace. Source: additive increase and multiplicative decrease, as TCP does it.
const SLOW_DOWN: f64 = 0.5;
/// Successes that take the pace from nothing to its maximum.
const RECOVERY_STEPS: f64 = 100.0;
/// Refused connects in a row that count as a request to slow down: one alone may be one session's own trouble.
const REFUSED_IN_A_ROW: u32 = 3;
/// The pause after a slow-down, half of it more or less by chance.
const HOLD: Duration = Duration::from_secs(5);

/// A moment: time since the limiter was made.
pub(super) type Position = Duration;

/// Which pace a connect was let go under; a slow-down begins the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u64);

/// The pace of a node.
#[derive(Debug)]
pub(super) struct Pace {
    max: f64,
    rate: f64,
    next: Position,
    held_until: Position,
    generation: Generation,
    refused_in_a_row: u32,
}

impl Pace {
    /// At most `per_second_max` connects a second; zero counts as one.
    pub(super) fn new(per_second_max: u32) -> Self {
        let max = f64::from(per_second_max.max(1));
        Self {
            max,
            rate: max,
            next: Position::ZERO,
            held_until: Position::ZERO,
            generation: Generation(0),
            refused_in_a_row: 0,
        }
    }

    /// Connects a second, now.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// Lets one connect go, or says when to ask again. `jitter` is 0 to 1: the gap to the next is half to one and a half of its
    /// mean, so that nodes that started together do not knock together.
    pub(super) fn take(&mut self, now: Position, jitter: f64) -> Result<Generation, Position> {
        let due = self.next.max(self.held_until);
        if now < due {
            return Err(due);
        }
        let gap = Duration::from_secs_f64((0.5 + jitter.clamp(0.0, 1.0)) / self.rate);
        self.next = now.saturating_add(gap);
        Ok(self.generation)
    }

    /// A connect came through.
    pub(super) fn succeeded(&mut self) {
        self.refused_in_a_row = 0;
        self.rate = (self.rate + self.max / RECOVERY_STEPS).min(self.max);
    }

    /// A connect did not come through, and WhatsApp did not say why.
    pub(super) fn refused(&mut self, now: Position, under: Generation, jitter: f64) {
        if under < self.generation {
            return;
        }
        self.refused_in_a_row = self.refused_in_a_row.saturating_add(1);
        if self.refused_in_a_row >= REFUSED_IN_A_ROW {
            self.slow_down(now, jitter);
        }
    }

    /// WhatsApp asked to slow down: a connect (`under`: the pace it was let go under), or a session that was connected. What
    /// was let go before the last slow-down says nothing new.
    pub(super) fn throttled(&mut self, now: Position, under: Option<Generation>, jitter: f64) {
        if now < self.held_until || under.is_some_and(|under| under < self.generation) {
            return;
        }
        self.slow_down(now, jitter);
    }

    fn slow_down(&mut self, now: Position, jitter: f64) {
        self.refused_in_a_row = 0;
        self.generation = Generation(self.generation.0.saturating_add(1));
        self.rate = (self.rate * SLOW_DOWN).max(PACE_MIN.min(self.max));
        self.held_until = now.saturating_add(HOLD.mul_f64(0.5 + jitter.clamp(0.0, 1.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    /// Lets `connects` go one after the other, each treated by `then`; the moment of the last.
    fn run(
        pace: &mut Pace,
        from: Position,
        connects: u32,
        then: impl Fn(&mut Pace, Position),
    ) -> Position {
        let mut now = from;
        for _ in 0..connects {
            while let Err(due) = pace.take(now, MIDDLE) {
                assert!(due > now, "asked again at once");
                now = due;
            }
            then(pace, now);
        }
        now
    }

    fn under(pace: &Pace) -> Generation {
        pace.generation
    }

    #[test]
    fn a_steady_pace_never_exceeds_the_maximum() {
        let mut pace = Pace::new(20);
        let end = run(&mut pace, Position::ZERO, 41, |pace, _| pace.succeeded());
        assert_eq!(end.as_millis() / 10, 200, "40 gaps of 50 ms");
        assert!(pace.rate() <= 20.0);
    }

    #[test]
    fn jitter_spreads_gaps_and_keeps_their_mean() {
        for (jitter, gap_ms) in [(0.0, 25), (0.5, 50), (1.0, 75), (7.0, 75)] {
            let mut pace = Pace::new(20);
            pace.take(Position::ZERO, jitter).unwrap();
            assert_eq!(
                pace.take(Position::ZERO, 0.0),
                Err(Duration::from_millis(gap_ms))
            );
        }
    }

    #[test]
    fn a_throttled_connect_halves_the_pace_and_holds() {
        let mut pace = Pace::new(20);
        let first = pace.take(Position::ZERO, MIDDLE).unwrap();
        pace.throttled(Position::ZERO, Some(first), MIDDLE);
        assert!((pace.rate() - 10.0).abs() < 1e-9);
        assert_eq!(pace.take(Position::ZERO, MIDDLE), Err(HOLD));
    }

    #[test]
    fn what_left_before_a_slow_down_counts_once() {
        let mut pace = Pace::new(20);
        let before = under(&pace);
        for _ in 0..50 {
            pace.throttled(Position::ZERO, Some(before), MIDDLE);
            pace.refused(Position::ZERO, before, MIDDLE);
        }
        pace.throttled(HOLD * 2, Some(before), MIDDLE);
        assert!((pace.rate() - 10.0).abs() < 1e-9, "{}", pace.rate());
        // A session that was connected and is thrown off now is news.
        pace.throttled(HOLD * 2, None, MIDDLE);
        assert!((pace.rate() - 5.0).abs() < 1e-9, "{}", pace.rate());
    }

    #[test]
    fn one_refusal_is_a_sessions_own_trouble_and_three_are_not() {
        let mut pace = Pace::new(20);
        pace.refused(Position::ZERO, under(&pace), MIDDLE);
        pace.refused(Position::ZERO, under(&pace), MIDDLE);
        pace.succeeded();
        pace.refused(Position::ZERO, under(&pace), MIDDLE);
        pace.refused(Position::ZERO, under(&pace), MIDDLE);
        assert!((pace.rate() - 20.0).abs() < 1e-9);
        pace.refused(Position::ZERO, under(&pace), MIDDLE);
        assert!((pace.rate() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_pace_ends_at_its_floor_and_recovers_to_its_maximum() {
        let mut pace = Pace::new(20);
        let down = run(&mut pace, Position::ZERO, 30, |pace, now| {
            pace.throttled(now, Some(under(pace)), MIDDLE);
        });
        assert!((pace.rate() - PACE_MIN).abs() < 1e-9);
        let up = run(&mut pace, down, 100, |pace, _| pace.succeeded());
        assert!((pace.rate() - 20.0).abs() < 1e-9, "{}", pace.rate());
        assert!((up - down).as_secs() < 60, "recovery took {:?}", up - down);
    }

    #[test]
    fn a_server_that_takes_four_a_second_is_found() {
        // The server counts connects per second and refuses what is over four; the node has 20.
        let mut pace = Pace::new(20);
        let (mut now, mut throttled, mut connects) = (Position::ZERO, 0_u32, 0_u32);
        let mut taken: Vec<Position> = Vec::new();
        while now < Duration::from_secs(600) {
            match pace.take(now, MIDDLE) {
                Err(due) => now = due,
                Ok(under) => {
                    connects += 1;
                    let window = now.saturating_sub(Duration::from_secs(1));
                    let recent = taken.iter().rev().take_while(|at| **at >= window).count();
                    if recent >= 4 {
                        throttled += 1;
                        pace.throttled(now, Some(under), MIDDLE);
                    } else {
                        taken.push(now);
                        pace.succeeded();
                    }
                }
            }
        }
        assert!(
            throttled * 8 < connects,
            "{throttled} of {connects} throttled"
        );
        assert!(connects > 600, "only {connects} in ten minutes");
    }
}
