//! whapi.cloud: `{"error": {"code", "message", "details"}}` with the statuses of its OpenAPI document.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_harness::stack::NewSession;

use crate::System;
use crate::case::{Answer, Case, must_be, text_at};
use crate::facts::{BAD_PHONES, Facts, PEER, broken, large_body, long_text, words_base64};

pub(crate) const SYSTEM: System = System {
    name: "whapi",
    shape,
    always,
    away,
    logout: |facts, session| facts.post("/users/logout").bearer_auth(&session.token),
    // Source: 409 of logoutUser, "channel already logged out".
    logout_again: |what, request| Case::new(what, request, 409).says("already logged out"),
};

/// The code repeats the status; `details` is where the field is named.
fn shape(answer: &Answer) -> Result<String, String> {
    must_be(answer, "/error/code", answer.status)?;
    let message = text_at(answer, "/error/message")?;
    Ok(format!(
        "{message} | {}",
        text_at(answer, "/error/details")?
    ))
}

fn always(facts: &Facts) -> Vec<Case> {
    let mut cases = keys(facts);
    cases.extend(routes(facts));
    cases.extend(texts(facts));
    cases.extend(pictures(facts));
    cases.extend(states(facts));
    cases
}

fn text(facts: &Facts, session: &NewSession, body: &Value) -> RequestBuilder {
    facts
        .post("/messages/text")
        .bearer_auth(&session.token)
        .json(body)
}

fn good() -> Value {
    json!({"to": PEER, "body": "never sent"})
}

fn keys(facts: &Facts) -> Vec<Case> {
    let send = |token: &str| {
        facts
            .post("/messages/text")
            .bearer_auth(token)
            .json(&good())
    };
    vec![
        Case::new("no key", facts.post("/messages/text").json(&good()), 401).says("no key"),
        Case::new("wrong key", send("nonsense"), 401).says("not known"),
        Case::new(
            "wrong key in the query",
            facts.get("/health?token=nonsense"),
            401,
        ),
        Case::new("the tenant's key", send(&facts.tenant_key), 401),
        Case::new("the admin key", send(&facts.admin_key), 401),
        Case::new("the key of a removed session", send(&facts.gone.token), 401),
    ]
}

fn routes(facts: &Facts) -> Vec<Case> {
    let call = |method, path: &str| facts.call(method, path).bearer_auth(&facts.paired.token);
    vec![
        Case::new(
            "unknown path",
            call(Method::GET, "/messages/nowhere/at/all"),
            404,
        )
        .says("path"),
        Case::new("wrong method", call(Method::PATCH, "/messages/text"), 404).says("methods"),
        Case::new("a later release", call(Method::POST, "/groups"), 501).says("release"),
    ]
}

fn texts(facts: &Facts) -> Vec<Case> {
    let send = |body: &Value| text(facts, &facts.paired, body);
    let raw = || {
        facts
            .post("/messages/text")
            .bearer_auth(&facts.paired.token)
    };
    let mut cases = vec![
        Case::new("no json", broken(raw()), 400).says("json"),
        Case::new("a list", send(&json!(["to"])), 400).says("object"),
        Case::new("no body at all", raw(), 400).says("to"),
        Case::new("no recipient", send(&json!({"body": "x"})), 400).says("`to`"),
        Case::new("no text", send(&json!({"to": PEER})), 400).says("`body`"),
        Case::new("empty text", send(&json!({"to": PEER, "body": ""})), 400).says("body: "),
        Case::new(
            "text of a wrong type",
            send(&json!({"to": PEER, "body": {}})),
            400,
        )
        .says("body: "),
        Case::new(
            "recipient of a wrong type",
            send(&json!({"to": [], "body": "x"})),
            400,
        )
        .says("to: "),
        Case::new(
            "mentions of a wrong type",
            send(&json!({"to": PEER, "body": "x", "mentions": 1})),
            400,
        )
        .says("mentions: "),
        Case::new(
            "another server",
            send(&json!({"to": "1@nowhere", "body": "x"})),
            400,
        )
        .says("to: "),
        Case::new(
            "typing too long",
            send(&json!({"to": PEER, "body": "x", "typing_time": 61})),
            400,
        )
        .says("typing_time: "),
        Case::new(
            "long text",
            send(&json!({"to": PEER, "body": long_text()})),
            413,
        )
        .says("body: "),
        Case::new("large body", send(&large_body()), 413).says("bytes"),
    ];
    cases.extend(BAD_PHONES.iter().map(|phone| {
        let request = send(&json!({"to": phone, "body": "x"}));
        Case::new(&format!("recipient {phone}"), request, 400).says("to: ")
    }));
    cases
}

/// A picture by link.
pub(crate) fn picture(facts: &Facts, link: &str) -> Case {
    let request = facts
        .post("/messages/image")
        .bearer_auth(&facts.paired.token);
    // Source: 404 of sendMessageImage, "specified media not found".
    Case::new(
        "picture by link",
        request.json(&json!({"to": PEER, "media": link})),
        404,
    )
    .says("media")
}

fn pictures(facts: &Facts) -> Vec<Case> {
    let image = |media: &str| {
        let request = facts
            .post("/messages/image")
            .bearer_auth(&facts.paired.token);
        request.json(&json!({"to": PEER, "media": media}))
    };
    let raw = |path: &str, kind: &str, bytes: Vec<u8>| {
        let request = facts.post(path).bearer_auth(&facts.paired.token);
        request.header("content-type", kind.to_owned()).body(bytes)
    };
    let words = words_base64();
    let to = format!("/messages/image?to={PEER}");
    vec![
        Case::new("no file", image_without(facts), 400).says("media: "),
        Case::new("a scheme", image("ftp://example.org/a.png"), 400).says("media: "),
        Case::new("no base64", image("data:image/png;base64,!!!"), 400).says("media: "),
        Case::new(
            "declared text",
            image(&format!("data:text/plain;base64,{words}")),
            415,
        )
        .says("image/"),
        Case::new(
            "words as a picture",
            image(&format!("data:image/png;base64,{words}")),
            415,
        )
        .says("picture"),
        Case::new("words behind a link", image(&facts.words), 415).says("picture"),
        Case::new(
            "raw words",
            raw(&to, "image/png", b"only words".to_vec()),
            415,
        )
        .says("picture"),
        Case::new(
            "an empty upload",
            raw("/media", "image/png", Vec::new()),
            400,
        )
        .says("media"),
        Case::new(
            "a large upload",
            raw("/media", "image/png", vec![0; 300_000]),
            413,
        )
        .says("bytes"),
        Case::new("a file nobody has", image("file-nothing"), 404),
        picture(facts, &facts.dead).named("a dead link"),
    ]
}

fn image_without(facts: &Facts) -> RequestBuilder {
    let request = facts
        .post("/messages/image")
        .bearer_auth(&facts.paired.token);
    request.json(&json!({"to": PEER}))
}

/// Calls that the state of the session forbids.
fn states(facts: &Facts) -> Vec<Case> {
    let paired = |path: &str| facts.get(path).bearer_auth(&facts.paired.token);
    let fresh = |path: &str| facts.get(path).bearer_auth(&facts.fresh.token);
    let out = facts.post("/users/logout").bearer_auth(&facts.fresh.token);
    let hook = facts
        .call(Method::PATCH, "/settings")
        .bearer_auth(&facts.paired.token);
    // Source: 401 of the send calls, "need channel authorization"; 409 of loginUser, "already authenticated".
    vec![
        Case::new(
            "a send, not paired",
            text(facts, &facts.fresh, &good()),
            401,
        )
        .says("authorization"),
        Case::new("qr code, paired", paired("/users/login"), 409).says("already"),
        Case::new("qr text, paired", paired("/users/login/rowdata"), 409).says("already"),
        Case::new("code, paired", paired("/users/login/15550117001"), 409).says("already"),
        Case::new("code for no number", fresh("/users/login/abc"), 400).says("phone"),
        Case::new(
            "a qr code too large",
            fresh("/users/login?size=100000"),
            422,
        )
        .says("size"),
        Case::new("log-out, not paired", out, 409).says("already logged out"),
        Case::new(
            "a chat that is none",
            paired("/messages/list/nonsense"),
            400,
        )
        .says("ChatID"),
        Case::new(
            "a count that is none",
            paired("/messages/list?count=many"),
            400,
        )
        .says("count"),
        Case::new("a message that is none", paired("/messages/nonsense"), 400).says("MessageID"),
        Case::new(
            "a webhook that is none",
            hook.json(&json!({"webhooks": [{"url": "nowhere"}]})),
            400,
        )
        .says("webhooks"),
    ]
}

fn away(facts: &Facts) -> Vec<Case> {
    vec![
        Case::new(
            "a send while away",
            text(facts, &facts.paired, &good()),
            401,
        )
        .says("waiting"),
    ]
}
