//! Requests as they go over a wire.

use std::fmt::Write;

use bytes::Bytes;

use super::Wire;
use crate::input::{Body, Input, Part};

/// Stands between the parts of a form; no spoilt text has it.
const BOUNDARY: &str = "7e13d0-switchboard";
/// Longest text in path or query: servers cut a connection on longer ones, which is no answer of a dialect.
const TARGET_TEXT_MAX: usize = 2_000;

/// The request of a row.
pub(super) fn of(pattern: &str, input: &Input) -> Wire {
    let mut target = String::new();
    for segment in pattern.split('/').skip(1) {
        target.push('/');
        match segment.strip_suffix('}').and_then(|s| s.split_once('{')) {
            Some((prefix, name)) => {
                // Without anything there it would be another path.
                let value = input.params.get(name).map(String::as_str);
                let value = value.filter(|value| !value.is_empty()).unwrap_or(" ");
                target.push_str(prefix);
                target.push_str(&encoded(value));
            }
            None => target.push_str(segment),
        }
    }
    for (at, (name, value)) in input.query.iter().enumerate() {
        target.push(if at == 0 { '?' } else { '&' });
        // Writing to a String cannot fail.
        let _ = write!(target, "{}={}", encoded(name), encoded(value));
    }
    let (content_type, body) = match &input.body {
        Body::Empty => (None, Bytes::new()),
        Body::Bytes {
            content_type,
            bytes,
        } => (Some(content_type.clone()), bytes.clone()),
        Body::Multipart(parts) => {
            let kind = format!("multipart/form-data; boundary={BOUNDARY}");
            (Some(kind), form(parts))
        }
    };
    Wire {
        method: input.method.clone(),
        target,
        content_type,
        body,
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes().take(TARGET_TEXT_MAX) {
        if byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn form(parts: &[Part]) -> Bytes {
    // A header has no room for what ends it.
    let quoted = |text: &str| text.replace(['\r', '\n', '"', '\0'], "_");
    let mut body = Vec::new();
    for part in parts {
        let name = quoted(&part.name);
        let file = part.file_name.as_deref().map(quoted);
        let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n");
        body.extend_from_slice(head.as_bytes());
        if let Some(kind) = &part.content_type {
            let kind: String = kind.chars().filter(|c| c.is_ascii_graphic()).collect();
            body.extend_from_slice(format!("Content-Type: {kind}\r\n").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&part.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body.into()
}
