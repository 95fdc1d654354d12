//! The product's own dialects behind one listener: each one's keys open its paths, and nobody else's.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{World, bus, config, read, start_speaking};

async fn product() -> World {
    start_speaking(config(), bus().await, switchboard_router::dialects()).await
}

async fn check(request: RequestBuilder, expected: u16) -> Value {
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, expected, "{body}");
    body
}

#[tokio::test]
async fn every_dialect_takes_its_own_kind_of_key() {
    let world = product().await;
    let token = world.session("a").await.token;
    let key = world.tenant("one").await;
    // whapi
    check(world.get("/health").bearer_auth(&token), 200).await;
    check(world.get(&format!("/health?token={token}")), 200).await;
    check(world.get("/health").header("token", &token), 401).await;
    // wapi
    check(world.get("/v1/status").bearer_auth(&token), 200).await;
    check(world.get("/v1/status").header("token", &token), 401).await;
    let accounts = || world.request(Method::POST, "/v1/accounts").json(&json!({}));
    check(accounts().basic_auth("one", Some(&key)), 200).await;
    check(accounts().basic_auth("two", Some(&key)), 401).await;
    // wuzapi
    check(world.get("/session/status").header("token", &token), 200).await;
    check(world.get("/session/status").bearer_auth(&token), 401).await;
    // chatapi, with the slash that its clients' base addresses end in
    check(world.get(&format!("/instancea//status?token={token}")), 200).await;
    check(world.get(&format!("/instanceb/status?token={token}")), 401).await;
    check(world.get("/instancea/status?token=x"), 401).await;
    // wwebjs
    check(world.get("/session/start/w").header("x-api-key", &key), 200).await;
    check(
        world.get("/session/status/w").header("x-api-key", &key),
        200,
    )
    .await;
    check(
        world.get("/session/status/w").header("x-api-key", &token),
        403,
    )
    .await;
    check(world.get("/session/status/w").header("token", &token), 403).await;
}

#[tokio::test]
async fn every_dialect_has_its_document() {
    let world = product().await;
    for dialect in switchboard_router::dialects() {
        let path = format!("/docs/{}/openapi.json", dialect.name);
        let document = check(world.get(&path), 200).await;
        let rows = (dialect.routes)().into_rows().len();
        let paths = document["paths"].as_object().unwrap().values();
        let described: usize = paths.map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, rows, "{}", dialect.name);
    }
}
