//! Who gets in: every kind of key on every kind of row.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::{World, check_error, read, world};

async fn check_in(request: RequestBuilder) {
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_session_token_opens_its_session() {
    let world = world().await;
    let a = world.session("a").await;
    check_in(world.get("/health").bearer_auth(&a.token)).await;
    check_in(world.get(&format!("/health?token={}", a.token))).await;
    let answer = world
        .get("/health")
        .bearer_auth(&a.token)
        .send()
        .await
        .unwrap();
    let (_, body) = read(answer).await;
    assert_eq!(
        body,
        json!({ "session": "default/a", "state": "connected", "token": a.token })
    );
}

#[tokio::test]
async fn no_key_and_unknown_keys_are_unauthenticated() {
    let world = world().await;
    world.session("a").await;
    check_error(world.get("/health"), 401, "whapi", "unauthenticated").await;
    for bad in ["", "x", "default"] {
        check_error(
            world.get("/health").bearer_auth(bad),
            401,
            "whapi",
            "unauthenticated",
        )
        .await;
    }
    check_error(world.get("/session/list"), 401, "wwebjs", "unauthenticated").await;
    let unknown = world.get("/session/list").header("x-api-key", "x");
    check_error(unknown, 401, "wwebjs", "unauthenticated").await;
    let hash_as_key = world.get("/health").bearer_auth("0".repeat(64));
    check_error(hash_as_key, 401, "whapi", "unauthenticated").await;
}

#[tokio::test]
async fn a_token_and_the_session_named_beside_it_must_agree() {
    let world = world().await;
    let (a, b) = (world.session("a").await, world.session("b").await);
    check_in(world.get(&format!("/instancea/status?token={}", a.token))).await;
    let other = world.get(&format!("/instancea/status?token={}", b.token));
    check_error(other, 404, "chatapi", "session_not_found").await;
    check_error(
        world.get("/instancea/status"),
        401,
        "chatapi",
        "unauthenticated",
    )
    .await;
    check_error(
        world.get("/instancea/status?token=x"),
        401,
        "chatapi",
        "unauthenticated",
    )
    .await;
}

#[tokio::test]
async fn a_tenant_key_opens_the_sessions_of_its_tenant_only() {
    let world = world().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    world.session_of("one", "s").await;
    let status = |key: &str| world.get("/session/status/s").header("x-api-key", key);
    check_in(status(&one)).await;
    check_error(status(&two), 404, "wwebjs", "session_not_found").await;
    let nobody = world
        .get("/session/status/nobody")
        .header("x-api-key", &one);
    check_error(nobody, 404, "wwebjs", "session_not_found").await;
    let unnamed = world.get("/session/here").header("x-api-key", &one);
    check_error(unnamed, 403, "wwebjs", "forbidden").await;
    let malformed = world.get("/session/status/a.b").header("x-api-key", &one);
    check_error(malformed, 400, "wwebjs", "invalid_input").await;
    let local = world.get("/session/local/nobody").header("x-api-key", &one);
    check_error(local, 404, "wwebjs", "session_not_found").await;
    let absent = world.get("/session/peek/nobody").header("x-api-key", &one);
    check_error(absent, 404, "wwebjs", "session_not_found").await;
}

#[tokio::test]
async fn the_same_session_id_under_two_tenants_is_two_sessions() {
    let world = world().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    world.session_of("one", "s").await;
    world.session_of("two", "s").await;
    for (key, session) in [(one, "one/s"), (two, "two/s")] {
        let answer = world
            .get("/session/status/s")
            .header("x-api-key", key)
            .send()
            .await
            .unwrap();
        assert_eq!(read(answer).await.1["session"], session);
    }
}

#[tokio::test]
async fn an_open_row_wants_no_key_and_a_refused_row_wants_one() {
    let world = world().await;
    let a = world.session("a").await;
    check_in(world.get("/version")).await;
    check_error(world.post("/newsletters"), 401, "whapi", "unauthenticated").await;
    check_error(
        world.post("/newsletters").bearer_auth(&a.token),
        403,
        "whapi",
        "refused",
    )
    .await;
}

#[tokio::test]
async fn rotated_and_removed_keys_stop_working_at_once() {
    let world = world().await;
    let a = world.session("a").await;
    let rotated = world
        .admin_call(Method::POST, "/sessions/a/token", json!(null), 200)
        .await;
    let fresh = rotated["token"].as_str().unwrap().to_owned();
    check_error(
        world.get("/health").bearer_auth(&a.token),
        401,
        "whapi",
        "unauthenticated",
    )
    .await;
    check_in(world.get("/health").bearer_auth(&fresh)).await;
    world
        .admin_call(Method::DELETE, "/sessions/a", json!(null), 204)
        .await;
    check_error(
        world.get("/health").bearer_auth(&fresh),
        401,
        "whapi",
        "unauthenticated",
    )
    .await;
}

#[tokio::test]
async fn no_secret_lies_in_the_directory() {
    let world = world().await;
    let a = world.session("a").await;
    let key = world.tenant("one").await;
    for (bucket, secret) in [
        (world.names.sessions(), &a.token),
        (world.names.tenants(), &key),
    ] {
        let stored = everything(&world, &bucket).await;
        assert!(!stored.contains(secret.as_str()), "{stored}");
        assert!(stored.contains("sha256"), "{stored}");
    }
}

async fn everything(world: &World, bucket: &switchboard_bus::Bucket) -> String {
    use futures::StreamExt;
    use switchboard_bus::{KeyPrefix, WatchEvent};
    let mut changes = world.bus.kv.watch(bucket, &KeyPrefix::all()).await.unwrap();
    let mut stored = String::new();
    while let Some(Ok(WatchEvent::Put { entry, .. })) = changes.next().await {
        stored.push_str(&String::from_utf8_lossy(&entry.value));
    }
    stored
}

#[tokio::test]
async fn unknown_paths_are_shown_in_the_words_of_whom_the_caller_means() {
    let world = world().await;
    let a = world.session("a").await;
    let key = world.tenant("one").await;
    // By the path, without a key.
    check_error(
        world.get("/instance7/nothing"),
        404,
        "chatapi",
        "unknown_route",
    )
    .await;
    check_error(
        world.get("/session/nothing"),
        404,
        "wwebjs",
        "unknown_route",
    )
    .await;
    check_error(
        world.get("/messages/nothing"),
        404,
        "whapi",
        "unknown_route",
    )
    .await;
    // By the key.
    check_error(
        world.get("/nothing").bearer_auth(&a.token),
        404,
        "whapi",
        "unknown_route",
    )
    .await;
    let keyed = world.get("/messages/nothing").header("x-api-key", &key);
    check_error(keyed, 404, "wwebjs", "unknown_route").await;
    // By both, where two dialects know such a key.
    let both = world.get("/instance7/nothing?token=x");
    check_error(both, 404, "chatapi", "unknown_route").await;
    // By neither.
    let response = world.get("/nothing").send().await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(response.status(), 404);
    // A path with other methods.
    let wrong = world.request(Method::DELETE, "/messages/text");
    check_error(wrong, 404, "whapi", "unknown_route").await;
}
