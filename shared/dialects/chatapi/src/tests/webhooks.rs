//! The webhook and the switch for deliveries.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, request, samples};
use switchboard_vocab::DialectName;
use switchboard_vocab::webhooks::{Choose, EventClass, GetWebhooks, Replace, Replaced, Webhooks};

use super::{answered, at, check_refused, decoded};

fn webhooks(events: Option<EventClass>) -> Webhooks {
    Webhooks {
        subscriptions: vec![samples::subscription(DialectName::Chatapi)],
        events: events.map(|class| [class].into()),
    }
}

const fn none() -> Webhooks {
    Webhooks {
        subscriptions: Vec::new(),
        events: None,
    }
}

#[test]
fn setting() {
    let json = r#"{"webhookUrl":"http://hooks.test/in","set":true}"#;
    let expected = decoded(post(&at("/webhook"), json));
    assert_snapshot!("set", expected);
    let query = "webhookUrl=http%3A%2F%2Fhooks.test%2Fin";
    assert_eq!(decoded(get(&at(&format!("/webhook?{query}")))), expected);
    let form = request(Method::POST, &at("/webhook"))
        .bytes("application/x-www-form-urlencoded", query.as_bytes());
    assert_eq!(decoded(form), expected);
    let out = |after| Replaced {
        before: none(),
        after,
    };
    assert_snapshot!(
        "set_answer",
        answered::<Replace>(post(&at("/webhook"), json), Ok(out(webhooks(None))))
    );
    let clear = || post(&at("/webhook"), r#"{"webhookUrl":""}"#);
    assert_snapshot!("clear", decoded(clear()));
    assert_snapshot!("cleared", answered::<Replace>(clear(), Ok(out(none()))));
}

#[test]
fn getting() {
    let request = || get(&at("/webhook?token=abc"));
    assert_snapshot!("get", decoded(request()));
    let shown = |webhooks| answered::<GetWebhooks>(request(), Ok(webhooks));
    assert_snapshot!("shown", shown(webhooks(None)));
    assert_snapshot!("shown_none", shown(none()));
}

#[test]
fn bad_addresses() {
    let check =
        |json: &str, message: &str| check_refused(post(&at("/webhook"), json), 400, message);
    check("{}", "missing field `webhookUrl`");
    check(r#"{"webhookUrl":5}"#, "webhookUrl: invalid type");
    check(r#"{"webhookUrl":"nowhere"}"#, "webhookUrl: ");
    check(r#"{"webhookUrl":"ftp://a/b"}"#, "webhookUrl: ");
    let long = format!(r#"{{"webhookUrl":"http://a/{}"}}"#, "x".repeat(2_048));
    check(&long, "webhookUrl: at most");
    check(r#"{"webhookUrl":"http://a/","set":false}"#, "set: ");
    check_refused(get(&at("/webhook?webhookUrl=x")), 400, "webhookUrl: ");
}

#[test]
fn the_switch_for_deliveries() {
    let path = at("/settings/ackNotificationsOn");
    let set = |value: &str| post(&path, &format!(r#"{{"ackNotificationsOn":{value}}}"#));
    let on = decoded(set("1"));
    assert_snapshot!("acks_on", on);
    assert_eq!(decoded(set("true")), on);
    assert_eq!(decoded(set("\"1\"")), on);
    assert_eq!(decoded(get(&format!("{path}?ackNotificationsOn=1"))), on);
    assert_snapshot!("acks_off", decoded(set("0")));
    assert_snapshot!("acks_get", decoded(get(&path)));
    let chosen = |class| answered::<Choose>(set("1"), Ok(webhooks(class)));
    assert_snapshot!("acks_are_on", chosen(Some(EventClass::Statuses)));
    let shown = |webhooks| answered::<GetWebhooks>(get(&path), Ok(webhooks));
    assert!(shown(webhooks(Some(EventClass::Sent))).contains("false"));
    assert!(shown(webhooks(Some(EventClass::Statuses))).contains("true"));
    assert!(shown(none()).contains("false"), "off until switched on");
    check_refused(set("5"), 400, "ackNotificationsOn: ");
    check_refused(set("null"), 400, "ackNotificationsOn: 1 or 0");
    check_refused(post(&path, ""), 400, "ackNotificationsOn: ");
    let target = format!("{path}?ackNotificationsOn=x");
    check_refused(get(&target), 400, "ackNotificationsOn: ");
}
