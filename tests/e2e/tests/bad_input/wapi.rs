//! WhatsApp Business API v0.14.0: the envelope with `success: false`, and beside it the official API's error object. Its
//! documents name no status, so each is what HTTP means by the case.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_harness::stack::NewSession;

use crate::System;
use crate::case::{Answer, Case, must_be, text_at};
use crate::facts::{BAD_PHONES, Facts, PEER, broken, large_body, long_text};

pub(crate) const SYSTEM: System = System {
    name: "wapi",
    shape,
    always,
    away,
    logout: |facts, session| {
        facts
            .call(Method::DELETE, "/v1/accounts")
            .bearer_auth(&session.token)
    },
    // The account is forgotten, its token with it.
    logout_again: |what, request| Case::new(what, request, 401).says("not known"),
};

fn shape(answer: &Answer) -> Result<String, String> {
    must_be(answer, "/success", false)?;
    must_be(answer, "/data", Value::Null)?;
    must_be(answer, "/error/code", answer.status)?;
    must_be(answer, "/error/error_subcode", 0)?;
    must_be(answer, "/error/error_data", json!({}))?;
    text_at(answer, "/timestamp")?;
    text_at(answer, "/error/type")?;
    let message = text_at(answer, "/message")?;
    must_be(answer, "/error/message", message.as_str())?;
    Ok(message)
}

fn always(facts: &Facts) -> Vec<Case> {
    let mut cases = keys(facts);
    cases.extend(routes(facts));
    cases.extend(accounts(facts));
    cases.extend(texts(facts));
    cases.extend(pictures(facts));
    cases.extend(states(facts));
    cases
}

fn send(facts: &Facts, session: &NewSession, body: &Value) -> RequestBuilder {
    facts
        .post("/v1/messages")
        .bearer_auth(&session.token)
        .json(body)
}

fn good() -> Value {
    json!({"to": PEER, "type": "text", "text": {"body": "never sent"}})
}

fn keys(facts: &Facts) -> Vec<Case> {
    let with = |token: &str| facts.post("/v1/messages").bearer_auth(token).json(&good());
    let other = |path: &str| facts.get(path).bearer_auth(&facts.paired.token);
    let basic = |user: &str, key: &str| facts.get("/v1/accounts").basic_auth(user, Some(key));
    vec![
        Case::new("no key", facts.post("/v1/messages").json(&good()), 401).says("no key"),
        Case::new("wrong key", with("nonsense"), 401).says("not known"),
        Case::new("the tenant's key as a token", with(&facts.tenant_key), 401),
        Case::new("the key of a removed session", with(&facts.gone.token), 401),
        Case::new("another account's key", other("/v1/accounts/fresh"), 404).says("fresh"),
        Case::new("an unknown account", other("/v1/accounts/nobody"), 404).says("nobody"),
        Case::new(
            "another account in the header",
            other("/v1/status").header("X-Wa-Id", "fresh"),
            404,
        ),
        Case::new(
            "a session's key for all accounts",
            other("/v1/accounts"),
            403,
        )
        .says("tenant"),
        Case::new("a wrong password", basic("default", "nonsense"), 401).says("not known"),
        Case::new(
            "another tenant's key",
            basic("default", &facts.other_key),
            401,
        )
        .says("not known"),
        Case::new(
            "no basic authentication",
            facts
                .get("/v1/accounts")
                .header("authorization", "Basic %%%"),
            401,
        )
        .says("basic"),
    ]
}

fn routes(facts: &Facts) -> Vec<Case> {
    let call = |method, path: &str| facts.call(method, path).bearer_auth(&facts.paired.token);
    vec![
        Case::new("unknown path", call(Method::GET, "/v1/nowhere/at/all"), 404).says("path"),
        Case::new("wrong method", call(Method::PUT, "/v1/messages"), 404).says("methods"),
        Case::new("a later release", call(Method::GET, "/v1/groups"), 501).says("release"),
    ]
}

/// Accounts that cannot be created; none is left half created.
fn accounts(facts: &Facts) -> Vec<Case> {
    let request = || {
        facts
            .post("/v1/accounts")
            .basic_auth("default", Some(&facts.tenant_key))
    };
    let create = |body: &Value| request().json(body);
    vec![
        Case::new("create: no json", broken(request()), 400).says("json"),
        Case::new("create: a bad id", create(&json!({"id": "a b"})), 400).says("id: "),
        Case::new(
            "create: an id of a wrong type",
            create(&json!({"id": 5})),
            400,
        )
        .says("id: "),
        Case::new(
            "create: an id that is taken",
            create(&json!({"id": "paired"})),
            409,
        )
        .says("paired"),
        Case::new(
            "create: a webhook that is none",
            create(&json!({"id": "half", "webhook_url": "nowhere"})),
            400,
        )
        .says("url"),
        Case::new(
            "create: webhooks of a wrong type",
            create(&json!({"id": "half", "webhooks": 1})),
            400,
        )
        .says("webhooks: "),
    ]
}

fn texts(facts: &Facts) -> Vec<Case> {
    let raw = || facts.post("/v1/messages").bearer_auth(&facts.paired.token);
    let send = |body: &Value| send(facts, &facts.paired, body);
    let body = |body: Value| json!({"to": PEER, "type": "text", "text": {"body": body}});
    let mut cases = vec![
        Case::new("no json", broken(raw()), 400).says("json"),
        Case::new("no recipient", send(&json!({"text": {"body": "x"}})), 400).says("`to`"),
        Case::new("no text", send(&json!({"to": PEER})), 400).says("text: "),
        Case::new(
            "text without words",
            send(&json!({"to": PEER, "text": {}})),
            400,
        )
        .says("text"),
        Case::new("empty text", send(&body(json!(""))), 400).says("text.body: "),
        Case::new("text of a wrong type", send(&body(json!(5))), 400).says("text.body: "),
        Case::new(
            "a type that is none",
            send(&json!({"to": PEER, "type": "telegram"})),
            400,
        )
        .says("type: "),
        Case::new(
            "a type of a later release",
            send(&json!({"to": PEER, "type": "invite", "invite": {}})),
            501,
        )
        .says("type: "),
        Case::new(
            "a mark without a message",
            send(&json!({"status": "read"})),
            400,
        )
        .says("message_id: "),
        Case::new(
            "an id that is none",
            send(&json!({"to": PEER, "text": {"body": "x"}, "id": "a b"})),
            400,
        )
        .says("id: "),
        Case::new("long text", send(&body(json!(long_text()))), 413).says("text.body: "),
        Case::new("large body", send(&large_body()), 413).says("bytes"),
    ];
    cases.extend(BAD_PHONES.iter().map(|phone| {
        let request = send(&json!({"to": phone, "text": {"body": "x"}}));
        Case::new(&format!("recipient {phone}"), request, 400).says("to: ")
    }));
    cases
}

/// A picture by link.
pub(crate) fn picture(facts: &Facts, link: &str) -> Case {
    let body = json!({"to": PEER, "type": "image", "image": {"link": link}});
    Case::new("picture by link", send(facts, &facts.paired, &body), 400).says("media")
}

fn pictures(facts: &Facts) -> Vec<Case> {
    let image = |image: Value| {
        send(
            facts,
            &facts.paired,
            &json!({"to": PEER, "type": "image", "image": image}),
        )
    };
    let upload = |bytes: Vec<u8>| {
        let request = facts.post("/v1/media").bearer_auth(&facts.paired.token);
        request.header("content-type", "image/png").body(bytes)
    };
    vec![
        Case::new(
            "no picture",
            send(facts, &facts.paired, &json!({"to": PEER, "type": "image"})),
            400,
        )
        .says("image: "),
        Case::new("neither id nor link", image(json!({})), 400).says("image: "),
        Case::new(
            "a scheme",
            image(json!({"link": "ftp://example.org/a.png"})),
            400,
        )
        .says("image.link: "),
        Case::new("a file nobody has", image(json!({"id": "nothing"})), 404),
        Case::new(
            "words behind a link",
            image(json!({"link": facts.words})),
            415,
        )
        .says("picture"),
        Case::new("an empty upload", upload(Vec::new()), 400).says("file: "),
        Case::new("a large upload", upload(vec![0; 300_000]), 413).says("bytes"),
        picture(facts, &facts.dead).named("a dead link"),
    ]
}

/// Calls that the state of the account forbids.
fn states(facts: &Facts) -> Vec<Case> {
    let get = |session: &NewSession, path: &str| facts.get(path).bearer_auth(&session.token);
    let hook = |body: Value| {
        facts
            .post("/v1/webhooks")
            .bearer_auth(&facts.paired.token)
            .json(&body)
    };
    let force = facts
        .post("/v1/refresh?force=perhaps")
        .bearer_auth(&facts.paired.token);
    vec![
        Case::new(
            "a send, not paired",
            send(facts, &facts.fresh, &good()),
            409,
        )
        .says("pair"),
        Case::new(
            "code, paired",
            get(&facts.paired, "/v1/accounts/code?phone=15550117001"),
            409,
        )
        .says("already"),
        Case::new(
            "code for no number",
            get(&facts.fresh, "/v1/accounts/code?phone=abc"),
            400,
        )
        .says("phone: "),
        Case::new(
            "code without a number",
            get(&facts.fresh, "/v1/accounts/code"),
            400,
        )
        .says("`phone`"),
        Case::new("force that is no boolean", force, 400).says("force"),
        Case::new(
            "a webhook that is none",
            hook(json!({"url": "nowhere"})),
            400,
        )
        .says("url"),
        Case::new("a webhook without address", hook(json!({})), 400).says("url"),
        Case::new(
            "a file that is none",
            get(&facts.paired, "/v1/nothing"),
            404,
        ),
    ]
}

fn away(facts: &Facts) -> Vec<Case> {
    vec![
        Case::new(
            "a send while away",
            send(facts, &facts.paired, &good()),
            503,
        )
        .says("waiting"),
    ]
}
