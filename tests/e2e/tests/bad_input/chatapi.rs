//! chat-api.com of 2018: `{"error"}` with a status; a send that failed answers 200 with `{"sent": false, "message"}`.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_harness::stack::NewSession;

use crate::System;
use crate::case::{Answer, Case, must_be, text_at};
use crate::facts::{BAD_PHONES, Facts, PEER, broken, large_body, long_text, words_base64};

pub(crate) const SYSTEM: System = System {
    name: "chatapi",
    shape: failed,
    always,
    away,
    logout: |facts, session| call(facts, session, Method::GET, "logout"),
    logout_again: |what, request| Case::new(what, request, 409).says("not linked"),
};

/// Source: `error` is the only field that public clients read of a failure.
fn failed(answer: &Answer) -> Result<String, String> {
    let words = text_at(answer, "/error")?;
    let fields = answer.body.as_object().map_or(0, serde_json::Map::len);
    if fields == 1 {
        Ok(words)
    } else {
        Err("more than an error".to_owned())
    }
}

/// Source: `sent` and `message` are what public clients read of the send calls.
fn not_sent(answer: &Answer) -> Result<String, String> {
    must_be(answer, "/sent", false)?;
    text_at(answer, "/message")
}

fn unsent(what: &str, request: RequestBuilder) -> Case {
    Case::new(what, request, 200).shaped(not_sent)
}

fn call(facts: &Facts, session: &NewSession, method: Method, path: &str) -> RequestBuilder {
    facts.call(
        method,
        &format!("/instance{}/{path}?token={}", session.id, session.token),
    )
}

fn post(facts: &Facts, path: &str, body: &Value) -> RequestBuilder {
    call(facts, &facts.paired, Method::POST, path).json(body)
}

fn good() -> Value {
    json!({"phone": PEER, "body": "never sent"})
}

fn always(facts: &Facts) -> Vec<Case> {
    let mut cases = keys(facts);
    cases.extend(routes(facts));
    cases.extend(texts(facts));
    cases.extend(files(facts));
    cases.extend(states(facts));
    cases
}

/// Source: 401 with `{"error"}` of the later generated SDK.
fn keys(facts: &Facts) -> Vec<Case> {
    let at = |path: &str| facts.post(path).json(&good());
    let token = &facts.paired.token;
    let mixed = format!("/instancefresh/sendMessage?token={token}");
    vec![
        Case::new("no key", at("/instancepaired/sendMessage"), 401).says("no key"),
        Case::new(
            "wrong key",
            at("/instancepaired/sendMessage?token=nonsense"),
            401,
        )
        .says("not known"),
        Case::new(
            "a key in the header",
            at("/instancepaired/sendMessage").bearer_auth(token),
            401,
        ),
        Case::new("another instance's key", at(&mixed), 401).says("fresh"),
        Case::new(
            "an unknown instance",
            at(&format!("/instancenobody/sendMessage?token={token}")),
            401,
        )
        .says("nobody"),
    ]
}

fn routes(facts: &Facts) -> Vec<Case> {
    let paired = |method, path: &str| call(facts, &facts.paired, method, path);
    vec![
        Case::new("unknown path", paired(Method::GET, "nowhere"), 404).says("path"),
        Case::new("wrong method", paired(Method::DELETE, "sendMessage"), 404).says("methods"),
        Case::new("a later release", paired(Method::POST, "group"), 501).says("release"),
    ]
}

fn texts(facts: &Facts) -> Vec<Case> {
    let send = |body: &Value| post(facts, "sendMessage", body);
    let raw = call(facts, &facts.paired, Method::POST, "sendMessage");
    let mut cases = vec![
        unsent("no json", broken(raw)).says("json"),
        unsent("no recipient", send(&json!({"body": "x"}))).says("phone: "),
        unsent("no text", send(&json!({"phone": PEER}))).says("`body`"),
        unsent("empty text", send(&json!({"phone": PEER, "body": ""}))).says("body: "),
        unsent(
            "text of a wrong type",
            send(&json!({"phone": PEER, "body": []})),
        )
        .says("body"),
        unsent(
            "a chat that is none",
            send(&json!({"chatId": "15550117002", "body": "x"})),
        )
        .says("chatId: "),
        unsent(
            "a chat elsewhere",
            send(&json!({"chatId": "1@nowhere", "body": "x"})),
        )
        .says("chatId: "),
        unsent(
            "long text",
            send(&json!({"phone": PEER, "body": long_text()})),
        )
        .says("body: "),
        unsent("large body", send(&large_body())).says("bytes"),
        unsent(
            "nothing in the query",
            call(facts, &facts.paired, Method::GET, "sendMessage"),
        )
        .says("body"),
    ];
    cases.extend(BAD_PHONES.iter().map(|phone| {
        let request = send(&json!({"phone": phone, "body": "x"}));
        unsent(&format!("recipient {phone}"), request).says("phone: ")
    }));
    cases
}

/// A picture by link.
pub(crate) fn picture(facts: &Facts, link: &str) -> Case {
    let body = json!({"phone": PEER, "body": link, "filename": "a.png"});
    unsent("picture by link", post(facts, "sendFile", &body)).says("media")
}

fn files(facts: &Facts) -> Vec<Case> {
    let file = |body: &str, name: &str| {
        post(
            facts,
            "sendFile",
            &json!({"phone": PEER, "body": body, "filename": name}),
        )
    };
    let words = format!("data:image/png;base64,{}", words_base64());
    let unnamed = json!({"phone": PEER, "body": words});
    vec![
        unsent(
            "no file",
            post(
                facts,
                "sendFile",
                &json!({"phone": PEER, "filename": "a.png"}),
            ),
        )
        .says("body: "),
        unsent("no name", post(facts, "sendFile", &unnamed)).says("filename: "),
        unsent("neither link nor data", file("a.png", "a.png")).says("body: "),
        unsent("no base64", file("data:image/png;base64,!!!", "a.png")).says("body: "),
        unsent("words as a picture", file(&words, "a.png")).says("picture"),
        unsent("words behind a link", file(&facts.words, "a.png")).says("picture"),
        picture(facts, &facts.dead).named("a dead link"),
    ]
}

/// Calls that the state of the instance forbids, and settings that cannot be.
fn states(facts: &Facts) -> Vec<Case> {
    let fresh = call(facts, &facts.fresh, Method::POST, "sendMessage").json(&good());
    let number =
        call(facts, &facts.paired, Method::GET, "messages").query(&[("lastMessageNumber", "x")]);
    vec![
        unsent("a send, not paired", fresh).says("pair"),
        Case::new(
            "qr code, paired",
            call(facts, &facts.paired, Method::GET, "qr_code"),
            409,
        )
        .says("already"),
        Case::new(
            "log-out, not paired",
            call(facts, &facts.fresh, Method::GET, "logout"),
            409,
        )
        .says("not linked"),
        Case::new("a number that is none", number, 400).says("lastMessageNumber"),
        Case::new(
            "a webhook that is none",
            post(facts, "webhook", &json!({"webhookUrl": "nowhere"})),
            400,
        )
        .says("webhookUrl"),
        Case::new(
            "a webhook without address",
            post(facts, "webhook", &json!({})),
            400,
        )
        .says("webhookUrl"),
        Case::new(
            "acks that are no boolean",
            post(
                facts,
                "settings/ackNotificationsOn",
                &json!({"ackNotificationsOn": "perhaps"}),
            ),
            400,
        )
        .says("ackNotificationsOn"),
    ]
}

fn away(facts: &Facts) -> Vec<Case> {
    vec![unsent("a send while away", post(facts, "sendMessage", &good())).says("waiting")]
}
