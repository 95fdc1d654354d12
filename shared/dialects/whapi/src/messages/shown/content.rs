//! What a message says: the one field of it that is named like its type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use switchboard_vocab::content::{
    self as vocab, Body, Card, EventReply, Invite, MediaBody, MediaKind, PreviewBody, ReplyKind,
};
use switchboard_vocab::messages;
use switchboard_vocab::{Timestamp, UserId};

use super::Links;
use super::action::{Action, action, event_response};
use super::file::{File, picture};
use super::place::{LivePlace, Place};
use super::tappable::{Buttons, Carousel, List, tappable};
use crate::ids;

/// The one field named like the type.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    Text(Text),
    LinkPreview(Link),
    Image(File),
    Video(File),
    Gif(File),
    Short(File),
    Audio(File),
    Voice(File),
    Document(File),
    Sticker(File),
    Location(Place),
    LiveLocation(LivePlace),
    Contact(VCard),
    ContactList(ContactList),
    Poll(Poll),
    Event(Event),
    Buttons(Buttons),
    List(List),
    /// The document names the type and leaves its field open.
    Carousel(Carousel),
    /// As in that system's own samples; the document has it in quotes only.
    Reply(Reply),
    GroupInvite(Link),
    Action(Action),
}

impl Content {
    /// The name of the field and the type.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::LinkPreview(_) => "link_preview",
            Self::Image(_) => "image",
            Self::Video(_) => "video",
            Self::Gif(_) => "gif",
            Self::Short(_) => "short",
            Self::Audio(_) => "audio",
            Self::Voice(_) => "voice",
            Self::Document(_) => "document",
            Self::Sticker(_) => "sticker",
            Self::Location(_) => "location",
            Self::LiveLocation(_) => "live_location",
            Self::Contact(_) => "contact",
            Self::ContactList(_) => "contact_list",
            Self::Poll(_) => "poll",
            Self::Event(_) => "event",
            Self::Buttons(_) => "buttons",
            Self::List(_) => "list",
            Self::Carousel(_) => "carousel",
            Self::Reply(_) => "reply",
            Self::GroupInvite(_) => "group_invite",
            Self::Action(_) => "action",
        }
    }

    /// What the field holds, without its name.
    pub(super) fn bare(&self) -> Option<serde_json::Value> {
        let serde_json::Value::Object(mut fields) = serde_json::to_value(self).ok()? else {
            return None;
        };
        fields.remove(self.kind())
    }

    /// What a message says; `None` where this system has no words for it.
    pub(super) fn of(message: &messages::Message, links: &Links<'_>) -> Option<Self> {
        let (once, preview) = (message.context.view_once, message.context.preview.as_ref());
        if let Body::EventReply { event, reply } = &message.body {
            return Some(Self::Action(event_response(message, event, *reply)));
        }
        if let (Body::Reply(reply), Some(kind)) = (&message.body, message.tapped()) {
            return Some(Self::Reply(Reply::of(reply, kind)));
        }
        Self::of_body(&message.body, message.at, once, preview, links)
    }

    /// The same for a body by itself, as in quotes.
    pub(super) fn of_body(
        body: &Body,
        at: Timestamp,
        once: bool,
        preview: Option<&PreviewBody>,
        links: &Links<'_>,
    ) -> Option<Self> {
        Some(match body {
            Body::Text(text) => match preview {
                Some(preview) => Self::LinkPreview(Link::of(&text.body, preview)),
                None => Self::Text(Text::new(&text.body)),
            },
            Body::Media(media) => file(media, at, once, links),
            Body::Location(location) => Self::Location(Place::of(location)),
            Body::LiveLocation(location) => Self::LiveLocation(LivePlace::of(location)),
            Body::Contacts { cards } => match cards.as_slice() {
                [card] => Self::Contact(VCard::of(card)),
                cards => Self::ContactList(ContactList {
                    list: cards.iter().map(VCard::of).collect(),
                }),
            },
            Body::Poll(poll) => Self::Poll(Poll::of(poll)),
            Body::Event(event) => Self::Event(Event::of(event)),
            Body::Interactive(interactive) => tappable(interactive),
            Body::Reply(reply) => Self::Reply(Reply::of(reply, reply.kind)),
            Body::Invite(invite) => Self::GroupInvite(Link::invite(invite)),
            Body::Reaction { .. }
            | Body::Edited { .. }
            | Body::Revoked { .. }
            | Body::Vote { .. }
            | Body::Pinned { .. }
            | Body::Timer { .. } => Self::Action(action(body)?),
            Body::EventReply { .. }
            | Body::Deleted { .. }
            | Body::Unreadable { .. }
            | Body::Other { .. } => return None,
        })
    }
}

fn file(media: &MediaBody, at: Timestamp, once: bool, links: &Links<'_>) -> Content {
    let wrap = match media.kind {
        MediaKind::Image => Content::Image,
        MediaKind::Video => Content::Video,
        MediaKind::Gif => Content::Gif,
        MediaKind::ShortVideo => Content::Short,
        MediaKind::Audio => Content::Audio,
        MediaKind::Voice => Content::Voice,
        MediaKind::Document => Content::Document,
        MediaKind::Sticker => Content::Sticker,
    };
    wrap(File::of(media, at, once, links))
}

/// `MessageContentText`.
#[derive(Serialize)]
pub(super) struct Text {
    body: String,
}

impl Text {
    pub(super) fn new(body: &str) -> Self {
        Self {
            body: body.to_owned(),
        }
    }
}

/// `MessageContentLinkPreview`.
#[derive(Serialize)]
pub(super) struct Link {
    body: String,
    url: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canonical: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_code: Option<String>,
}

impl Link {
    fn of(body: &str, preview: &PreviewBody) -> Self {
        Self {
            body: body.to_owned(),
            url: preview.link.clone(),
            title: preview
                .title
                .clone()
                .unwrap_or_else(|| preview.link.clone()),
            description: preview.description.clone(),
            canonical: preview.canonical.clone(),
            preview: preview.thumbnail.as_deref().map(picture),
            invite_code: None,
        }
    }

    fn invite(invite: &Invite) -> Self {
        // Source: the pattern of `InviteCode`; invitations of one person carry other codes, which open no link.
        let fits = (14..=22).contains(&invite.code.len())
            && invite.code.bytes().all(|b| b.is_ascii_alphanumeric());
        Self {
            body: invite.caption.clone().unwrap_or_default(),
            url: format!("https://chat.whatsapp.com/{}", invite.code),
            title: invite.name.clone(),
            description: None,
            canonical: None,
            preview: None,
            invite_code: fits.then(|| invite.code.clone()),
        }
    }
}

/// `VCard`.
#[derive(Serialize)]
pub(super) struct VCard {
    name: String,
    vcard: String,
}

impl VCard {
    fn of(card: &Card) -> Self {
        Self {
            name: card.name.clone(),
            vcard: card.vcard.clone(),
        }
    }
}

/// `MessageContentContacts`.
#[derive(Serialize)]
pub(super) struct ContactList {
    list: Vec<VCard>,
}

/// `MessageContentPoll`.
#[derive(Serialize)]
pub(super) struct Poll {
    title: String,
    options: Vec<String>,
    /// 0 for any number of choices.
    vote_limit: u32,
    total: usize,
    results: Vec<PollResult>,
}

/// `PollResults`.
#[derive(Serialize)]
struct PollResult {
    id: String,
    name: String,
    count: usize,
    voters: Vec<String>,
}

impl Poll {
    fn of(poll: &vocab::Poll) -> Self {
        let result = |option: &vocab::PollOption| PollResult {
            id: option_id(&option.name),
            name: option.name.clone(),
            count: option.voters.len(),
            voters: option
                .voters
                .iter()
                .map(|user| ids::contact_digits(user, None))
                .collect(),
        };
        Self {
            title: poll.question.clone(),
            options: poll
                .options
                .iter()
                .map(|option| option.name.clone())
                .collect(),
            vote_limit: poll.choices_max.unwrap_or(0),
            total: poll.options.iter().map(|option| option.voters.len()).sum(),
            results: poll.options.iter().map(result).collect(),
        }
    }
}

/// The id of a poll's option: the hash by which WhatsApp's votes name it.
pub(super) fn option_id(name: &str) -> String {
    STANDARD.encode(Sha256::digest(name.as_bytes()))
}

/// `MessageContentEvent`.
#[derive(Serialize)]
pub(super) struct Event {
    is_canceled: bool,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    join_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<u64>,
    /// Ours, like the place: the document leaves both out.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<EventPlace>,
    responses: Vec<EventResponse>,
}

impl Event {
    fn of(event: &vocab::EventBody) -> Self {
        let answers = event.answers.iter();
        Self {
            is_canceled: event.cancelled,
            name: event.name.clone(),
            description: event.description.clone(),
            join_link: event.join_link.clone(),
            start: event.start.map(Timestamp::as_secs),
            end: event.end.map(Timestamp::as_secs),
            location: event.location.as_ref().map(EventPlace::of),
            responses: answers
                .map(|answer| EventResponse::of(&answer.user, None, answer.reply, answer.at))
                .collect(),
        }
    }
}

/// Where an event is, which may have a name only.
#[derive(Serialize)]
struct EventPlace {
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl EventPlace {
    /// Zero degrees both ways, in the open sea, are degrees that WhatsApp's message leaves out.
    fn of(location: &vocab::Location) -> Self {
        let known = location.latitude != 0.0 || location.longitude != 0.0;
        Self {
            latitude: known.then_some(location.latitude),
            longitude: known.then_some(location.longitude),
            name: location.name.clone(),
            address: location.address.clone(),
            url: location.url.clone(),
        }
    }
}

/// `EventResponse`.
#[derive(Serialize)]
pub(super) struct EventResponse {
    participant: String,
    response: &'static str,
    timestamp: u64,
}

impl EventResponse {
    pub(super) fn of(
        user: &UserId,
        alt: Option<&UserId>,
        reply: EventReply,
        at: Timestamp,
    ) -> Self {
        let response = match reply {
            EventReply::Going => "GOING",
            EventReply::NotGoing => "NOT_GOING",
            EventReply::Unknown | EventReply::Maybe => "UNKNOWN",
        };
        Self {
            participant: ids::contact_digits(user, alt),
            response,
            timestamp: at.as_secs(),
        }
    }
}

/// `MessageContentReply`.
#[derive(Serialize)]
pub(super) struct Reply {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_reply: Option<Tapped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buttons_reply: Option<Tapped>,
}

/// `ListReply` and `ButtonsReply`.
#[derive(Serialize)]
struct Tapped {
    id: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl Reply {
    fn of(reply: &vocab::Reply, kind: ReplyKind) -> Self {
        let tapped = Tapped {
            id: reply.id.clone(),
            title: reply.title.clone(),
            description: reply.description.clone(),
        };
        match kind {
            ReplyKind::List => Self {
                kind: "list_reply",
                list_reply: Some(tapped),
                buttons_reply: None,
            },
            ReplyKind::Button | ReplyKind::Template | ReplyKind::Flow => Self {
                kind: "buttons_reply",
                list_reply: None,
                buttons_reply: Some(tapped),
            },
        }
    }
}
