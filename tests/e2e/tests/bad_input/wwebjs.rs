//! The REST wrapper of whatsapp-web.js: `{"success": false, "error"}`; its session calls answer 200 for sessions that are not
//! there, with `message` instead.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::System;
use crate::case::{Answer, Case, must_be, text_at};
use crate::facts::{BAD_PHONES, Facts, PEER, broken, large_body, long_text, words_base64};

pub(crate) const SYSTEM: System = System {
    name: "wwebjs",
    shape,
    always,
    away,
    logout: |facts, session| {
        call(
            facts,
            Method::GET,
            &format!("/session/terminate/{}", session.id),
        )
    },
    logout_again: |what, request| {
        Case::new(what, request, 200)
            .shaped(no_state)
            .says("session_not_found")
    },
};

fn shape(answer: &Answer) -> Result<String, String> {
    must_be(answer, "/success", false)?;
    text_at(answer, "/error")
}

/// Source: the QR calls.
fn no_code(answer: &Answer) -> Result<String, String> {
    must_be(answer, "/success", false)?;
    text_at(answer, "/message")
}

/// Source: the status, restart and terminate calls.
fn no_state(answer: &Answer) -> Result<String, String> {
    must_be(answer, "/state", Value::Null)?;
    no_code(answer)
}

fn call(facts: &Facts, method: Method, path: &str) -> RequestBuilder {
    facts
        .call(method, path)
        .header("x-api-key", &facts.tenant_key)
}

fn get(facts: &Facts, path: &str) -> RequestBuilder {
    call(facts, Method::GET, path)
}

fn send_to(facts: &Facts, session: &str, body: &Value) -> RequestBuilder {
    call(
        facts,
        Method::POST,
        &format!("/client/sendMessage/{session}"),
    )
    .json(body)
}

fn send(facts: &Facts, body: &Value) -> RequestBuilder {
    send_to(facts, "paired", body)
}

fn message(kind: &str, content: Value) -> Value {
    json!({"chatId": format!("{PEER}@c.us"), "contentType": kind, "content": content})
}

fn good() -> Value {
    message("string", json!("never sent"))
}

fn always(facts: &Facts) -> Vec<Case> {
    let mut cases = keys(facts);
    cases.extend(sessions(facts));
    cases.extend(routes(facts));
    cases.extend(texts(facts));
    cases.extend(files(facts));
    cases.extend(states(facts));
    cases
}

/// Source: 403 with these words for every key that is not the key.
fn keys(facts: &Facts) -> Vec<Case> {
    let with = |key: &str| {
        facts
            .post("/client/sendMessage/paired")
            .header("x-api-key", key)
            .json(&good())
    };
    let wrong = |what, request| Case::new(what, request, 403).says("Invalid API key");
    vec![
        wrong(
            "no key",
            facts.post("/client/sendMessage/paired").json(&good()),
        ),
        wrong("wrong key", with("nonsense")),
        wrong("a session's token", with(&facts.paired.token)),
        wrong("no key for a start", facts.get("/session/start/half")),
        Case::new("another tenant's session", with(&facts.other_key), 404)
            .says("session_not_found"),
    ]
}

/// Source: 422 for names outside `^[\w-]+$`, 404 for sessions that are not there, 200 in the session calls.
fn sessions(facts: &Facts) -> Vec<Case> {
    let bad = "/session/start/a%20b";
    vec![
        Case::new("a bad name", get(facts, bad), 422).says("Session should be alphanumerical or -"),
        Case::new(
            "a session that exists",
            get(facts, "/session/start/paired"),
            422,
        )
        .says("Session already exists for: paired"),
        Case::new("send of nobody", send_to(facts, "nobody", &good()), 404)
            .says("session_not_found"),
        Case::new(
            "status of nobody",
            get(facts, "/session/status/nobody"),
            200,
        )
        .shaped(no_state)
        .says("session_not_found"),
        Case::new(
            "restart of nobody",
            get(facts, "/session/restart/nobody"),
            200,
        )
        .shaped(no_state)
        .says("session_not_found"),
        Case::new(
            "end of nobody",
            get(facts, "/session/terminate/nobody"),
            200,
        )
        .shaped(no_state)
        .says("session_not_found"),
        Case::new("qr code of nobody", get(facts, "/session/qr/nobody"), 200)
            .shaped(no_code)
            .says("session_not_found"),
    ]
}

fn routes(facts: &Facts) -> Vec<Case> {
    vec![
        Case::new("unknown path", get(facts, "/client/nowhere/paired"), 404).says("path"),
        Case::new(
            "wrong method",
            get(facts, "/client/sendMessage/paired"),
            404,
        )
        .says("methods"),
        Case::new(
            "a later release",
            call(facts, Method::POST, "/client/getLabels/paired"),
            501,
        )
        .says("release"),
    ]
}

fn texts(facts: &Facts) -> Vec<Case> {
    let send = |body: &Value| send(facts, body);
    let mut cases = vec![
        Case::new(
            "no json",
            broken(call(facts, Method::POST, "/client/sendMessage/paired")),
            422,
        )
        .says("json"),
        Case::new(
            "no chat",
            send(&json!({"contentType": "string", "content": "x"})),
            422,
        )
        .says("chatId"),
        Case::new(
            "no type",
            send(&json!({"chatId": format!("{PEER}@c.us"), "content": "x"})),
            422,
        )
        .says("contentType"),
        // Source: 404 with these words.
        Case::new(
            "a type that is none",
            send(&message("Telegram", json!("x"))),
            404,
        )
        .says("contentType invalid, must be string, MessageMedia"),
        Case::new(
            "a poll without a question",
            send(&message("Poll", json!({}))),
            422,
        )
        .says("pollName"),
        Case::new(
            "buttons without words",
            send(&message("Buttons", json!({}))),
            422,
        )
        .says("body"),
        Case::new(
            "no content",
            send(&json!({"chatId": format!("{PEER}@c.us"), "contentType": "string"})),
            422,
        )
        .says("content"),
        Case::new(
            "text of a wrong type",
            send(&message("string", json!({}))),
            422,
        )
        .says("content"),
        Case::new("empty text", send(&message("string", json!(""))), 422).says("content: "),
        Case::new(
            "long text",
            send(&message("string", json!(long_text()))),
            413,
        )
        .says("content: "),
        Case::new("large body", send(&large_body()), 413).says("bytes"),
    ];
    cases.extend(BAD_PHONES.iter().map(|phone| {
        let chat = format!("{phone}@c.us");
        let request = send(&json!({"chatId": chat, "contentType": "string", "content": "x"}));
        Case::new(&format!("chat {chat}"), request, 422).says("chatId: ")
    }));
    cases
}

/// A picture by link.
pub(crate) fn picture(facts: &Facts, link: &str) -> Case {
    let request = send(facts, &message("MessageMediaFromURL", json!(link)));
    Case::new("picture by link", request, 422).says("media")
}

fn files(facts: &Facts) -> Vec<Case> {
    let media = |content: Value| send(facts, &message("MessageMedia", content));
    let words = words_base64();
    vec![
        Case::new("no data", media(json!({"mimetype": "image/png"})), 422).says("data"),
        Case::new("no type of the file", media(json!({"data": words})), 422).says("mimetype"),
        Case::new(
            "a type that is none",
            media(json!({"mimetype": "png", "data": words})),
            422,
        )
        .says("content.mimetype: "),
        Case::new(
            "no base64",
            media(json!({"mimetype": "image/png", "data": "!!!"})),
            422,
        )
        .says("content.data: "),
        Case::new(
            "words as a picture",
            media(json!({"mimetype": "image/png", "data": words})),
            415,
        )
        .says("picture"),
        Case::new(
            "a scheme",
            send(
                facts,
                &message("MessageMediaFromURL", json!("ftp://a/b.png")),
            ),
            422,
        )
        .says("content: "),
        Case::new(
            "words behind a link",
            send(facts, &message("MessageMediaFromURL", json!(facts.words))),
            415,
        )
        .says("picture"),
        picture(facts, &facts.dead).named("a dead link"),
    ]
}

/// Calls that the state of the session forbids.
fn states(facts: &Facts) -> Vec<Case> {
    let fetch = |body: Value| call(facts, Method::POST, "/chat/fetchMessages/paired").json(&body);
    vec![
        Case::new("a send, not paired", send_to(facts, "fresh", &good()), 404)
            .says("session_not_connected"),
        Case::new("qr code, paired", get(facts, "/session/qr/paired"), 200)
            .shaped(no_code)
            .says("qr code not ready or already scanned"),
        Case::new(
            "qr picture, paired",
            get(facts, "/session/qr/paired/image"),
            200,
        )
        .shaped(no_code)
        .says("qr code not ready or already scanned"),
        Case::new("a list of no chat", fetch(json!({})), 422).says("chatId"),
        Case::new(
            "a chat that is none",
            fetch(json!({"chatId": "nonsense"})),
            422,
        )
        .says("chatId: "),
        Case::new(
            "a limit that is none",
            fetch(json!({"chatId": "1@c.us", "searchOptions": {"limit": "x"}})),
            422,
        )
        .says("limit"),
    ]
}

fn away(facts: &Facts) -> Vec<Case> {
    vec![Case::new("a send while away", send(facts, &good()), 404).says("session_not_connected")]
}
