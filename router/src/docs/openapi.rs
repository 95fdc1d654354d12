//! One dialect's table as an OpenAPI document. Source: OpenAPI Specification 3.1.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Value, json};
use switchboard_dialect_kit::{Access, Action, Body, Cx, Dialect, Env, Input, Route};
use switchboard_vocab::{DialectName, ErrorCode, OpError, Timestamp};

#[derive(Debug, Serialize)]
struct Document<'a> {
    openapi: &'static str,
    info: Value,
    paths: BTreeMap<&'a str, BTreeMap<String, Value>>,
    components: Value,
}

/// Writes the document.
pub(super) fn document(dialect: &Dialect, table: &[Route], env: &Arc<Env>) -> Bytes {
    let schemes = schemes(dialect.name);
    let mut paths: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    for route in table {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = operation(dialect, route, &schemes, env);
        paths
            .entry(route.path)
            .or_default()
            .insert(method, operation);
    }
    let components: BTreeMap<_, _> = schemes
        .iter()
        .map(|scheme| (scheme.name, scheme.definition.clone()))
        .collect();
    let document = Document {
        openapi: "3.1.0",
        info: json!({
            "title": format!("{} as served by Switchboard", dialect.name),
            "version": env.release,
            "description": "Written from the route table. A row with x-refused is known and always refused; \
                            the reason stands beside it.",
        }),
        paths,
        components: json!({ "securitySchemes": components }),
    };
    // Only a map with keys that are not text can fail.
    serde_json::to_vec(&document).unwrap_or_default().into()
}

fn operation(dialect: &Dialect, route: &Route, schemes: &[Scheme], env: &Arc<Env>) -> Value {
    let params: Vec<_> = names(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let mut operation = json!({
        "operationId": operation_id(route),
        "parameters": params,
        "security": security(route.access, schemes),
        "responses": { "200": { "description": "As the original answers" } },
    });
    let Some(fields) = operation.as_object_mut() else {
        return operation;
    };
    if [Method::POST, Method::PUT, Method::PATCH].contains(&route.method) {
        let content = json!({ "application/json": { "schema": { "type": "object" } } });
        fields.insert("requestBody".to_owned(), json!({ "content": content }));
    }
    match &route.action {
        Action::Call(endpoint) => {
            fields.insert("x-operation".to_owned(), json!(endpoint.operation()));
        }
        Action::Local(_) => {
            fields.insert("x-operation".to_owned(), json!("local"));
        }
        Action::Refused(refusal) => {
            let reason = refusal.reason();
            let status = refused_status(dialect, route, reason, env);
            fields.insert("x-refused".to_owned(), json!(reason));
            fields.insert(
                "description".to_owned(),
                json!(format!("Refused: {reason}.")),
            );
            fields.insert(
                "responses".to_owned(),
                json!({ status: { "description": reason } }),
            );
        }
    }
    if route.alias {
        fields.insert("x-alias".to_owned(), json!(true));
    }
    operation
}

/// The status a refused row answers with, as the dialect itself says.
fn refused_status(dialect: &Dialect, route: &Route, reason: &str, env: &Arc<Env>) -> String {
    let input = Input {
        method: route.method.clone(),
        path: route.path.to_owned(),
        params: BTreeMap::new(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: Body::Empty,
    };
    let cx = Cx::new(
        Arc::new(input),
        None,
        None,
        Timestamp::default(),
        Arc::clone(env),
        0,
    );
    let error = OpError::new(ErrorCode::Refused, reason);
    (dialect.error)(&error, &cx).status.as_str().to_owned()
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
}

fn operation_id(route: &Route) -> String {
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in route
        .path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        id.push('_');
        id.push_str(word);
    }
    id
}

fn security(access: Access, schemes: &[Scheme]) -> Value {
    let wanted = |scheme: &&Scheme| match access {
        Access::Open => false,
        Access::Session => scheme.session,
        Access::Tenant => scheme.tenant,
    };
    let alternatives: Vec<_> = schemes
        .iter()
        .filter(wanted)
        .map(|s| json!({ s.name: [] }))
        .collect();
    Value::Array(alternatives)
}

/// A way to show a key.
struct Scheme {
    name: &'static str,
    session: bool,
    tenant: bool,
    definition: Value,
}

/// How each foreign system shows its keys. Source: the contract's table of keys.
fn schemes(dialect: DialectName) -> Vec<Scheme> {
    let bearer = || json!({ "type": "http", "scheme": "bearer" });
    let header = |name: &str| json!({ "type": "apiKey", "in": "header", "name": name });
    let query = || json!({ "type": "apiKey", "in": "query", "name": "token" });
    let session = |name, definition| Scheme {
        name,
        session: true,
        tenant: false,
        definition,
    };
    match dialect {
        DialectName::Whapi => vec![session("bearer", bearer()), session("query", query())],
        DialectName::Wapi => {
            let basic = json!({ "type": "http", "scheme": "basic" });
            let basic = Scheme {
                name: "basic",
                session: false,
                tenant: true,
                definition: basic,
            };
            vec![session("bearer", bearer()), basic]
        }
        DialectName::Chatapi => vec![session("query", query())],
        DialectName::Wuzapi => vec![session("token", header("Token"))],
        DialectName::Wwebjs => {
            let definition = header("x-api-key");
            vec![Scheme {
                name: "key",
                session: true,
                tenant: true,
                definition,
            }]
        }
    }
}
