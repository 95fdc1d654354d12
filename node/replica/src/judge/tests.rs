//! Every case of the table in the design: who is right, and what is refused.

use super::*;
use crate::api::ReplicaKey;
use crate::record::{Base, NO_RECORD, Record, What, encode, new_id};
use crate::seal::Sealer;

const PLACE: &str = "session:t/s";

/// A log whose records have these epochs, numbered from `first`.
fn log(first: u64, epochs: &[u64], voids_at: Option<u64>) -> Chain {
    let sealer = Sealer::new(&ReplicaKey::new([1; 32]));
    let (mut chain, mut previous, mut before) = (Chain::default(), NO_RECORD, 0);
    if first > 1 {
        previous = new_id();
    }
    for (number, epoch) in (first..).zip(epochs) {
        let id = new_id();
        let what = if voids_at == Some(number) {
            What::Base(Base {
                snapshot: new_id(),
                first: 1,
                last: 1,
                messages: 1,
                bytes: 1,
                hash: [0; 32],
                covers: None,
            })
        } else if *epoch > before {
            What::Begin
        } else {
            What::Batch(Vec::new())
        };
        let record = Record { previous, what };
        let messages = encode(&sealer, PLACE, (id, *epoch, number), &record, 1_000).unwrap();
        for message in messages {
            chain.push(&sealer, PLACE, number, &message);
        }
        (previous, before) = (id, *epoch);
    }
    assert_eq!(chain.broken(), None);
    chain
}

fn id_of(log: &Chain, number: u64) -> Id {
    let after = log.first_number().unwrap();
    let mut entries = log.following(NO_RECORD);
    if entries.is_none() {
        entries = log.plan().map(|plan| match plan {
            crate::chain::Plan::Beginning(rest) => rest,
            crate::chain::Plan::Snapshot { rest, .. } => rest,
        });
    }
    let entries = entries.unwrap();
    entries[usize::try_from(number - after).unwrap()].id
}

fn at(epoch: u64, number: u64, id: Id) -> Local {
    Local::At(At {
        id,
        epoch,
        number,
        ..At::default()
    })
}

fn stray(epoch: u64, number: u64) -> Local {
    at(epoch, number, new_id())
}

fn known(epoch: u64, number: u64) -> Known {
    Known { epoch, number }
}

fn decide(local: &Local, known: Known, log: &Chain) -> Verdict {
    judge(local, known, log, Epoch(9))
}

const NONE: Known = Known {
    epoch: 0,
    number: 0,
};

#[test]
fn without_a_tree_the_log_decides() {
    let (empty, some) = (Chain::default(), log(1, &[1, 1, 2], None));
    assert_eq!(decide(&Local::Nothing, NONE, &empty), Verdict::Fresh);
    assert_eq!(decide(&Local::Nothing, NONE, &some), Verdict::Restore);
    assert_eq!(
        decide(&Local::Nothing, known(2, 3), &some),
        Verdict::Restore
    );
    assert_eq!(
        decide(&Local::Nothing, known(1, 50), &some),
        Verdict::Restore
    );
    for (epoch, number) in [(2, 4), (3, 0), (3, 1)] {
        let known = known(epoch, number);
        assert_eq!(
            decide(&Local::Nothing, known, &some),
            Verdict::Behind(known)
        );
        assert_eq!(
            decide(&Local::Nothing, known, &empty),
            Verdict::Behind(known)
        );
    }
}

#[test]
fn a_tree_that_is_in_the_log_goes_on_from_there() {
    let log = log(1, &[1, 1, 2], None);
    for number in 1..=3 {
        let id = id_of(&log, number);
        let epoch = if number == 3 { 2 } else { 1 };
        assert_eq!(
            decide(&at(epoch, number, id), NONE, &log),
            Verdict::Follow(id)
        );
    }
    let id = id_of(&log, 3);
    assert_eq!(
        decide(&at(2, 3, id), known(2, 4), &log),
        Verdict::Behind(known(2, 4))
    );
}

#[test]
fn the_higher_epoch_is_right() {
    let log = log(4, &[3, 3, 3], None);
    assert_eq!(decide(&stray(4, 2), NONE, &log), Verdict::Seed);
    assert_eq!(decide(&stray(4, 50), NONE, &log), Verdict::Seed);
    assert_eq!(decide(&stray(2, 50), NONE, &log), Verdict::Restore);
    assert_eq!(decide(&stray(2, 5), NONE, &log), Verdict::Restore);
    assert_eq!(decide(&Local::Unmarked(4), NONE, &log), Verdict::Seed);
    assert_eq!(decide(&Local::Unmarked(2), NONE, &log), Verdict::Restore);
    assert_eq!(
        judge(&Local::Nothing, NONE, &log, Epoch(2)),
        Verdict::Superseded(3)
    );
    assert_eq!(
        judge(&stray(9, 9), NONE, &log, Epoch(2)),
        Verdict::Superseded(3)
    );
}

#[test]
fn within_an_epoch_the_longer_side_is_right_and_a_fork_is_nobodys() {
    let log = log(4, &[3, 3, 3], None);
    assert_eq!(
        decide(&stray(3, 7), NONE, &log),
        Verdict::Seed,
        "rolled back"
    );
    assert_eq!(
        decide(&stray(3, 2), NONE, &log),
        Verdict::Restore,
        "cut by a snapshot"
    );
    assert_eq!(decide(&stray(3, 5), NONE, &log), Verdict::Diverged(3));
    assert_eq!(
        decide(&Local::Unmarked(3), NONE, &log),
        Verdict::Diverged(3)
    );
}

#[test]
fn a_lost_log_is_written_anew_from_the_tree() {
    let empty = Chain::default();
    assert_eq!(decide(&stray(3, 7), NONE, &empty), Verdict::Seed);
    assert_eq!(decide(&Local::Unmarked(1), NONE, &empty), Verdict::Seed);
    assert_eq!(
        decide(&stray(3, 7), known(4, 0), &empty),
        Verdict::Behind(known(4, 0))
    );
}

#[test]
fn a_tree_before_a_base_that_voids_is_void() {
    let log = log(4, &[3, 4, 4], Some(5));
    assert_eq!(decide(&stray(3, 4), NONE, &log), Verdict::Restore);
    assert_eq!(decide(&stray(4, 4), NONE, &log), Verdict::Restore);
}

#[test]
fn writing_anew_goes_on_until_the_log_says_that_it_is_done() {
    let log = log(1, &[1, 1, 2], None);
    let seeding = |epoch, snapshot| Local::Seeding {
        epoch,
        snapshot,
        number: 9,
    };
    assert_eq!(decide(&seeding(3, new_id()), NONE, &log), Verdict::Seed);
    assert_eq!(decide(&seeding(2, new_id()), NONE, &log), Verdict::Seed);
    assert_eq!(
        decide(&seeding(1, new_id()), NONE, &log),
        Verdict::Restore,
        "somebody went on"
    );
}
