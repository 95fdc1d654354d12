//! The webhooks of a session.

use reqwest::Method;
use serde_json::{Value, json};

use super::check;
use crate::owner::{Call, Does};
use crate::support::{World, world};

const PATH: &str = "/sessions/a/webhooks";

/// A node that has one webhook of wuzapi, with what that dialect remembers.
fn script(call: &Call) -> Does {
    let wuzapi = call.body["dialect"] == "wuzapi";
    let there =
        json!([{ "dialect": "wuzapi", "url": "http://hooks.test/w", "options": { "token": "t" } }]);
    let before = json!({ "subscriptions": if wuzapi { there } else { json!([]) } });
    match call.name() {
        "webhooks.get" => Does::Answers(before),
        "webhooks.replace" => {
            let after = json!({ "subscriptions": call.body["subscriptions"] });
            Does::Answers(json!({ "before": before, "after": after }))
        }
        other => panic!("the script has no answer for {other}"),
    }
}

async fn with_webhooks() -> World {
    let world = world().await;
    world.session("a").await;
    world.owner.does(script);
    world
}

#[tokio::test]
async fn webhooks_of_all_dialects_are_shown_without_what_dialects_remember() {
    let world = with_webhooks().await;
    let answer = world.admin_call(Method::GET, PATH, Value::Null, 200).await;
    assert_eq!(
        answer,
        json!({ "webhooks": [{ "dialect": "wuzapi", "url": "http://hooks.test/w" }] })
    );
}

#[tokio::test]
async fn webhooks_are_replaced_and_keep_what_their_dialect_remembers() {
    let world = with_webhooks().await;
    let wanted = json!({ "webhooks": [
        { "dialect": "wuzapi", "url": "http://hooks.test/w", "events": ["received"] },
        { "dialect": "whapi", "url": "https://hooks.test/h", "headers": { "x-a": "b" } },
    ]});
    let answer = world.admin_call(Method::PUT, PATH, wanted, 200).await;
    assert_eq!(answer["webhooks"].as_array().unwrap().len(), 2);
    let replaced = world.owner.calls_of("webhooks.replace");
    assert_eq!(
        replaced.len(),
        2,
        "only dialects that have or get one are touched"
    );
    assert_eq!(replaced[0].body["dialect"], "whapi");
    assert_eq!(replaced[0].body["subscriptions"][0]["headers"]["x-a"], "b");
    assert_eq!(
        replaced[1].body["subscriptions"][0]["options"]["token"],
        "t"
    );
    assert_eq!(
        replaced[1].body["subscriptions"][0]["events"],
        json!(["received"])
    );
    // None at all.
    world
        .admin_call(Method::PUT, PATH, json!({ "webhooks": [] }), 200)
        .await;
    let replaced = world.owner.calls_of("webhooks.replace");
    assert_eq!(
        (replaced.len(), &replaced[2].body["subscriptions"]),
        (3, &json!([]))
    );
}

#[tokio::test]
async fn wrong_webhooks_are_refused_by_name() {
    let world = with_webhooks().await;
    let hook = |change: Value| {
        let mut hook = json!({ "dialect": "whapi", "url": "http://hooks.test/a" });
        hook.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        hook
    };
    let many: Vec<_> = (0..17)
        .map(|n| hook(json!({ "url": format!("http://hooks.test/{n}") })))
        .collect();
    let headers: serde_json::Map<_, _> = (0..17).map(|n| (format!("x-{n}"), json!("v"))).collect();
    for (webhooks, field) in [
        (Value::Null, "webhooks"),
        (json!("x"), "webhooks"),
        (
            json!([hook(json!({ "dialect": "x" }))]),
            "webhooks[0].dialect",
        ),
        (
            json!([hook(json!({})), hook(json!({ "url": "ftp://x/" }))]),
            "webhooks[1].url",
        ),
        (json!([hook(json!({ "url": "x" }))]), "webhooks[0].url"),
        (
            json!([hook(
                json!({ "url": format!("http://x/{}", "y".repeat(2048)) })
            )]),
            "webhooks[0].url",
        ),
        (json!([hook(json!({})), hook(json!({}))]), "webhooks[1].url"),
        (
            json!([hook(json!({ "events": ["x"] }))]),
            "webhooks[0].events[0]",
        ),
        (
            json!([hook(json!({ "headers": { "a b": "c" } }))]),
            "webhooks[0].headers",
        ),
        (
            json!([hook(json!({ "headers": headers }))]),
            "webhooks[0].headers",
        ),
        (Value::Array(many), "webhooks"),
    ] {
        let request = world
            .admin(Method::PUT, PATH)
            .json(&json!({ "webhooks": webhooks }));
        check(request, 400, "invalid_input", Some(field)).await;
    }
    assert!(world.owner.calls_of("webhooks.replace").is_empty());
}
