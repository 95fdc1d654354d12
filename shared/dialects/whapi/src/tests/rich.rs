//! Places, cards, polls, events, buttons, lists and carousels to send.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{post, request, samples};
use switchboard_vocab::messages::SendMessage;

use super::{answered, check_refused, decoded};
use crate::ids;

const TO: &str = r#""to":"4915112345678""#;

fn sends(path: &str, fields: &str) -> String {
    let request = post(path, &format!("{{{TO},{fields}}}"));
    let answer = answered::<SendMessage>(request.clone(), Ok(samples::sent("")));
    assert!(answer.starts_with("200\n"), "{answer}");
    decoded(request)
}

fn bad(path: &str, fields: &str, details: &str) {
    check_refused(post(path, &format!("{{{TO},{fields}}}")), 400, details);
}

#[test]
fn places() {
    let quoted = ids::message(&samples::incoming("").id);
    let full = format!(
        r#""latitude":52.5,"longitude":-13.4,"name":"Office","address":"Street 1","url":"https://office.test","accuracy":12,"speed":1.6,"degrees":90,"comment":"second floor","quoted":"{quoted}""#
    );
    assert_snapshot!("location", sends("/messages/location", &full));
    let live = r#""latitude":52.5,"longitude":13.4,"accuracy":5,"speed":2,"degrees":90,"comment":"coming""#;
    assert_snapshot!("live_location", sends("/messages/live_location", live));
    let form = request(Method::POST, "/messages/location")
        .part("to", "4915112345678")
        .part("latitude", "52.5")
        .part("longitude", "13.4");
    assert!(decoded(form).contains("\"latitude\": 52.5"));
    let at = |fields: &str, details: &str| bad("/messages/location", fields, details);
    at(r#""latitude":52.5"#, "missing field `longitude`");
    at(r#""latitude":91,"longitude":0"#, "latitude: -90 to 90");
    at(r#""latitude":0,"longitude":-181"#, "longitude: -180 to 180");
    at(r#""latitude":"x","longitude":0"#, "latitude: ");
    at(r#""latitude":0,"longitude":0,"degrees":361"#, "degrees: ");
    at(r#""latitude":0,"longitude":0,"preview":"x""#, "preview: ");
    at(r#""latitude":0,"longitude":0,"edit":"x""#, "edit: ");
    bad(
        "/messages/live_location",
        r#""latitude":0,"longitude":0,"degrees":361"#,
        "degrees: ",
    );
    bad(
        "/messages/live_location",
        r#""latitude":0,"longitude":0,"name":"x""#,
        "name: ",
    );
}

#[test]
fn cards() {
    let one = r#""name":"Gerda","vcard":"BEGIN:VCARD\nEND:VCARD""#;
    assert_snapshot!("contact", sends("/messages/contact", one));
    let list = format!(r#""list":[{{{one}}},{{{one}}}]"#);
    assert_snapshot!("contact_list", sends("/messages/contact_list", &list));
    let form = request(Method::POST, "/messages/contact_list")
        .part("to", "4915112345678")
        .part("list", &format!("[{{{one}}}]"));
    assert!(decoded(form).starts_with("messages.send"));
    bad(
        "/messages/contact",
        r#""name":"Gerda""#,
        "missing field `vcard`",
    );
    bad(
        "/messages/contact",
        r#""name":"Gerda","vcard":"x""#,
        "vcard: ",
    );
    bad(
        "/messages/contact",
        r#""name":"","vcard":"BEGIN:VCARD\nEND:VCARD""#,
        "name: ",
    );
    bad("/messages/contact_list", r#""list":[]"#, "list: ");
    bad(
        "/messages/contact_list",
        r#""list":[{"name":"x"}]"#,
        "list[0].vcard: ",
    );
}

#[test]
fn polls() {
    let poll = |fields: &str| {
        sends(
            "/messages/poll",
            &format!(r#""title":"Where to?",{fields}"#),
        )
    };
    assert_snapshot!("poll", poll(r#""options":["Sea","Hills"],"count":1"#));
    assert!(poll(r#""options":["Sea","Hills"],"count":0"#).contains("\"choices_max\": null"));
    let form = request(Method::POST, "/messages/poll")
        .part("to", "4915112345678")
        .part("title", "Where to?")
        .part("options", "Sea")
        .part("options", "Hills");
    assert!(decoded(form).starts_with("messages.send"));
    let bad = |fields: &str, details: &str| {
        bad(
            "/messages/poll",
            &format!(r#""title":"x",{fields}"#),
            details,
        )
    };
    bad(r#""options":["a"]"#, "options: 2 to 12");
    let many: Vec<_> = (0..13).map(|at| format!("\"{at}\"")).collect();
    bad(
        &format!(r#""options":[{}]"#, many.join(",")),
        "options: 2 to 12",
    );
    bad(r#""options":["a","a"]"#, "options: every option");
    bad(r#""options":["a",""]"#, "options: it is empty");
    bad(r#""options":["a","b"],"count":2"#, "count: ");
    bad(r#""options":["a","b"],"edit":"x""#, "edit: ");
    bad(r#""options":["a","b"],"view_once":true"#, "view_once: ");
    check_refused(
        post(
            "/messages/poll",
            &format!(r#"{{{TO},"options":["a","b"]}}"#),
        ),
        400,
        "missing field `title`",
    );
}

#[test]
fn events() {
    let full = r#""title":"Party","description":"with cake","startTime":1700000000,"endTime":1700003600000,
        "degreesLatitude":52.5,"degreesLongitude":13.4,"locationName":"Office","locationAddress":"Street 1""#;
    assert_snapshot!("event", sends("/communities/event", full));
    let bad = |fields: &str, details: &str| {
        bad(
            "/communities/event",
            &format!(r#""title":"x",{fields}"#),
            details,
        );
    };
    bad(r#""description":"x""#, "missing field `startTime`");
    bad(r#""startTime":"soon""#, "startTime: ");
    bad(r#""startTime":-1"#, "startTime: ");
    bad(
        r#""startTime":1700000000,"endTime":1600000000"#,
        "endTime: ",
    );
    bad(
        r#""startTime":1700000000,"degreesLatitude":1"#,
        "degreesLongitude: ",
    );
}

const BUTTONS: &str = r#"[{"type":"quick_reply","title":"Yes","id":"yes"},
    {"type":"url","title":"Shop","id":"2","url":"https://shop.test"},
    {"type":"call","title":"Call","id":"3","phone_number":"+4915100000001"},
    {"type":"copy","title":"Copy","id":"4","copy_code":"C0DE"}]"#;

#[test]
fn buttons_and_lists() {
    let path = "/messages/interactive";
    let full = format!(
        r#""type":"button","header":{{"text":"Menu"}},"body":{{"text":"choose"}},"footer":{{"text":"soon"}},
            "media":"https://files.test/a.png","action":{{"buttons":{BUTTONS}}}"#
    );
    assert_snapshot!("buttons", sends(path, &full));
    let list = r#""type":"list","body":{"text":"choose"},"action":{"list":{"label":"Open","sections":[
        {"title":"Food","rows":[{"id":"1","title":"Soup","description":"hot"}]}]}}"#;
    assert_snapshot!("list", sends(path, list));
    let form = request(Method::POST, path)
        .part("to", "4915112345678")
        .part("body", r#"{"text":"choose"}"#)
        .part("action", &format!(r#"{{"buttons":{BUTTONS}}}"#))
        .file("media", "a.png", "image/png", b"\x89PNG");
    assert!(decoded(form).contains("upload "));
    let bad = |fields: &str, details: &str| {
        bad(path, &format!(r#""body":{{"text":"x"}},{fields}"#), details);
    };
    bad(r#""footer":{"text":"x"}"#, "missing field `action`");
    bad(r#""action":{}"#, "action: ");
    bad(r#""action":{"buttons":[]}"#, "action.buttons: 1 to 10");
    bad(
        r#""action":{"buttons":[{"type":"fax","title":"x","id":"1"}]}"#,
        "action.buttons[0].type: ",
    );
    bad(
        r#""action":{"buttons":[{"type":"url","title":"x","id":"1"}]}"#,
        "action.buttons[0].url: ",
    );
    bad(
        r#""action":{"buttons":[{"type":"url","title":"x","id":"1","url":"x"}]}"#,
        "action.buttons[0].url: ",
    );
    bad(
        r#""type":"product","action":{"product":{"product_id":"1"}}"#,
        "action.product: ",
    );
    bad(
        r#""type":"list","action":{"list":{"label":"x","sections":[]}}"#,
        "action.list.sections: ",
    );
    check_refused(
        post(
            path,
            &format!(r#"{{{TO},"action":{{"buttons":{BUTTONS}}}}}"#),
        ),
        400,
        "body.text: ",
    );
}

#[test]
fn carousels() {
    let path = "/messages/carousel";
    let card = format!(
        r#"{{"id":"1","text":"first","media":{{"media":"https://files.test/a.mp4"}},"buttons":{BUTTONS}}}"#
    );
    let full = format!(r#""body":{{"text":"look"}},"cards":[{card}]"#);
    assert_snapshot!("carousel", sends(path, &full));
    bad(path, r#""body":{"text":"x"}"#, "cards: 1 to 10");
    let many = vec![card; 11].join(",");
    bad(path, &format!(r#""cards":[{many}]"#), "cards: 1 to 10");
    bad(
        path,
        r#""cards":[{"id":"1","buttons":[]}]"#,
        "missing field `media`",
    );
    bad(
        path,
        r#""cards":[{"id":"1","media":"%%%","buttons":[]}]"#,
        "media: ",
    );
}
