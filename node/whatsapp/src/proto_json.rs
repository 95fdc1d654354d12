//! A protobuf message as Go's `encoding/json` writes it: camel-case names, unset fields left out, bytes as base64, enums and
//! 64-bit numbers as numbers. Source: the generated types of whatsmeow at the revision that wuzapi pins, whose webhooks are
//! the ones that show it; receivers with typed fields refuse anything else.
//!
//! The generated types only know serde's plain form, so the mapping is a serializer: it sees the types, which the
//! plain form no longer tells.

use buffa::Message as _;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use waproto::whatsapp as wa;

mod numbers;
mod serializer;

use serializer::Node;

/// Longest JSON text kept beside a message, in bytes. Longer ones are left out: thumbnails inside quotes inside quotes.
const JSON_BYTES_MAX: usize = 512 << 10;

/// The message as the bytes it travels in.
pub(crate) fn bytes(message: &wa::Message) -> Bytes {
    Bytes::from(message.encode_to_vec())
}

/// A message kept by [`bytes`] as JSON text; nothing when the bytes are no message, or the text would be
/// longer than 512 KiB.
#[must_use]
pub fn proto_text(proto: &[u8]) -> Option<String> {
    text(&wa::Message::decode_from_slice(proto).ok()?)
}

/// The message as JSON text; nothing when it would be longer than the limit.
fn text(message: &wa::Message) -> Option<String> {
    let fields = object(message)?;
    let text = serde_json::to_string(&fields).ok()?;
    (text.len() <= JSON_BYTES_MAX).then_some(text)
}

/// The name of the first field that is set, as the schema's Rust form spells it, keys and context left out.
pub(crate) fn first_field(message: &wa::Message) -> Option<String> {
    const BESIDES: [&str; 2] = ["messageContextInfo", "senderKeyDistributionMessage"];
    let fields = object(message)?;
    let name = fields
        .keys()
        .find(|name| !BESIDES.contains(&name.as_str()))?;
    Some(snake_case(name))
}

fn object(message: &wa::Message) -> Option<Map<String, Value>> {
    match message.serialize(serializer::ToNode).ok()? {
        Node::Value(Value::Object(fields)) => Some(fields),
        Node::Value(_) | Node::Choice(_) | Node::Absent | Node::Byte(_) => None,
    }
}

fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            out.extend(letter.to_uppercase());
            upper = false;
        } else {
            out.push(letter);
        }
    }
    out
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use buffa::MessageField;
    use serde_json::json;

    #[test]
    fn fields_are_written_as_go_does() {
        let message = wa::Message {
            image_message: MessageField::some(wa::message::ImageMessage {
                mimetype: Some("image/jpeg".to_owned()),
                file_length: Some(7),
                height: Some(3),
                file_sha256: Some(vec![1, 2, 3]),
                scan_lengths: vec![4, 5],
                view_once: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        };
        let value: Value = serde_json::from_str(&text(&message).unwrap()).unwrap();
        assert_eq!(
            value,
            json!({"imageMessage": {
                "mimetype": "image/jpeg", "fileLength": 7, "height": 3,
                "fileSha256": "AQID", "scanLengths": [4, 5], "viewOnce": true,
            }})
        );
    }

    #[test]
    fn enums_stand_by_number() {
        let message = wa::Message {
            protocol_message: MessageField::some(wa::message::ProtocolMessage {
                r#type: Some(wa::message::protocol_message::Type::MESSAGE_EDIT),
                key: MessageField::some(wa::MessageKey {
                    id: Some("A".to_owned()),
                    from_me: Some(false),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let value: Value = serde_json::from_str(&text(&message).unwrap()).unwrap();
        assert_eq!(
            value,
            json!({"protocolMessage": {"key": {"fromMe": false, "id": "A"}, "type": 14}})
        );
    }

    #[test]
    fn choices_have_their_go_names() {
        use wa::message::interactive_message::{InteractiveMessage as Payload, NativeFlowMessage};
        let flow = NativeFlowMessage {
            message_version: Some(1),
            ..Default::default()
        };
        let message = wa::Message {
            interactive_message: MessageField::some(wa::message::InteractiveMessage {
                interactive_message: Some(Payload::NativeFlowMessage(Box::new(flow))),
                ..Default::default()
            }),
            ..Default::default()
        };
        let value: Value = serde_json::from_str(&text(&message).unwrap()).unwrap();
        let flow = json!({"NativeFlowMessage": {"messageVersion": 1}});
        assert_eq!(
            value,
            json!({"interactiveMessage": {"InteractiveMessage": flow}})
        );
    }

    #[test]
    fn the_field_that_counts_is_named() {
        let mut message = wa::Message {
            poll_creation_message_v3: MessageField::some(Default::default()),
            message_context_info: MessageField::some(Default::default()),
            ..Default::default()
        };
        assert_eq!(
            first_field(&message).as_deref(),
            Some("poll_creation_message_v3")
        );
        message.poll_creation_message_v3 = MessageField::none();
        assert_eq!(first_field(&message), None);
    }

    #[test]
    fn too_long_is_left_out() {
        let message = wa::Message {
            conversation: Some("x".repeat(JSON_BYTES_MAX)),
            ..Default::default()
        };
        assert_eq!(text(&message), None);
    }
}
