//! The admin API: problem details (RFC 9457), with the field that is wrong in `field`.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::case::{Answer, Case, Shape, must_be};
use crate::facts::{Facts, broken, large_body};

pub(crate) const SHAPE: Shape = shape;

/// The words are the detail and the field.
fn shape(answer: &Answer) -> Result<String, String> {
    if answer.content_type != "application/problem+json" {
        return Err("it is not application/problem+json".to_owned());
    }
    must_be(answer, "/status", answer.status)?;
    let text = |member: &str| {
        let found = answer.body.get(member).and_then(Value::as_str);
        found.ok_or_else(|| format!("no text in {member}"))
    };
    if !text("type")?.starts_with("urn:switchboard:problem:") {
        return Err("another type".to_owned());
    }
    text("title")?;
    let field = text("field").unwrap_or("none");
    Ok(format!("{} [{field}]", text("detail")?))
}

fn call(facts: &Facts, method: Method, path: &str) -> RequestBuilder {
    facts
        .call(method, &format!("/admin/v1/{path}"))
        .bearer_auth(&facts.admin_key)
}

pub(crate) fn cases(facts: &Facts) -> Vec<Case> {
    let mut cases = doors(facts);
    cases.extend(creating(facts));
    cases.extend(listing(facts));
    cases.extend(sessions(facts));
    cases.extend(webhooks(facts));
    cases.extend(orders(facts));
    cases
}

fn doors(facts: &Facts) -> Vec<Case> {
    let with = |key: &str| facts.get("/admin/v1/sessions").bearer_auth(key);
    vec![
        Case::new("no key", facts.get("/admin/v1/sessions"), 401).says("admin key"),
        Case::new("wrong key", with("nonsense"), 401).says("admin key"),
        Case::new("a session's token", with(&facts.paired.token), 401),
        Case::new("a tenant's key", with(&facts.tenant_key), 401),
        Case::new("unknown path", call(facts, Method::GET, "nowhere"), 404).says("path"),
        Case::new("wrong method", call(facts, Method::PATCH, "sessions"), 405).says("methods"),
        Case::new(
            "outside of every api",
            facts.get("/no/such/path/of/anybody"),
            404,
        )
        .says("path"),
    ]
}

fn creating(facts: &Facts) -> Vec<Case> {
    let session = |body: Value| call(facts, Method::POST, "sessions").json(&body);
    let tenant = |body: Value| call(facts, Method::POST, "tenants").json(&body);
    vec![
        Case::new(
            "no json",
            broken(call(facts, Method::POST, "sessions")),
            400,
        )
        .says("json"),
        Case::new("a list", session(json!([])), 400).says("object"),
        Case::new("an id of a wrong type", session(json!({"id": 5})), 400).says("[id]"),
        Case::new("a bad id", session(json!({"id": "a b"})), 400).says("[id]"),
        Case::new("a misspelt field", session(json!({"idd": "half"})), 400).says("[idd]"),
        Case::new(
            "an unknown tenant",
            session(json!({"id": "half", "tenant": "nobody"})),
            404,
        )
        .says("nobody"),
        Case::new("an id that is taken", session(json!({"id": "paired"})), 409).says("paired"),
        Case::new("a large body", session(large_body()), 413),
        Case::new("a tenant without id", tenant(json!({})), 400).says("[id]"),
        Case::new("a tenant with a bad id", tenant(json!({"id": "a/b"})), 400).says("[id]"),
        Case::new("a tenant that exists", tenant(json!({"id": "other"})), 409).says("other"),
        Case::new(
            "a key for nobody",
            call(facts, Method::POST, "tenants/nobody/key"),
            404,
        )
        .says("nobody"),
    ]
}

fn listing(facts: &Facts) -> Vec<Case> {
    let list = |query: &str| call(facts, Method::GET, &format!("sessions?{query}"));
    vec![
        Case::new("a limit that is none", list("limit=many"), 400).says("[limit]"),
        Case::new("a state that is none", list("state=happy"), 400).says("[state]"),
        Case::new("a tenant that is none", list("tenant=a%20b"), 400).says("[tenant]"),
        Case::new("a place that is none", list("after=a%20b"), 400).says("[after]"),
    ]
}

fn sessions(facts: &Facts) -> Vec<Case> {
    let post = |path: &str, body: Value| call(facts, Method::POST, path).json(&body);
    vec![
        Case::new(
            "show nobody",
            call(facts, Method::GET, "sessions/nobody"),
            404,
        )
        .says("nobody"),
        Case::new(
            "remove nobody",
            call(facts, Method::DELETE, "sessions/nobody"),
            404,
        )
        .says("nobody"),
        Case::new(
            "a bad name",
            call(facts, Method::GET, "sessions/a%20b"),
            400,
        )
        .says("[id]"),
        Case::new(
            "wait too long",
            post("sessions/fresh/start", json!({"wait": 100_000})),
            400,
        )
        .says("[wait]"),
        Case::new(
            "wait for a word",
            post("sessions/fresh/start", json!({"wait": "long"})),
            400,
        )
        .says("[wait]"),
        Case::new(
            "no number",
            post("sessions/fresh/pairing-code", json!({})),
            400,
        )
        .says("[phone]"),
        Case::new(
            "a bad number",
            post("sessions/fresh/pairing-code", json!({"phone": "abc"})),
            400,
        )
        .says("[phone]"),
        Case::new(
            "code, paired",
            post(
                "sessions/paired/pairing-code",
                json!({"phone": "15550117001"}),
            ),
            409,
        )
        .says("already"),
    ]
}

fn webhooks(facts: &Facts) -> Vec<Case> {
    let put = |body: Value| call(facts, Method::PUT, "sessions/paired/webhooks").json(&body);
    let one = |hook: Value| put(json!({"webhooks": [hook]}));
    vec![
        Case::new("no webhooks", put(json!({})), 400).says("[webhooks]"),
        Case::new("no dialect", one(json!({"url": "http://example.org"})), 400)
            .says("[webhooks[0]"),
        Case::new(
            "an unknown dialect",
            one(json!({"dialect": "telegram", "url": "http://example.org"})),
            400,
        )
        .says("[webhooks[0].dialect]"),
        Case::new(
            "no address",
            one(json!({"dialect": "whapi", "url": "nowhere"})),
            400,
        )
        .says("[webhooks[0].url]"),
        Case::new(
            "a header that is none",
            one(json!({"dialect": "whapi", "url": "http://example.org", "headers": {"a b": "c"}})),
            400,
        )
        .says("[webhooks[0].headers]"),
        Case::new(
            "the same twice",
            put(json!({"webhooks": [
                {"dialect": "whapi", "url": "http://example.org"},
                {"dialect": "whapi", "url": "http://example.org"},
            ]})),
            400,
        )
        .says("[webhooks[1].url]"),
    ]
}

/// Orders to nodes, all of which are refused.
fn orders(facts: &Facts) -> Vec<Case> {
    let post = |path: &str, body: Value| call(facts, Method::POST, path).json(&body);
    let weigh = |node: &str, body: Value| {
        call(facts, Method::PUT, &format!("nodes/{node}/weight")).json(&body)
    };
    let to = |node: &str| post("sessions/paired/move", json!({"node": node}));
    vec![
        Case::new(
            "move to nowhere",
            post("sessions/paired/move", json!({})),
            400,
        )
        .says("[node]"),
        Case::new("move to a bad name", to("a b"), 400).says("[node]"),
        Case::new("move to nobody", to("nobody"), 404).says("nobody"),
        Case::new("move to where it is", to(&facts.owner), 409).says("already"),
        Case::new(
            "move nobody",
            post("sessions/nobody/move", json!({"node": "node-1"})),
            404,
        )
        .says("nobody"),
        Case::new(
            "restore what is not parked",
            post("sessions/paired/restore", json!({"from": "nothing"})),
            409,
        )
        .says("not parked"),
        Case::new(
            "restore from nowhere",
            post("sessions/paired/restore", json!({})),
            400,
        )
        .says("[from]"),
        Case::new("drain nobody", post("nodes/nobody/drain", json!({})), 404).says("nobody"),
        Case::new(
            "drain for a word",
            post("nodes/node-1/drain?wait=long", json!({})),
            400,
        )
        .says("[wait]"),
        Case::new("weigh nothing", weigh("node-1", json!({})), 400).says("[weight]"),
        Case::new(
            "weigh too much",
            weigh("node-1", json!({"weight": 65})),
            400,
        )
        .says("[weight]"),
        Case::new("weigh nobody", weigh("nobody", json!({"weight": 1})), 404).says("nobody"),
    ]
}
