//! Operations of the cluster through a dialect: creating, listing and removing sessions.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use switchboard_vocab::{ErrorCode, OpError};

use crate::owner::{Does, status, usual};
use crate::support::{World, check_error, eventually, read, world, world_with};

fn keyed(world: &World, path: &str, key: &str) -> RequestBuilder {
    world.get(path).header("x-api-key", key)
}

async fn ok(request: RequestBuilder) -> Value {
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn a_session_is_created_with_webhooks_and_started() {
    let world = world().await;
    let key = world.tenant("one").await;
    world.owner.does(|call| match call.name() {
        "webhooks.add" => Does::Answers(json!({ "subscriptions": [] })),
        "sessions.start" => Does::Answers(status(call, "pairing")),
        _ => usual(call),
    });
    let created = ok(keyed(
        &world,
        "/session/start/s?webhook=http://hooks.test/a",
        &key,
    ))
    .await;
    assert_eq!(
        (&created["session"], &created["state"]),
        (&json!("one/s"), &json!("pairing"))
    );
    let names: Vec<_> = world
        .owner
        .calls()
        .iter()
        .map(|call| call.name().to_owned())
        .collect();
    assert_eq!(names, ["webhooks.add", "sessions.start"]);
    // Its token works at once.
    let token = created["token"].as_str().unwrap();
    ok(world.get("/health").bearer_auth(token)).await;
    check_error(
        keyed(&world, "/session/start/s", &key),
        409,
        "wwebjs",
        "already_exists",
    )
    .await;
}

#[tokio::test]
async fn an_owner_that_has_not_heard_of_a_new_session_is_asked_again() {
    let world = world().await;
    let key = world.tenant("one").await;
    let unheard = std::sync::atomic::AtomicUsize::new(0);
    world.owner.does(move |call| {
        if unheard.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 {
            Does::Fails(OpError::new(
                ErrorCode::SessionNotFound,
                "never heard of it",
            ))
        } else {
            usual(call)
        }
    });
    ok(keyed(&world, "/session/start/s", &key)).await;
    assert_eq!(world.owner.calls_of("sessions.start").len(), 3);
}

#[tokio::test]
async fn a_creation_that_fails_half_way_is_undone() {
    let world = world().await;
    let key = world.tenant("one").await;
    let full = OpError::new(ErrorCode::Busy, "no room");
    world.owner.does_for("sessions.start", Does::Fails(full));
    check_error(
        keyed(&world, "/session/start/s", &key),
        429,
        "wwebjs",
        "busy",
    )
    .await;
    assert_eq!(world.owner.calls_of("sessions.erase").len(), 1);
    check_error(
        keyed(&world, "/session/status/s", &key),
        404,
        "wwebjs",
        "session_not_found",
    )
    .await;
    world.owner.does(usual);
    ok(keyed(&world, "/session/start/s", &key)).await;
}

#[tokio::test]
async fn no_more_sessions_than_allowed_are_created() {
    let world = world_with(|c| c.limits.sessions = 2).await;
    let key = world.tenant("one").await;
    ok(keyed(&world, "/session/start/a", &key)).await;
    ok(keyed(&world, "/session/start/b", &key)).await;
    check_error(
        keyed(&world, "/session/start/c", &key),
        403,
        "wwebjs",
        "refused",
    )
    .await;
}

#[tokio::test]
async fn a_list_shows_the_callers_sessions_with_their_status() {
    let world = world().await;
    let key = world.tenant("one").await;
    world.tenant("two").await;
    for id in ["c", "a", "b"] {
        world.session_of("one", id).await;
    }
    let own = world.session_of("two", "z").await;
    world
        .owner
        .does(|call| match call.head.session.session.as_str() {
            "b" => Does::Drops,
            _ => usual(call),
        });
    let expected = json!([
        { "session": "one/a", "state": "connected" },
        { "session": "one/b", "state": null },
        { "session": "one/c", "state": "connected" },
    ]);
    assert_eq!(ok(keyed(&world, "/session/list", &key)).await, expected);
    let page = ok(keyed(&world, "/session/list?after=one/a&limit=1", &key)).await;
    assert_eq!(page, json!([{ "session": "one/b", "state": null }]));
    let beyond = ok(keyed(&world, "/session/list?after=two/a", &key)).await;
    assert_eq!(beyond, json!([]));
    let foreign = keyed(&world, "/session/list?tenant=two", &key);
    check_error(foreign, 403, "wwebjs", "forbidden").await;
    // A session's token tells of its own session only.
    let own = ok(world.get("/own").bearer_auth(&own.token)).await;
    assert_eq!(own, json!([{ "session": "two/z", "state": "connected" }]));
}

#[tokio::test]
async fn a_removed_session_is_erased_first() {
    let world = world().await;
    let key = world.tenant("one").await;
    let held = world.session_of("one", "s").await;
    // While its owner refuses, it stays.
    world.owner.does(|_| Does::Drops);
    let terminate = || keyed(&world, "/session/terminate/s", &key);
    check_error(terminate(), 503, "wwebjs", "unavailable").await;
    world.owner.does(usual);
    ok(world.get("/health").bearer_auth(&held.token)).await;
    ok(terminate()).await;
    assert_eq!(world.owner.calls_of("sessions.erase").len(), 2);
    check_error(terminate(), 404, "wwebjs", "session_not_found").await;
    // An owner that holds nothing of it does not keep it alive.
    world.session("s").await;
    world.own("s", "n1", 1).await;
    let gone = OpError::new(ErrorCode::SessionNotFound, "nothing here");
    world.owner.does_for("sessions.erase", Does::Fails(gone));
    world
        .admin_call(reqwest::Method::DELETE, "/sessions/s", Value::Null, 204)
        .await;
}

#[tokio::test]
async fn all_sessions_of_a_tenant_go_or_those_that_do_nothing() {
    let world = world().await;
    let key = world.tenant("one").await;
    let other = world.tenant("two").await;
    for session in ["away", "busy", "deaf"] {
        ok(keyed(&world, &format!("/session/start/{session}"), &key)).await;
    }
    ok(keyed(&world, "/session/start/theirs", &other)).await;
    world.owner.does(
        |call| match (call.name(), call.head.session.session.as_str()) {
            ("sessions.status", "away") => Does::Answers(status(call, "logged_out")),
            ("sessions.status", "deaf") => {
                Does::Fails(OpError::new(ErrorCode::Unavailable, "no answer"))
            }
            _ => usual(call),
        },
    );
    let gone = ok(keyed(&world, "/session/inactive", &key)).await;
    assert_eq!(
        gone,
        json!({ "removed": ["one/away"], "kept": ["one/deaf"] })
    );
    let gone = ok(keyed(&world, "/session/all", &key)).await;
    assert_eq!(
        gone,
        json!({ "removed": ["one/busy", "one/deaf"], "kept": [] })
    );
    let left = ok(keyed(&world, "/session/list", &other)).await;
    assert!(left.to_string().contains("two/theirs"), "{left}");
    // A session's own token removes nobody else.
    check_error(
        keyed(&world, "/session/all", "wrong"),
        401,
        "wwebjs",
        "unauthenticated",
    )
    .await;
}

#[tokio::test]
async fn what_one_router_writes_another_one_knows() {
    let first = world().await;
    let second = crate::support::start_beside(&first).await;
    let a = first.session("a").await;
    let known = || async {
        second
            .get("/health")
            .bearer_auth(&a.token)
            .send()
            .await
            .unwrap()
            .status()
            == 200
    };
    eventually("the second router knows the token", known).await;
    first
        .admin_call(reqwest::Method::DELETE, "/sessions/a", Value::Null, 204)
        .await;
    let forgotten = || async {
        second
            .get("/health")
            .bearer_auth(&a.token)
            .send()
            .await
            .unwrap()
            .status()
            == 401
    };
    eventually("the second router forgot the token", forgotten).await;
}

#[tokio::test]
async fn a_router_that_starts_later_knows_what_exists() {
    let first = world().await;
    let a = first.session("a").await;
    let second = crate::support::start_beside(&first).await;
    assert_eq!(
        second
            .get("/health")
            .bearer_auth(&a.token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}
