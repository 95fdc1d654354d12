//! The places of a request and what is put there.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::input::{Body, Input, Part};

/// Length of a text that is too long for everything but a message.
const LONG: usize = 70_000;
/// Nesting of a value that is deeper than any request.
const DEEP: usize = 100;
/// Longest request shown.
const SHOWN_MAX: usize = 400;

/// A place of a request.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A parameter of the path.
    Path(String),
    /// The value of a query parameter, by position.
    Query(usize),
    /// A further query parameter of the same name.
    QueryTwice(usize),
    /// A value inside the JSON body.
    Json(String),
    /// The same, gone.
    Gone(String),
    /// The whole body is this text.
    Raw(&'static str),
    /// The body ends early.
    Cut,
    /// The fields of the body as a form, one of them spoilt.
    Form(String),
    /// The fields of the body as the parts of a multipart body, one of them spoilt.
    Multipart(String),
    /// The same, the spoilt one being a file.
    File(String),
}

/// What no field wants, whatever its type.
static VALUES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let deep = (0..DEEP).fold(json!(1), |inner, _| json!([inner]));
    let many: Vec<_> = (0..1_000).map(|n| json!(n.to_string())).collect();
    let mut values = vec![
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        deep,
        json!(many),
    ];
    values.extend([
        json!([null]),
        json!([{}]),
        json!([[]]),
        json!({"": {"": []}}),
    ]);
    values.extend([json!(0), json!(-1), json!(1.5), json!(1e300), json!(5e-324)]);
    values.extend([json!(u64::MAX), json!(i64::MIN), json!(253_402_300_800_u64)]);
    values.extend(TEXTS.iter().map(|text| json!(text)));
    values.push(json!("x".repeat(LONG)));
    values.push(json!("é\u{202e}👍".repeat(LONG / 16)));
    values.push(json!("9".repeat(LONG)));
    values
});

/// Those that are texts.
static TEXT_VALUES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let texts = VALUES.iter().filter(|value| value.is_string());
    texts.cloned().collect()
});

const TEXTS: [&str; 40] = [
    "",
    " ",
    "x",
    "0",
    "-1",
    "1.5",
    "inf",
    "NaN",
    "1e400",
    "18446744073709551616",
    "true",
    "null",
    "\0",
    "a\r\nb: c",
    "\u{feff}\u{202e}",
    "👍🏽",
    "../../etc/passwd",
    "%00%2f",
    "@",
    "@c.us",
    "x@c.us",
    "4915112345678@",
    "4915112345678@example.org",
    "00000000000000000000@s.whatsapp.net",
    "status@broadcast",
    "1@lid",
    "1-1@g.us",
    "true_4915112345678@c.us_",
    "PrCh-AAAA",
    "file-zz",
    "text-00",
    "data:",
    "data:image/png;base64,",
    "data:image/png;base64,%%%",
    "data:;base64,/9j/4AAQSkZJRg",
    "http://",
    "http://[::1",
    "file:///etc/passwd",
    "ftp://a.test/\u{0}",
    "{\"a\":",
];

/// Bodies that are no object, or not JSON.
const BODIES: [&str; 12] = [
    "",
    " ",
    "null",
    "[]",
    "[{}]",
    "1e999",
    "\"x\"",
    "{",
    "{\"a\":1}{}",
    "{\"\\ud800\":1}",
    "<a/>",
    "{}",
];

/// The places of a request.
pub(super) fn places(input: &Input) -> Vec<Place> {
    let mut places: Vec<Place> = input.params.keys().cloned().map(Place::Path).collect();
    for at in 0..input.query.len() {
        places.extend([Place::Query(at), Place::QueryTwice(at)]);
    }
    for pointer in pointers(&json_of(input)) {
        places.extend([Place::Json(pointer.clone()), Place::Gone(pointer)]);
    }
    for name in fields(input).keys() {
        let kinds = [Place::Form, Place::Multipart, Place::File];
        places.extend(kinds.map(|kind| kind(name.clone())));
    }
    places.extend(BODIES.map(Place::Raw));
    places.push(Place::Cut);
    places
}

/// What can stand in a place.
pub(super) fn values(place: &Place) -> &'static [Value] {
    match place {
        Place::Json(_) => &VALUES,
        Place::Path(_)
        | Place::Query(_)
        | Place::QueryTwice(_)
        | Place::Form(_)
        | Place::Multipart(_)
        | Place::File(_) => &TEXT_VALUES,
        // One way to be gone.
        Place::Gone(_) | Place::Raw(_) | Place::Cut => &[Value::Null],
    }
}

/// The request with this value in that place.
pub(super) fn spoil(input: &Input, place: &Place, value: &Value) -> Input {
    let mut spoilt = input.clone();
    let text = || value.as_str().unwrap_or_default().to_owned();
    match place {
        Place::Path(name) => drop(spoilt.params.insert(name.clone(), text())),
        Place::Query(at) => {
            if let Some((_, had)) = spoilt.query.get_mut(*at) {
                *had = text();
            }
        }
        Place::QueryTwice(at) => {
            if let Some((name, _)) = input.query.get(*at) {
                spoilt.query.push((name.clone(), text()));
            }
        }
        Place::Json(pointer) | Place::Gone(pointer) => {
            let gone = matches!(place, Place::Gone(_));
            let mut json = json_of(input);
            put(&mut json, pointer, (!gone).then(|| value.clone()));
            spoilt.body = json_body(json.to_string().into_bytes());
        }
        Place::Raw(text) => spoilt.body = json_body(text.as_bytes().to_vec()),
        Place::Cut => {
            if let Body::Bytes { bytes, .. } = &mut spoilt.body {
                bytes.truncate(bytes.len() / 2);
            }
        }
        Place::Form(name) => {
            let pairs = spoilt_texts(fields(input), name, &text());
            spoilt.body = Body::Bytes {
                content_type: "application/x-www-form-urlencoded".to_owned(),
                bytes: serde_urlencoded::to_string(pairs)
                    .unwrap_or_default()
                    .into(),
            };
        }
        Place::Multipart(name) | Place::File(name) => {
            let pairs = spoilt_texts(fields(input), name, &text());
            let file = matches!(place, Place::File(_));
            let part = |(field, text): (String, String)| Part {
                file_name: (file && field == *name).then(|| text.clone()),
                content_type: (file && field == *name).then(|| text.clone()),
                bytes: text.into_bytes().into(),
                name: field,
            };
            spoilt.body = Body::Multipart(pairs.into_iter().map(part).collect());
        }
    }
    spoilt
}

/// The request as a line, for a failure.
pub(super) fn shown(input: &Input) -> String {
    let body = match &input.body {
        Body::Empty => String::new(),
        Body::Bytes {
            content_type,
            bytes,
        } => format!("{content_type} {}", String::from_utf8_lossy(bytes)),
        Body::Multipart(parts) => format!("{parts:?}"),
    };
    let text = format!("{:?} {:?} {body}", input.params, input.query);
    text.chars().take(SHOWN_MAX).collect()
}

fn json_body(text: Vec<u8>) -> Body {
    Body::Bytes {
        content_type: "application/json".to_owned(),
        bytes: Bytes::from(text),
    }
}

fn json_of(input: &Input) -> Value {
    match &input.body {
        Body::Bytes { bytes, .. } => serde_json::from_slice(bytes).unwrap_or_default(),
        Body::Empty | Body::Multipart(_) => Value::Null,
    }
}

fn fields(input: &Input) -> Map<String, Value> {
    match json_of(input) {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn spoilt_texts(fields: Map<String, Value>, name: &str, text: &str) -> Vec<(String, String)> {
    let pairs = fields.into_iter().map(|(field, value)| {
        let had = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let text = if field == name { text.to_owned() } else { had };
        (field, text)
    });
    pairs.collect()
}

/// The JSON pointers of everything inside.
fn pointers(json: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(json, "", &mut found);
    found
}

fn collect(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut inner = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{at}/{name}");
        collect(value, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| inner(name, value)),
        Value::Array(values) => {
            let numbered = values.iter().enumerate();
            numbered.for_each(|(at, value)| inner(&at.to_string(), value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts a value at a pointer, or takes away what is there.
fn put(json: &mut Value, pointer: &str, value: Option<Value>) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match (json.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => drop(fields.insert(name, value)),
        (Some(Value::Object(fields)), None) => drop(fields.remove(&name)),
        (Some(Value::Array(values)), value) => {
            let at = name.parse().unwrap_or(usize::MAX);
            match (values.get_mut(at), value) {
                (Some(had), Some(value)) => *had = value,
                (Some(_), None) => drop(values.remove(at)),
                (None, _) => {}
            }
        }
        _ => {}
    }
}
