//! The API pages: an OpenAPI document per dialect, written from its table, and an index.
//!
//! Generated once at start, so that pages and routes cannot drift apart. Bodies are not described: the tables know
//! paths, keys and refusals, the foreign systems' own documents know the rest.

mod openapi;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use switchboard_dialect_kit::{Dialect, Env};
use switchboard_vocab::{DialectName, ErrorCode, OpError};

use crate::app::App;
use crate::problem::Problem;

/// The pages.
#[derive(Debug)]
pub(crate) struct Docs {
    documents: BTreeMap<DialectName, Bytes>,
    index: String,
}

impl Docs {
    /// Writes the pages of these dialects.
    pub(crate) fn new(dialects: &[Dialect], env: &Arc<Env>) -> Self {
        let mut documents = BTreeMap::new();
        let mut rows = String::new();
        for dialect in dialects {
            let name = dialect.name;
            let table = (dialect.routes)().into_rows();
            // Writing to a String cannot fail.
            let _ = write!(
                rows,
                "<tr><td>{name}</td><td>{}</td><td><a href=\"/docs/{name}/openapi.json\">openapi.json</a></td></tr>",
                table.iter().filter(|row| !row.alias).count(),
            );
            documents.insert(name, openapi::document(dialect, &table, env));
        }
        let index = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Switchboard API</title>\
             <h1>Switchboard {release}</h1><p>The APIs this gateway speaks. Operators use <code>/admin/v1</code>.</p>\
             <table><tr><th>API</th><th>operations</th><th>document</th></tr>{rows}</table></html>",
            release = env.release,
        );
        Self { documents, index }
    }
}

/// `GET /docs`
pub(crate) async fn index(State(app): State<Arc<App>>) -> Html<String> {
    Html(app.docs.index.clone())
}

/// `GET /docs/{dialect}/openapi.json`
pub(crate) async fn document(State(app): State<Arc<App>>, Path(dialect): Path<String>) -> Response {
    let found = dialect
        .parse()
        .ok()
        .and_then(|name: DialectName| app.docs.documents.get(&name));
    match found {
        Some(document) => (
            [(header::CONTENT_TYPE, "application/json")],
            document.clone(),
        )
            .into_response(),
        None => {
            let error = OpError::new(
                ErrorCode::NotFound,
                "this gateway serves no api of that name",
            );
            Problem::from(error).into_response()
        }
    }
}
