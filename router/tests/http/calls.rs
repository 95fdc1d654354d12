//! Calls on their way to the owner and back: failures, fan-outs, limits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_vocab::{ErrorCode, OpError};

use crate::owner::{Does, sent, usual};
use crate::support::{
    Held, World, check_error, check_outcome, eventually, read, soon, world, world_with,
};

pub(crate) fn text(world: &World, held: &Held) -> RequestBuilder {
    let body = json!({ "to": "15550002", "body": "hello" });
    world
        .post("/messages/text")
        .bearer_auth(&held.token)
        .json(&body)
}

#[tokio::test]
async fn a_call_reaches_the_owner_with_session_deadline_and_trace() {
    let world = world().await;
    let a = world.session("a").await;
    let response = text(&world, &a)
        .header("x-request-id", "trace-7")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-request-id"], "trace-7");
    let (status, body) = read(response).await;
    assert_eq!(status, 200, "{body}");
    let calls = world.owner.calls_of("messages.send");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].head.session.to_string(), "default/a");
    assert_eq!(calls[0].head.trace, "trace-7");
    assert!((1..=60_000).contains(&calls[0].head.deadline_ms));
    assert_eq!(
        calls[0].body["content"],
        json!({ "kind": "text", "body": "hello", "mention_all": false, "preview": "off" })
    );
    assert_eq!(calls[0].body["id"], body["id"]);
}

#[tokio::test]
async fn two_calls_have_different_message_ids_and_traces() {
    let world = world().await;
    let a = world.session("a").await;
    for _ in 0..2 {
        let response = text(&world, &a).send().await.unwrap();
        assert!(!response.headers()["x-request-id"].is_empty());
    }
    let calls = world.owner.calls_of("messages.send");
    assert_ne!(calls[0].body["id"], calls[1].body["id"]);
    assert_ne!(calls[0].head.trace, calls[1].head.trace);
}

#[tokio::test]
async fn a_send_that_may_have_happened_is_not_repeated() {
    let world = world_with(|c| c.limits.request_timeout = Duration::from_millis(300)).await;
    let a = world.session("a").await;
    world.owner.does(|_| Does::Holds(json!({})));
    check_outcome(text(&world, &a), 504, "timeout", "maybe_executed").await;
    assert_eq!(world.owner.calls_of("messages.send").len(), 1);
    world.owner.does(|_| Does::Drops);
    check_outcome(text(&world, &a), 503, "unavailable", "maybe_executed").await;
    assert_eq!(world.owner.calls_of("messages.send").len(), 2);
    world.owner.release();
}

#[tokio::test]
async fn the_error_of_the_owner_is_the_callers() {
    let world = world().await;
    let a = world.session("a").await;
    let error = OpError::new(ErrorCode::TooLarge, "the text is too long");
    let error = error.retry_after(Duration::from_millis(2500));
    world.owner.does(move |_| Does::Fails(error.clone()));
    let response = text(&world, &a).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(read(response).await.1["message"], "the text is too long");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_a_fault_of_ours() {
    let world = world().await;
    let a = world.session("a").await;
    world
        .owner
        .does(|_| Does::Answers(json!({ "unexpected": true })));
    check_error(text(&world, &a), 500, "whapi", "internal").await;
}

#[tokio::test]
async fn a_fan_out_keeps_order_and_shows_each_outcome() {
    let world = world().await;
    let a = world.session("a").await;
    let fails = OpError::new(ErrorCode::NotFound, "nobody");
    world.owner.does(move |call| {
        if call.body["to"].as_str().unwrap().starts_with("15550003") {
            Does::Fails(fails.clone())
        } else {
            Does::Answers(sent(call))
        }
    });
    let to: Vec<_> = (1..=20).map(|n| format!("155500{n:02}")).collect();
    let body = json!({ "to": to });
    let request = world
        .post("/messages/many")
        .bearer_auth(&a.token)
        .json(&body);
    let (status, body) = read(request.send().await.unwrap()).await;
    let expected: Vec<_> = to
        .iter()
        .map(|to| match to.as_str() {
            "15550003" => json!("not_found"),
            to => json!(format!("{to}@s.whatsapp.net")),
        })
        .collect();
    assert_eq!((status, body), (200, Value::Array(expected)));
    let arrived: Vec<_> = world.owner.calls_of("messages.send");
    let arrived: Vec<_> = arrived
        .iter()
        .map(|call| call.body["to"].as_str().unwrap())
        .collect();
    assert_eq!(arrived.len(), 20);
    assert!(
        arrived[0].starts_with(&to[0]) && arrived[1].starts_with(&to[1]),
        "{arrived:?}"
    );
}

#[tokio::test]
async fn a_dialect_that_panics_costs_its_own_request() {
    let world = world().await;
    let a = world.session("a").await;
    check_error(
        world.post("/panic").bearer_auth(&a.token),
        500,
        "whapi",
        "internal",
    )
    .await;
    assert_eq!(read(text(&world, &a).send().await.unwrap()).await.0, 200);
}

#[tokio::test]
async fn calls_under_way_are_limited_per_session_and_in_all() {
    let world = world_with(|c| {
        c.limits.session_requests = 1;
        c.limits.requests = 2;
    })
    .await;
    let (a, b, c) = (
        world.session("a").await,
        world.session("b").await,
        world.session("c").await,
    );
    world.owner.does(|call| Does::Holds(sent(call)));
    let first = tokio::spawn(text(&world, &a).send());
    eventually("the first call is under way", || async {
        world.owner.calls().len() == 1
    })
    .await;
    check_error(text(&world, &a), 429, "whapi", "busy").await;
    let second = tokio::spawn(text(&world, &b).send());
    eventually("the second call is under way", || async {
        world.owner.calls().len() == 2
    })
    .await;
    check_error(text(&world, &c), 503, "whapi", "unavailable").await;
    // Not one of the limited calls.
    assert_eq!(world.get("/livez").send().await.unwrap().status(), 200);
    world.owner.release();
    for call in [first, second] {
        assert_eq!(
            soon("the held call ends", call)
                .await
                .unwrap()
                .unwrap()
                .status(),
            200
        );
    }
    world.owner.does(usual);
    assert_eq!(read(text(&world, &a).send().await.unwrap()).await.0, 200);
}

#[tokio::test]
async fn slashes_that_clients_add_do_not_matter() {
    let world = world().await;
    let a = world.session("a").await;
    for path in ["//health", "/health/", "//health//"] {
        let status = world
            .get(path)
            .bearer_auth(&a.token)
            .send()
            .await
            .unwrap()
            .status();
        assert_eq!(status, 200, "{path}");
    }
    let path = format!("/instancea//status/?token={}", a.token);
    assert_eq!(world.get(&path).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let world = world().await;
    let get = world.get("/version").send().await.unwrap();
    let head = world
        .request(Method::HEAD, "/version")
        .send()
        .await
        .unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(
        head.headers()["content-length"],
        get.headers()["content-length"]
    );
    assert_eq!(head.headers()["content-type"], "application/json");
    assert!(head.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn browsers_are_let_in_only_where_that_was_configured() {
    let preflight = |world: &World| {
        let request = world.request(Method::OPTIONS, "/messages/text");
        request
            .header("origin", "https://example.org")
            .header("access-control-request-method", "POST")
    };
    let closed = world().await;
    check_error(preflight(&closed), 404, "whapi", "unknown_route").await;
    let open = world_with(|c| c.cors = true).await;
    let response = preflight(&open).send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let response = open.get("/version").send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let response = closed.get("/version").send().await.unwrap();
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn a_read_is_asked_anew_each_time() {
    let world = world().await;
    let a = world.session("a").await;
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    world.owner.does(move |call| {
        count.fetch_add(1, Ordering::Relaxed);
        usual(call)
    });
    for _ in 0..3 {
        world
            .get("/health")
            .bearer_auth(&a.token)
            .send()
            .await
            .unwrap();
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}
