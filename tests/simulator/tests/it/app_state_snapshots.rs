//! App state when not everything goes smoothly: snapshots, late writers, wrong sums.

use switchboard_simulator::faults::{Fault, Request};
use switchboard_simulator::journal::Direction;
use switchboard_simulator::phone::Act;
use wacore::store::traits::AppSyncStore as _;
use wacore::types::events::Event;

use crate::app_state::{ALICE, BOB, bob, caught_up, noted, state_until};
use crate::client::{TestClient, simulator, until};
use crate::http::request;

/// More than the server keeps as patches.
const MANY: usize = 300;

/// Labels, one record each, a patch each.
fn labels(count: usize) -> Vec<Act> {
    let label = |n: usize| Act::EditLabel {
        id: (n % 40).to_string(),
        name: format!("label {n}"),
        color: 1,
    };
    (0..count).map(label).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_companion_gets_the_state_from_before_by_snapshot() {
    let simulator = simulator().await;
    simulator.add_phone(ALICE, "alice").unwrap();
    simulator.add_phone(BOB, "bob").unwrap();
    simulator
        .act(
            ALICE,
            &[Act::Pin {
                chat: bob(),
                on: true,
            }],
        )
        .unwrap();
    for act in labels(MANY) {
        simulator.act(ALICE, &[act]).unwrap();
    }
    let alice = TestClient::paired(&simulator, ALICE).await;
    alice
        .wait_for("the pin", |e| match e {
            Event::PinUpdate(u) => u.from_full_sync.then_some(()),
            _ => None,
        })
        .await;
    alice
        .wait_for("the last label", |e| match e {
            Event::LabelEditUpdate(u) => {
                let name = u.action.name.as_deref();
                (name == Some(&*format!("label {}", MANY - 1))).then_some(())
            }
            _ => None,
        })
        .await;
    // Reading on and writing on top of the snapshot works.
    caught_up(&simulator, &alice, "regular").await;
    simulator.act(ALICE, &labels(1)).unwrap();
    caught_up(&simulator, &alice, "regular").await;
    alice
        .wait_for("the next label", |e| match e {
            Event::LabelEditUpdate(u) => (!u.from_full_sync).then_some(()),
            _ => None,
        })
        .await;
    alice
        .client
        .labels()
        .create_label("77", "mine", 1)
        .await
        .unwrap();
    state_until(&simulator, "the client's label", |s| {
        s.labels.contains_key("77")
    })
    .await;
    assert_eq!(noted(&simulator), Vec::<&str>::new());

    // A client that was away for too long gets a snapshot, too.
    let backend = alice.stop().await;
    let version = backend.get_version("regular").await.unwrap().version;
    for act in labels(MANY) {
        simulator.act(ALICE, &[act]).unwrap();
    }
    let alice = TestClient::with_backend(&simulator, backend.clone()).await;
    alice.start().await;
    alice.connected().await;
    let wanted = simulator.phone_state(ALICE).unwrap().versions["regular"];
    assert!(wanted > version + 256);
    caught_up(&simulator, &alice, "regular").await;
    alice
        .client
        .labels()
        .create_label("78", "mine too", 1)
        .await
        .unwrap();
    state_until(&simulator, "the client's label", |s| {
        s.labels.contains_key("78")
    })
    .await;
    assert_eq!(noted(&simulator), Vec::<&str>::new());
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_on_an_old_version_is_told_and_writes_again() {
    let simulator = simulator().await;
    simulator.add_phone(BOB, "bob").unwrap();
    let alice = TestClient::paired(&simulator, ALICE).await;
    until("the client to have asked for everything", || {
        let report = simulator.journal();
        let device = report.device(&format!("{ALICE}:1")).unwrap();
        let asked = device.inbound.get("iq:w:sync:app:state");
        asked.is_some_and(|a| a.count >= 2)
    })
    .await;
    // What she writes now is written on what she was answered, so that she has all of it.
    alice
        .client
        .labels()
        .create_label("87", "mine before", 1)
        .await
        .unwrap();
    state_until(&simulator, "the client's first label", |s| {
        s.labels.contains_key("87")
    })
    .await;
    // Alice does not hear of what the phone writes.
    simulator
        .inject(Request {
            number: Some(ALICE.to_owned()),
            device: Some(1),
            stanza: Some("notification:server_sync".to_owned()),
            count: Some(2),
            direction: Some(Direction::Out),
            ..Request::new(Fault::Drop)
        })
        .unwrap();
    simulator.act(ALICE, &labels(1)).unwrap();
    simulator.act(ALICE, &labels(2)).unwrap();
    alice
        .client
        .labels()
        .create_label("88", "mine", 1)
        .await
        .unwrap();
    let state = state_until(&simulator, "the client's label", |s| {
        s.labels.contains_key("88")
    })
    .await;
    assert_eq!(state.labels.len(), 4);
    assert_eq!(noted(&simulator), Vec::<&str>::new());
    let events = simulator.journal().events;
    assert!(events.iter().any(|e| e.event == "app state: conflict"));
    // What was in the way has arrived with the refusal.
    alice
        .wait_for("the phone's label", |e| match e {
            Event::LabelEditUpdate(u) => (u.label_id == "1").then_some(()),
            _ => None,
        })
        .await;
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_that_counts_wrong_is_noted() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    alice
        .client
        .labels()
        .create_label("1", "right", 1)
        .await
        .unwrap();
    let mut state = alice.backend.get_version("regular").await.unwrap();
    assert!(state.version > 0);
    state.hash[0] ^= 1;
    alice.backend.set_version("regular", state).await.unwrap();
    alice
        .client
        .labels()
        .create_label("2", "wrong", 1)
        .await
        .unwrap();
    // The phone looks by itself, nobody has to ask it.
    until("the fault", || !noted(&simulator).is_empty()).await;
    assert_eq!(noted(&simulator), ["app state: wrong snapshot mac"]);
    let state = simulator.phone_state(ALICE).unwrap();
    assert_eq!(state.labels["2"].name, "wrong", "its content was fine");
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_companions_write_at_once_is_all_there() {
    const EACH: usize = 5;
    let simulator = simulator().await;
    let one = TestClient::paired(&simulator, ALICE).await;
    let other = TestClient::paired(&simulator, ALICE).await;
    let write = async |client: &TestClient, first: usize| {
        for id in first..first + EACH {
            let labels = client.client.labels();
            // The client gives up when it comes too late five times in a row.
            let mut tries = 0;
            while let Err(e) = labels.create_label(&id.to_string(), "mine", 1).await {
                tries += 1;
                assert!(tries < 20, "label {id}: {e}");
            }
        }
    };
    tokio::join!(write(&one, 100), write(&other, 200));
    let state = state_until(&simulator, "all labels", |s| s.labels.len() == 2 * EACH).await;
    assert_eq!(state.versions["regular"], 2 * EACH as u64);
    for client in [&one, &other] {
        caught_up(&simulator, client, "regular").await;
    }
    assert_eq!(noted(&simulator), Vec::<&str>::new());
    one.stop().await;
    other.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_profile_name_stands_in_the_app_state() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let path = format!("/admin/phones/{ALICE}/profile");
    let body = r#"{"name":"Alice B."}"#;
    assert_eq!(
        request("PATCH", simulator.address(), &path, body).await.0,
        200
    );
    let name = alice
        .wait_for("the new name", |e| match e {
            Event::SelfPushNameUpdated(u) => Some(u.new_name.clone()),
            _ => None,
        })
        .await;
    assert_eq!(name, "Alice B.");
    let settings = simulator.phone_state(ALICE).unwrap().settings;
    assert_eq!(settings.push_name.as_deref(), Some("Alice B."));
    alice.stop().await;
    simulator.shutdown().await;
}
