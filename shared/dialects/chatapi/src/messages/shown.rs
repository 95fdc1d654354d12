//! Messages as this system shows them, in listings and webhooks alike.

use serde::Serialize;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::messages;
use switchboard_vocab::{ChatId, MediaId, UserId};

use crate::ids;

/// `Message`, with the fields that were added later.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    id: String,
    /// The text, or a link to the file.
    body: String,
    #[serde(rename = "type")]
    kind: &'static str,
    sender_name: String,
    from_me: bool,
    author: String,
    /// Unix seconds.
    time: u64,
    chat_id: String,
    message_number: u64,
    #[serde(rename = "self")]
    own: u8,
    is_forwarded: u8,
    caption: Option<String>,
    quoted_msg_body: Option<String>,
    quoted_msg_id: Option<String>,
    /// Absent in groups, whose names are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_name: Option<String>,
}

impl Message {
    /// A message of the log; `None` for what this system has no words for. `own` is the account's address, where the
    /// caller knows it.
    pub(crate) fn of(
        message: &messages::Message,
        own: Option<&UserId>,
        link: &dyn Fn(&MediaId) -> Option<String>,
    ) -> Option<Self> {
        let Shown {
            kind,
            body,
            caption,
        } = shown(&message.body, link)?;
        let chat_id = ids::chat(&message.chat, message.chat_alt.as_ref());
        let author = ids::user(&message.sender, message.sender_alt.as_ref());
        let sender_name = message.push_name.clone();
        let sender_name = sender_name.unwrap_or_else(|| before_at(&author));
        let chat_name = match (&message.chat, message.from_me) {
            (ChatId::User(_), false) => Some(sender_name.clone()),
            (ChatId::User(_), true) => Some(before_at(&chat_id)),
            (ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_), _) => None,
        };
        Some(Self {
            id: ids::message(&message.id, message.from_me, &chat_id),
            body,
            kind,
            sender_name,
            from_me: message.from_me,
            author,
            time: message.at.as_secs(),
            message_number: message.number,
            own: message.from_me.into(),
            is_forwarded: message.forwarded.into(),
            caption,
            quoted_msg_body: quoted_words(message),
            quoted_msg_id: quoted(message, own, &chat_id),
            chat_id,
            chat_name,
        })
    }
}

fn before_at(id: &str) -> String {
    id.split('@').next().unwrap_or(id).to_owned()
}

/// What depends on the kind of the message.
struct Shown {
    kind: &'static str,
    body: String,
    caption: Option<String>,
}

fn shown(body: &Body, link: &dyn Fn(&MediaId) -> Option<String>) -> Option<Shown> {
    let (kind, body, caption) = match body {
        Body::Text(text) => ("chat", text.body.clone(), None),
        Body::Media(media) => {
            let kind = match media.kind {
                // A sticker is a picture; there is no other word for it.
                MediaKind::Image | MediaKind::Sticker => "image",
                MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => "video",
                MediaKind::Audio => "audio",
                MediaKind::Voice => "ptt",
                MediaKind::Document => "document",
            };
            let link = link(&media.id).unwrap_or_default();
            (kind, link, media.caption.clone())
        }
        Body::Location(place) => ("location", degrees(place.latitude, place.longitude), None),
        Body::LiveLocation(place) => {
            let words = place.caption.clone();
            ("location", degrees(place.latitude, place.longitude), words)
        }
        Body::Contacts { cards } => {
            let cards: Vec<_> = cards.iter().map(|card| card.vcard.as_str()).collect();
            ("vcard", cards.join("\n"), None)
        }
        // That system is older than these; their words are what a bot can answer to.
        Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_) => ("chat", body.words().unwrap_or_default().to_owned(), None),
        Body::Reaction { .. }
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => return None,
    };
    Some(Shown {
        kind,
        body,
        caption,
    })
}

fn degrees(latitude: f64, longitude: f64) -> String {
    format!("{latitude};{longitude}")
}

fn quoted_words(message: &messages::Message) -> Option<String> {
    let body = message.context.quoted_body.as_ref()?;
    body.words().map(str::to_owned)
}

/// The id of the quoted message, where it is known which side wrote that.
fn quoted(message: &messages::Message, own: Option<&UserId>, chat_id: &str) -> Option<String> {
    let quote = message.quoted.as_ref()?;
    let author = quote.author.as_ref()?;
    let partner = message.chat.as_user();
    let from_me = match (partner, own) {
        (Some(partner), _) => author != partner && Some(author) != message.chat_alt.as_ref(),
        (None, Some(own)) => author == own,
        (None, None) => return None,
    };
    Some(ids::message(&quote.id, from_me, chat_id))
}
