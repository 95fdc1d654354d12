use wacore::messages::{MessageUtils, decode_plaintext};
use wacore_binary::Jid;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::protocol::SignalMessage;

use super::super::cipher::{pad, unpad};
use super::super::keys::PREKEYS_OUTSTANDING_MAX;
use super::super::{Error, RETRY_COUNT_MAX, SENT_MAX, device_sent};
use super::*;

#[test]
fn a_client_accepts_the_bundle() {
    let mut ada = phone(15_550_000_001);
    let bundle = ada.bundle(true).unwrap();
    let leaf = |tag: &'static str, bytes: &[u8]| NodeBuilder::new(tag).bytes(bytes).build();
    let (id, public) = bundle.prekey.unwrap();
    let signed = &bundle.signed_prekey;
    let user = NodeBuilder::new("user")
        .attr("jid", Jid::pn("15550000001"))
        .children([
            leaf("registration", &bundle.registration_id.to_be_bytes()),
            leaf("type", &[5]),
            leaf("identity", &bundle.identity),
            NodeBuilder::new("key")
                .children([leaf("id", &id.to_be_bytes()[1..]), leaf("value", &public)])
                .build(),
            NodeBuilder::new("skey")
                .children([
                    leaf("id", &signed.id.to_be_bytes()[1..]),
                    leaf("value", &signed.public),
                    leaf("signature", &signed.signature),
                ])
                .build(),
        ])
        .build();
    let list = NodeBuilder::new("list").children([user]).build();
    let answer = NodeBuilder::new("iq").children([list]).build();
    let node = answer.as_node_ref();
    let parsed =
        wacore::prekeys::PreKeyUtils::parse_prekeys_response(&node, &Default::default()).unwrap();
    let parsed = &parsed.bundles[&Jid::pn("15550000001")];
    let identity = parsed.identity_key().unwrap().public_key();
    assert!(identity.verify_signature(
        &parsed.signed_pre_key_public().unwrap().serialize(),
        parsed.signed_pre_key_signature().unwrap(),
    ));
    assert_eq!(parsed.registration_id().unwrap(), ada.registration_id());
}

#[test]
fn keys_follow_from_seed_and_number() {
    assert_eq!(phone(1).identity(), phone(1).identity());
    assert_ne!(phone(1).identity(), phone(2).identity());
    let reinstalled = Phone::new(1, 900_000_000_000_001, "Ada", 8);
    assert_ne!(phone(1).identity(), reinstalled.identity());
}

#[test]
fn two_phones_talk() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(1));
    assert_eq!(say(&mut ada, &mut bob, "one", &mut rng).0, EncKind::PreKey);
    // Until an answer arrives, the sender cannot know that the session exists.
    assert_eq!(say(&mut ada, &mut bob, "two", &mut rng).0, EncKind::PreKey);
    assert_eq!(say(&mut bob, &mut ada, "hi", &mut rng).0, EncKind::Message);
    assert_eq!(
        say(&mut ada, &mut bob, "three", &mut rng).0,
        EncKind::Message
    );
    for round in 0..100 {
        say(&mut ada, &mut bob, &format!("ping {round}"), &mut rng);
        say(&mut bob, &mut ada, &format!("pong {round}"), &mut rng);
    }
}

#[test]
fn both_start_at_once() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(2));
    let (to_bob, to_ada) = (bob.bundle(true).unwrap(), ada.bundle(true).unwrap());
    let message = text_message("crossing", &mut rng);
    let a = ada
        .encrypt(bob.address(), Some(&to_bob), &message, &mut rng)
        .unwrap();
    let b = bob
        .encrypt(ada.address(), Some(&to_ada), &message, &mut rng)
        .unwrap();
    bob.decrypt(ada.address(), a.kind, &a.bytes, &mut rng)
        .unwrap();
    ada.decrypt(bob.address(), b.kind, &b.bytes, &mut rng)
        .unwrap();
    for _ in 0..3 {
        say(&mut ada, &mut bob, "so", &mut rng);
        say(&mut bob, &mut ada, "and so", &mut rng);
    }
}

#[test]
fn messages_open_in_any_order_and_once() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(3));
    say(&mut ada, &mut bob, "start", &mut rng);
    say(&mut bob, &mut ada, "answer", &mut rng);
    let sent: Vec<_> = (0..40)
        .map(|n| {
            let message = text_message(&n.to_string(), &mut rng);
            ada.encrypt(bob.address(), None, &message, &mut rng)
                .unwrap()
        })
        .collect();
    for (n, enc) in sent.iter().enumerate().rev() {
        let opened = bob
            .decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
            .unwrap();
        assert_eq!(text_of(&opened.message), n.to_string());
    }
    let again = bob
        .decrypt(ada.address(), sent[7].kind, &sent[7].bytes, &mut rng)
        .unwrap_err();
    assert!(again.is_duplicate() && !again.wants_retry(), "{again}");
}

#[test]
fn counters_do_not_jump() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(4));
    say(&mut ada, &mut bob, "start", &mut rng);
    say(&mut bob, &mut ada, "answer", &mut rng);
    for counter in 0..5 {
        let message = text_message("x", &mut rng);
        let enc = ada
            .encrypt(bob.address(), None, &message, &mut rng)
            .unwrap();
        let parsed = SignalMessage::try_from(enc.bytes.as_slice()).unwrap();
        assert_eq!(parsed.counter(), counter);
    }
}

#[test]
fn nothing_is_encrypted_without_keys_or_with_forged_ones() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(5));
    let message = text_message("x", &mut rng);
    let error = ada
        .encrypt(bob.address(), None, &message, &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::NoSession(to) if to == bob.address()));
    let mut forged = bob.bundle(true).unwrap();
    forged.signed_prekey.signature[3] ^= 1;
    ada.encrypt(bob.address(), Some(&forged), &message, &mut rng)
        .unwrap_err();
    assert!(!ada.has_session(bob.address()));
}

#[test]
fn one_time_keys_work_once() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(6));
    let bundle = bob.bundle(true).unwrap();
    assert_ne!(bundle.prekey, bob.bundle(true).unwrap().prekey);
    assert_eq!(bob.bundle(false).unwrap().prekey, None);
    let message = text_message("x", &mut rng);
    let first = ada
        .encrypt(bob.address(), Some(&bundle), &message, &mut rng)
        .unwrap();
    bob.decrypt(ada.address(), first.kind, &first.bytes, &mut rng)
        .unwrap();
    let mut eve = phone(3);
    let second = eve
        .encrypt(bob.address(), Some(&bundle), &message, &mut rng)
        .unwrap();
    let error = bob
        .decrypt(eve.address(), second.kind, &second.bytes, &mut rng)
        .unwrap_err();
    assert!(error.wants_retry(), "{error}");
}

#[test]
fn unused_one_time_keys_are_bounded() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(7));
    let oldest = bob.bundle(true).unwrap();
    let newer = bob.bundle(true).unwrap();
    for _ in 0..PREKEYS_OUTSTANDING_MAX - 1 {
        bob.bundle(true).unwrap();
    }
    let message = text_message("x", &mut rng);
    let enc = ada
        .encrypt(bob.address(), Some(&newer), &message, &mut rng)
        .unwrap();
    bob.decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap();
    let mut eve = phone(3);
    let enc = eve
        .encrypt(bob.address(), Some(&oldest), &message, &mut rng)
        .unwrap();
    bob.decrypt(eve.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap_err();
}

#[test]
fn a_bundle_without_one_time_key_does() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(8));
    let bundle = bob.bundle(false).unwrap();
    let message = text_message("x", &mut rng);
    let enc = ada
        .encrypt(bob.address(), Some(&bundle), &message, &mut rng)
        .unwrap();
    bob.decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap();
}

#[test]
fn a_lost_session_is_healed_by_a_resend() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(9));
    say(&mut ada, &mut bob, "start", &mut rng);
    say(&mut bob, &mut ada, "answer", &mut rng);
    assert!(bob.delete_session(ada.address()));
    let message = text_message("lost", &mut rng);
    ada.remember_sent("ID1", &message);
    let enc = ada
        .encrypt(bob.address(), None, &message, &mut rng)
        .unwrap();
    let error = bob
        .decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap_err();
    assert!(error.wants_retry() && !error.is_duplicate(), "{error}");

    let kept = ada.sent("ID1").unwrap();
    let keys = bob.bundle(true).unwrap();
    let enc = ada
        .resend(bob.address(), Some(&keys), &kept, 2, &mut rng)
        .unwrap();
    assert_eq!((enc.kind, enc.count), (EncKind::PreKey, Some(2)));
    let opened = bob
        .decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap();
    assert_eq!(opened.message, message);
    say(&mut bob, &mut ada, "thanks", &mut rng);

    let refused = ada.resend(
        bob.address(),
        Some(&keys),
        &kept,
        RETRY_COUNT_MAX + 1,
        &mut rng,
    );
    assert!(matches!(refused, Err(Error::TooManyRetries { .. })));
}

#[test]
fn a_damaged_message_wants_a_retry_and_harms_nothing() {
    let (mut ada, mut bob, mut rng) = (phone(1), phone(2), rng(10));
    say(&mut ada, &mut bob, "start", &mut rng);
    say(&mut bob, &mut ada, "answer", &mut rng);
    let message = text_message("fragile", &mut rng);
    let enc = ada
        .encrypt(bob.address(), None, &message, &mut rng)
        .unwrap();
    let mut damaged = enc.bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let error = bob
        .decrypt(ada.address(), enc.kind, &damaged, &mut rng)
        .unwrap_err();
    assert!(error.wants_retry(), "{error}");
    bob.decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap();
}

#[test]
fn sent_messages_are_kept_for_a_while() {
    let (mut ada, mut rng) = (phone(1), rng(11));
    for n in 0..=SENT_MAX {
        ada.remember_sent(&n.to_string(), &text_message(&n.to_string(), &mut rng));
    }
    assert!(ada.sent("0").is_none());
    assert_eq!(text_of(&ada.sent("1").unwrap()), "1");
    ada.remember_sent("long", &text_message(&"x".repeat(20_000), &mut rng));
    assert!(ada.sent("long").is_none());
}

#[test]
fn clients_and_phones_pad_alike() {
    let mut rng = rng(12);
    let message = text_message("padded", &mut rng);
    let mut lengths = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let padded = pad(&message, &mut rng);
        assert_eq!(decode_plaintext(&padded, 2).unwrap(), message);
        lengths.insert(*padded.last().unwrap());
        let theirs = MessageUtils::encode_and_pad(&message);
        assert_eq!(unpad(device(1, 1), &theirs).unwrap(), message);
    }
    assert_eq!(lengths, (1..=16).collect());
    for wrong in [&b""[..], b"\x00", b"\x05\x05", b"\x01\x02"] {
        assert!(matches!(unpad(device(1, 1), wrong), Err(Error::Padding(_))));
    }
}

#[test]
fn copies_of_own_messages_are_unwrapped() {
    let (mut ada, mut rng) = (phone(1), rng(13));
    // Another set of keys under the same number stands for the companion.
    let mut companion = Phone::new(1, 2, "Ada", 99);
    let message = text_message("from my desk", &mut rng);
    let copy = wacore::messages::wrap_device_sent(message.clone(), "2@s.whatsapp.net".into());
    let bundle = ada.bundle(true).unwrap();
    let enc = companion
        .encrypt(ada.address(), Some(&bundle), &copy, &mut rng)
        .unwrap();
    let opened = ada
        .decrypt(device(1, 3), enc.kind, &enc.bytes, &mut rng)
        .unwrap();
    assert_eq!(opened.message, message);
    assert_eq!(opened.destination.as_deref(), Some("2@s.whatsapp.net"));

    // What a phone wraps, a client unwraps.
    let ours = device_sent("2@s.whatsapp.net", &message);
    assert_eq!(wacore::messages::unwrap_device_sent(ours), message);
}

#[test]
fn strangers_cannot_speak_in_the_own_name() {
    let (mut ada, mut eve, mut rng) = (phone(1), phone(3), rng(14));
    let copy = device_sent("2@s.whatsapp.net", &text_message("forged", &mut rng));
    let bundle = ada.bundle(true).unwrap();
    let enc = eve
        .encrypt(ada.address(), Some(&bundle), &copy, &mut rng)
        .unwrap();
    let error = ada
        .decrypt(eve.address(), enc.kind, &enc.bytes, &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::ForeignDeviceSent(_)));
    assert!(!error.wants_retry());
}

#[test]
fn group_ciphertext_is_no_pairwise_one() {
    let (mut ada, mut rng) = (phone(1), rng(15));
    let error = ada
        .decrypt(device(2, 0), EncKind::SenderKey, &[], &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::WrongKind { .. }));
}

#[test]
fn addresses_do_not_show_numbers() {
    assert_eq!(device(15_550_001_234, 5).to_string(), "…1234:5");
}
