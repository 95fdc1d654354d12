//! An old copy of a session runs again, without anything that was used since.

use std::collections::BTreeSet;

use switchboard_keystore::{Epoch, Namespace, TransferKey};
use switchboard_vocab::ChatId;
use switchboard_vocab::content::{Body, Text};
use switchboard_whatsapp::{Stripped, strip_for_lossy_restore};
use whatsapp_rust::{GroupCreateOptions, GroupParticipantOptions, Jid};

use crate::bench::{DEADLINE, Session, World};
use crate::groups::{bare_client, text};

const ANNA: &str = "15550001";
/// Phones without companions.
const BERT: &str = "15550002";
const CARL: &str = "15550004";
/// Never answers.
const DORA: &str = "15550005";
const EVE: &str = "15550006";
/// Has a linked device that makes the group.
const OWNER: &str = "15550003";
/// More than the counters that a session reserves ahead. Source: whatsapp-rust 0.7, 64.
const SENT_SINCE: usize = 100;
/// Prekeys of one upload here.
const PRE_KEYS: u32 = 20;

fn namespace() -> Namespace {
    Namespace::session("default/anna").unwrap()
}

fn key() -> TransferKey {
    TransferKey::new([7; 32])
}

/// A copy of Anna's session as it is now.
async fn copy(world: &World) -> Vec<Vec<u8>> {
    let mut export = world.store.export(&namespace(), &key()).await.unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = export.next().await.unwrap() {
        frames.push(frame.to_vec());
    }
    frames
}

/// Puts a copy in the place of what there is.
async fn restore(world: &World, frames: &[Vec<u8>], epoch: u64) {
    let mut import = world
        .store
        .import(&namespace(), Epoch(epoch), &key())
        .await
        .unwrap();
    for frame in frames {
        import.write(frame).await.unwrap();
    }
    import.finish().await.unwrap();
    world.store.promote(&namespace()).await.unwrap();
}

/// Waits until a phone has read a text. It was encrypted with a counter that the phone had not seen, or it would not be
/// there.
async fn read_by(world: &World, number: &str, body: &str) {
    let reads = async {
        loop {
            let inbox = world.simulator.phone_inbox(number, 0).unwrap();
            if inbox
                .iter()
                .any(|record| record.text.as_deref() == Some(body))
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reads)
        .await
        .unwrap_or_else(|_| panic!("{number} did not read {body:?}"));
}

/// Waits until the server knows that Anna has everything: it brings nothing again then.
async fn acknowledged(world: &World) {
    let settles = async {
        loop {
            let journal = world.simulator.journal();
            if journal.device(&format!("{ANNA}:1")).unwrap().queued == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, settles)
        .await
        .expect("everything is acknowledged");
}

/// Waits until Anna has taken in as many texts, and gives them.
async fn taken(anna: &mut Session, count: usize) -> Vec<String> {
    let mut texts = BTreeSet::new();
    while texts.len() < count {
        // What a phone sends again may come twice: by the retry, and as a recovered message. Whoever keeps messages
        // tells them by their ids.
        let message = anna.incoming().await.message;
        let is_new = anna.heard.insert(message.id);
        if let (true, Body::Text(Text { body, .. })) = (is_new, message.body) {
            texts.insert(body);
        }
    }
    texts.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::too_many_lines,
    reason = "one story: talk, fall back, strip, talk again"
)]
async fn an_old_copy_is_stripped_and_talks_again() {
    let world = World::new().await;
    let simulator = &world.simulator;
    simulator.add_phone(BERT, "Bert").unwrap();
    simulator.add_phone(CARL, "Carl").unwrap();
    simulator.add_phone(DORA, "Dora").unwrap();
    simulator.add_phone(EVE, "Eve").unwrap();
    let mut anna = world.linked("anna", ANNA).await;
    let who = anna.account.identity().unwrap();
    let owner = tokio::time::timeout(DEADLINE, Box::pin(bare_client(simulator, OWNER)))
        .await
        .unwrap();
    let members = [ANNA, BERT].map(|number| GroupParticipantOptions::new(Jid::pn(number)));
    let options = GroupCreateOptions::new("the group").with_participants(members.to_vec());
    let group = owner.groups().create_group(options).await.unwrap();
    let group: ChatId = group.metadata.id.to_string().parse().unwrap();
    let in_group = |id: &str, body: &str| text(id, &group, body, Vec::new());

    // Talk, copy, talk on: sessions, sender keys and prekeys move on behind the copy.
    anna.send("A1", BERT, "first").await.unwrap();
    anna.send("D1", DORA, "first").await.unwrap();
    anna.account
        .send(in_group("G1", "first here"))
        .await
        .unwrap();
    simulator.phone_text(BERT, ANNA, "b1").unwrap();
    simulator
        .phone_text(BERT, &group.to_string(), "g1")
        .unwrap();
    read_by(&world, BERT, "first here").await;
    assert_eq!(taken(&mut anna, 2).await, ["b1", "g1"]);
    acknowledged(&world).await;
    anna.stop().await;
    let old = copy(&world).await;
    anna.start();
    anna.connected().await;
    for n in 0..SENT_SINCE {
        for (mark, to) in [("S", BERT), ("U", DORA)] {
            anna.send(&format!("{mark}{n}"), to, &format!("since {n}"))
                .await
                .unwrap();
        }
        anna.account
            .send(in_group(&format!("T{n}"), &format!("since {n} here")))
            .await
            .unwrap();
    }
    read_by(&world, BERT, &format!("since {} here", SENT_SINCE - 1)).await;
    simulator.phone_text(BERT, ANNA, "b2").unwrap();
    simulator.phone_text(CARL, ANNA, "c1").unwrap();
    assert_eq!(taken(&mut anna, 2).await, ["b2", "c1"]);
    // The disk is lost when nothing is under way.
    acknowledged(&world).await;
    anna.stop().await;
    drop(anna);
    // Encrypted for what is lost.
    simulator.phone_text(BERT, ANNA, "b3").unwrap();
    simulator.phone_text(CARL, ANNA, "c2").unwrap();
    simulator
        .phone_text(BERT, &group.to_string(), "g2")
        .unwrap();

    restore(&world, &old, 2).await;
    let strip = async || {
        strip_for_lossy_restore(&*world.store, &namespace(), Epoch(2))
            .await
            .unwrap()
    };
    let first = strip().await;
    assert!(first.is_paired && first.sessions > 0 && first.sender_keys > 0);
    let second = strip().await;
    assert_eq!((second.sessions, second.sender_keys), (0, 0));
    let skipped = second.next_prekey - first.next_prekey;
    let mut anna = world.open("anna", 2).await;
    assert_eq!(anna.account.identity(), Some(who));
    anna.start();
    anna.connected().await;
    anna.send("D2", DORA, "second").await.unwrap();
    read_by(&world, DORA, "second").await;
    assert_eq!(taken(&mut anna, 3).await, ["b3", "c2", "g2"]);
    anna.send("A2", BERT, "second").await.unwrap();
    anna.send("A3", CARL, "to carl").await.unwrap();
    anna.account
        .send(in_group("G2", "second here"))
        .await
        .unwrap();
    read_by(&world, BERT, "second").await;
    read_by(&world, BERT, "second here").await;
    read_by(&world, CARL, "to carl").await;
    // Somebody who never wrote before, with a prekey of the new ones or after asking for one.
    simulator.phone_text(EVE, ANNA, "e1").unwrap();
    simulator.phone_text(BERT, ANNA, "b4").unwrap();
    simulator
        .phone_text(BERT, &group.to_string(), "g3")
        .unwrap();
    assert_eq!(taken(&mut anna, 3).await, ["b4", "e1", "g3"]);
    anna.stop().await;
    while let Ok(more) = anna.inbox.try_recv() {
        let is_new = anna.heard.insert(more.message.id.clone());
        assert!(
            !is_new || !matches!(more.message.body, Body::Text(_)),
            "once is enough: {more:?}"
        );
    }
    owner.disconnect().await;
    let made = strip().await.next_prekey - second.next_prekey - skipped;
    assert!(
        made >= PRE_KEYS,
        "{made} prekeys were made behind all others"
    );
}

#[tokio::test]
async fn there_is_little_to_strip_of_an_unpaired_session() {
    let world = World::new().await;
    let nothing = Stripped {
        is_paired: false,
        sessions: 0,
        sender_keys: 0,
        next_prekey: 1,
    };
    let strip =
        async |epoch| strip_for_lossy_restore(&*world.store, &namespace(), Epoch(epoch)).await;
    assert_eq!(strip(5).await.unwrap(), nothing);
    assert!(strip(4).await.is_err(), "a later owner exists");
    let mut session = world.open("anna", 6).await;
    let ids = BTreeSet::from([session.link(&world, ANNA).await.device]);
    assert_eq!(ids, BTreeSet::from([1]));
    session.stop().await;
}
