//! What counts as a log, message by message.

use super::*;
use crate::api::ReplicaKey;
use crate::record::{Change, encode, new_id};

const PLACE: &str = "session:t/s";

/// A log as somebody wrote it.
struct Writer {
    sealer: Sealer,
    messages: Vec<Vec<u8>>,
    last: Id,
    number: u64,
    epoch: u64,
}

impl Writer {
    fn new() -> Self {
        Self {
            sealer: Sealer::new(&ReplicaKey::new([1; 32])),
            messages: Vec::new(),
            last: NO_RECORD,
            number: 0,
            epoch: 1,
        }
    }

    fn write(&mut self, what: What) -> Id {
        let (id, previous) = (new_id(), self.last);
        self.number += 1;
        let head = (id, self.epoch, self.number);
        let record = Record { previous, what };
        let messages = encode(&self.sealer, PLACE, head, &record, 1_000).unwrap();
        self.messages
            .extend(messages.iter().map(|message| message.to_vec()));
        self.last = id;
        id
    }

    fn begin(&mut self, epoch: u64) -> Id {
        self.epoch = epoch;
        self.write(What::Begin)
    }

    fn batch(&mut self) -> Id {
        self.write(What::Batch(vec![Change::Delete(1, vec![1])]))
    }

    fn base(&mut self, covers: Option<u64>) -> Id {
        self.write(What::Base(base(covers)))
    }

    fn read(&self, skip: usize) -> Chain {
        let mut chain = Chain::default();
        for (seq, message) in (1..).zip(&self.messages).skip(skip) {
            chain.push(&self.sealer, PLACE, seq, message);
        }
        chain
    }
}

fn base(covers: Option<u64>) -> Base {
    Base {
        snapshot: new_id(),
        first: 1,
        last: 1,
        messages: 1,
        bytes: 9,
        hash: [0; 32],
        covers,
    }
}

fn numbers(rest: &[Entry]) -> Vec<u64> {
    rest.iter().map(|entry| entry.number).collect()
}

#[test]
fn a_whole_log_is_read_to_its_end() {
    let mut log = Writer::new();
    let begin = log.begin(1);
    log.batch();
    let last = log.batch();
    let chain = log.read(0);
    assert_eq!(chain.broken(), None);
    assert_eq!(chain.last().unwrap().id, last);
    assert_eq!(numbers(chain.following(begin).unwrap()), [2, 3]);
    assert_eq!(chain.following(last).unwrap().len(), 0);
    assert!(chain.following(new_id()).is_none());
    assert!(matches!(chain.plan(), Some(Plan::Beginning(rest)) if rest.len() == 3));
}

#[test]
fn whatever_is_missing_or_damaged_or_moved_breaks_it() {
    let mut log = Writer::new();
    log.begin(1);
    for _ in 0..4 {
        log.batch();
    }
    for at in 0..5 {
        let mut damaged = Writer {
            messages: log.messages.clone(),
            ..Writer::new()
        };
        damaged.messages[at][60] ^= 1;
        assert!(damaged.read(0).broken().is_some(), "bit of {at}");
    }
    for at in 1..4 {
        let mut cut = Writer {
            messages: log.messages.clone(),
            ..Writer::new()
        };
        cut.messages.remove(at);
        assert!(cut.read(0).broken().is_some(), "without {at}");
        let mut swapped = Writer {
            messages: log.messages.clone(),
            ..Writer::new()
        };
        swapped.messages.swap(at, at + 1);
        assert!(swapped.read(0).broken().is_some(), "swapped {at}");
    }
    // What is missing at the beginning is not damage: snapshots cut there. But nothing can be made of it without one.
    let cut = log.read(1);
    assert!(cut.broken().is_none() && cut.plan().is_none());
}

#[test]
fn a_former_owner_that_wrote_on_breaks_it() {
    let mut log = Writer::new();
    log.begin(1);
    let fork = log.batch();
    log.begin(2);
    // The fence was not there: the former one goes on from where it was.
    (log.last, log.number, log.epoch) = (fork, 2, 1);
    log.batch();
    assert!(log.read(0).broken().is_some());
    let mut log = Writer::new();
    log.begin(2);
    log.epoch = 1;
    log.batch();
    assert!(log.read(0).broken().is_some(), "an epoch cannot fall");
    let mut log = Writer::new();
    log.begin(1);
    log.epoch = 2;
    log.batch();
    assert!(log.read(0).broken().is_some(), "an epoch has to begin");
}

#[test]
fn a_torn_record_never_counted() {
    let mut log = Writer::new();
    let begin = log.begin(1);
    let big = vec![7; 2_000];
    log.write(What::Batch(vec![Change::Put(1, vec![1], big)]));
    assert_eq!(log.messages.len(), 4);
    let whole = log.read(0);
    assert_eq!((whole.broken(), whole.last().unwrap().number), (None, 2));
    for kept in 2..4 {
        let mut torn = Writer {
            messages: log.messages.clone(),
            ..Writer::new()
        };
        torn.messages.truncate(kept);
        let chain = torn.read(0);
        assert_eq!(chain.broken(), None);
        assert_eq!(
            (chain.last().unwrap().id, chain.last_seq()),
            (begin, kept as u64)
        );
        // The next owner saw that and goes on from the record before it.
        (torn.last, torn.number) = (begin, 1);
        torn.begin(2);
        torn.batch();
        let chain = torn.read(0);
        assert_eq!(chain.broken(), None);
        assert_eq!(numbers(chain.following(begin).unwrap()), [2, 3]);
        // The same owner cannot.
        (torn.last, torn.number, torn.epoch) = (begin, 1, 1);
        torn.messages.truncate(kept);
        torn.batch();
        assert!(torn.read(0).broken().is_some());
    }
}

#[test]
fn the_last_base_counts_whose_tail_is_whole() {
    let mut log = Writer::new();
    log.begin(1);
    log.batch();
    log.batch();
    log.base(Some(2));
    log.batch();
    let chain = log.read(0);
    let plan = |chain: &Chain| match chain.plan() {
        Some(Plan::Snapshot { reset, rest, .. }) => Some((reset.is_some(), numbers(rest))),
        Some(Plan::Beginning(_)) | None => None,
    };
    assert_eq!(plan(&chain), Some((false, vec![3, 4, 5])));
    assert_eq!(plan(&log.read(2)), Some((false, vec![3, 4, 5])));
    assert_eq!(plan(&log.read(3)), None, "record 3 is gone");
    log.base(Some(5));
    assert_eq!(plan(&log.read(3)), Some((false, vec![6])));
    assert_eq!(plan(&log.read(5)), Some((false, vec![6])));
}

#[test]
fn a_base_that_voids_heals_what_was_before_it() {
    let mut log = Writer::new();
    let begin = log.begin(1);
    let batch = log.batch();
    log.messages[1][70] ^= 1;
    log.batch();
    assert!(log.read(0).broken().is_some());
    log.last = new_id();
    log.number = 77;
    log.epoch = 3;
    let reset = log.base(None);
    log.batch();
    let chain = log.read(0);
    assert_eq!(chain.broken(), None);
    assert!(chain.following(begin).is_none() && chain.following(batch).is_none());
    assert_eq!(numbers(chain.following(reset).unwrap()), [79]);
    assert!(
        matches!(chain.plan(), Some(Plan::Snapshot { reset: Some(_), rest, .. }) if rest.len() == 1)
    );
}

#[test]
fn reading_may_begin_in_the_middle() {
    let mut log = Writer::new();
    log.begin(1);
    let second = log.batch();
    log.batch();
    let mut chain = Chain::after(After {
        id: second,
        number: 2,
        epoch: 1,
    });
    chain.push(&log.sealer, PLACE, 3, &log.messages[2]);
    assert_eq!(chain.broken(), None);
    assert_eq!(numbers(chain.following(second).unwrap()), [3]);
    let mut wrong = Chain::after(After {
        id: new_id(),
        number: 2,
        epoch: 1,
    });
    wrong.push(&log.sealer, PLACE, 3, &log.messages[2]);
    assert!(wrong.broken().is_some());
}
