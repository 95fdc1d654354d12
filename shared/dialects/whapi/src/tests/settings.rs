//! Webhooks as settings.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{Request, get, post, request};
use switchboard_vocab::codec;
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::settings::{Change, Changed, Get, Reset, Settings};
use switchboard_vocab::webhooks::{
    GetWebhooks, Replace, Replaced, Subscription, Test, Tested, Webhooks,
};

use super::{answered, answered_both, check_refused, decoded};

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
    let (body, _) = body.split_once("\nsettings.change").unwrap();
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
        answered_both::<GetWebhooks, Get>(get("/settings"), webhooks(TWO), chosen())
    );
}

/// Settings other than the ones there are at first.
fn chosen() -> Settings {
    Settings {
        auto_download: [MediaKind::Image, MediaKind::Video, MediaKind::Gif].into(),
        offline: true,
        full_history: true,
        proxy: Some("socks5://user:secret@proxy.test:1080".to_owned()),
    }
}

fn changed(before: Settings, after: Settings) -> Changed {
    Changed { before, after }
}

fn replaced(before: &str, after: &str) -> Replaced {
    Replaced {
        before: webhooks(before),
        after: webhooks(after),
    }
}

const NONE: &str = r#"{"webhooks":[]}"#;

#[test]
fn updates_show_before_and_after() {
    let one = r#"{"webhooks":[{"url":"https://hooks.test/b"}]}"#;
    let none = Settings::default;
    let updated =
        answered_both::<Replace, Change>(patch(TWO), replaced(one, TWO), changed(none(), chosen()));
    assert_snapshot!("updated", updated);
    let same =
        answered_both::<Replace, Change>(patch(one), replaced(one, one), changed(none(), none()));
    assert!(same.contains("\"changes\": []"), "{same}");
    let settings = r#"{"media":{"auto_download":["image","video"],"init_avatars":false},"offline_mode":true,
        "full_history":true,"proxy":"socks5://user:secret@proxy.test:1080"}"#;
    assert_snapshot!("settings_change", decoded(patch(settings)));
    let updated = answered_both::<GetWebhooks, Change>(
        patch(settings),
        webhooks(one),
        changed(none(), chosen()),
    );
    assert!(updated.contains("\"proxy\"\n  ]"), "{updated}");
}

#[test]
fn reset_removes_what_there_is() {
    let reset = || request(Method::DELETE, "/settings");
    let none = Settings::default;
    assert_snapshot!("reset", decoded(reset()));
    let answer = |webhooks, settings| answered_both::<Replace, Reset>(reset(), webhooks, settings);
    let hooks = answer(replaced(TWO, NONE), changed(none(), none()));
    assert_snapshot!("reset_answer", hooks);
    let settings = answer(replaced(NONE, NONE), changed(chosen(), none()));
    assert!(settings.starts_with("200\n"), "{settings}");
    let again = answer(replaced(NONE, NONE), changed(none(), none()));
    assert!(again.starts_with("409\n"), "{again}");
}

fn test_call(kind: &str, mode: &str) -> Request {
    let json = format!(
        r#"{{"url":"https://hooks.test/a","type":"{kind}","mode":"{mode}","headers":{{"X-Key":"1"}}}}"#
    );
    post("/settings/webhook_test", &json)
}

#[test]
fn test_calls() {
    assert_snapshot!("test_call", decoded(test_call("statuses", "path")));
    let answer = |status| answered::<Test>(test_call("messages", "body"), Ok(Tested { status }));
    assert!(answer(204).starts_with("200\n"));
    assert!(answer(404).starts_with("400\n"));
    let bad = |json| check_refused(post("/settings/webhook_test", json), 400, "");
    bad(r#"{"url":"https://hooks.test/a","type":"messages"}"#);
    bad(r#"{"url":"https://hooks.test/a","mode":"body"}"#);
    bad(r#"{"url":"hooks.test","type":"messages","mode":"body"}"#);
}

#[test]
fn test_payloads_are_payloads() {
    for kind in [
        "messages",
        "statuses",
        "chats",
        "contacts",
        "groups",
        "presences",
        "calls",
        "channel",
        "users",
        "labels",
        "service",
    ] {
        let text = decoded(test_call(kind, "body"));
        let (_, body) = text.split_once('\n').unwrap();
        let call: Test = codec::decode(body.as_bytes()).unwrap();
        super::schema::check_payloads(&format!("application/json\n{}", call.payload));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of bad settings")]
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
    let check = |json: &str, details: &str| check_refused(patch(json), 400, details);
    check(r#"{"media":{"init_avatars":true}}"#, "media.init_avatars: ");
    check(
        r#"{"media":{"auto_download":["fax"]}}"#,
        "media.auto_download",
    );
    check(r#"{"callback_persist":false}"#, "callback_persist: ");
    check(
        r#"{"callback_backoff_delay_ms":3000}"#,
        "callback_backoff_delay_ms: ",
    );
    check(r#"{"mobile_proxy":"socks5://a:b@c:1"}"#, "mobile_proxy: ");
    for proxy in [
        "http://a:b@c:1",
        "socks5://c:1",
        "socks5://a:b@c:x",
        "socks5://a:b@:1",
        "socks5://a@c:1",
        "socks5://a/b:c@d:1",
    ] {
        check(&format!(r#"{{"proxy":"{proxy}"}}"#), "proxy: ");
    }
    let by_name = decoded(patch(
        r#"{"proxy":"socks5h://user:secret@proxy.test:1080"}"#,
    ));
    assert!(
        by_name.contains("\"socks5://user:secret@proxy.test:1080\""),
        "{by_name}"
    );
    let off = decoded(patch(r#"{"proxy":""}"#));
    assert!(off.contains("\"proxy\": \"\""), "{off}");
}

#[test]
fn allowed_events() {
    assert_snapshot!(decoded(get("/settings/events")));
}
