//! Webhooks and their filters as settings.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request};
use switchboard_vocab::codec;
use switchboard_vocab::webhooks::{Add, GetWebhooks, Remove, Subscription, Webhooks};

use super::{answered, check_refused, decoded};

/// The subscription of a webhook with these fields besides its address.
pub(super) fn subscription(fields: &str) -> Subscription {
    let json = format!(r#"{{"url":"https://hooks.test/in"{fields}}}"#);
    let text = decoded(post("/v1/webhooks", &json));
    let (_, body) = text.split_once('\n').unwrap();
    let add: Add = codec::decode(body.as_bytes()).unwrap_or_else(|e| panic!("{e:?}: {text}"));
    add.subscription
}

const FILTERED: &str = r#","headers":{"X-Key":"1"},"chat_ids":["4915112345678@c.us"],"chat_types":["contact","group"],
    "mentions":["me","4915112345678"],"message_types":["text","image"],"settings_types":null"#;

#[test]
fn webhooks_become_subscriptions() {
    let json = format!(r#"{{"url":"https://hooks.test/in"{FILTERED}}}"#);
    assert_snapshot!("add", decoded(post("/v1/webhooks", &json)));
    let webhooks = Webhooks {
        subscriptions: vec![subscription("")],
        events: None,
    };
    assert_snapshot!(
        "added",
        answered::<Add>(post("/v1/webhooks", &json), Ok(webhooks))
    );
}

#[test]
fn classes_follow_the_filter() {
    let classes = |fields: &str| format!("{:?}", subscription(fields).events.unwrap());
    assert_eq!(classes(""), "{Received, Statuses, Session}");
    assert_eq!(
        classes(r#","chat_types":["group"]"#),
        "{Received, Statuses}"
    );
    assert_eq!(classes(r#","settings_types":["system"]"#), "{Session}");
    assert_eq!(
        classes(r#","settings_types":["messages","system"]"#),
        "{Received, Statuses, Session}"
    );
    assert_eq!(classes(r#","settings_types":["groups"]"#), "{}");
}

#[test]
fn webhooks_are_shown_as_they_were_set() {
    let webhooks = Webhooks {
        subscriptions: vec![subscription(FILTERED), subscription("")],
        events: None,
    };
    assert_snapshot!("get", decoded(get("/v1/webhooks")));
    assert_snapshot!(
        "shown",
        answered::<GetWebhooks>(get("/v1/webhooks"), Ok(webhooks))
    );
}

#[test]
fn webhooks_are_deleted_by_address_or_all() {
    let delete = |path: &str| request(Method::DELETE, path);
    let one = || delete("/v1/webhooks").json(r#"{"url":"https://hooks.test/in"}"#);
    assert_snapshot!("delete", decoded(one()));
    assert_snapshot!("delete_all", decoded(delete("/v1/webhooks/all")));
    assert_eq!(
        decoded(delete("/v1/webhooks")),
        decoded(delete("/v1/webhooks/all"))
    );
    check_refused(
        delete("/v1/webhooks").json(r#"{"chat_ids":[]}"#),
        400,
        "url: ",
    );
    let none = Webhooks {
        subscriptions: Vec::new(),
        events: None,
    };
    assert_snapshot!("deleted", answered::<Remove>(one(), Ok(none)));
}

#[test]
fn bad_webhooks_are_refused() {
    let check = |fields: &str, message: &str| {
        check_refused(post("/v1/webhooks", &format!("{{{fields}}}")), 400, message);
    };
    check("", "missing field `url`");
    check(r#""url":"nowhere""#, "url: ");
    check(
        r#""url":"http://a/","chat_ids":["4915112345678"]"#,
        "chat_ids: ",
    );
    check(
        r#""url":"http://a/","chat_types":["crowd"]"#,
        "chat_types[0]: unknown variant `crowd`",
    );
    check(r#""url":"http://a/","mentions":["you"]"#, "mentions: ");
    check(
        r#""url":"http://a/","message_types":["fax"]"#,
        "message_types: ",
    );
    check(
        r#""url":"http://a/","settings_types":["system"],"chat_types":["group"]"#,
        "settings_types: ",
    );
    check(r#""url":"http://a/","headers":{"a b":"c"}"#, "headers: ");
    let many = vec![r#""text""#; 257].join(",");
    check(
        &format!(r#""url":"http://a/","message_types":[{many}]"#),
        "message_types: at most 256",
    );
}
