//! wuzapi: `{"code", "error", "success": false}`, the code being the status, with the texts of its reference: 400 for
//! requests, 401 for tokens, 500 for everything about the session.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_harness::stack::NewSession;

use crate::System;
use crate::case::{Answer, Case, must_be, text_at};
use crate::facts::{BAD_PHONES, Facts, PEER, broken, large_body, long_text, words_base64};

pub(crate) const SYSTEM: System = System {
    name: "wuzapi",
    shape,
    always,
    away,
    logout: |facts, session| post(facts, session, "/session/logout"),
    logout_again: |what, request| {
        Case::new(what, request, 500).says("Could not disconnect as it was not")
    },
};

fn shape(answer: &Answer) -> Result<String, String> {
    must_be(answer, "/code", answer.status)?;
    must_be(answer, "/success", false)?;
    text_at(answer, "/error")
}

fn post(facts: &Facts, session: &NewSession, path: &str) -> RequestBuilder {
    facts.post(path).header("Token", &session.token)
}

fn get(facts: &Facts, session: &NewSession, path: &str) -> RequestBuilder {
    facts.get(path).header("Token", &session.token)
}

fn good() -> Value {
    json!({"Phone": PEER, "Body": "never sent"})
}

fn always(facts: &Facts) -> Vec<Case> {
    let mut cases = keys(facts);
    cases.extend(routes(facts));
    cases.extend(texts(facts));
    cases.extend(files(facts));
    cases.extend(states(facts));
    cases
}

/// Source: the reference's answer to a failed login, word for word.
fn keys(facts: &Facts) -> Vec<Case> {
    let with = |token: &str| {
        facts
            .post("/chat/send/text")
            .header("Token", token)
            .json(&good())
    };
    let cases = [
        ("no key", facts.post("/chat/send/text").json(&good())),
        ("wrong key", with("nonsense")),
        ("the tenant's key", with(&facts.tenant_key)),
        ("the key of a removed session", with(&facts.gone.token)),
    ];
    cases
        .into_iter()
        .map(|(what, request)| Case::new(what, request, 401).says("Unauthorized"))
        .collect()
}

fn routes(facts: &Facts) -> Vec<Case> {
    let call = |method, path: &str| {
        facts
            .call(method, path)
            .header("Token", &facts.paired.token)
    };
    vec![
        Case::new("unknown path", call(Method::GET, "/chat/send/nowhere"), 404).says("path"),
        Case::new("wrong method", call(Method::GET, "/chat/send/text"), 404).says("methods"),
        Case::new("a later release", call(Method::GET, "/group/list"), 501).says("release"),
    ]
}

fn texts(facts: &Facts) -> Vec<Case> {
    let raw = || post(facts, &facts.paired, "/chat/send/text");
    let send = |body: &Value| raw().json(body);
    let quoting =
        |context: Value| send(&json!({"Phone": PEER, "Body": "x", "ContextInfo": context}));
    let mut cases = vec![
        Case::new("no json", broken(raw()), 400).says("Could not decode Payload"),
        Case::new("a list", send(&json!([])), 400).says("Could not decode Payload"),
        Case::new(
            "text of a wrong type",
            send(&json!({"Phone": PEER, "Body": 5})),
            400,
        )
        .says("Could not decode Payload")
        .says("body"),
        Case::new("no body at all", raw(), 400).says("Payload"),
        Case::new("no recipient", send(&json!({"Body": "x"})), 400)
            .says("Missing Phone in Payload"),
        Case::new("no text", send(&json!({"Phone": PEER})), 400).says("Missing Body in Payload"),
        Case::new(
            "a reply to nothing",
            quoting(json!({"Participant": PEER})),
            400,
        )
        .says("Missing StanzaId in ContextInfo"),
        Case::new("a reply to nobody", quoting(json!({"StanzaId": "A"})), 400)
            .says("Missing Participant in ContextInfo"),
        Case::new(
            "long text",
            send(&json!({"Phone": PEER, "Body": long_text()})),
            413,
        )
        .says("Body"),
        Case::new("large body", send(&large_body()), 413).says("bytes"),
    ];
    cases.extend(BAD_PHONES.iter().chain(&["1@nowhere"]).map(|phone| {
        let request = send(&json!({"Phone": phone, "Body": "x"}));
        Case::new(&format!("recipient {phone}"), request, 400).says("Could not parse Phone")
    }));
    cases
}

fn files(facts: &Facts) -> Vec<Case> {
    let image = |body: Value| post(facts, &facts.paired, "/chat/send/image").json(&body);
    let data = |image_data: &str| image(json!({"Phone": PEER, "Image": image_data}));
    let words = words_base64();
    let document = post(facts, &facts.paired, "/chat/send/document");
    let unnamed = json!({"Phone": PEER, "Document": format!("data:text/plain;base64,{words}")});
    vec![
        Case::new("no picture", image(json!({"Phone": PEER})), 400)
            .says("Missing Image in Payload"),
        Case::new("no name", document.json(&unnamed), 400).says("Missing FileName in Payload"),
        Case::new("a link", data("http://example.org/a.png"), 400)
            .says("Image data should start with"),
        Case::new(
            "declared text",
            data(&format!("data:text/plain;base64,{words}")),
            400,
        )
        .says("Image data should start with"),
        Case::new("no base64", data("data:image/png;base64,!!!"), 400)
            .says("Could not decode base64 encoded data from payload"),
        Case::new(
            "words as a picture",
            data(&format!("data:image/png;base64,{words}")),
            400,
        )
        .says("picture"),
    ]
}

/// Calls that the state of the session forbids, and settings that cannot be.
fn states(facts: &Facts) -> Vec<Case> {
    let (paired, fresh) = (&facts.paired, &facts.fresh);
    let pair = |session, phone: &str| {
        post(facts, session, "/session/pairphone").json(&json!({"Phone": phone}))
    };
    let hook = |body: Value| post(facts, paired, "/webhook").json(&body);
    vec![
        Case::new(
            "a send, not paired",
            post(facts, fresh, "/chat/send/text").json(&good()),
            500,
        )
        .says("No session"),
        Case::new("qr code, paired", get(facts, paired, "/session/qr"), 500)
            .says("Already Loggedin"),
        Case::new(
            "log-out, not paired",
            post(facts, fresh, "/session/logout"),
            500,
        )
        .says("Could not disconnect as it was not logged in"),
        Case::new("code, paired", pair(paired, "15550117001"), 400).says("Already"),
        Case::new("code for no number", pair(fresh, "abc"), 400).says("Could not parse Phone"),
        Case::new(
            "a webhook that is none",
            hook(json!({"webhookURL": "nowhere"})),
            400,
        )
        .says("webhook"),
        Case::new(
            "a webhook of a wrong type",
            hook(json!({"webhookURL": 5})),
            400,
        )
        .says("Could not decode Payload"),
    ]
}

fn away(facts: &Facts) -> Vec<Case> {
    let request = post(facts, &facts.paired, "/chat/send/text").json(&good());
    vec![Case::new("a send while away", request, 500).says("No session")]
}
