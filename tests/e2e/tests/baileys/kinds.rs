//! The kinds of messages, one row each: what Baileys sends and what the other side has to show, and the reverse. A kind that one
//! side cannot send has no entry there.
//!
//! `{peer}` and `{baileys}` are the phone numbers, `{own}` is the id of a text that the sender of this row sent before, and
//! `{theirs}` of one that the receiver sent. Baileys' forms are its own, see `tests/witness/baileys/witness.mjs`.

use anyhow::Result;
use serde_json::{Value, json};

/// One kind.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What Baileys sends, and its options.
    pub(crate) baileys_sends: Option<(Value, Value)>,
    /// What the phone's inbox has to hold then.
    pub(crate) phone_shows: Value,
    /// What the phone sends: the simulator's draft, without the receiver.
    pub(crate) phone_sends: Option<Value>,
    /// What Baileys' message has to hold then.
    pub(crate) baileys_shows: Value,
    /// The file that both directions carry.
    pub(crate) file: Option<Vec<u8>>,
}

const VCARD: &str =
    "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nTEL;type=CELL;waid=15550119999:+1 555 011 9999\nEND:VCARD";

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// All kinds between Baileys and a phone.
pub(crate) fn all() -> Result<Vec<Kind>> {
    let mut kinds = words();
    kinds.extend(files()?);
    kinds.extend(films());
    kinds.extend(places_and_people());
    kinds.extend(polls_and_events());
    kinds.extend(acts());
    kinds.extend(tappable());
    Ok(kinds)
}

fn words() -> Vec<Kind> {
    vec![
        Kind {
            name: "text",
            baileys_sends: Some((json!({"text": "plain words"}), json!({}))),
            phone_shows: json!({"kind": "text", "text": "plain words"}),
            phone_sends: Some(json!({"text": "words back"})),
            baileys_shows: json!({"conversation": "words back"}),
            ..Kind::default()
        },
        Kind {
            name: "text with a mention",
            baileys_sends: Some((
                json!({"text": "look @{peer}", "mentions": ["{peer}@s.whatsapp.net"]}),
                json!({}),
            )),
            phone_shows: json!({"kind": "text", "text": "look @{peer}", "mentions": ["{peer}@s.whatsapp.net"]}),
            phone_sends: Some(json!({"text": "look @{baileys}", "mentions": ["{baileys}"]})),
            baileys_shows: json!({"extendedTextMessage": {"text": "look @{baileys}",
                "contextInfo": {"mentionedJid": ["{baileys}@s.whatsapp.net"]}}}),
            ..Kind::default()
        },
        Kind {
            name: "text with a quote",
            baileys_sends: Some((
                json!({"text": "an answer"}),
                json!({"quoted": {"$message": "{theirs}"}}),
            )),
            phone_shows: json!({"kind": "text", "text": "an answer", "quoted": "{theirs}"}),
            phone_sends: Some(json!({"text": "an answer back", "quote": "{theirs}"})),
            baileys_shows: json!({"extendedTextMessage": {"text": "an answer back",
                "contextInfo": {"stanzaId": "{theirs}"}}}),
            ..Kind::default()
        },
        Kind {
            name: "text that disappears",
            baileys_sends: Some((
                json!({"text": "gone tomorrow"}),
                json!({"ephemeralExpiration": 86400}),
            )),
            phone_shows: json!({"kind": "text", "text": "gone tomorrow", "ephemeral": true}),
            phone_sends: Some(json!({"text": "gone tomorrow too", "ephemeral": 86400})),
            baileys_shows: json!({"extendedTextMessage": {"text": "gone tomorrow too",
                "contextInfo": {"expiration": 86400}}}),
            ..Kind::default()
        },
    ]
}

/// A kind that is a file: `content` is what Baileys adds to it, `draft` what the phone adds to its medium.
fn file(
    name: &'static str,
    field: &str,
    content: &Value,
    medium: &Value,
    text: &str,
    bytes: Vec<u8>,
) -> Kind {
    let mut baileys = content.clone();
    baileys[field] = json!({"$bytes": base64(&bytes)});
    let mut phone = json!({"media": medium, "text": text});
    phone["media"]["data"] = base64(&bytes).into();
    let mut shows =
        json!({"kind": medium["kind"], "media": {"mimetype": medium["mimetype"], "opened": true}});
    let mut message = json!({"mimetype": medium["mimetype"]});
    if !text.is_empty() {
        baileys["caption"] = text.into();
        shows["text"] = text.into();
        message["caption"] = text.into();
    }
    Kind {
        name,
        baileys_sends: Some((baileys, json!({}))),
        phone_shows: shows,
        phone_sends: Some(phone),
        baileys_shows: json!({ format!("{field}Message"): message }),
        file: Some(bytes),
    }
}

/// Films of every form.
fn films() -> Vec<Kind> {
    let film = b"\x00\x00\x00\x18ftypmp42 not really a film".to_vec();
    let mut gif = file(
        "gif",
        "video",
        &json!({"mimetype": "video/mp4", "gifPlayback": true}),
        &json!({"kind": "gif", "mimetype": "video/mp4"}),
        "round and round",
        film.clone(),
    );
    gif.phone_shows["kind"] = "video".into();
    gif.phone_shows["details"] = json!({"gif": "true"});
    gif.baileys_shows["videoMessage"]["gifPlayback"] = true.into();
    let mut short = file(
        "short video",
        "video",
        &json!({"mimetype": "video/mp4", "ptv": true}),
        &json!({"kind": "ptv", "mimetype": "video/mp4"}),
        "",
        film.clone(),
    );
    short.phone_shows["kind"] = "video".into();
    short.phone_shows["details"] = json!({"round": "true"});
    short.baileys_shows = json!({"ptvMessage": {"mimetype": "video/mp4"}});
    let plain = file(
        "video",
        "video",
        &json!({"mimetype": "video/mp4"}),
        &json!({"kind": "video", "mimetype": "video/mp4"}),
        "a film",
        film,
    );
    vec![plain, gif, short]
}

fn files() -> Result<Vec<Kind>> {
    let png = switchboard_e2e::picture(9)?;
    // What is in these nobody looks into: they are files with a type.
    let sound = b"OggS not really a sound".to_vec();
    let paper = b"%PDF-1.4 not really a paper".to_vec();
    let mut voice = file(
        "voice",
        "audio",
        &json!({"mimetype": "audio/ogg; codecs=opus", "ptt": true, "seconds": 2}),
        &json!({"kind": "voice", "mimetype": "audio/ogg; codecs=opus", "seconds": 2}),
        "",
        sound.clone(),
    );
    voice.baileys_shows["audioMessage"]["ptt"] = true.into();
    let mut paper = file(
        "document",
        "document",
        &json!({"mimetype": "application/pdf", "fileName": "paper.pdf"}),
        &json!({"kind": "document", "mimetype": "application/pdf", "file_name": "paper.pdf"}),
        "",
        paper,
    );
    paper.phone_shows["media"]["file_name"] = "paper.pdf".into();
    paper.baileys_shows["documentMessage"]["fileName"] = "paper.pdf".into();
    let mut once = file(
        "image to look at once",
        "image",
        &json!({"mimetype": "image/png", "viewOnce": true}),
        &json!({"kind": "image", "mimetype": "image/png"}),
        "once",
        png.clone(),
    );
    once.phone_shows["view_once"] = true.into();
    // The phone's own goes without, Baileys shows of such only that there was one.
    once.phone_sends = None;
    Ok(vec![
        file(
            "image",
            "image",
            &json!({"mimetype": "image/png"}),
            &json!({"kind": "image", "mimetype": "image/png"}),
            "a picture",
            png.clone(),
        ),
        once,
        file(
            "audio",
            "audio",
            &json!({"mimetype": "audio/ogg; codecs=opus", "seconds": 3}),
            &json!({"kind": "audio", "mimetype": "audio/ogg; codecs=opus", "seconds": 3}),
            "",
            sound,
        ),
        voice,
        paper,
        file(
            "sticker",
            "sticker",
            &json!({"mimetype": "image/webp"}),
            &json!({"kind": "sticker", "mimetype": "image/webp"}),
            "",
            png,
        ),
    ])
}

fn places_and_people() -> Vec<Kind> {
    vec![
        Kind {
            name: "location",
            baileys_sends: Some((
                json!({"location": {"degreesLatitude": 52.52, "degreesLongitude": 13.405, "name": "Berlin"}}),
                json!({}),
            )),
            phone_shows: json!({"kind": "location", "location": {"latitude": 52.52, "longitude": 13.405, "name": "Berlin"}}),
            phone_sends: Some(
                json!({"location": {"latitude": 48.137, "longitude": 11.575, "name": "Munich"}}),
            ),
            baileys_shows: json!({"locationMessage": {"degreesLatitude": 48.137, "degreesLongitude": 11.575, "name": "Munich"}}),
            ..Kind::default()
        },
        Kind {
            name: "live location",
            phone_sends: Some(
                json!({"text": "on my way", "location": {"latitude": 48.1, "longitude": 11.5, "live": true, "sequence": 1}}),
            ),
            baileys_shows: json!({"liveLocationMessage": {"degreesLatitude": 48.1, "degreesLongitude": 11.5, "caption": "on my way"}}),
            ..Kind::default()
        },
        Kind {
            name: "contact",
            baileys_sends: Some((
                json!({"contacts": {"displayName": "Ada", "contacts": [{"displayName": "Ada", "vcard": VCARD}]}}),
                json!({}),
            )),
            phone_shows: json!({"kind": "contact", "text": VCARD}),
            phone_sends: Some(json!({"contacts": [{"name": "Ada", "vcard": VCARD}]})),
            baileys_shows: json!({"contactMessage": {"displayName": "Ada", "vcard": VCARD}}),
            ..Kind::default()
        },
        Kind {
            name: "contacts",
            baileys_sends: Some((
                json!({"contacts": {"displayName": "two", "contacts": [
                    {"displayName": "Ada", "vcard": VCARD}, {"displayName": "Bob", "vcard": VCARD}]}}),
                json!({}),
            )),
            phone_shows: json!({"kind": "contact"}),
            phone_sends: Some(
                json!({"contacts": [{"name": "Ada", "vcard": VCARD}, {"name": "Bob", "vcard": VCARD}]}),
            ),
            baileys_shows: json!({"contactsArrayMessage": {"contacts": [
                {"displayName": "Ada", "vcard": VCARD}, {"displayName": "Bob", "vcard": VCARD}]}}),
            ..Kind::default()
        },
    ]
}

fn polls_and_events() -> Vec<Kind> {
    vec![
        Kind {
            name: "poll",
            baileys_sends: Some((
                json!({"poll": {"name": "tea?", "values": ["yes", "no"], "selectableCount": 1}}),
                json!({}),
            )),
            phone_shows: json!({"kind": "poll", "text": "tea?", "options": ["yes", "no"]}),
            phone_sends: Some(
                json!({"poll": {"question": "cake?", "options": ["now", "later"], "selectable": 1}}),
            ),
            baileys_shows: json!({"pollCreationMessageV3": {"name": "cake?", "selectableOptionsCount": 1,
                "options": [{"optionName": "now"}, {"optionName": "later"}]}}),
            ..Kind::default()
        },
        Kind {
            name: "event",
            baileys_sends: Some((
                json!({"event": {"name": "launch", "description": "of it all", "startDate": {"$date": 1_900_000_000_000_u64}}}),
                json!({}),
            )),
            phone_shows: json!({"kind": "event", "text": "launch"}),
            phone_sends: Some(
                json!({"event": {"name": "lunch", "description": "for all", "start": 1_900_000_000}}),
            ),
            baileys_shows: json!({"eventMessage": {"name": "lunch", "description": "for all", "startTime": 1_900_000_000}}),
            ..Kind::default()
        },
    ]
}

/// What is done to earlier messages. Baileys tells these by events of their own, so only what it sends is in the table.
fn acts() -> Vec<Kind> {
    vec![
        Kind {
            name: "reaction",
            baileys_sends: Some((
                json!({"react": {"text": "👍", "key": {"$key": "{theirs}"}}}),
                json!({}),
            )),
            phone_shows: json!({"kind": "reaction", "text": "👍", "target": "{theirs}"}),
            phone_sends: Some(json!({"reaction": {"id": "{theirs}", "emoji": "🎉"}})),
            baileys_shows: json!({"reactionMessage": {"text": "🎉", "key": {"id": "{theirs}"}}}),
            ..Kind::default()
        },
        Kind {
            name: "edit",
            baileys_sends: Some((
                json!({"text": "better words", "edit": {"$key": "{own}"}}),
                json!({}),
            )),
            phone_shows: json!({"kind": "edit", "text": "better words", "target": "{own}"}),
            phone_sends: Some(json!({"text": "better words back", "edit": "{own}"})),
            // Told as a change of the earlier message, see `phone.rs`.
            baileys_shows: Value::Null,
            ..Kind::default()
        },
        Kind {
            name: "pin",
            baileys_sends: Some((
                json!({"pin": {"$key": "{own}"}, "type": 1, "time": 86400}),
                json!({}),
            )),
            phone_shows: json!({"kind": "pin", "target": "{own}"}),
            phone_sends: Some(json!({"pin": {"id": "{own}", "seconds": 86400}})),
            baileys_shows: json!({"pinInChatMessage": {"key": {"id": "{own}"}}}),
            ..Kind::default()
        },
        Kind {
            name: "revoke",
            baileys_sends: Some((json!({"delete": {"$key": "{own}"}}), json!({}))),
            phone_shows: json!({"kind": "revoke", "target": "{own}"}),
            phone_sends: Some(json!({"revoke": "{own}"})),
            baileys_shows: Value::Null,
            ..Kind::default()
        },
    ]
}

/// Baileys cannot send these by itself; it can be shown them and answer.
fn tappable() -> Vec<Kind> {
    vec![
        Kind {
            name: "buttons",
            phone_sends: Some(
                json!({"text": "choose", "buttons": {"buttons": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}]}}),
            ),
            baileys_shows: json!({"buttonsMessage": {"contentText": "choose", "buttons": [
                {"buttonId": "a", "buttonText": {"displayText": "A"}}, {"buttonId": "b", "buttonText": {"displayText": "B"}}]}}),
            ..Kind::default()
        },
        Kind {
            name: "list",
            phone_sends: Some(
                json!({"text": "choose", "list": {"title": "menu", "button": "open", "sections": [
                    {"title": "soups", "rows": [{"id": "1", "title": "tomato"}]}]}}),
            ),
            baileys_shows: json!({"listMessage": {"title": "menu", "description": "choose", "buttonText": "open",
                "sections": [{"title": "soups", "rows": [{"rowId": "1", "title": "tomato"}]}]}}),
            ..Kind::default()
        },
        Kind {
            name: "native flow",
            phone_sends: Some(
                json!({"text": "tap", "interactive": {"buttons": [{"id": "x", "title": "X"}]}}),
            ),
            baileys_shows: json!({"interactiveMessage": {"body": {"text": "tap"},
                "nativeFlowMessage": {"buttons": [{"name": "quick_reply"}]}}}),
            ..Kind::default()
        },
    ]
}
