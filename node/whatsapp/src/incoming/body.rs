//! What a protobuf message says.

use switchboard_vocab::content::{Body, Card, Location, MediaBody, MediaKind, Text};
use switchboard_vocab::messages::Quote;
use switchboard_vocab::{MessageId, UserId};
use wa::message::protocol_message::Type as ProtocolType;
use waproto::whatsapp as wa;

use crate::addresses;
use crate::media::{MediaKeys, StoredKind};
use crate::proto_json;

/// Deepest nesting of wrappers that is opened; real messages have two or three.
const WRAPPERS_MAX: usize = 8;
/// Most contact cards of one message that are kept. Source: WhatsApp's clients allow 257 contacts.
const CARDS_MAX: usize = 257;

/// What was said, and with what.
pub(super) struct Said {
    pub(super) body: Body,
    pub(super) quoted: Option<Quote>,
    pub(super) forwarded: bool,
    pub(super) media_keys: Option<Vec<u8>>,
}

impl Said {
    fn plain(body: Body) -> Self {
        Self {
            body,
            quoted: None,
            forwarded: false,
            media_keys: None,
        }
    }

    fn with(body: Body, context: Option<&wa::ContextInfo>) -> Self {
        Self {
            body,
            quoted: context.and_then(quote),
            forwarded: context
                .and_then(|context| context.is_forwarded)
                .unwrap_or(false),
            media_keys: None,
        }
    }
}

/// Reads a message; nothing when it is protocol traffic or empty.
pub(super) fn read(message: &wa::Message, id: &MessageId) -> Option<Said> {
    let message = unwrap(message);
    if let Some(protocol) = message.protocol_message.as_option() {
        return read_protocol(protocol);
    }
    read_text(message)
        .or_else(|| read_media(message, id))
        .or_else(|| read_place(message))
        .or_else(|| read_contacts(message))
        .or_else(|| read_reaction(message))
        .or_else(|| {
            proto_json::first_field(message).map(|field| Said::plain(Body::Other { field }))
        })
}

/// Opens the wrappers around what is said: copies of own messages, disappearing, view once, captions, edits.
fn unwrap(mut message: &wa::Message) -> &wa::Message {
    for _ in 0..WRAPPERS_MAX {
        let sent = message
            .device_sent_message
            .as_option()
            .and_then(|copy| copy.message.as_option());
        let inner = [
            message.ephemeral_message.as_option(),
            message.view_once_message.as_option(),
            message.view_once_message_v2.as_option(),
            message.view_once_message_v2_extension.as_option(),
            message.document_with_caption_message.as_option(),
            message.edited_message.as_option(),
            message.group_mentioned_message.as_option(),
            message.lottie_sticker_message.as_option(),
            message.associated_child_message.as_option(),
            message.group_status_message.as_option(),
            message.group_status_message_v2.as_option(),
            message.spoiler_message.as_option(),
            message.limit_sharing_message.as_option(),
            message.bot_invoke_message.as_option(),
        ];
        let inner = inner
            .into_iter()
            .flatten()
            .find_map(|wrapper| wrapper.message.as_option());
        match sent.or(inner) {
            Some(inner) => message = inner,
            None => break,
        }
    }
    message
}

fn read_protocol(protocol: &wa::message::ProtocolMessage) -> Option<Said> {
    let target = || {
        let key = protocol.key.as_option()?;
        MessageId::parse(key.id.as_deref()?).ok()
    };
    match protocol.r#type {
        Some(ProtocolType::REVOKE) => Some(Said::plain(Body::Revoked { target: target()? })),
        Some(ProtocolType::MESSAGE_EDIT) => {
            let edited = unwrap(protocol.edited_message.as_option()?);
            let body = words(edited)
                .or_else(|| caption(edited))
                .unwrap_or_default()
                .to_owned();
            Some(Said::plain(Body::Edited {
                target: target()?,
                body,
            }))
        }
        Some(ProtocolType::EPHEMERAL_SETTING) => Some(Said::plain(Body::Other {
            field: "protocol_message".to_owned(),
        })),
        // Keys, history, app state and settings between the account's own devices.
        Some(_) | None => None,
    }
}

fn words(message: &wa::Message) -> Option<&str> {
    let plain = message.conversation.as_deref();
    plain.or_else(|| message.extended_text_message.as_option()?.text.as_deref())
}

fn caption(message: &wa::Message) -> Option<&str> {
    let image = message
        .image_message
        .as_option()
        .and_then(|image| image.caption.as_deref());
    let video = message
        .video_message
        .as_option()
        .and_then(|video| video.caption.as_deref());
    let document = message
        .document_message
        .as_option()
        .and_then(|file| file.caption.as_deref());
    image.or(video).or(document)
}

fn read_text(message: &wa::Message) -> Option<Said> {
    if let Some(text) = message.extended_text_message.as_option() {
        let context = text.context_info.as_option();
        let body = text.text.clone().unwrap_or_default();
        let mentions = context.map(mentions).unwrap_or_default();
        return Some(Said::with(
            Body::Text(Text {
                body,
                mentions,
                ..Text::default()
            }),
            context,
        ));
    }
    let body = message
        .conversation
        .clone()
        .filter(|text| !text.is_empty())?;
    Some(Said::plain(Body::Text(Text {
        body,
        ..Text::default()
    })))
}

fn mentions(context: &wa::ContextInfo) -> Vec<UserId> {
    context
        .mentioned_jid
        .iter()
        .filter_map(|text| addresses::user_in_text(text))
        .collect()
}

fn quote(context: &wa::ContextInfo) -> Option<Quote> {
    let id = MessageId::parse(context.stanza_id.as_deref()?).ok()?;
    let author = context
        .participant
        .as_deref()
        .and_then(addresses::user_in_text);
    Some(Quote { id, author })
}

/// The fields all kinds of files share. A macro, because the generated types share no trait.
macro_rules! file {
    ($file:expr, $kind:expr, $mime:expr) => {
        (
            MediaKeys {
                kind: StoredKind::from($kind),
                direct_path: $file.direct_path.clone(),
                static_url: None,
                media_key: $file.media_key.clone(),
                file_enc_sha256: $file.file_enc_sha256.clone(),
                file_sha256: $file.file_sha256.clone(),
                size: $file.file_length,
            },
            FileFacts {
                kind: $kind,
                mime_type: $file.mimetype.clone().unwrap_or_else(|| $mime.to_owned()),
                ..FileFacts::default()
            },
            $file.context_info.as_option(),
        )
    };
}

/// What is told about a file beside its keys.
struct FileFacts {
    kind: MediaKind,
    mime_type: String,
    caption: Option<String>,
    file_name: Option<String>,
    size: (Option<u32>, Option<u32>),
    seconds: Option<u32>,
}

impl Default for FileFacts {
    fn default() -> Self {
        Self {
            kind: MediaKind::Document,
            mime_type: String::new(),
            caption: None,
            file_name: None,
            size: (None, None),
            seconds: None,
        }
    }
}

fn read_media(message: &wa::Message, id: &MessageId) -> Option<Said> {
    let video = message
        .video_message
        .as_option()
        .or_else(|| message.ptv_message.as_option());
    let (keys, facts, context) = if let Some(image) = message.image_message.as_option() {
        let (mut keys, mut facts, context) = file!(image, MediaKind::Image, "image/jpeg");
        keys.static_url = image.static_url.clone();
        facts.caption = image.caption.clone();
        facts.size = (image.width, image.height);
        (keys, facts, context)
    } else if let Some(video) = video {
        let (mut keys, mut facts, context) = file!(video, MediaKind::Video, "video/mp4");
        keys.static_url = video.static_url.clone();
        facts.caption = video.caption.clone();
        facts.size = (video.width, video.height);
        facts.seconds = video.seconds;
        (keys, facts, context)
    } else if let Some(audio) = message.audio_message.as_option() {
        let kind = if audio.ptt == Some(true) {
            MediaKind::Voice
        } else {
            MediaKind::Audio
        };
        let (keys, mut facts, context) = file!(audio, kind, "audio/ogg; codecs=opus");
        facts.seconds = audio.seconds;
        (keys, facts, context)
    } else if let Some(document) = message.document_message.as_option() {
        let (keys, mut facts, context) =
            file!(document, MediaKind::Document, "application/octet-stream");
        facts.caption = document.caption.clone();
        facts.file_name = document
            .file_name
            .clone()
            .or_else(|| document.title.clone());
        (keys, facts, context)
    } else {
        let sticker = message.sticker_message.as_option()?;
        let (keys, mut facts, context) = file!(sticker, MediaKind::Sticker, "image/webp");
        facts.size = (sticker.width, sticker.height);
        (keys, facts, context)
    };
    let body = Body::Media(MediaBody {
        kind: facts.kind,
        id: keys.media_id(id)?,
        mime_type: facts.mime_type,
        size: keys.size.unwrap_or(0),
        sha256: keys
            .file_sha256
            .as_deref()
            .map(hex::encode)
            .unwrap_or_default(),
        caption: facts.caption.filter(|text| !text.is_empty()),
        file_name: facts.file_name.filter(|name| !name.is_empty()),
        width: facts.size.0,
        height: facts.size.1,
        seconds: facts.seconds,
        waveform: None,
        thumbnail: None,
    });
    Some(Said {
        media_keys: keys.to_bytes(),
        ..Said::with(body, context)
    })
}

fn read_place(message: &wa::Message) -> Option<Said> {
    if let Some(place) = message.location_message.as_option() {
        let body = Body::Location(Location {
            latitude: place.degrees_latitude.unwrap_or(0.0),
            longitude: place.degrees_longitude.unwrap_or(0.0),
            name: place.name.clone(),
            address: place.address.clone(),
            url: place.url.clone(),
        });
        return Some(Said::with(body, place.context_info.as_option()));
    }
    let place = message.live_location_message.as_option()?;
    let body = Body::Location(Location {
        latitude: place.degrees_latitude.unwrap_or(0.0),
        longitude: place.degrees_longitude.unwrap_or(0.0),
        name: place.caption.clone(),
        address: None,
        url: None,
    });
    Some(Said::with(body, place.context_info.as_option()))
}

fn card(contact: &wa::message::ContactMessage) -> Card {
    Card {
        name: contact.display_name.clone().unwrap_or_default(),
        vcard: contact.vcard.clone().unwrap_or_default(),
    }
}

fn read_contacts(message: &wa::Message) -> Option<Said> {
    if let Some(contact) = message.contact_message.as_option() {
        let body = Body::Contacts {
            cards: vec![card(contact)],
        };
        return Some(Said::with(body, contact.context_info.as_option()));
    }
    let contacts = message.contacts_array_message.as_option()?;
    let cards = contacts.contacts.iter().take(CARDS_MAX).map(card).collect();
    Some(Said::with(
        Body::Contacts { cards },
        contacts.context_info.as_option(),
    ))
}

fn read_reaction(message: &wa::Message) -> Option<Said> {
    let reaction = message.reaction_message.as_option()?;
    let to = MessageId::parse(reaction.key.as_option()?.id.as_deref()?).ok()?;
    let emoji = reaction.text.clone().unwrap_or_default();
    Some(Said::plain(Body::Reaction { to, emoji }))
}
