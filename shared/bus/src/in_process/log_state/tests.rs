//! Whatever happens, a state loaded from its rows is the state that wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::Names;

const AGE: Duration = Duration::from_secs(1000);
const ACK_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Step {
    /// Appends an event of one of a few sessions with one of a few ids.
    Append(u8, u8),
    Fetch(usize),
    /// Acknowledges one of the deliveries in hand.
    Ack(usize),
    Nak(usize),
    /// Purges one session up to a sequence.
    Purge(u8, u64),
    /// Seconds pass.
    Pass(u64),
    /// The process ends and starts again.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, 0..40_u8).prop_map(|(session, id)| Step::Append(session, id)),
        3 => (1..4_usize).prop_map(Step::Fetch),
        4 => (0..8_usize).prop_map(Step::Ack),
        1 => (0..8_usize).prop_map(Step::Nak),
        1 => (0..3_u8, 0..40_u64).prop_map(|(session, up_to)| Step::Purge(session, up_to)),
        1 => (1..400_u64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

/// A state with its disk, and what must be true of it.
struct World {
    names: Names,
    state: State,
    disk: BTreeMap<Vec<u8>, Bytes>,
    now: Now,
    in_hand: Vec<u64>,
    /// Sequences that are acknowledged for good.
    acked: BTreeSet<u64>,
    last: u64,
}

impl World {
    fn new() -> Self {
        let now = Now {
            monotonic: Instant::now(),
            unix_ms: 1_000_000_000,
        };
        let mut world = Self {
            names: Names::new("c").unwrap(),
            state: State::default(),
            disk: BTreeMap::new(),
            now,
            in_hand: Vec::new(),
            acked: BTreeSet::new(),
            last: 0,
        };
        world.open();
        world
    }

    fn stream(&self) -> StreamName {
        self.names.wal_stream()
    }

    fn reader(&self) -> ConsumerSpec {
        let name = ConsumerName::new("r").unwrap();
        let spec = ConsumerSpec::new(name, self.names.all_wal());
        ConsumerSpec {
            unacknowledged_max: 5,
            ack_wait: ACK_WAIT,
            ..spec
        }
    }

    fn run<R>(&mut self, change: impl FnOnce(&mut State, Now, &mut Vec<Op>) -> R) -> R {
        let mut batch = Vec::new();
        let result = change(&mut self.state, self.now, &mut batch);
        for op in batch {
            match op {
                Op::Put { key, value } => drop(self.disk.insert(key, value)),
                Op::Delete { key } => drop(self.disk.remove(&key)),
            }
        }
        result
    }

    fn open(&mut self) {
        let spec = StreamSpec {
            name: self.stream(),
            subjects: self.names.all_wal(),
            bytes_max: 300,
            overflow: Overflow::DropOldest,
            age_max: Some(AGE),
            duplicate_window: Duration::from_secs(100),
        };
        self.run(|state, now, batch| state.open(spec, now, batch))
            .unwrap();
        let (stream, reader) = (self.stream(), self.reader());
        self.run(|state, _, batch| state.consumer(&stream, &reader, batch))
            .unwrap();
    }

    fn restart(&mut self) {
        self.state = State::default();
        for (key, value) in &self.disk {
            assert!(self.state.load(key, value), "{}", key.escape_ascii());
        }
        self.state.loaded();
        self.in_hand.clear();
        self.open();
    }

    fn step(&mut self, step: &Step) {
        let (stream, reader) = (self.stream(), self.reader().name);
        match *step {
            Step::Append(session, id) => {
                let message = NewMessage {
                    subject: self.names.wal("t", &session.to_string()).unwrap(),
                    id: id.to_string(),
                    payload: Bytes::from_static(b"payload"),
                    expected_last: None,
                };
                let appended = self
                    .run(|state, now, batch| state.append(&stream, message, now, batch))
                    .unwrap();
                if !appended.duplicate {
                    assert!(appended.seq > self.last, "{appended:?} after {}", self.last);
                    self.last = appended.seq;
                }
            }
            Step::Fetch(max) => {
                let fetched = self
                    .run(|state, now, batch| state.fetch(&stream, &reader, max, now, batch))
                    .unwrap();
                for (message, _) in fetched.messages {
                    assert!(
                        !self.acked.contains(&message.seq),
                        "{} was done",
                        message.seq
                    );
                    self.in_hand.push(message.seq);
                }
            }
            Step::Ack(index) if index < self.in_hand.len() => {
                let seq = self.in_hand.swap_remove(index);
                self.run(|state, _, batch| state.ack(&stream, &reader, seq, batch))
                    .unwrap();
                self.acked.insert(seq);
            }
            Step::Nak(index) if index < self.in_hand.len() => {
                let seq = self.in_hand.swap_remove(index);
                let due = self.now.monotonic;
                self.run(|state, _, batch| state.nak(&stream, &reader, seq, due, batch))
                    .unwrap();
            }
            Step::Ack(_) | Step::Nak(_) => {}
            Step::Purge(session, up_to) => {
                let filter = self.names.wal("t", &session.to_string()).unwrap().into();
                self.run(|state, _, batch| state.purge(&stream, &filter, up_to, batch))
                    .unwrap();
            }
            Step::Pass(seconds) => {
                self.now.monotonic += Duration::from_secs(seconds);
                self.now.unix_ms += seconds * 1000;
            }
            Step::Restart => self.restart(),
        }
    }

    fn stored(&self) -> Vec<u64> {
        self.state.streams[&self.stream()]
            .messages
            .keys()
            .copied()
            .collect()
    }

    /// Everything stored and not acknowledged comes to who fetches and acknowledges long enough.
    fn drain(&mut self) {
        let mut missing: BTreeSet<u64> = self
            .stored()
            .into_iter()
            .filter(|seq| !self.acked.contains(seq))
            .collect();
        self.now.monotonic += ACK_WAIT;
        for _ in 0..=missing.len() {
            self.step(&Step::Fetch(5));
            for seq in std::mem::take(&mut self.in_hand) {
                missing.remove(&seq);
                self.in_hand.push(seq);
                self.step(&Step::Ack(0));
            }
        }
        assert!(missing.is_empty(), "never came: {missing:?}");
    }
}

proptest! {
    #[test]
    fn a_restart_changes_nothing_and_nothing_is_lost_or_done_twice(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            let stream = &world.state.streams[&world.stream()];
            let bytes: u64 = stream.messages.values().map(|message| message.size()).sum();
            assert_eq!(stream.bytes, bytes);
            assert!(bytes <= 300 || stream.messages.len() == 1);
            let indexed: BTreeSet<u64> = stream.by_subject.values().flatten().copied().collect();
            assert_eq!(world.stored(), indexed.into_iter().collect::<Vec<_>>());
        }
        let before = world.stored();
        world.step(&Step::Restart);
        // Opening drops what is too old; nothing else may differ.
        let dropped = before.len() - world.stored().len();
        assert_eq!(world.stored(), before[dropped..]);
        world.drain();
        world.step(&Step::Append(0, 200));
        // The disk holds what is stored and a bounded rest: stream, consumer, marks of what is open.
        let rest = world.disk.len() - world.stored().len();
        assert!(rest <= 2 + before.len() + 5, "{rest} further rows");
    }
}
