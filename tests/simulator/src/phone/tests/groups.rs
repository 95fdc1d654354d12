use std::collections::HashMap;

use wacore_libsignal::protocol::SenderKeyMessage;

use super::super::{Bundle, Error, GroupEnc};
use super::*;

const GROUP: &str = "120363000000000001@g.us";

/// Sends to a group; bundles come from those phones of which one is needed.
fn send(
    from: &mut Phone,
    to: &mut [&mut Phone],
    members: &[DeviceAddress],
    text: &str,
    rng: &mut ChaCha20Rng,
) -> GroupEnc {
    let needed = from.group_needs_bundles(GROUP, members);
    let bundles: HashMap<DeviceAddress, Bundle> = to
        .iter_mut()
        .filter(|phone| needed.contains(&phone.address()))
        .map(|phone| (phone.address(), phone.bundle(true).unwrap()))
        .collect();
    let message = text_message(text, rng);
    from.encrypt_group(GROUP, &message, members, &bundles, rng)
        .unwrap()
}

/// Opens what a phone got of a group message.
fn receive(
    phone: &mut Phone,
    from: DeviceAddress,
    enc: &GroupEnc,
    rng: &mut ChaCha20Rng,
) -> Result<String, Error> {
    let own = phone.address();
    for (_, key) in enc.distribution.iter().filter(|(to, _)| *to == own) {
        let opened = phone.decrypt(from, key.kind, &key.bytes, rng)?;
        assert_eq!(opened.sender_key_of.as_deref(), Some(GROUP));
    }
    assert_eq!(enc.message.kind, EncKind::SenderKey);
    let message = phone.decrypt_group(GROUP, from, &enc.message.bytes)?;
    Ok(text_of(&message).to_owned())
}

fn addresses(phones: &[&Phone]) -> Vec<DeviceAddress> {
    phones.iter().map(|phone| phone.address()).collect()
}

#[test]
fn a_group_talks() {
    let (mut ada, mut bob, mut cem, mut rng) = (phone(1), phone(2), phone(3), rng(1));
    let members = addresses(&[&ada, &bob, &cem]);
    let first = send(
        &mut ada,
        &mut [&mut bob, &mut cem],
        &members,
        "one",
        &mut rng,
    );
    assert_eq!(first.distribution.len(), 2);
    assert!(first.skipped.is_empty());
    assert_eq!(
        receive(&mut bob, ada.address(), &first, &mut rng).unwrap(),
        "one"
    );
    assert_eq!(
        receive(&mut cem, ada.address(), &first, &mut rng).unwrap(),
        "one"
    );
    let second = send(&mut ada, &mut [], &members, "two", &mut rng);
    assert!(second.distribution.is_empty(), "everybody has the key");
    assert_eq!(
        receive(&mut bob, ada.address(), &second, &mut rng).unwrap(),
        "two"
    );
    let answer = send(
        &mut bob,
        &mut [&mut ada, &mut cem],
        &members,
        "hi",
        &mut rng,
    );
    assert_eq!(
        receive(&mut ada, bob.address(), &answer, &mut rng).unwrap(),
        "hi"
    );
    assert_eq!(
        receive(&mut cem, bob.address(), &answer, &mut rng).unwrap(),
        "hi"
    );
}

#[test]
fn group_messages_open_in_any_order_and_once() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(2));
    let members = addresses(&[&ada, &bob]);
    let start = send(&mut ada, &mut [&mut bob], &members, "start", &mut rng);
    let sent: Vec<_> = (0..20)
        .map(|n| send(&mut ada, &mut [], &members, &n.to_string(), &mut rng))
        .collect();
    receive(&mut bob, ada.address(), &start, &mut rng).unwrap();
    for (n, enc) in sent.iter().enumerate().rev() {
        assert_eq!(
            receive(&mut bob, ada.address(), enc, &mut rng).unwrap(),
            n.to_string()
        );
    }
    let error = receive(&mut bob, ada.address(), &sent[3], &mut rng).unwrap_err();
    assert!(error.is_duplicate(), "{error}");
}

#[test]
fn who_joins_gets_the_key_and_who_leaves_loses_it() {
    let (mut ada, mut bob, mut cem, mut rng) = (phone(1), phone(2), phone(3), rng(3));
    let two = addresses(&[&ada, &bob]);
    let three = addresses(&[&ada, &bob, &cem]);
    let before = send(&mut ada, &mut [&mut bob], &two, "before", &mut rng);
    receive(&mut bob, ada.address(), &before, &mut rng).unwrap();
    let joined = send(&mut ada, &mut [&mut cem], &three, "joined", &mut rng);
    assert_eq!(joined.distribution.len(), 1);
    receive(&mut bob, ada.address(), &joined, &mut rng).unwrap();
    receive(&mut cem, ada.address(), &joined, &mut rng).unwrap();
    let before = cem.decrypt_group(GROUP, ada.address(), &before.message.bytes);
    assert!(before.is_err(), "a key does not reach back");
    let left = send(&mut ada, &mut [], &two, "left", &mut rng);
    assert_eq!(left.distribution.len(), 1, "a new key for who is left");
    assert_eq!(
        receive(&mut bob, ada.address(), &left, &mut rng).unwrap(),
        "left"
    );
    let error = cem
        .decrypt_group(GROUP, ada.address(), &left.message.bytes)
        .unwrap_err();
    assert!(error.wants_retry(), "{error}");
}

#[test]
fn a_missing_key_is_healed_by_a_resend() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(4));
    let members = addresses(&[&ada, &bob]);
    let lost = send(&mut ada, &mut [&mut bob], &members, "lost", &mut rng);
    let error = bob
        .decrypt_group(GROUP, ada.address(), &lost.message.bytes)
        .unwrap_err();
    assert!(error.wants_retry(), "{error}");
    let keys = bob.bundle(true).unwrap();
    let message = text_message("lost", &mut rng);
    let enc = ada
        .resend_group(GROUP, bob.address(), Some(&keys), &message, 1, &mut rng)
        .unwrap();
    assert_eq!((enc.kind, enc.count), (EncKind::PreKey, Some(1)));
    let opened = bob
        .decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap();
    assert_eq!(text_of(&opened.message), "lost");
    let next = send(&mut ada, &mut [], &members, "next", &mut rng);
    assert!(next.distribution.is_empty());
    assert_eq!(
        receive(&mut bob, ada.address(), &next, &mut rng).unwrap(),
        "next"
    );
}

#[test]
fn who_cannot_be_reached_is_named_and_tried_again() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(5));
    let gone = device(9, 4);
    let members = [ada.address(), bob.address(), gone];
    let first = send(&mut ada, &mut [&mut bob], &members, "one", &mut rng);
    assert_eq!(first.skipped, [gone]);
    receive(&mut bob, ada.address(), &first, &mut rng).unwrap();
    assert_eq!(ada.group_needs_bundles(GROUP, &members), [gone]);
    let second = send(&mut ada, &mut [], &members, "two", &mut rng);
    assert_eq!(second.skipped, [gone]);
    assert!(second.distribution.is_empty(), "the others keep their key");
    assert_eq!(
        receive(&mut bob, ada.address(), &second, &mut rng).unwrap(),
        "two"
    );
}

#[test]
fn groups_have_keys_of_their_own() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(6));
    let members = addresses(&[&ada, &bob]);
    let here = send(&mut ada, &mut [&mut bob], &members, "here", &mut rng);
    receive(&mut bob, ada.address(), &here, &mut rng).unwrap();
    let elsewhere = bob.decrypt_group(
        "120363000000000002@g.us",
        ada.address(),
        &here.message.bytes,
    );
    assert!(elsewhere.unwrap_err().wants_retry());
}

#[test]
fn a_skipped_member_that_asks_gets_the_key() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(7));
    let members = addresses(&[&ada, &bob]);
    let first = send(&mut ada, &mut [], &members, "one", &mut rng);
    assert_eq!(first.skipped, [bob.address()]);
    let keys = bob.bundle(true).unwrap();
    let message = text_message("one", &mut rng);
    let enc = ada
        .resend_group(GROUP, bob.address(), Some(&keys), &message, 1, &mut rng)
        .unwrap();
    bob.decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap();
    let next = send(&mut ada, &mut [], &members, "next", &mut rng);
    assert!(next.distribution.is_empty(), "it has the key by now");
    assert_eq!(
        receive(&mut bob, ada.address(), &next, &mut rng).unwrap(),
        "next"
    );
}

#[test]
fn group_counters_do_not_jump() {
    let (mut ada, mut rng) = (phone(1), rng(8));
    for iteration in 0..5 {
        let enc = send(&mut ada, &mut [], &[], "x", &mut rng);
        let parsed = SenderKeyMessage::try_from(enc.message.bytes.as_slice()).unwrap();
        assert_eq!(parsed.iteration(), iteration);
    }
}
