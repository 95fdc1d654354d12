//! Calls that meet a move or a take-over: they wait for the next owner, within bounds, and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use switchboard_ownership::{Rule, Rules};
use switchboard_vocab::cluster::{NodeState, OwnerPhase};
use switchboard_vocab::envelope::{CHUNK_LEN_MAX, Verb};
use tokio::task::JoinHandle;

use crate::bodies::pattern;
use crate::calls::text;
use crate::owner::{Call, Does, Owner, usual};
use crate::records::{moving, parked, put, up};
use crate::support::{
    Held, World, check_error, check_outcome, eventually, hasty, read, soon, world, world_with,
};

/// Round trips that outlast what a call does before it waits.
const ROUND_TRIPS: usize = 20;

/// A router with two nodes that are up.
async fn pair() -> (World, Owner) {
    let world = world().await;
    let second = second(&world).await;
    (world, second)
}

async fn second(world: &World) -> Owner {
    let owner = Owner::serve(&world.bus, &world.names, "n2").await;
    world.put_node(&up("n2")).await;
    world
        .sees("both nodes", |view| {
            view["nodes"].as_array().unwrap().len() == 2
        })
        .await;
    owner
}

fn sends(owner: &Owner) -> usize {
    owner.calls_of("messages.send").len()
}

/// A send under way. Test and router share a thread: after these round trips the router has done with it what it can.
async fn send(world: &World, held: &Held) -> JoinHandle<reqwest::Result<Response>> {
    let call = tokio::spawn(text(world, held).send());
    for _ in 0..ROUND_TRIPS {
        world.get("/livez").send().await.unwrap();
    }
    call
}

async fn ends(call: JoinHandle<reqwest::Result<Response>>) -> (u16, Value) {
    read(soon("the call ends", call).await.unwrap().unwrap()).await
}

#[tokio::test]
async fn who_is_named_instead_is_asked_at_once() {
    let world = world().await;
    let a = world.session("a").await;
    let second = Owner::serve(&world.bus, &world.names, "n2").await;
    world.owner.does(|_| Does::Denies(Some("n2")));
    let (status, _) = read(text(&world, &a).send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!((sends(&world.owner), sends(&second)), (1, 1));
}

#[tokio::test]
async fn nodes_that_name_each_other_are_not_asked_for_ever() {
    let world = hasty().await;
    let a = world.session("a").await;
    let second = Owner::serve(&world.bus, &world.names, "n2").await;
    world.owner.does(|_| Does::Denies(Some("n2")));
    second.does(|_| Does::Denies(Some("n1")));
    check_outcome(text(&world, &a), 503, "unavailable", "not_executed").await;
    assert_eq!(sends(&world.owner), sends(&second));
    assert!((1..=40).contains(&sends(&second)), "{}", sends(&second));
}

#[tokio::test]
async fn rounds_are_bounded_however_often_the_record_changes() {
    let world = world().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    let record = world.owner_record("a", "n1", 1).await;
    let (bus, bucket) = (world.bus.clone(), world.names.owners());
    let epoch = Arc::new(AtomicU64::new(1));
    world.owner.does(move |_| {
        let mut record = record.clone();
        record.epoch.0 = 1 + epoch.fetch_add(1, Ordering::Relaxed);
        let (bus, bucket) = (bus.clone(), bucket.clone());
        tokio::spawn(async move {
            let key = switchboard_bus::Key::owner("default", "a").unwrap();
            put(&bus, &bucket, &key, serde_json::to_vec(&record).unwrap()).await;
        });
        Does::Denies(None)
    });
    check_outcome(text(&world, &a), 503, "unavailable", "not_executed").await;
    assert_eq!(sends(&world.owner), 40);
}

#[tokio::test]
async fn a_call_during_a_move_waits_for_the_next_owner() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    world.phase("a", "n1", 1, moving("n2")).await;
    let call = send(&world, &a).await;
    assert!(!call.is_finished());
    world
        .put_owner(&world.owner_record("a", "n2", 2).await)
        .await;
    assert_eq!(ends(call).await.0, 200);
    assert_eq!((sends(&world.owner), sends(&second)), (0, 1));
}

#[tokio::test]
async fn a_move_that_failed_lets_the_source_go_on() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    world.phase("a", "n1", 1, moving("n2")).await;
    let call = send(&world, &a).await;
    world
        .put_owner(&world.owner_record("a", "n1", 2).await)
        .await;
    assert_eq!(ends(call).await.0, 200);
    assert_eq!((sends(&world.owner), sends(&second)), (1, 0));
}

#[tokio::test]
async fn a_call_that_a_node_denied_goes_to_the_next_owner_once_the_record_says_so() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    world.owner.does(|_| Does::Denies(None));
    let call = send(&world, &a).await;
    eventually("the first owner was asked", || async {
        sends(&world.owner) > 0
    })
    .await;
    assert!(!call.is_finished());
    world
        .put_owner(&world.owner_record("a", "n2", 2).await)
        .await;
    assert_eq!(ends(call).await.0, 200);
    assert_eq!(sends(&second), 1);
}

#[tokio::test]
async fn a_node_that_is_behind_its_own_record_is_asked_again() {
    let world = world().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    let asked = AtomicU64::new(0);
    world.owner.does(move |call| {
        if asked.fetch_add(1, Ordering::Relaxed) < 3 {
            Does::Denies(None)
        } else {
            usual(call)
        }
    });
    let (status, body) = read(text(&world, &a).send().await.unwrap()).await;
    assert_eq!((status, sends(&world.owner)), (200, 4), "{body}");
}

#[tokio::test]
async fn a_call_whose_node_is_dead_waits_for_the_take_over() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    let mut dead = up("n1");
    dead.state = NodeState::Fenced;
    world.put_node(&dead).await;
    world
        .sees("the fence", |view| view["totals"]["orphaned"] == 1)
        .await;
    let call = send(&world, &a).await;
    assert!(!call.is_finished());
    world
        .put_owner(&world.owner_record("a", "n2", 2).await)
        .await;
    assert_eq!(ends(call).await.0, 200);
    assert_eq!((sends(&world.owner), sends(&second)), (0, 1));
}

#[tokio::test]
async fn a_call_whose_node_does_not_answer_its_subject_waits_for_the_take_over() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    // It is up by its record, and nobody serves its subject.
    world.put_node(&up("n3")).await;
    world.own("a", "n3", 1).await;
    let call = send(&world, &a).await;
    assert!(!call.is_finished());
    world
        .put_owner(&world.owner_record("a", "n2", 2).await)
        .await;
    assert_eq!(ends(call).await.0, 200);
    assert_eq!(sends(&second), 1);
}

#[tokio::test]
async fn a_silent_node_is_not_asked() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    let mut silent = up("n1");
    silent.lease_ms = 1;
    world.put_node(&silent).await;
    world.own("a", "n1", 1).await;
    world
        .sees("the silence", |view| view["nodes"][0]["state"] == "silent")
        .await;
    let call = send(&world, &a).await;
    world
        .put_owner(&world.owner_record("a", "n2", 2).await)
        .await;
    assert_eq!(ends(call).await.0, 200);
    assert_eq!((sends(&world.owner), sends(&second)), (0, 1));
}

#[tokio::test]
async fn a_session_that_nobody_can_own_waits_for_a_node() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    for name in ["n1", "n2"] {
        let mut off = up(name);
        off.weight = 0;
        world.put_node(&off).await;
    }
    world
        .sees("no node with weight", |view| {
            let nodes = view["nodes"].as_array().unwrap();
            nodes.iter().all(|node| node["weight"] == 0)
        })
        .await;
    let call = send(&world, &a).await;
    assert!(!call.is_finished());
    world.put_node(&up("n2")).await;
    assert_eq!(ends(call).await.0, 200);
    assert_eq!((sends(&world.owner), sends(&second)), (0, 1));
}

#[tokio::test]
async fn a_call_that_waits_in_vain_has_done_nothing_and_says_when_to_try_again() {
    let world = hasty().await;
    let a = world.session("a").await;
    for phase in [moving("n2"), OwnerPhase::Owned] {
        world.owner.does(|_| Does::Denies(None));
        world.phase("a", "n1", 1, phase).await;
        let response = text(&world, &a).send().await.unwrap();
        assert_eq!(response.headers()["retry-after"], "2");
        let (status, body) = read(response).await;
        assert_eq!((status, &body["outcome"]), (503, &json!("not_executed")));
    }
    // The call's own time bounds it too.
    let brief = world_with(|c| c.limits.request_timeout = Duration::from_millis(200)).await;
    let a = brief.session("a").await;
    brief.phase("a", "n1", 1, moving("n2")).await;
    check_outcome(text(&brief, &a), 503, "unavailable", "not_executed").await;
}

#[tokio::test]
async fn what_may_have_been_done_is_not_sent_to_the_next_owner() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    let record = world.owner_record("a", "n2", 2).await;
    let (bus, bucket) = (world.bus.clone(), world.names.owners());
    // The session moves while the node has the call, and then the node drops it.
    world.owner.does(move |call| {
        if call.name() != "messages.send" {
            return usual(call);
        }
        let key = switchboard_bus::Key::owner("default", "a").unwrap();
        let value = serde_json::to_vec(&record).unwrap();
        let (bus, bucket) = (bus.clone(), bucket.clone());
        tokio::spawn(async move { put(&bus, &bucket, &key, value).await });
        Does::Drops
    });
    check_outcome(text(&world, &a), 503, "unavailable", "maybe_executed").await;
    assert_eq!((sends(&world.owner), sends(&second)), (1, 0));
}

#[tokio::test]
async fn only_so_many_calls_wait() {
    let world = world_with(|c| c.limits.owner_waits = 1).await;
    let (a, b) = (world.session("a").await, world.session("b").await);
    for id in ["a", "b"] {
        world.phase(id, "n1", 1, moving("n2")).await;
    }
    let first = send(&world, &a).await;
    let response = text(&world, &b).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, body) = read(response).await;
    assert_eq!((status, &body["outcome"]), (503, &json!("not_executed")));
    world
        .put_owner(&world.owner_record("a", "n1", 2).await)
        .await;
    assert_eq!(ends(first).await.0, 200);
    // The place is free again.
    let next = send(&world, &b).await;
    assert!(!next.is_finished());
    world
        .put_owner(&world.owner_record("b", "n1", 2).await)
        .await;
    assert_eq!(ends(next).await.0, 200);
}

#[tokio::test]
async fn without_the_rule_nobody_waits_and_nobody_is_followed() {
    let world = world_with(|c| c.rules = Rules::without([Rule::FollowOwner])).await;
    let second = second(&world).await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    world.owner.does(|call| match call.name() {
        "messages.send" => Does::Denies(Some("n2")),
        _ => usual(call),
    });
    check_outcome(text(&world, &a), 503, "unavailable", "not_executed").await;
    assert_eq!((sends(&world.owner), sends(&second)), (1, 0));
    world.phase("a", "n1", 1, moving("n2")).await;
    check_outcome(text(&world, &a), 503, "unavailable", "not_executed").await;
    assert_eq!(sends(&world.owner), 1);
}

#[tokio::test]
async fn a_parked_session_is_refused_at_once_and_only_the_operator_learns_why() {
    let world = world().await;
    let a = world.session("a").await;
    world
        .phase("a", "n1", 1, parked("the disk of n1 is lost"))
        .await;
    let response = text(&world, &a).send().await.unwrap();
    assert!(!response.headers().contains_key("retry-after"));
    let (status, body) = read(response).await;
    assert_eq!((status, &body["outcome"]), (503, &json!("not_executed")));
    assert!(
        body["message"].as_str().unwrap().contains("parked"),
        "{body}"
    );
    assert!(!body.to_string().contains("n1"), "{body}");
    let webhooks = world
        .admin_call(Method::GET, "/sessions/a/webhooks", Value::Null, 503)
        .await;
    assert!(
        webhooks["detail"]
            .as_str()
            .unwrap()
            .contains("the disk of n1 is lost")
    );
    let stop = world
        .admin_call(Method::POST, "/sessions/a/stop", Value::Null, 503)
        .await;
    assert!(
        stop["detail"]
            .as_str()
            .unwrap()
            .contains("the disk of n1 is lost")
    );
    let shown = world
        .admin_call(Method::GET, "/sessions?state=parked", Value::Null, 200)
        .await;
    assert_eq!(shown["sessions"][0]["reason"], "the disk of n1 is lost");
    assert_eq!(sends(&world.owner), 0);
    // It can be given up.
    world
        .admin_call(Method::DELETE, "/sessions/a", Value::Null, 204)
        .await;
    check_error(text(&world, &a), 401, "whapi", "unauthenticated").await;
    assert!(world.owner.calls_of("sessions.erase").is_empty());
}

#[tokio::test]
async fn a_session_that_is_removed_meanwhile_is_not_waited_for() {
    let (world, _second) = pair().await;
    let a = world.session("a").await;
    world.phase("a", "n1", 1, moving("n2")).await;
    let call = send(&world, &a).await;
    world.phase("a", "n1", 1, parked("given up")).await;
    world
        .admin_call(Method::DELETE, "/sessions/a", Value::Null, 204)
        .await;
    let (status, _) = ends(call).await;
    assert!([404, 503].contains(&status), "{status}");
}

#[tokio::test]
async fn media_given_to_the_former_owner_is_given_to_the_next_one() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    world.owner.does_for("messages.send", Does::Denies(None));
    let bytes = pattern(CHUNK_LEN_MAX + 9);
    let file = Part::bytes(bytes.clone()).file_name("a.png");
    let form = Form::new()
        .text("to", "15550002")
        .part("file", file.mime_str("image/png").unwrap());
    let request = world.post("/messages/image").bearer_auth(&a.token);
    let call = tokio::spawn(request.multipart(form).send());
    eventually("the first owner was asked", || async {
        sends(&world.owner) > 0
    })
    .await;
    world
        .put_owner(&world.owner_record("a", "n2", 2).await)
        .await;
    assert_eq!(ends(call).await.0, 200);
    let mut rebuilt = vec![0; bytes.len()];
    for chunk in second.calls_of("stage") {
        let Verb::Stage { offset, .. } = chunk.head.verb else {
            unreachable!()
        };
        let at = usize::try_from(offset).unwrap();
        rebuilt[at..at + chunk.blob.len()].copy_from_slice(&chunk.blob);
    }
    assert!(rebuilt == bytes, "the next owner has other bytes");
    assert_eq!(sends(&second), 1);
}

#[tokio::test]
async fn a_download_goes_on_at_the_next_owner() {
    let (world, second) = pair().await;
    let a = world.session("a").await;
    world.own("a", "n1", 1).await;
    let len = 2 * CHUNK_LEN_MAX;
    let bytes = bytes::Bytes::from(pattern(len));
    let stored = json!({ "id": "m1", "kind": "image", "mime_type": "image/png", "size": len, "sha256": "00" });
    let file = bytes.clone();
    let piece = move |call: &Call| match &call.head.verb {
        Verb::ReadMedia { offset, len, .. } => {
            let from = usize::try_from(*offset).unwrap();
            Does::Sends(file.slice(from..from + usize::try_from(*len).unwrap()))
        }
        Verb::Run { name } if name == "media.open" => Does::Answers(stored.clone()),
        Verb::Run { .. } | Verb::Stage { .. } => usual(call),
    };
    second.does(piece.clone());
    world.owner.does(move |call| match &call.head.verb {
        Verb::ReadMedia { offset, .. } if *offset > 0 => Does::Denies(None),
        Verb::ReadMedia { .. } | Verb::Run { .. } | Verb::Stage { .. } => piece(call),
    });
    let request = world.get("/media/m1").bearer_auth(&a.token);
    let download = tokio::spawn(async move { request.send().await.unwrap().bytes().await });
    eventually("the first owner denied the second piece", || async {
        world.owner.calls_of("read").len() > 1
    })
    .await;
    world
        .put_owner(&world.owner_record("a", "n2", 2).await)
        .await;
    let got = soon("the download ends", download).await.unwrap().unwrap();
    assert!(got == bytes, "the bytes arrived changed");
    assert_eq!(second.calls_of("read").len(), 1);
}
