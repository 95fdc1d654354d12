//! The admin API and each of its errors.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::owner::{Call, Does, status, usual};
use crate::support::{ADMIN_KEY, World, read, world, world_with};

mod moves;
mod nodes;
mod sessions;
mod webhooks;

/// Sends, and checks a problem's status, code and field.
async fn check(request: RequestBuilder, status: u16, code: &str, field: Option<&str>) -> Value {
    let response = request.send().await.unwrap();
    let content_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let (found, problem) = read(response).await;
    assert_eq!(
        (found, problem["code"].as_str(), problem["field"].as_str()),
        (status, Some(code), field),
        "{problem}"
    );
    assert_eq!(content_type, "application/problem+json");
    assert_eq!(problem["status"], status);
    assert_eq!(
        problem["type"],
        format!("urn:switchboard:problem:{}", code.replace('_', "-"))
    );
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    problem
}

fn post(world: &World, path: &str, body: &Value) -> RequestBuilder {
    world.admin(Method::POST, path).json(body)
}

#[tokio::test]
async fn only_the_admin_key_opens_it() {
    let world = world().await;
    let path = "/admin/v1/sessions";
    check(world.get(path), 401, "unauthenticated", None).await;
    check(
        world.get(path).bearer_auth("x"),
        401,
        "unauthenticated",
        None,
    )
    .await;
    let session = world.session("a").await;
    check(
        world.get(path).bearer_auth(&session.token),
        401,
        "unauthenticated",
        None,
    )
    .await;
    let basic = world.get(path).basic_auth("admin", Some(ADMIN_KEY));
    check(basic, 401, "unauthenticated", None).await;
    let lower = world
        .get(path)
        .header("authorization", format!("bearer {ADMIN_KEY}"));
    assert_eq!(lower.send().await.unwrap().status(), 200);
    let closed = world_with(|c| c.admin_key = None).await;
    check(
        closed.get(path).bearer_auth(ADMIN_KEY),
        403,
        "forbidden",
        None,
    )
    .await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let world = world().await;
    check(
        world.admin(Method::GET, "/nothing"),
        404,
        "unknown_route",
        None,
    )
    .await;
    let torn = world.admin(Method::GET, "/sessions/%ff");
    check(torn, 400, "invalid_input", Some("id")).await;
    check(
        world.admin(Method::PATCH, "/sessions"),
        405,
        "unknown_route",
        None,
    )
    .await;
}

#[tokio::test]
async fn bodies_are_checked_field_by_field() {
    let world = world().await;
    let raw = |text: &'static str| world.admin(Method::POST, "/tenants").body(text);
    check(raw("{"), 400, "invalid_input", None).await;
    check(raw("[]"), 400, "invalid_input", None).await;
    check(raw(""), 400, "invalid_input", Some("id")).await;
    check(raw(r#"{"id":5}"#), 400, "invalid_input", Some("id")).await;
    check(raw(r#"{"id":"a b"}"#), 400, "invalid_input", Some("id")).await;
    check(
        raw(r#"{"id":"a","name":"b"}"#),
        400,
        "invalid_input",
        Some("name"),
    )
    .await;
    let large = world
        .admin(Method::POST, "/tenants")
        .body("x".repeat(300 * 1024));
    check(large, 413, "too_large", None).await;
}

#[tokio::test]
async fn tenants_are_created_once_and_get_fresh_keys() {
    let world = world().await;
    let one = world.tenant("one").await;
    let list = |key: &str| {
        world
            .get("/session/list")
            .header("x-api-key", key.to_owned())
    };
    assert_eq!(list(&one).send().await.unwrap().status(), 200);
    check(
        post(&world, "/tenants", &json!({ "id": "one" })),
        409,
        "already_exists",
        None,
    )
    .await;
    let rotated = world
        .admin_call(Method::POST, "/tenants/one/key", Value::Null, 200)
        .await;
    let fresh = rotated["key"].as_str().unwrap();
    assert_eq!(list(fresh).send().await.unwrap().status(), 200);
    assert_eq!(list(&one).send().await.unwrap().status(), 401);
    check(
        post(&world, "/tenants/nobody/key", &Value::Null),
        404,
        "not_found",
        None,
    )
    .await;
    check(
        post(&world, "/tenants/a.b/key", &Value::Null),
        400,
        "invalid_input",
        Some("id"),
    )
    .await;
}

#[tokio::test]
async fn the_default_tenant_exists_and_gets_its_first_key_either_way() {
    let first = world().await;
    first.session("a").await;
    first.tenant("default").await;
    check(
        post(&first, "/tenants", &json!({ "id": "default" })),
        409,
        "already_exists",
        None,
    )
    .await;
    let second = world().await;
    let issued = second
        .admin_call(Method::POST, "/tenants/default/key", Value::Null, 200)
        .await;
    let key = issued["key"].as_str().unwrap().to_owned();
    let list = second.get("/session/list").header("x-api-key", key);
    assert_eq!(list.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn tenants_are_listed_in_pages_and_limited() {
    let world = world_with(|c| c.limits.tenants = 3).await;
    for id in ["c", "a", "b"] {
        world.tenant(id).await;
    }
    check(
        post(&world, "/tenants", &json!({ "id": "d" })),
        422,
        "refused",
        None,
    )
    .await;
    let ids = |page: &Value| -> Vec<String> {
        let all = page["tenants"].as_array().unwrap().iter();
        all.map(|t| t["id"].as_str().unwrap().to_owned()).collect()
    };
    let page = world
        .admin_call(Method::GET, "/tenants?limit=2", Value::Null, 200)
        .await;
    assert_eq!(
        (ids(&page), page["next"].as_str()),
        (vec!["a".into(), "b".into()], Some("b"))
    );
    let page = world
        .admin_call(Method::GET, "/tenants?limit=2&after=b", Value::Null, 200)
        .await;
    assert_eq!(
        (ids(&page), page["next"].as_str()),
        (vec!["c".to_owned()], None)
    );
}

/// Answers with this state to every status call, the usual to all others.
fn in_state(state: &'static str) -> impl Fn(&Call) -> Does + Send + Sync + 'static {
    move |call| match call.name() {
        "sessions.status" => Does::Answers(status(call, state)),
        _ => usual(call),
    }
}
