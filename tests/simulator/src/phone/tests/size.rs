use std::collections::HashMap;

use super::*;

/// What a phone may cost while nothing happens.
const IDLE_BYTES_MAX: usize = 20 * 1024;

#[test]
fn an_idle_phone_is_small() {
    let (mut ada, mut rng) = (phone(1), rng(1));
    assert!(
        size_of::<Phone>() + ada.heap_bytes() < 1024,
        "a phone nobody used"
    );
    let mut others: Vec<Phone> = (2..12).map(phone).collect();
    for other in &mut others {
        say(&mut ada, other, "hello", &mut rng);
        say(other, &mut ada, "hello", &mut rng);
    }
    let members: Vec<_> = others.iter().map(Phone::address).collect();
    let message = text_message("all", &mut rng);
    ada.encrypt_group("1@g.us", &message, &members, &HashMap::new(), &mut rng)
        .unwrap();
    let bytes = size_of::<Phone>() + ada.heap_bytes();
    assert!(
        bytes < IDLE_BYTES_MAX,
        "{bytes} bytes with ten sessions and a group"
    );
}

#[test]
fn a_long_conversation_does_not_grow_a_phone() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(2));
    let mut after_ten = 0;
    for round in 0..200 {
        say(&mut ada, &mut bob, "ping", &mut rng);
        say(&mut bob, &mut ada, "pong", &mut rng);
        if round == 10 {
            after_ten = ada.heap_bytes();
        }
    }
    assert!(
        ada.heap_bytes() <= after_ten + 64,
        "{after_ten} then {}",
        ada.heap_bytes()
    );
}
