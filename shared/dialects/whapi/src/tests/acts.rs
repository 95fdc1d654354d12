//! What is done to earlier messages, and how far they came.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{Request, get, post, request, samples};
use switchboard_vocab::messages::{
    Act, DeliveryStatus, Forward, GetInfo, Message, MessageInfo, Progress, Star,
};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};
use crate::ids;

fn path(tail: &str) -> String {
    format!(
        "/messages/{}{tail}",
        ids::message(&samples::incoming("").id)
    )
}

fn call(method: Method, tail: &str, json: &str) -> Request {
    request(method, &path(tail)).json(json)
}

#[test]
fn reactions() {
    let react = |json: &str| call(Method::PUT, "/reaction", json);
    assert_snapshot!("react", decoded(react(r#"{"emoji":"👍"}"#)));
    let family = decoded(react(r#"{"emoji":"👨‍👩‍👧‍👦"}"#));
    assert!(family.starts_with("messages.act"), "{family}");
    assert_snapshot!(
        "react_back",
        decoded(request(Method::DELETE, &path("/reaction")))
    );
    for bad in [
        "{}",
        r#"{"emoji":""}"#,
        r#"{"emoji":"yes"}"#,
        r#"{"emoji":5}"#,
    ] {
        check_refused(react(bad), 400, "emoji");
    }
    assert_snapshot!(
        "react_answer",
        answered::<Act>(react(r#"{"emoji":"👍"}"#), Ok(samples::sent("")))
    );
}

#[test]
fn deletion_pins_and_stars() {
    assert_snapshot!("revoke", decoded(request(Method::DELETE, &path(""))));
    let gone = OpError::new(ErrorCode::NotFound, "the message is not in the log");
    let answer = answered::<Act>(request(Method::DELETE, &path("")), Err(gone));
    assert!(answer.starts_with("404\n"), "{answer}");
    for (time, seconds) in [("day", 86_400), ("week", 604_800), ("month", 2_592_000)] {
        let text = decoded(call(
            Method::POST,
            "/pin",
            &format!(r#"{{"time":"{time}"}}"#),
        ));
        assert!(text.contains(&format!("\"secs\": {seconds}")), "{text}");
    }
    assert!(decoded(request(Method::POST, &path("/pin"))).contains("\"secs\": 604800"));
    check_refused(
        call(Method::POST, "/pin", r#"{"time":"year"}"#),
        400,
        "time: ",
    );
    assert_snapshot!("unpin", decoded(request(Method::DELETE, &path("/pin"))));
    let star = |json: &str| call(Method::PUT, "/star", json);
    assert_snapshot!("star", decoded(star("{}")));
    assert!(decoded(star(r#"{"starred":false}"#)).contains("\"starred\": false"));
    assert_snapshot!(
        "star_answer",
        answered::<Star>(star("{}"), Ok(samples::incoming("hello")))
    );
}

#[test]
fn forwards() {
    let forward = |json: &str| call(Method::POST, "", json);
    let good = r#"{"to":"120363025343298765@g.us","force":true}"#;
    assert_snapshot!("forward", decoded(forward(good)));
    let answer = answered::<Forward>(forward(good), Ok(samples::sent("hello")));
    assert!(answer.starts_with("200\n"), "{answer}");
    check_refused(forward("{}"), 400, "missing field `to`");
    check_refused(forward(r#"{"to":"123456789"}"#), 400, "to: ");
    let foreign = post("/messages/3EB0A1B2C3D4E5F6071829", good);
    check_refused(foreign, 400, "MessageID: ");
}

fn info(message: Message) -> MessageInfo {
    let read = Progress {
        user: samples::partner(),
        user_alt: Some(samples::partner_lid()),
        delivered_at: Some(samples::now()),
        read_at: Some(samples::now()),
        played_at: None,
    };
    let hidden = Progress {
        user: samples::partner_lid(),
        user_alt: None,
        delivered_at: Some(samples::now()),
        read_at: None,
        played_at: None,
    };
    MessageInfo {
        message,
        recipients: vec![read, hidden],
    }
}

#[test]
fn statuses() {
    let target = || get(&path("").replace("/messages/", "/statuses/"));
    assert_snapshot!("info", decoded(target()));
    let own = || samples::own_message("hi");
    assert_snapshot!("statuses", answered::<GetInfo>(target(), Ok(info(own()))));
    let story = Message {
        chat: "status@broadcast".parse().unwrap(),
        chat_alt: None,
        ..own()
    };
    let story = answered::<GetInfo>(target(), Ok(info(story)));
    assert!(!story.contains("recipient_id"), "{story}");
    let untold = MessageInfo {
        message: Message {
            status: DeliveryStatus::Server,
            ..own()
        },
        recipients: Vec::new(),
    };
    let untold = answered::<GetInfo>(target(), Ok(untold));
    assert!(untold.contains("\"status\": \"sent\""), "{untold}");
    let others = answered::<GetInfo>(target(), Ok(info(samples::incoming("hi"))));
    assert!(others.starts_with("403\n"), "{others}");
}
