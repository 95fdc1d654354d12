//! Every answer and payload of the cases is held against the system's own schemas.
//!
//! The fixture has their facts only: types, names, patterns, what is required. Where the document says `oneOf` it has
//! `anyOf`: the alternatives have hardly a required field, so nothing could ever fit exactly one of them.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use switchboard_dialect_kit::testing::{self, Request};

static FIXTURE: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../../../tests/conformance/fixtures/whapi.schemas.json");
    serde_json::from_str(text).unwrap()
});

fn validator(schema: &Value) -> Validator {
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "schemas": FIXTURE["schemas"],
        "allOf": [schema],
    });
    jsonschema::validator_for(&root).unwrap()
}

/// Whether a document fits `ResponseError`; for many documents.
pub(super) fn is_error(document: &Value) -> bool {
    static ERROR: LazyLock<Validator> = LazyLock::new(|| validator(&named("ResponseError")));
    ERROR.is_valid(document)
}

/// Why a document does not fit a schema of the fixture.
fn misfits(schema: &Value, document: &Value) -> Vec<String> {
    let validator = validator(schema);
    let errors = validator.iter_errors(document);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn check(schema: &Value, document: &Value, what: &str) {
    let misfits = misfits(schema, document);
    assert!(misfits.is_empty(), "{what}: {misfits:#?}\n{document:#}");
}

fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/schemas/{name}") })
}

/// The facts of the operation that a request is for: fixed segments go before parameters.
fn operation(request: &Request) -> (String, &'static Value) {
    let cx = testing::cx(request.clone());
    let (method, path) = (cx.input().method.as_str(), cx.input().path.as_str());
    let fits = |pattern: &str| {
        let (wanted, had): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), path.split('/').collect());
        let mut pairs = wanted.iter().zip(&had);
        wanted.len() == had.len() && pairs.all(|(want, have)| want.starts_with('{') || want == have)
    };
    let operations = FIXTURE["operations"].as_object().unwrap().iter();
    let matching = operations.filter(|(key, _)| {
        let (of, pattern) = key.split_once(' ').unwrap();
        of == method && fits(pattern)
    });
    let best = matching.min_by_key(|(key, _)| key.matches('{').count());
    let (key, facts) = best.unwrap_or_else(|| panic!("{method} {path} is not in the fixture"));
    (key.clone(), facts)
}

/// The operations of the fixture, `METHOD path`.
pub(super) fn operations() -> impl Iterator<Item = &'static str> {
    let operations = FIXTURE["operations"].as_object().unwrap();
    operations.keys().map(String::as_str)
}

/// The statuses of errors that the document gives an operation.
pub(super) fn errors(key: &str) -> Vec<u64> {
    let errors = FIXTURE["operations"][key]["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|status| status.as_u64().unwrap())
        .collect()
}

/// Holds an answer, as the kit writes it, against the operation's schema.
pub(super) fn check_answer(request: &Request, answer: &str) {
    let (key, facts) = operation(request);
    let status: u64 = answer.lines().next().unwrap().parse().unwrap();
    let body = answer.find("\n{").or_else(|| answer.find("\n["));
    let body = body.map(|at| serde_json::from_str::<Value>(&answer[at..]).unwrap());
    if status >= 400 {
        return check(&named("ResponseError"), &body.unwrap(), &key);
    }
    assert_eq!(status, facts["status"].as_u64().unwrap(), "{key}");
    match (&facts["answer"], body) {
        (Value::Null, None) => {}
        (schema, Some(body)) if !schema.is_null() => check(schema, &body, &key),
        (schema, body) => panic!("{key}: {schema} is documented, {body:?} answered"),
    }
}

/// Holds a request's body against the operation's schema, and names the operation.
pub(super) fn check_request(request: &Request, body: &str) -> String {
    let (key, facts) = operation(request);
    if !body.is_empty() {
        check(&facts["body"], &serde_json::from_str(body).unwrap(), &key);
    }
    key
}

/// Holds payloads, as the kit writes them, against `WebhookPayload`.
pub(super) fn check_payloads(payloads: &str) {
    for payload in payloads.split("application/json\n").skip(1) {
        let mut values = serde_json::Deserializer::from_str(payload).into_iter();
        let value: Value = values.next().unwrap().unwrap();
        check(&named("WebhookPayload"), &value, "payload");
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let good = json!({ "sent": true });
    assert_eq!(misfits(&named("SentMessage"), &good), Vec::<String>::new());
    for bad in [
        json!({}),
        json!({ "sent": 1 }),
        json!({ "sent": true, "message": { "id": "x" } }),
    ] {
        assert!(!misfits(&named("SentMessage"), &bad).is_empty(), "{bad}");
    }
    let presence = json!({ "contact_id": "x@lid" });
    assert!(!misfits(&named("Presence"), &presence).is_empty());
}

#[test]
fn every_operation_of_the_fixture_is_a_row() {
    let rows: Vec<_> = (crate::dialect().routes)()
        .into_rows()
        .iter()
        .map(|row| format!("{} {}", row.method, row.path))
        .collect();
    for key in operations() {
        assert!(rows.iter().any(|row| row == key), "{key}");
    }
}
