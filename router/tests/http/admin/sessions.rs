//! Sessions and pairing.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use switchboard_vocab::{ErrorCode, OpError};

use super::{check, in_state, post};
use crate::owner::{Call, Does, status, usual};
use crate::support::{read, world, world_with};

#[tokio::test]
async fn a_session_is_created_shown_and_removed() {
    let world = world().await;
    let created = world
        .admin_call(Method::POST, "/sessions", json!({}), 201)
        .await;
    let id = created["id"].as_str().unwrap().to_owned();
    assert_eq!(created["tenant"], "default");
    assert_eq!(created["token"].as_str().unwrap().len(), 43);
    let path = format!("/sessions/{id}");
    let unowned = world.admin_call(Method::GET, &path, Value::Null, 200).await;
    assert_eq!(
        (&unowned["owner"], &unowned["epoch"], &unowned["phase"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    world.own(&id, "n1", 7).await;
    let shown = world.admin_call(Method::GET, &path, Value::Null, 200).await;
    assert_eq!(
        (&shown["epoch"], &shown["phase"], &shown["replicated"]),
        (&json!(7), &json!("owned"), &json!(false))
    );
    assert_eq!(
        (&shown["id"], &shown["state"]),
        (&json!(id), &json!("connected"))
    );
    assert_eq!(
        (&shown["owner"], &shown["status"]["node"]),
        (&json!("n1"), &json!("n1"))
    );
    assert!(shown["created_at"].as_u64().unwrap() > 1_600_000_000_000);
    assert!(shown["token"].is_null());
    world
        .admin_call(Method::DELETE, &format!("/sessions/{id}"), Value::Null, 204)
        .await;
    assert_eq!(world.owner.calls_of("sessions.erase").len(), 1);
    check(
        world.admin(Method::GET, &format!("/sessions/{id}")),
        404,
        "session_not_found",
        None,
    )
    .await;
    let again = world.admin(Method::DELETE, &format!("/sessions/{id}"));
    check(again, 404, "session_not_found", None).await;
}

#[tokio::test]
async fn a_session_needs_a_name_that_is_free_and_a_tenant_that_is_there() {
    let world = world().await;
    world.session("a").await;
    let create = |body: Value| post(&world, "/sessions", &body);
    check(create(json!({ "id": "a" })), 409, "already_exists", None).await;
    check(
        create(json!({ "id": "a/b" })),
        400,
        "invalid_input",
        Some("id"),
    )
    .await;
    check(
        create(json!({ "tenant": "" })),
        400,
        "invalid_input",
        Some("tenant"),
    )
    .await;
    check(
        create(json!({ "tenant": "nobody" })),
        404,
        "not_found",
        None,
    )
    .await;
    check(
        create(json!({ "name": "a" })),
        400,
        "invalid_input",
        Some("name"),
    )
    .await;
}

#[tokio::test]
async fn an_ambiguous_id_wants_its_tenant() {
    let world = world().await;
    world.tenant("one").await;
    world.session("s").await;
    world.session_of("one", "s").await;
    let problem = check(
        world.admin(Method::GET, "/sessions/s"),
        409,
        "invalid_input",
        Some("tenant"),
    )
    .await;
    assert_eq!(problem["tenants"], json!(["default", "one"]));
    let shown = world
        .admin_call(Method::GET, "/sessions/s?tenant=one", Value::Null, 200)
        .await;
    assert_eq!(shown["tenant"], "one");
    check(
        world.admin(Method::GET, "/sessions/s?tenant=two"),
        404,
        "session_not_found",
        None,
    )
    .await;
    let wrong = world.admin(Method::GET, "/sessions/s?tenant=a.b");
    check(wrong, 400, "invalid_input", Some("tenant")).await;
    check(
        world.admin(Method::GET, "/sessions/a.b"),
        400,
        "invalid_input",
        Some("id"),
    )
    .await;
}

#[tokio::test]
async fn lists_come_in_pages_and_by_tenant_and_state() {
    let world = world().await;
    world.tenant("one").await;
    for at in 0..5 {
        world.session(&format!("s{at}")).await;
    }
    world.session_of("one", "x").await;
    world
        .owner
        .does(|call| match call.head.session.session.as_str() {
            "s1" | "s3" => Does::Answers(status(call, "waiting")),
            "s4" => Does::Drops,
            _ => usual(call),
        });
    let ids = |page: &Value| -> Vec<String> {
        let all = page["sessions"].as_array().unwrap().iter();
        all.map(|s| s["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = async |query: &str| {
        world
            .admin_call(Method::GET, &format!("/sessions{query}"), Value::Null, 200)
            .await
    };
    let all = list("").await;
    assert_eq!(ids(&all), ["s0", "s1", "s2", "s3", "s4", "x"]);
    assert_eq!(all["sessions"][4]["state"], Value::Null);
    assert!(all["next"].is_null());
    let first = list("?limit=4").await;
    assert_eq!(
        (ids(&first).len(), first["next"].as_str()),
        (4, Some("default/s3"))
    );
    assert_eq!(ids(&list("?after=default/s3").await), ["s4", "x"]);
    assert_eq!(ids(&list("?tenant=default&after=s3").await), ["s4"]);
    assert_eq!(ids(&list("?tenant=one").await), ["x"]);
    assert_eq!(ids(&list("?state=waiting").await), ["s1", "s3"]);
    let one = list("?state=waiting&limit=1").await;
    assert_eq!(
        (ids(&one), one["next"].as_str()),
        (vec!["s1".to_owned()], Some("default/s1"))
    );
    assert_eq!(
        ids(&list("?state=waiting&limit=1&after=default/s1").await),
        ["s3"]
    );
    for (query, field) in [
        ("state=x", "state"),
        ("limit=x", "limit"),
        ("after=x", "after"),
        ("tenant=a.b", "tenant"),
    ] {
        let request = world.admin(Method::GET, &format!("/sessions?{query}"));
        check(request, 400, "invalid_input", Some(field)).await;
    }
}

#[tokio::test]
async fn a_session_is_switched_on_and_off() {
    let world = world().await;
    world.session("a").await;
    for what in ["start", "stop", "restart", "logout"] {
        let path = format!("/sessions/a/{what}");
        let answer = world
            .admin_call(Method::POST, &path, Value::Null, 200)
            .await;
        assert_eq!(answer["session"], "default/a");
        assert_eq!(world.owner.calls_of(&format!("sessions.{what}")).len(), 1);
    }
    world
        .admin_call(Method::POST, "/sessions/a/start", json!({ "wait": 3 }), 200)
        .await;
    let start = &world.owner.calls_of("sessions.start")[1];
    assert_eq!(start.body["wait"]["secs"], 3);
    let wait = |wait: Value| post(&world, "/sessions/a/start", &json!({ "wait": wait }));
    check(wait(json!(26)), 400, "invalid_input", Some("wait")).await;
    check(wait(json!("x")), 400, "invalid_input", Some("wait")).await;
    let error = OpError::new(ErrorCode::NotPaired, "there is no login");
    world.owner.does_for("sessions.logout", Does::Fails(error));
    check(
        post(&world, "/sessions/a/logout", &Value::Null),
        409,
        "not_paired",
        None,
    )
    .await;
}

#[tokio::test]
async fn the_owners_failures_become_problems() {
    let world = world_with(|c| c.limits.request_timeout = Duration::from_millis(300)).await;
    world.session("a").await;
    world.owner.does(|_| Does::Drops);
    let stop = || post(&world, "/sessions/a/stop", &Value::Null);
    let problem = check(stop(), 503, "unavailable", None).await;
    assert_eq!(problem["maybe_executed"], true);
    world.owner.does(|_| Does::Holds(Value::Null));
    check(stop(), 504, "timeout", None).await;
    world.owner.does(|_| Does::Denies(None));
    let response = stop().send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "2");
    assert!(read(response).await.1["maybe_executed"].is_null());
    world.owner.release();
}

fn pairing(call: &Call, qr: &str) -> Value {
    let mut pairing = status(call, "pairing");
    pairing["challenge"] = json!({ "by": "qr", "text": qr, "expires_at": 5_000 });
    pairing
}

#[tokio::test]
async fn a_stopped_session_is_started_to_be_paired() {
    let world = world().await;
    world.session("a").await;
    world.owner.does(|call| match call.name() {
        "sessions.start" => Does::Answers(pairing(call, "2@one")),
        _ => in_state("stopped")(call),
    });
    let answer = world
        .admin_call(Method::GET, "/sessions/a/pairing?wait=5", Value::Null, 200)
        .await;
    assert_eq!(answer["status"]["challenge"]["text"], "2@one");
    // Who has been shown something is not to start what another has stopped.
    let answer = world
        .admin_call(
            Method::GET,
            "/sessions/a/pairing?wait=5&shown=2@one",
            Value::Null,
            200,
        )
        .await;
    assert_eq!(answer["status"]["state"], "stopped");
    assert_eq!(world.owner.calls_of("sessions.start").len(), 1);
}

#[tokio::test]
async fn pairing_waits_for_something_new() {
    let world = world().await;
    world.session("a").await;
    let asked = Mutex::new(0);
    world.owner.does(move |call| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        Does::Answers(pairing(call, if *asked < 3 { "2@one" } else { "2@two" }))
    });
    let answer = world
        .admin_call(
            Method::GET,
            "/sessions/a/pairing?wait=25&shown=2@one",
            Value::Null,
            200,
        )
        .await;
    assert_eq!(answer["status"]["challenge"]["text"], "2@two");
    let at_once = world
        .admin_call(Method::GET, "/sessions/a/pairing", Value::Null, 200)
        .await;
    assert_eq!(at_once["status"]["challenge"]["text"], "2@two");
    let long = world.admin(Method::GET, "/sessions/a/pairing?wait=26");
    check(long, 400, "invalid_input", Some("wait")).await;
    check(
        world.admin(Method::GET, "/sessions/a/pairing?wait=x"),
        400,
        "invalid_input",
        Some("wait"),
    )
    .await;
    check(
        world.admin(Method::GET, "/sessions/b/pairing"),
        404,
        "session_not_found",
        None,
    )
    .await;
}

#[tokio::test]
async fn a_pairing_code_is_for_a_phone() {
    let world = world().await;
    world.session("a").await;
    let code = json!({ "code": "ABCD1234", "expires_at": 5_000 });
    world
        .owner
        .does_for("pairing.request_code", Does::Answers(code));
    let path = "/sessions/a/pairing-code";
    let answer = world
        .admin_call(Method::POST, path, json!({ "phone": "+1 555 0001" }), 200)
        .await;
    assert_eq!(answer["code"], "ABCD1234");
    let asked = &world.owner.calls_of("pairing.request_code")[0];
    assert_eq!(asked.body["phone"], "15550001@s.whatsapp.net");
    check(
        post(&world, path, &json!({})),
        400,
        "invalid_input",
        Some("phone"),
    )
    .await;
    check(
        post(&world, path, &json!({ "phone": "x" })),
        400,
        "invalid_input",
        Some("phone"),
    )
    .await;
    let paired = OpError::new(ErrorCode::AlreadyPaired, "it is paired");
    world
        .owner
        .does_for("pairing.request_code", Does::Fails(paired));
    check(
        post(&world, path, &json!({ "phone": "15550001" })),
        409,
        "already_paired",
        None,
    )
    .await;
}
