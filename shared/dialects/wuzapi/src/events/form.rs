//! Forms: URL-encoded, or multipart where a file goes with them.

use bytes::{BufMut, Bytes, BytesMut};
use switchboard_dialect_kit::Payload;
use switchboard_vocab::events::Envelope;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::webhooks::Subscription;

use crate::webhooks::TOKEN_OPTION;

/// The call with this data, and the file if there is one.
pub(super) fn payload(
    envelope: &Envelope,
    subscription: &Subscription,
    data: &str,
    file: Option<(&StoredMedia, &Bytes)>,
) -> Payload {
    let token = subscription
        .options
        .get(TOKEN_OPTION)
        .map_or("", String::as_str);
    let (content_type, body) = match file {
        None => (
            "application/x-www-form-urlencoded".to_owned(),
            encoded(data, token),
        ),
        Some((meta, bytes)) => multipart(envelope, data, token, meta, bytes),
    };
    Payload {
        method: http::Method::POST,
        path_suffix: None,
        headers: Vec::new(),
        content_type,
        body,
    }
}

fn encoded(data: &str, token: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() * 2);
    text.push_str("jsonData=");
    encode(data, &mut text);
    text.push_str("&token=");
    encode(token, &mut text);
    text.into()
}

/// Source: the `application/x-www-form-urlencoded` serialiser of the URL standard.
fn encode(value: &str, out: &mut String) {
    use std::fmt::Write;
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte))
            }
            b' ' => out.push('+'),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

fn multipart(
    envelope: &Envelope,
    data: &str,
    token: &str,
    meta: &StoredMedia,
    file: &Bytes,
) -> (String, Bytes) {
    // The event's id is unique and long; its characters are allowed in a boundary (RFC 2046).
    let boundary = format!("switchboard.{}", envelope.id);
    let name = meta
        .file_name
        .clone()
        .unwrap_or_else(|| format!("{}.{}", meta.id, extension(&meta.mime_type)));
    let name: String = name
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '"' | '\\'))
        .collect();
    let mut body = BytesMut::with_capacity(file.len() + data.len() + 1_024);
    for (field, value) in [("jsonData", data), ("token", token)] {
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n");
        body.put_slice(head.as_bytes());
        body.put_slice(value.as_bytes());
        body.put_slice(b"\r\n");
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {}\r\n\r\n",
        meta.mime_type
    );
    body.put_slice(head.as_bytes());
    body.put_slice(file);
    body.put_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (
        format!("multipart/form-data; boundary={boundary}"),
        body.freeze(),
    )
}

/// The usual ending of a file of this type.
fn extension(mime_type: &str) -> &str {
    match mime_type.split(';').next().unwrap_or_default() {
        "image/jpeg" => "jpg",
        "audio/mpeg" => "mp3",
        "text/plain" => "txt",
        "application/octet-stream" => "bin",
        other => other.rsplit('/').next().unwrap_or("bin"),
    }
}
