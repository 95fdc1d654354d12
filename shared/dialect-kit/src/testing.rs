//! What the dialects' tests share: requests written in a line, and calls, answers, events and errors written as text for
//! snapshots. Nothing here runs in a release: the module stands behind the feature `testing`.

pub mod hostile;
pub mod samples;
mod tables;

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use switchboard_vocab::events::Envelope;
use switchboard_vocab::webhooks::Subscription;
use switchboard_vocab::{ErrorCode, OpError, Operation, codec};

use crate::cx::{Cx, Env};
use crate::dialect::Dialect;
use crate::events::EventCx;
use crate::input::{Body, Input, Part};
use crate::links::MediaLinks;
use crate::reply::{Reply, ReplyBody};
use crate::routes::{Action, Route};

pub use tables::{check_cases, check_table};

/// The seed of every call's ids.
const SEED: u64 = 1;

/// A request on its way to a dialect.
#[derive(Debug, Clone)]
pub struct Request(Input);

/// A request without headers and body. `target` is path and query as they stand in a URL.
#[must_use]
pub fn request(method: Method, target: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request(Input {
        method,
        path: path.to_owned(),
        params: Default::default(),
        query: serde_urlencoded::from_str(query).unwrap_or_default(),
        headers: HeaderMap::new(),
        body: Body::Empty,
    })
}

/// `GET target`.
#[must_use]
pub fn get(target: &str) -> Request {
    request(Method::GET, target)
}

/// `POST target` with a JSON body.
#[must_use]
pub fn post(target: &str, json: &str) -> Request {
    request(Method::POST, target).json(json)
}

impl Request {
    /// With a header.
    ///
    /// # Panics
    /// When name or value cannot stand in a header.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test code: a bad fixture should stop the test"
    )]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("header name");
        self.0
            .headers
            .insert(name, HeaderValue::from_str(value).expect("header value"));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, json: &str) -> Self {
        self.bytes("application/json", json.as_bytes())
    }

    /// With a body of some type.
    #[must_use]
    pub fn bytes(mut self, content_type: &str, bytes: &[u8]) -> Self {
        self.0.body = Body::Bytes {
            content_type: content_type.to_owned(),
            bytes: Bytes::copy_from_slice(bytes),
        };
        self
    }

    /// With a text part in a multipart body.
    #[must_use]
    pub fn part(self, name: &str, text: &str) -> Self {
        self.any_part(Part {
            name: name.to_owned(),
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            ..Part::default()
        })
    }

    /// With a file part in a multipart body.
    #[must_use]
    pub fn file(self, name: &str, file_name: &str, content_type: &str, bytes: &[u8]) -> Self {
        self.any_part(Part {
            name: name.to_owned(),
            file_name: Some(file_name.to_owned()),
            content_type: Some(content_type.to_owned()),
            bytes: Bytes::copy_from_slice(bytes),
        })
    }

    fn any_part(mut self, part: Part) -> Self {
        match &mut self.0.body {
            Body::Multipart(parts) => parts.push(part),
            Body::Empty | Body::Bytes { .. } => self.0.body = Body::Multipart(vec![part]),
        }
        self
    }
}

/// The installation every test call runs in.
#[must_use]
pub fn env() -> Env {
    Env {
        links: MediaLinks::new("http://gateway.test", [7; 32]),
        wwebjs_webhook_url: Some("http://hooks.test/base".to_owned()),
        release: "0.0.0-test",
    }
}

/// The context of one request: session and token of [`samples`], a fixed time and seed.
#[must_use]
pub fn cx(request: Request) -> Cx {
    Cx::new(
        Arc::new(request.0),
        Some(samples::session()),
        Some("token-of-the-session".to_owned()),
        samples::now(),
        Arc::new(env()),
        SEED,
    )
}

/// The context of one request with the parameters of its row's path.
///
/// # Panics
/// When the dialect has no row for it.
#[must_use]
pub fn routed(dialect: &Dialect, request: Request) -> Cx {
    matched(dialect, request).1
}

/// What the dialect makes of a request, as text: the operations, or the refusal as the caller sees it.
#[must_use]
pub fn decoded(dialect: &Dialect, request: Request) -> String {
    let (route, cx) = matched(dialect, request);
    let reject = match &route.action {
        Action::Refused(refusal) => OpError::new(ErrorCode::Refused, refusal.reason()),
        Action::Local(answer) => match answer(&cx) {
            Ok(reply) => return reply_text(&reply),
            Err(reject) => reject.0,
        },
        Action::Call(endpoint) => match endpoint.prepare(&cx) {
            Ok(prepared) => return prepared.iter().map(prepared_text).collect(),
            Err(reject) => reject.0,
        },
    };
    format!("refused\n{}", reply_text(&(dialect.error)(&reject, &cx)))
}

/// What the caller of a request sees, as text, when its operations answer this.
///
/// # Panics
/// When the row becomes no operation, an output cannot be written and read, or the answer fails for a fault of ours.
#[must_use]
#[expect(
    clippy::panic,
    clippy::expect_used,
    reason = "test code: a bad case should stop the test"
)]
pub fn answered<O: Operation>(
    dialect: &Dialect,
    request: Request,
    outputs: Vec<Result<O::Output, OpError>>,
) -> String {
    let (route, cx) = matched(dialect, request);
    let Action::Call(endpoint) = &route.action else {
        panic!("{} {} becomes no operation", route.method, route.path);
    };
    let prepared = endpoint
        .prepare(&cx)
        .unwrap_or_else(|reject| panic!("the request was refused: {}", reject.0.public));
    assert!(
        prepared.iter().all(|p| p.name == O::NAME),
        "{} becomes {:?}, not {}",
        route.path,
        prepared.first().map(|p| p.name),
        O::NAME
    );
    let answers = outputs
        .into_iter()
        .map(|output| Ok(Bytes::from(codec::encode(&output?).expect("output"))))
        .collect();
    let reply = endpoint.finish(answers, &cx).unwrap_or_else(|error| {
        assert!(
            error.internal.is_none(),
            "{}: {:?}",
            route.path,
            error.internal
        );
        (dialect.error)(&error, &cx)
    });
    reply_text(&reply)
}

/// The request is refused with this status, and the answer says this.
///
/// # Panics
/// When it is not.
pub fn check_refused(dialect: &Dialect, request: Request, status: u16, message: &str) {
    let text = decoded(dialect, request);
    assert!(text.starts_with(&format!("refused\n{status}\n")), "{text}");
    assert!(text.contains(message), "{message:?} is missing in {text}");
}

/// Defines the named functions of this module for one dialect, so that a case is a line: `decoded`, `answered` by one
/// operation, `answered_both`, `check_refused`.
#[macro_export]
macro_rules! case_functions {
    ($dialect:path: $($name:ident),+) => { $($crate::case_function!($dialect, $name);)+ };
}

/// One function of [`case_functions`].
#[doc(hidden)]
#[macro_export]
macro_rules! case_function {
    ($dialect:path, decoded) => {
        /// What becomes of a request.
        fn decoded(request: $crate::testing::Request) -> String {
            $crate::testing::decoded(&$dialect(), request)
        }
    };
    ($dialect:path, answered) => {
        /// What the caller sees when the operation answers this.
        fn answered<O: ::switchboard_vocab::Operation>(
            request: $crate::testing::Request,
            output: Result<O::Output, ::switchboard_vocab::OpError>,
        ) -> String {
            $crate::testing::answered::<O>(&$dialect(), request, vec![output])
        }
    };
    ($dialect:path, answered_both) => {
        /// What the caller sees when the two operations answer this.
        fn answered_both<A: ::switchboard_vocab::Operation, B: ::switchboard_vocab::Operation>(
            request: $crate::testing::Request,
            first: Result<A::Output, ::switchboard_vocab::OpError>,
            second: Result<B::Output, ::switchboard_vocab::OpError>,
        ) -> String {
            $crate::testing::answered_both::<A, B>(&$dialect(), request, first, second)
        }
    };
    ($dialect:path, check_refused) => {
        /// The request is refused with this status, and the answer says this.
        fn check_refused(request: $crate::testing::Request, status: u16, message: &str) {
            $crate::testing::check_refused(&$dialect(), request, status, message);
        }
    };
}

/// The operation that follows in a listing when `seen` entries came before this page, as text.
///
/// # Panics
/// When the row becomes no operation, or the output cannot be written and read.
#[must_use]
#[expect(
    clippy::panic,
    clippy::expect_used,
    reason = "test code: a bad case should stop the test"
)]
pub fn next_page<O: Operation>(
    dialect: &Dialect,
    request: Request,
    page: &O::Output,
    seen: u64,
) -> String {
    let (route, cx) = matched(dialect, request);
    let Action::Call(endpoint) = &route.action else {
        panic!("{} {} becomes no operation", route.method, route.path);
    };
    let answer = Ok(Bytes::from(codec::encode(page).expect("output")));
    let next = endpoint.next_page(&answer, seen, &cx).expect("next page");
    next.map_or_else(String::new, |(next, _)| prepared_text(&next))
}

/// What the caller of a request that becomes two operations sees, as text, when they answer this.
///
/// # Panics
/// When the row does not become these two, or an output cannot be written.
#[must_use]
#[expect(
    clippy::panic,
    clippy::expect_used,
    reason = "test code: a bad case should stop the test"
)]
pub fn answered_both<A: Operation, B: Operation>(
    dialect: &Dialect,
    request: Request,
    first: Result<A::Output, OpError>,
    second: Result<B::Output, OpError>,
) -> String {
    let (route, cx) = matched(dialect, request);
    let Action::Call(endpoint) = &route.action else {
        panic!("{} {} becomes no operation", route.method, route.path);
    };
    let prepared = endpoint
        .prepare(&cx)
        .unwrap_or_else(|reject| panic!("the request was refused: {}", reject.0.public));
    let names: Vec<_> = prepared.iter().map(|p| p.name).collect();
    assert_eq!(names, [A::NAME, B::NAME], "{}", route.path);
    let written = |text: Result<Vec<u8>, OpError>| Bytes::from(text.expect("output"));
    let answers = vec![
        first.map(|output| written(codec::encode(&output))),
        second.map(|output| written(codec::encode(&output))),
    ];
    let reply = endpoint
        .finish(answers, &cx)
        .unwrap_or_else(|error| (dialect.error)(&error, &cx));
    reply_text(&reply)
}

/// The payloads of an event for one subscription, as text.
#[must_use]
pub fn payloads(dialect: &Dialect, envelope: &Envelope, subscription: &Subscription) -> String {
    let (links, identity) = (env().links, samples::identity());
    let cx = EventCx {
        session: &envelope.session,
        identity: Some(&identity),
        now: samples::now(),
        links: &links,
        media: None,
        message: None,
        chat: None,
        history: None,
    };
    let mut text = String::new();
    for payload in (dialect.events)(envelope, subscription, &cx) {
        let suffix = payload.path_suffix.as_deref().unwrap_or("");
        let _ = writeln!(text, "{} {}{suffix}", payload.method, subscription.url);
        for (name, value) in &payload.headers {
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = writeln!(text, "{}\n{}", payload.content_type, pretty(&payload.body));
    }
    if text.is_empty() {
        text.push_str("no payload\n");
    }
    text
}

/// The dialect's error table, as text: one entry per code.
#[must_use]
pub fn error_table(dialect: &Dialect, request: &Request) -> String {
    ErrorCode::ALL
        .into_iter()
        .map(|code| {
            let error = OpError::new(code, "what was wrong").with_internal("secret detail");
            let reply = (dialect.error)(&error, &cx(request.clone()));
            format!("{code:?}: {}", reply_text(&reply))
        })
        .collect()
}

/// Finds the row of a request, fixed segments before parameters, as the router does.
#[expect(
    clippy::panic,
    reason = "test code: a request without a row should stop the test"
)]
fn matched(dialect: &Dialect, request: Request) -> (Route, Cx) {
    let mut input = request.0;
    let segments: Vec<&str> = input.path.split('/').collect();
    let parameters = |row: &Route| row.path.matches('{').count();
    let best = (dialect.routes)()
        .into_rows()
        .into_iter()
        .filter(|row| row.method == input.method && params(row.path, &segments).is_some())
        .min_by_key(parameters);
    let Some(row) = best else {
        panic!("no row for {} {}", input.method, input.path);
    };
    input.params = params(row.path, &segments)
        .unwrap_or_default()
        .into_iter()
        .collect();
    (row, cx(Request(input)))
}

fn params(pattern: &str, segments: &[&str]) -> Option<Vec<(String, String)>> {
    let wanted: Vec<&str> = pattern.split('/').collect();
    if wanted.len() != segments.len() {
        return None;
    }
    let mut found = Vec::new();
    for (want, have) in wanted.into_iter().zip(segments) {
        let Some((prefix, name)) = want.strip_suffix('}').and_then(|w| w.split_once('{')) else {
            if want == *have {
                continue;
            }
            return None;
        };
        let value = have
            .strip_prefix(prefix)
            .filter(|value| !value.is_empty())?;
        found.push((name.to_owned(), value.to_owned()));
    }
    Some(found)
}

fn prepared_text(prepared: &crate::routes::Prepared) -> String {
    let mut text = format!("{} ({:?})\n", prepared.name, prepared.effect);
    let _ = writeln!(text, "{}", pretty(&prepared.body));
    for upload in &prepared.uploads {
        let _ = writeln!(text, "upload {}: {} bytes", upload.id, upload.bytes.len());
    }
    text
}

fn reply_text(reply: &Reply) -> String {
    let mut text = format!("{}\n", reply.status.as_u16());
    for (name, value) in &reply.headers {
        let _ = writeln!(
            text,
            "{name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        );
    }
    let _ = match &reply.body {
        ReplyBody::Empty => Ok(()),
        ReplyBody::Json(json) => writeln!(text, "{}", pretty(json)),
        ReplyBody::Bytes {
            content_type,
            bytes,
        } => writeln!(text, "{content_type}: {} bytes", bytes.len()),
        ReplyBody::Media(media) => writeln!(text, "file {} ({})", media.id, media.mime_type),
        ReplyBody::Around {
            before,
            media,
            after,
        } => {
            let file = format!("<base64 of file {}>", media.id);
            let whole = [before, file.as_bytes(), after].concat();
            writeln!(text, "{}", pretty(&whole))
        }
    };
    text
}

/// JSON laid out for reading; anything long (pictures) is cut.
fn pretty(json: &[u8]) -> String {
    match serde_json::from_slice::<serde_json::Value>(json) {
        Ok(mut value) => {
            shorten(&mut value);
            serde_json::to_string_pretty(&value).unwrap_or_default()
        }
        Err(_) => String::from_utf8_lossy(json).into_owned(),
    }
}

fn shorten(value: &mut serde_json::Value) {
    /// Longest text shown whole, in characters.
    const SHOWN_MAX: usize = 300;
    use serde_json::Value;
    match value {
        Value::String(text) if text.chars().count() > SHOWN_MAX => {
            let head: String = text.chars().take(40).collect();
            *text = format!("{head}… ({} characters)", text.chars().count());
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
