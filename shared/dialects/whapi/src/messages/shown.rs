//! Messages of the log as this system shows them, in answers and in payloads.

mod action;
mod content;
mod file;
mod place;
mod tappable;

use serde::Serialize;
use switchboard_dialect_kit::{Cx, EventCx};
use switchboard_vocab::content::{Body, Reaction, is_stories};
use switchboard_vocab::messages::{self, DeliveryStatus};
use switchboard_vocab::{MediaId, Timestamp};

use crate::ids;
use content::Content;
pub(crate) use file::MediaFile;

/// Who makes the links to files.
pub(crate) enum Links<'a> {
    /// The call that is answered.
    Call(&'a Cx),
    /// The event that is told.
    Event(&'a EventCx<'a>),
}

impl Links<'_> {
    fn to(&self, media: &MediaId) -> Option<String> {
        match self {
            Self::Call(cx) => cx.media_link(media),
            Self::Event(cx) => Some(cx.media_link(media)),
        }
    }
}

/// `MessageSource`, where it is known.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// A call to this channel.
    Api,
    /// The writer's phone.
    Mobile,
    /// One of the writer's linked devices.
    Web,
}

impl Source {
    fn of(context: &switchboard_vocab::content::Context) -> Option<Self> {
        if context.sent_here {
            return Some(Self::Api);
        }
        Some(match context.device? {
            PHONE => Self::Mobile,
            _ => Self::Web,
        })
    }
}

/// The number of the device that is the phone.
const PHONE: u16 = 0;
/// Where stories stand, as that system's own payloads have it.
const STORIES: &str = "stories";
/// What it calls them, whatever they show. Source: `MessageType`, and the payloads on its help pages.
const STORY: &str = "story";

/// `Message`. `starred`, `pinned_until` and `edited_at` are ours: the document has no words for what it lets callers do.
#[derive(Serialize)]
pub(crate) struct Message {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// What WhatsApp calls a message that the document has no type for.
    #[serde(skip_serializing_if = "Option::is_none")]
    subtype: Option<String>,
    chat_id: String,
    from: String,
    from_me: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(flatten)]
    content: Option<Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<MessageReaction>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    starred: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<u64>,
}

/// `MessageContext`.
#[derive(Serialize, Default, PartialEq)]
struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarding_score: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_content: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_author: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral: Option<u64>,
}

/// `MessageReaction`, one per person.
#[derive(Serialize)]
struct MessageReaction {
    /// Whose.
    id: String,
    emoji: String,
    group_key: String,
    /// Unix seconds.
    t: u64,
    count: u8,
}

impl MessageReaction {
    fn of(reaction: &Reaction) -> Self {
        Self {
            id: ids::contact(&reaction.user, None),
            emoji: reaction.emoji.clone(),
            group_key: reaction.emoji.clone(),
            t: reaction.at.as_secs(),
            count: 1,
        }
    }
}

impl Message {
    /// The message as this system shows it.
    pub(crate) fn of(message: &messages::Message, links: &Links<'_>) -> Self {
        let (body, marks) = (&message.body, &message.marks);
        let content = Content::of(message, links);
        let deleted = matches!(body, Body::Deleted { .. });
        let status = message.from_me.then(|| status(message.status).1);
        let is_story = is_stories(&message.chat);
        Self {
            id: ids::message(&message.id),
            kind: match &content {
                Some(Content::Action(_)) | None => {
                    content.as_ref().map_or("unknown", Content::kind)
                }
                Some(_) if is_story => STORY,
                Some(content) => content.kind(),
            },
            subtype: subtype(body),
            chat_id: if is_story {
                STORIES.to_owned()
            } else {
                ids::chat(&message.chat, message.chat_alt.as_ref())
            },
            from: ids::contact(&message.sender, message.sender_alt.as_ref()),
            from_me: message.from_me,
            from_name: message.push_name.clone(),
            source: Source::of(&message.context),
            timestamp: message.at.as_secs(),
            device_id: message.context.device,
            status: if deleted { Some("deleted") } else { status },
            content,
            context: context(message, links),
            reactions: marks.reactions.iter().map(MessageReaction::of).collect(),
            starred: marks.starred,
            pinned_until: marks.pinned_until.map(Timestamp::as_secs),
            edited_at: marks.edited_at.map(Timestamp::as_secs),
        }
    }

    /// The same, known to have been sent by a call.
    pub(crate) fn by_api(mut self) -> Self {
        self.source = Some(Source::Api);
        self
    }
}

/// Code and word of a status. Source: the order of `StatusEnum`; the codes of the public samples agree.
pub(crate) const fn status(status: DeliveryStatus) -> (u8, &'static str) {
    match status {
        DeliveryStatus::Failed => (0, "failed"),
        DeliveryStatus::Pending => (1, "pending"),
        DeliveryStatus::Server => (2, "sent"),
        DeliveryStatus::Delivered => (3, "delivered"),
        DeliveryStatus::Read => (4, "read"),
        DeliveryStatus::Played => (5, "played"),
    }
}

fn subtype(body: &Body) -> Option<String> {
    match body {
        Body::Other { field } => Some(field.clone()),
        Body::Unreadable { .. } => Some("unreadable".to_owned()),
        Body::Deleted { .. } => Some("deleted".to_owned()),
        Body::Text(_)
        | Body::Media(_)
        | Body::Location(_)
        | Body::LiveLocation(_)
        | Body::Contacts { .. }
        | Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_)
        | Body::Reaction { .. }
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. } => None,
    }
}

fn context(message: &messages::Message, links: &Links<'_>) -> Option<Context> {
    let around = &message.context;
    let in_text = if let Body::Text(text) = &message.body {
        text.mentions.as_slice()
    } else {
        &[]
    };
    let mentions = if around.mentions.is_empty() {
        in_text
    } else {
        &around.mentions
    };
    let quoted = message.quoted.as_ref();
    let said = quoted.and_then(|_| {
        let body = around.quoted_body.as_deref()?;
        Content::of_body(body, message.at, false, None, links)
    });
    let context = Context {
        forwarded: message.forwarded.then_some(true),
        forwarding_score: around.forwarding_score,
        mentions: mentions
            .iter()
            .map(|user| ids::contact(user, None))
            .collect(),
        quoted_id: quoted.map(|quote| ids::message(&quote.id)),
        quoted_type: said.as_ref().map(Content::kind),
        quoted_content: said.as_ref().and_then(Content::bare),
        quoted_author: quoted
            .and_then(|quote| quote.author.as_ref())
            .map(|user| ids::contact(user, None)),
        ephemeral: around.ephemeral.map(|period| period.as_secs()),
    };
    (context != Context::default()).then_some(context)
}
