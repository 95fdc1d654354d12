//! Webhooks as settings.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{Request, get, request};
use switchboard_vocab::codec;
use switchboard_vocab::webhooks::{GetWebhooks, Replace, Replaced, Subscription, Webhooks};

use super::{answered, check_refused, decoded};

fn patch(json: &str) -> Request {
    request(Method::PATCH, "/settings").json(json)
}

const TWO: &str = r#"{"webhooks":[
    {"url":"https://hooks.test/a","mode":"method","headers":{"X-Key":"1"},
     "events":[{"type":"messages","method":"post"},{"type":"ack","method":"put"},{"type":"groups"}]},
    {"url":"https://hooks.test/b"}]}"#;

/// The subscriptions that a settings request makes.
pub(super) fn subscriptions(json: &str) -> Vec<Subscription> {
    let text = decoded(patch(json));
    let (_, body) = text.split_once('\n').unwrap();
    let replace: Replace =
        codec::decode(body.as_bytes()).unwrap_or_else(|e| panic!("{e:?}: {text}"));
    replace.subscriptions
}

fn webhooks(json: &str) -> Webhooks {
    Webhooks {
        subscriptions: subscriptions(json),
        events: None,
    }
}

#[test]
fn webhooks_become_subscriptions() {
    assert_snapshot!(decoded(patch(TWO)));
}

#[test]
fn settings_are_shown_as_they_were_set() {
    assert_snapshot!("get", decoded(get("/settings")));
    assert_snapshot!(
        "shown",
        answered::<GetWebhooks>(get("/settings"), Ok(webhooks(TWO)))
    );
}

#[test]
fn updates_show_before_and_after() {
    let one = r#"{"webhooks":[{"url":"https://hooks.test/b"}]}"#;
    let replaced = |before, after| Replaced {
        before: webhooks(before),
        after: webhooks(after),
    };
    assert_snapshot!(
        "updated",
        answered::<Replace>(patch(TWO), Ok(replaced(one, TWO)))
    );
    let same = answered::<Replace>(patch(one), Ok(replaced(one, one)));
    assert!(same.contains("\"changes\": []"), "{same}");
    assert!(decoded(patch("{}")).starts_with("webhooks.get (Read)"));
}

#[test]
fn reset_removes_what_there_is() {
    let reset = || request(Method::DELETE, "/settings");
    let none = || webhooks(r#"{"webhooks":[]}"#);
    assert_snapshot!("reset", decoded(reset()));
    let before = webhooks(TWO);
    assert_snapshot!(
        "reset_answer",
        answered::<Replace>(
            reset(),
            Ok(Replaced {
                before,
                after: none()
            })
        )
    );
    let again = Replaced {
        before: none(),
        after: none(),
    };
    assert!(answered::<Replace>(reset(), Ok(again)).starts_with("409\n"));
}

#[test]
fn bad_settings_are_refused() {
    let check = |json: &str, status, details: &str| check_refused(patch(json), status, details);
    let hook = |fields: &str| format!(r#"{{"webhooks":[{{{fields}}}]}}"#);
    check(r#"{"webhooks":"x"}"#, 400, "webhooks: invalid type");
    check(&hook(""), 400, "missing field `url`");
    check(&hook(r#""url":"hooks.test""#), 400, "webhooks[0].url: ");
    check(
        &hook(r#""url":"ftp://hooks.test""#),
        400,
        "webhooks[0].url: ",
    );
    check(
        &hook(r#""url":"http://a/","mode":"fax""#),
        400,
        "webhooks[0].mode: unknown variant `fax`",
    );
    check(
        &hook(r#""url":"http://a/","events":[{"type":"fax"}]"#),
        400,
        "webhooks[0].events[0].type: ",
    );
    check(
        &hook(r#""url":"http://a/","headers":{"a b":"c"}"#),
        400,
        "webhooks[0].headers: ",
    );
    check(
        &hook(r#""url":"http://a/","headers":{"a":"1","b":"1","c":"1","d":"1","e":"1","f":"1"}"#),
        400,
        "headers: at most 5",
    );
    check(
        r#"{"webhooks":[{"url":"http://a/"},{"url":"http://a/"}]}"#,
        400,
        "webhooks[1].url: ",
    );
    let many = vec![r#"{"url":"http://a/"}"#; 17].join(",");
    check(
        &format!(r#"{{"webhooks":[{many}]}}"#),
        400,
        "webhooks: at most 16",
    );
    check(r#"{"offline_mode":true}"#, 501, "offline_mode: ");
    check(r#"{"media":{"auto_download":["image"]}}"#, 501, "media: ");
}

#[test]
fn allowed_events() {
    assert_snapshot!(decoded(get("/settings/events")));
}
