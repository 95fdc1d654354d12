//! The kinds between Baileys and a session: what one sends and what the other has to show. A kind that one side cannot send has no
//! entry there.
//!
//! `{baileys}` and `{ours}` are the phone numbers. `{first.our_call}` and `{first.our_id}` name what the row `first` sent from us,
//! in our API and in Baileys; `{first.their_call}` and `{first.their_id}` what it sent from Baileys.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::{files, tappable};

/// One kind.
#[derive(Default)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Method, path and body of the call; `to` is added.
    pub(super) we_send: Option<(Method, &'static str, Value)>,
    pub(super) baileys_shows: Seen,
    pub(super) baileys_sends: Option<Theirs>,
    /// What the message in the webhook and in the log has to hold then, or the id of the one that is gone.
    pub(super) we_show: Value,
    /// The file that both directions carry.
    pub(super) file: Option<Vec<u8>>,
}

/// How Baileys shows what we send.
pub(super) enum Seen {
    /// As a message that holds this.
    Message(Value),
    /// As a change of the message with that id.
    Change(&'static str, Value),
}

impl Default for Seen {
    fn default() -> Self {
        Self::Message(Value::Null)
    }
}

/// What Baileys sends.
pub(super) enum Theirs {
    /// Its own content and options.
    Content(Value, Value),
    /// A protobuf message as it is: Baileys has no words for it. The options can name what it quotes.
    Message(Value, Value),
}

impl Theirs {
    pub(super) fn content(content: Value) -> Option<Self> {
        Some(Self::Content(content, json!({})))
    }

    pub(super) fn message(message: Value) -> Option<Self> {
        Some(Self::Message(message, json!({})))
    }
}

const ADA: &str =
    "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nTEL;type=CELL;waid=15550119999:+1 555 011 9999\nEND:VCARD";
const BOB: &str =
    "BEGIN:VCARD\nVERSION:3.0\nFN:Bob\nTEL;type=CELL;waid=15550118888:+1 555 011 8888\nEND:VCARD";

pub(super) fn all() -> Result<Vec<Row>> {
    let mut rows = words();
    rows.extend(files::rows()?);
    rows.extend(places());
    rows.extend(people());
    rows.extend(tappable::rows()?);
    rows.extend(forwards());
    rows.extend(acts());
    rows.extend(edits());
    rows.extend(ends());
    Ok(rows)
}

fn post(path: &'static str, body: Value) -> Option<(Method, &'static str, Value)> {
    Some((Method::POST, path, body))
}

fn words() -> Vec<Row> {
    vec![
        Row {
            name: "first",
            we_send: post("/messages/text", json!({"body": "first of ours"})),
            baileys_shows: Seen::Message(json!({"text": "first of ours"})),
            baileys_sends: Theirs::content(json!({"text": "first of baileys"})),
            we_show: json!({"type": "text", "text": {"body": "first of baileys"}}),
            ..Row::default()
        },
        Row {
            name: "mention",
            we_send: post(
                "/messages/text",
                json!({"body": "look @{baileys}", "mentions": ["{baileys}"]}),
            ),
            baileys_shows: Seen::Message(json!({"text": "look @{baileys}"})),
            baileys_sends: Theirs::content(
                json!({"text": "look @{ours}", "mentions": ["{ours}@s.whatsapp.net"]}),
            ),
            we_show: json!({"type": "text", "text": {"body": "look @{ours}"}, "context": {"mentions": ["{ours}"]}}),
            ..Row::default()
        },
        Row {
            name: "quote",
            we_send: post(
                "/messages/text",
                json!({"body": "an answer of ours", "quoted": "{first.their_call}"}),
            ),
            baileys_shows: Seen::Message(
                json!({"extendedTextMessage": {"text": "an answer of ours", "contextInfo": {"stanzaId": "{first.their_id}"}}}),
            ),
            baileys_sends: Some(Theirs::Content(
                json!({"text": "an answer of baileys"}),
                json!({"quoted": {"$message": "{first.our_id}"}}),
            )),
            we_show: json!({"type": "text", "text": {"body": "an answer of baileys"}, "context": {"quoted_id": "{first.our_call}"}}),
            ..Row::default()
        },
        Row {
            name: "link preview",
            we_send: post(
                "/messages/link_preview",
                json!({"body": "see https://ours.example/a", "title": "Ours", "description": "A page"}),
            ),
            baileys_shows: Seen::Message(
                json!({"extendedTextMessage": {"text": "see https://ours.example/a", "matchedText": "https://ours.example/a",
                "title": "Ours", "description": "A page"}}),
            ),
            baileys_sends: Theirs::content(
                json!({"text": "see https://theirs.example/b", "linkPreview": {"matched-text": "https://theirs.example/b",
                "title": "Theirs", "description": "Another"}}),
            ),
            we_show: json!({"type": "link_preview", "link_preview": {"body": "see https://theirs.example/b",
                "url": "https://theirs.example/b", "title": "Theirs", "description": "Another"}}),
            ..Row::default()
        },
        Row {
            name: "text that disappears",
            // Ours are as lasting as the chat says; no call chooses it for one message.
            baileys_sends: Some(Theirs::Content(
                json!({"text": "gone tomorrow"}),
                json!({"ephemeralExpiration": 86_400}),
            )),
            we_show: json!({"type": "text", "text": {"body": "gone tomorrow"}, "context": {"ephemeral": 86_400}}),
            ..Row::default()
        },
    ]
}

fn places() -> Vec<Row> {
    vec![
        Row {
            name: "location",
            we_send: post(
                "/messages/location",
                json!({"latitude": 48.137, "longitude": 11.575, "name": "Munich", "address": "Marienplatz"}),
            ),
            baileys_shows: Seen::Message(
                json!({"locationMessage": {"degreesLatitude": 48.137, "degreesLongitude": 11.575, "name": "Munich",
                "address": "Marienplatz"}}),
            ),
            baileys_sends: Theirs::content(
                json!({"location": {"degreesLatitude": 52.52, "degreesLongitude": 13.405, "name": "Berlin", "address": "Mitte"}}),
            ),
            we_show: json!({"type": "location", "location": {"latitude": 52.52, "longitude": 13.405, "name": "Berlin",
                "address": "Mitte"}}),
            ..Row::default()
        },
        Row {
            name: "live location",
            we_send: post(
                "/messages/live_location",
                json!({"latitude": 48.1, "longitude": 11.5, "accuracy": 5, "speed": 3, "degrees": 90, "comment": "on our way"}),
            ),
            baileys_shows: Seen::Message(
                json!({"liveLocationMessage": {"degreesLatitude": 48.1, "degreesLongitude": 11.5, "accuracyInMeters": 5,
                "speedInMps": 3, "degreesClockwiseFromMagneticNorth": 90, "caption": "on our way"}}),
            ),
            baileys_sends: Theirs::message(
                json!({"liveLocationMessage": {"degreesLatitude": 52.1, "degreesLongitude": 13.5, "accuracyInMeters": 7,
                "speedInMps": 2, "degreesClockwiseFromMagneticNorth": 180, "caption": "on their way", "sequenceNumber": 4}}),
            ),
            we_show: json!({"type": "live_location", "live_location": {"latitude": 52.1, "longitude": 13.5, "accuracy": 7,
                "speed": 2, "degrees": 180, "caption": "on their way", "sequence_number": 4}}),
            ..Row::default()
        },
    ]
}

fn people() -> Vec<Row> {
    vec![
        Row {
            name: "contact",
            we_send: post("/messages/contact", json!({"name": "Ada", "vcard": ADA})),
            baileys_shows: Seen::Message(
                json!({"contactMessage": {"displayName": "Ada", "vcard": ADA}}),
            ),
            baileys_sends: Theirs::content(
                json!({"contacts": {"displayName": "Ada", "contacts": [{"displayName": "Ada", "vcard": ADA}]}}),
            ),
            we_show: json!({"type": "contact", "contact": {"name": "Ada", "vcard": ADA}}),
            ..Row::default()
        },
        Row {
            name: "contact list",
            we_send: post(
                "/messages/contact_list",
                json!({"list": [{"name": "Ada", "vcard": ADA}, {"name": "Bob", "vcard": BOB}]}),
            ),
            baileys_shows: Seen::Message(json!({"contactsArrayMessage": {"contacts": [
                {"displayName": "Ada", "vcard": ADA}, {"displayName": "Bob", "vcard": BOB}]}})),
            baileys_sends: Theirs::content(json!({"contacts": {"displayName": "two", "contacts": [
                {"displayName": "Bob", "vcard": BOB}, {"displayName": "Ada", "vcard": ADA}]}})),
            we_show: json!({"type": "contact_list", "contact_list": {"list": [
                {"name": "Bob", "vcard": BOB}, {"name": "Ada", "vcard": ADA}]}}),
            ..Row::default()
        },
        Row {
            name: "group invitation",
            // Ours go through the calls of groups. Baileys' own words would ask for the picture of a group that is not there.
            baileys_sends: Theirs::message(
                json!({"groupInviteMessage": {"inviteCode": "AbCdEfGhIjKlMnOp", "inviteExpiration": 1_900_000_000_u32,
                "caption": "join us", "groupJid": "120363000000000001@g.us", "groupName": "Walkers"}}),
            ),
            we_show: json!({"type": "group_invite", "group_invite": {"body": "join us", "title": "Walkers",
                "invite_code": "AbCdEfGhIjKlMnOp"}}),
            ..Row::default()
        },
    ]
}

fn forwards() -> Vec<Row> {
    vec![
        Row {
            name: "forwarded text",
            we_send: post("/messages/{first.their_call}", json!({})),
            baileys_shows: Seen::Message(
                json!({"extendedTextMessage": {"text": "first of baileys", "contextInfo": {"isForwarded": true}}}),
            ),
            baileys_sends: Theirs::content(json!({"forward": {"$message": "{first.our_id}"}})),
            we_show: json!({"type": "text", "text": {"body": "first of ours"}, "context": {"forwarded": true}}),
            ..Row::default()
        },
        Row {
            name: "forwarded contact",
            we_send: post("/messages/{contact.their_call}", json!({})),
            baileys_shows: Seen::Message(
                json!({"contactMessage": {"vcard": ADA, "contextInfo": {"isForwarded": true}}}),
            ),
            baileys_sends: Theirs::content(json!({"forward": {"$message": "{contact.our_id}"}})),
            we_show: json!({"type": "contact", "contact": {"vcard": ADA}, "context": {"forwarded": true}}),
            ..Row::default()
        },
    ]
}

fn acts() -> Vec<Row> {
    let reacts = |ours: &str, theirs: &str| Row {
        baileys_shows: Seen::Message(
            json!({"reactionMessage": {"text": ours, "key": {"id": "{first.their_id}"}}}),
        ),
        baileys_sends: Theirs::content(
            json!({"react": {"text": theirs, "key": {"$key": "{first.our_id}"}}}),
        ),
        we_show: json!({"type": "action", "action": {"type": "reaction", "emoji": theirs, "target": "{first.our_call}"}}),
        ..Row::default()
    };
    let pins = |number: u8, word: &str| Row {
        baileys_shows: Seen::Message(
            json!({"pinInChatMessage": {"type": number, "key": {"id": "{first.their_id}"}}}),
        ),
        baileys_sends: Theirs::content(
            json!({"pin": {"$key": "{first.our_id}"}, "type": number, "time": 86_400}),
        ),
        we_show: json!({"type": "action", "action": {"type": word, "target": "{first.our_call}"}}),
        ..Row::default()
    };
    let (reaction, pin) = (
        "/messages/{first.their_call}/reaction",
        "/messages/{first.their_call}/pin",
    );
    vec![
        Row {
            name: "reaction",
            we_send: Some((Method::PUT, reaction, json!({"emoji": "🎉"}))),
            ..reacts("🎉", "👍")
        },
        Row {
            name: "reaction taken back",
            we_send: Some((Method::DELETE, reaction, Value::Null)),
            ..reacts("", "")
        },
        Row {
            name: "pin",
            we_send: post(pin, json!({"time": "day"})),
            ..pins(1, "pin")
        },
        Row {
            name: "unpin",
            we_send: Some((Method::DELETE, pin, Value::Null)),
            ..pins(2, "unpin")
        },
    ]
}

fn edits() -> Vec<Row> {
    vec![
        Row {
            name: "edit",
            we_send: post(
                "/messages/text",
                json!({"body": "better words of ours", "edit": "{first.our_call}"}),
            ),
            baileys_shows: Seen::Change(
                "{first.our_id}",
                json!({"message": {"editedMessage": {"message": {"conversation": "better words of ours"}}}}),
            ),
            baileys_sends: Theirs::content(
                json!({"text": "better words of baileys", "edit": {"$key": "{first.their_id}"}}),
            ),
            we_show: json!({"type": "action", "action": {"type": "edit", "target": "{first.their_call}",
                "edited_content": {"body": "better words of baileys"}}}),
            ..Row::default()
        },
        Row {
            name: "edited caption",
            we_send: post(
                "/messages/image",
                json!({"caption": "a better one of ours", "edit": "{image.our_call}"}),
            ),
            baileys_shows: Seen::Change(
                "{image.our_id}",
                json!({"message": {"editedMessage": {"message": {"imageMessage": {"caption": "a better one of ours"}}}}}),
            ),
            baileys_sends: Theirs::message(
                json!({"protocolMessage": {"key": {"$key": "{image.their_id}"}, "type": 14, "timestampMs": 1_900_000_000_000_u64,
                "editedMessage": {"imageMessage": {"caption": "a better one of theirs"}}}}),
            ),
            we_show: json!({"type": "action", "action": {"type": "edit", "target": "{image.their_call}",
                "edited_content": {"body": "a better one of theirs"}}}),
            ..Row::default()
        },
    ]
}

/// What takes earlier messages away.
fn ends() -> Vec<Row> {
    let deletes = |name, path, ours, theirs, gone: &str| Row {
        name,
        we_send: Some((Method::DELETE, path, Value::Null)),
        baileys_shows: Seen::Change(ours, json!({"messageStubType": 1})),
        baileys_sends: Theirs::content(json!({"delete": {"$key": theirs}})),
        we_show: gone.into(),
        ..Row::default()
    };
    vec![
        deletes(
            "deletion",
            "/messages/{first.our_call}",
            "{first.our_id}",
            "{first.their_id}",
            "{first.their_call}",
        ),
        deletes(
            "deletion of a file",
            "/messages/{image.our_call}",
            "{image.our_id}",
            "{image.their_id}",
            "{image.their_call}",
        ),
    ]
}
