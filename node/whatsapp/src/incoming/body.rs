//! What a protobuf message says.

use std::time::Duration;

use switchboard_vocab::content::{Body, Context, Text};
use switchboard_vocab::messages::Quote;
use switchboard_vocab::{MessageId, Timestamp};
use wa::message::pin_in_chat_message::Type as PinType;
use wa::message::protocol_message::Type as ProtocolType;
use waproto::whatsapp as wa;

use super::sealed::Sealed;
use super::wrappers::{self, Opened};
use super::{cards, context, interactive, media, polls};
use crate::{context_fields, proto_json};

/// What was said, and with what.
pub(super) struct Said {
    pub(super) body: Body,
    pub(super) context: Context,
    pub(super) quoted: Option<Quote>,
    pub(super) forwarded: bool,
    pub(super) media_keys: Option<Vec<u8>>,
    /// What only the secret of an earlier message opens.
    pub(super) sealed: Option<Sealed>,
}

impl Said {
    pub(super) fn plain(body: Body) -> Self {
        Self {
            body,
            context: Context::default(),
            quoted: None,
            forwarded: false,
            media_keys: None,
            sealed: None,
        }
    }

    pub(super) fn with(body: Body, info: Option<&wa::ContextInfo>) -> Self {
        Self {
            context: info.map(context::read).unwrap_or_default(),
            quoted: info.and_then(context::quote),
            forwarded: info.and_then(|info| info.is_forwarded).unwrap_or(false),
            ..Self::plain(body)
        }
    }
}

/// Reads a message; nothing when it is protocol traffic or empty.
pub(super) fn read(message: &wa::Message, id: &MessageId) -> Option<Said> {
    let opened = wrappers::open(message);
    let mut said = read_opened(&opened, id)?;
    said.context.view_once |= opened.view_once;
    Some(said)
}

fn read_opened(opened: &Opened<'_>, id: &MessageId) -> Option<Said> {
    let message = opened.message;
    if let Some(protocol) = message.protocol_message.as_option() {
        return read_protocol(protocol);
    }
    read_text(message)
        .or_else(|| media::read(message, id))
        .or_else(|| cards::read(message))
        .or_else(|| polls::read(message))
        .or_else(|| interactive::read(message))
        .or_else(|| read_reaction(message))
        .or_else(|| read_pin(message))
        .or_else(|| {
            let info = context_fields::of(message);
            proto_json::first_field(message).map(|field| Said::with(Body::Other { field }, info))
        })
}

/// The id of the message a key is about.
pub(super) fn target(key: Option<&wa::MessageKey>) -> Option<MessageId> {
    MessageId::parse(key?.id.as_deref()?).ok()
}

fn read_protocol(protocol: &wa::message::ProtocolMessage) -> Option<Said> {
    let target = || target(protocol.key.as_option());
    match protocol.r#type {
        Some(ProtocolType::REVOKE) => Some(Said::plain(Body::Revoked { target: target()? })),
        Some(ProtocolType::MESSAGE_EDIT) => {
            let edited = wrappers::open(protocol.edited_message.as_option()?).message;
            let body = words(edited)
                .or_else(|| caption(edited))
                .unwrap_or_default()
                .to_owned();
            let info = context_fields::of(edited);
            let body = Body::Edited {
                target: target()?,
                body,
            };
            Some(Said::with(body, info))
        }
        Some(ProtocolType::EPHEMERAL_SETTING) => Some(Said::plain(Body::Timer {
            period: Duration::from_secs(protocol.ephemeral_expiration.unwrap_or(0).into()),
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
    let image = message.image_message.as_option();
    let video = message.video_message.as_option();
    let document = message.document_message.as_option();
    let place = message.live_location_message.as_option();
    None.or_else(|| image?.caption.as_deref())
        .or_else(|| video?.caption.as_deref())
        .or_else(|| document?.caption.as_deref())
        .or_else(|| place?.caption.as_deref())
}

fn read_text(message: &wa::Message) -> Option<Said> {
    if let Some(text) = message.extended_text_message.as_option() {
        let info = text.context_info.as_option();
        let mut said = Said::with(Body::Text(Text::default()), info);
        said.context.preview = context::preview(text);
        said.context.view_once = text.view_once.unwrap_or(false);
        said.body = Body::Text(Text {
            body: text.text.clone().unwrap_or_default(),
            mentions: said.context.mentions.clone(),
            mention_all: said.context.mention_all,
            ..Text::default()
        });
        return Some(said);
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

fn read_reaction(message: &wa::Message) -> Option<Said> {
    let reaction = message.reaction_message.as_option()?;
    let to = target(reaction.key.as_option())?;
    let emoji = reaction.text.clone().unwrap_or_default();
    Some(Said::plain(Body::Reaction { to, emoji }))
}

fn read_pin(message: &wa::Message) -> Option<Said> {
    let pin = message.pin_in_chat_message.as_option()?;
    let target = target(pin.key.as_option())?;
    let lasts = message
        .message_context_info
        .as_option()
        .and_then(|info| info.message_add_on_duration_in_secs);
    let period = match pin.r#type {
        Some(PinType::PIN_FOR_ALL) => {
            Some(lasts.map_or(PIN_LASTS, |secs| Duration::from_secs(secs.into())))
        }
        Some(PinType::UNPIN_FOR_ALL | PinType::UNKNOWN_TYPE) | None => None,
    };
    Some(Said::plain(Body::Pinned { target, period }))
}

/// How long a pin lasts that does not say it. Source: the period WhatsApp's clients preselect.
const PIN_LASTS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Seconds of a protobuf field as a moment; nothing for zero and for moments before 1970.
pub(super) fn moment(secs: Option<i64>) -> Option<Timestamp> {
    let secs = u64::try_from(secs?).ok().filter(|secs| *secs > 0)?;
    Some(Timestamp::from_secs(secs))
}
