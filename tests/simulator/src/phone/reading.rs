//! From a decrypted message to what its user sees.

mod details;

use wa::message::protocol_message::Type;
use waproto::whatsapp as wa;

use super::media::file_in;
use super::{Kind, Location, MediaInfo, MediaKind, Record, context};

/// Wrappers around wrappers looked into.
const WRAPPERS_MAX: usize = 8;

/// What the stanza says about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message's id.
    pub id: String,
    /// Address of the author's device.
    pub from: String,
    /// Address of the chat: the group, the other party, or for copies from own devices their destination.
    pub chat: String,
    /// Unix seconds.
    pub timestamp: u64,
    /// Whether the own account sent it from another device.
    pub own: bool,
}

/// A message without the wrappers around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unwrapped<'a> {
    pub(super) message: &'a wa::Message,
    view_once: bool,
    ephemeral: bool,
}

/// What is special about one kind of message.
#[derive(Default)]
struct Content {
    kind: Option<Kind>,
    text: Option<String>,
    target: Option<String>,
    options: Vec<String>,
    media: Option<MediaInfo>,
    location: Option<Location>,
}

impl Content {
    fn new(kind: Kind, text: Option<&String>) -> Self {
        Self {
            kind: Some(kind),
            text: text.cloned(),
            ..Self::default()
        }
    }

    fn about(kind: Kind, key: Option<&wa::MessageKey>, text: Option<String>) -> Self {
        Self {
            kind: Some(kind),
            text,
            target: key.and_then(|key| key.id.clone()),
            ..Self::default()
        }
    }
}

/// Makes an inbox record of a message. `None` when its user would notice nothing: keys, history, housekeeping.
#[must_use]
pub fn read(received: Received, message: &wa::Message) -> Option<Record> {
    let outer = unwrapped(message);
    let content = words(outer.message)
        .or_else(|| media(outer.message))
        .or_else(|| places_and_people(outer.message))
        .or_else(|| about_others(outer.message))
        .or_else(|| interactive(outer.message))
        .or_else(|| anything_else(outer.message))?;
    let context = context::of(outer.message);
    Some(Record {
        seq: 0,
        id: received.id,
        from: received.from,
        chat: received.chat,
        timestamp: received.timestamp,
        kind: content.kind?,
        text: content.text,
        target: content.target,
        quoted: context.and_then(|context| context.stanza_id.clone()),
        mentions: context.map_or_else(Vec::new, |context| context.mentioned_jid.clone()),
        options: content.options,
        details: details::details(outer.message, context),
        media: content.media,
        location: content.location,
        view_once: is_view_once(message),
        ephemeral: outer.ephemeral
            || context.is_some_and(|context| context.expiration.is_some_and(|secs| secs > 0)),
        forwarded: context.is_some_and(|context| context.is_forwarded == Some(true)),
        own: received.own,
    })
}

/// Takes the wrappers off.
pub(super) fn unwrapped(message: &wa::Message) -> Unwrapped<'_> {
    let mut out = Unwrapped {
        message,
        view_once: false,
        ephemeral: false,
    };
    for _ in 0..WRAPPERS_MAX {
        let m = out.message;
        let once = [
            &m.view_once_message,
            &m.view_once_message_v2,
            &m.view_once_message_v2_extension,
        ];
        let others = [
            &m.document_with_caption_message,
            &m.edited_message,
            &m.group_mentioned_message,
            &m.bot_invoke_message,
            &m.lottie_sticker_message,
            &m.associated_child_message,
            &m.poll_creation_message_v4,
            &m.spoiler_message,
        ];
        let inside = |wrapper: &'_ buffa::MessageField<wa::message::FutureProofMessage>| {
            wrapper.as_option().is_some_and(|w| w.message.is_set())
        };
        out.view_once |= once.into_iter().any(inside);
        out.ephemeral |= inside(&m.ephemeral_message);
        let next = once
            .into_iter()
            .chain(others)
            .chain([&m.ephemeral_message])
            .find_map(|wrapper| wrapper.as_option()?.message.as_option());
        match next {
            Some(inner) => out.message = inner,
            None => break,
        }
    }
    out
}

fn words(message: &wa::Message) -> Option<Content> {
    let extended = message.extended_text_message.as_option();
    let text = message
        .conversation
        .as_ref()
        .or_else(|| extended?.text.as_ref());
    text.map(|text| Content::new(Kind::Text, Some(text)))
}

fn media(message: &wa::Message) -> Option<Content> {
    let (kind, file) = file_in(message)?;
    let info = |mimetype: &Option<String>, name: Option<&String>| MediaInfo {
        mimetype: mimetype.clone(),
        file_name: name.cloned(),
        size: file.file_length().unwrap_or(0),
        sha256: hex::encode(file.file_sha256().unwrap_or_default()),
        opened: false,
    };
    let (kind, text, media) = match kind {
        MediaKind::Image => {
            let image = message.image_message.as_option()?;
            (
                Kind::Image,
                image.caption.as_ref(),
                info(&image.mimetype, None),
            )
        }
        MediaKind::Video => {
            let round = message.ptv_message.as_option();
            let video = message.video_message.as_option().or(round)?;
            (
                Kind::Video,
                video.caption.as_ref(),
                info(&video.mimetype, None),
            )
        }
        MediaKind::Audio => {
            let audio = message.audio_message.as_option()?;
            let voice = audio.ptt == Some(true);
            let kind = if voice { Kind::Voice } else { Kind::Audio };
            (kind, None, info(&audio.mimetype, None))
        }
        MediaKind::Document => {
            let file = message.document_message.as_option()?;
            let name = file.file_name.as_ref().or(file.title.as_ref());
            (
                Kind::Document,
                file.caption.as_ref(),
                info(&file.mimetype, name),
            )
        }
        MediaKind::Sticker => {
            let sticker = message.sticker_message.as_option()?;
            (Kind::Sticker, None, info(&sticker.mimetype, None))
        }
    };
    Some(Content {
        media: Some(media),
        ..Content::new(kind, text)
    })
}

fn places_and_people(message: &wa::Message) -> Option<Content> {
    if let Some(place) = message.location_message.as_option() {
        return Some(Content {
            location: Some(Location {
                latitude: place.degrees_latitude.unwrap_or(0.0),
                longitude: place.degrees_longitude.unwrap_or(0.0),
                name: place.name.clone(),
                address: place.address.clone(),
            }),
            ..Content::new(Kind::Location, place.comment.as_ref())
        });
    }
    if let Some(place) = message.live_location_message.as_option() {
        return Some(Content {
            location: Some(Location {
                latitude: place.degrees_latitude.unwrap_or(0.0),
                longitude: place.degrees_longitude.unwrap_or(0.0),
                name: None,
                address: None,
            }),
            ..Content::new(Kind::LiveLocation, place.caption.as_ref())
        });
    }
    if let Some(card) = message.contact_message.as_option() {
        return Some(Content::new(Kind::Contact, card.vcard.as_ref()));
    }
    let cards = &message.contacts_array_message.as_option()?.contacts;
    let cards: Vec<&str> = cards.iter().filter_map(|c| c.vcard.as_deref()).collect();
    Some(Content::new(Kind::Contact, Some(&cards.join("\n"))))
}

/// What is about an earlier message, and polls.
fn about_others(message: &wa::Message) -> Option<Content> {
    if let Some(protocol) = message.protocol_message.as_option() {
        return housekeeping(protocol);
    }
    if let Some(reaction) = message.reaction_message.as_option() {
        // The wire may leave an empty text out; it means the reaction was taken back.
        let text = Some(reaction.text.clone().unwrap_or_default());
        return Some(Content::about(
            Kind::Reaction,
            reaction.key.as_option(),
            text,
        ));
    }
    if let Some(sealed) = message.enc_reaction_message.as_option() {
        let key = sealed.target_message_key.as_option();
        return Some(Content::about(Kind::Reaction, key, None));
    }
    if let Some(vote) = message.poll_update_message.as_option() {
        let key = vote.poll_creation_message_key.as_option();
        return Some(Content::about(Kind::PollVote, key, None));
    }
    if let Some(response) = message.enc_event_response_message.as_option() {
        let key = response.event_creation_message_key.as_option();
        return Some(Content::about(Kind::EventResponse, key, None));
    }
    if let Some(pin) = message.pin_in_chat_message.as_option() {
        return Some(Content::about(Kind::Pin, pin.key.as_option(), None));
    }
    if let Some(sealed) = message.secret_encrypted_message.as_option() {
        let key = sealed.target_message_key.as_option();
        return Some(Content::about(Kind::Edit, key, None));
    }
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
        &message.poll_creation_message_v6,
    ];
    let poll = polls.into_iter().find_map(|poll| poll.as_option())?;
    let options = poll.options.iter();
    Some(Content {
        options: options.filter_map(|o| o.option_name.clone()).collect(),
        ..Content::new(Kind::Poll, poll.name.as_ref())
    })
}

fn housekeeping(protocol: &wa::message::ProtocolMessage) -> Option<Content> {
    let key = protocol.key.as_option();
    let edited = protocol.edited_message.as_option();
    if protocol.r#type == Some(Type::MESSAGE_EDIT) || edited.is_some() {
        let inner = edited.map(|edited| unwrapped(edited).message);
        let content = inner.and_then(|inner| words(inner).or_else(|| media(inner)));
        let text = content.and_then(|content| content.text);
        return Some(Content::about(Kind::Edit, key, text));
    }
    match protocol.r#type {
        Some(Type::REVOKE) => Some(Content::about(Kind::Revoke, key, None)),
        Some(Type::EPHEMERAL_SETTING) => {
            let secs = protocol.ephemeral_expiration.unwrap_or(0).to_string();
            Some(Content::new(Kind::Timer, Some(&secs)))
        }
        // Everything else is between devices; a user sees nothing of it.
        _ => Some(Content::default()),
    }
}

fn interactive(message: &wa::Message) -> Option<Content> {
    let offers = |text: Option<&String>| Content {
        options: details::choices(message),
        ..Content::new(Kind::Interactive, text)
    };
    let answers = |text: Option<&String>| Some(Content::new(Kind::InteractiveReply, text));
    if let Some(buttons) = message.buttons_message.as_option() {
        return Some(offers(buttons.content_text.as_ref()));
    }
    if let Some(list) = message.list_message.as_option() {
        return Some(offers(list.description.as_ref().or(list.title.as_ref())));
    }
    if let Some(interactive) = message.interactive_message.as_option() {
        let body = interactive.body.as_option();
        return Some(offers(body.and_then(|b| b.text.as_ref())));
    }
    if message.template_message.is_set() {
        let rows = details::template_rows(message);
        return Some(offers(rows.and_then(|r| r.hydrated_content_text.as_ref())));
    }
    if let Some(answer) = message.list_response_message.as_option() {
        return answers(answer.title.as_ref());
    }
    if let Some(answer) = message.buttons_response_message.as_option() {
        use wa::message::buttons_response_message::Response;
        let shown = answer.response.as_ref();
        return answers(shown.map(|Response::SelectedDisplayText(text)| text));
    }
    if let Some(answer) = message.template_button_reply_message.as_option() {
        return answers(answer.selected_display_text.as_ref());
    }
    if let Some(answer) = message.interactive_response_message.as_option() {
        let body = answer.body.as_option();
        return answers(body.and_then(|b| b.text.as_ref()));
    }
    if let Some(invite) = message.group_invite_message.as_option() {
        return Some(Content::new(Kind::GroupInvite, invite.caption.as_ref()));
    }
    if message.album_message.is_set() {
        return Some(Content::new(Kind::Album, None));
    }
    if let Some(pack) = message.sticker_pack_message.as_option() {
        return Some(Content::new(Kind::StickerPack, pack.caption.as_ref()));
    }
    let event = message.event_message.as_option()?;
    Some(Content::new(Kind::Event, event.name.as_ref()))
}

/// Whatever is neither a known kind nor only keys.
fn anything_else(message: &wa::Message) -> Option<Content> {
    let mut rest = message.clone();
    rest.sender_key_distribution_message = None.into();
    rest.fast_ratchet_key_sender_key_distribution_message = None.into();
    rest.message_context_info = None.into();
    let empty = waproto::codec::message_encoded_len(&rest) == 0;
    (!empty).then(|| Content::new(Kind::Other, None))
}

/// Whether a message may be looked at once only. Companions do not get such messages from phones.
#[must_use]
pub fn is_view_once(message: &wa::Message) -> bool {
    let outer = unwrapped(message);
    outer.view_once || says_view_once(outer.message)
}

fn says_view_once(message: &wa::Message) -> bool {
    let image = message.image_message.as_option().and_then(|m| m.view_once);
    let video = message.video_message.as_option().and_then(|m| m.view_once);
    let audio = message.audio_message.as_option().and_then(|m| m.view_once);
    image.or(video).or(audio) == Some(true)
}
