//! What a message of the log says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Card, EventBody, EventReply, Interactive, LiveLocation, Location, MediaKind, Poll, Reply, Text,
};
use crate::ids::{ChatId, MediaId, MessageId, UserId};
use crate::time::Timestamp;

/// What a message in the log says: incoming or own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// Words.
    Text(Text),
    /// A file.
    Media(MediaBody),
    /// A place.
    Location(Location),
    /// A place that keeps moving.
    LiveLocation(LiveLocation),
    /// One or more contact cards.
    Contacts {
        /// The cards, as vCard text.
        cards: Vec<Card>,
    },
    /// A poll, with the votes that stand.
    Poll(Poll),
    /// An event, with the answers that stand.
    Event(EventBody),
    /// Buttons, a list or cards.
    Interactive(Interactive),
    /// An answer to buttons or a list.
    Reply(Reply),
    /// An invitation to a group.
    Invite(Invite),
    /// A reaction to another message; an empty emoji takes it back.
    Reaction {
        /// The message reacted to.
        to: MessageId,
        /// The emoji.
        emoji: String,
    },
    /// New words for an earlier message.
    Edited {
        /// The message that changed.
        target: MessageId,
        /// Its new words.
        body: String,
    },
    /// An earlier message was deleted for everyone.
    Revoked {
        /// The message that is gone.
        target: MessageId,
    },
    /// Choices in a poll; none takes earlier ones back.
    Vote {
        /// The poll.
        poll: MessageId,
        /// The chosen options. `None` when the vote could not be decrypted.
        options: Option<Vec<String>>,
    },
    /// An answer to an event.
    EventReply {
        /// The event.
        event: MessageId,
        /// The answer. `None` when it could not be decrypted.
        reply: Option<EventReply>,
    },
    /// An earlier message was pinned in its chat, or no longer is.
    Pinned {
        /// The message.
        target: MessageId,
        /// For how long; `None` = it is no longer pinned.
        period: Option<Duration>,
    },
    /// The chat's messages disappear after another time from now on.
    Timer {
        /// After how long; zero = they stay.
        period: Duration,
    },
    /// It was deleted for everyone; what it said is gone.
    Deleted {
        /// Who deleted it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// It could not be read: its content is not for linked devices, or never could be decrypted.
    Unreadable {
        /// Why, in words for an operator.
        reason: String,
    },
    /// Something this release has no words for.
    Other {
        /// The name of the protobuf field that was set, e.g. `payment_invite_message`.
        field: String,
    },
}

/// The kinds of bodies, for filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// [`Body::Text`].
    Text,
    /// [`Body::Media`].
    Media,
    /// [`Body::Location`].
    Location,
    /// [`Body::LiveLocation`].
    LiveLocation,
    /// [`Body::Contacts`].
    Contacts,
    /// [`Body::Poll`].
    Poll,
    /// [`Body::Event`].
    Event,
    /// [`Body::Interactive`].
    Interactive,
    /// [`Body::Reply`].
    Reply,
    /// [`Body::Invite`].
    Invite,
    /// [`Body::Reaction`].
    Reaction,
    /// [`Body::Edited`].
    Edited,
    /// [`Body::Revoked`].
    Revoked,
    /// [`Body::Vote`].
    Vote,
    /// [`Body::EventReply`].
    EventReply,
    /// [`Body::Pinned`].
    Pinned,
    /// [`Body::Timer`].
    Timer,
    /// [`Body::Deleted`].
    Deleted,
    /// [`Body::Unreadable`].
    Unreadable,
    /// [`Body::Other`].
    Other,
}

impl Body {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> BodyKind {
        match self {
            Self::Text(_) => BodyKind::Text,
            Self::Media(_) => BodyKind::Media,
            Self::Location(_) => BodyKind::Location,
            Self::LiveLocation(_) => BodyKind::LiveLocation,
            Self::Contacts { .. } => BodyKind::Contacts,
            Self::Poll(_) => BodyKind::Poll,
            Self::Event(_) => BodyKind::Event,
            Self::Interactive(_) => BodyKind::Interactive,
            Self::Reply(_) => BodyKind::Reply,
            Self::Invite(_) => BodyKind::Invite,
            Self::Reaction { .. } => BodyKind::Reaction,
            Self::Edited { .. } => BodyKind::Edited,
            Self::Revoked { .. } => BodyKind::Revoked,
            Self::Vote { .. } => BodyKind::Vote,
            Self::EventReply { .. } => BodyKind::EventReply,
            Self::Pinned { .. } => BodyKind::Pinned,
            Self::Timer { .. } => BodyKind::Timer,
            Self::Deleted { .. } => BodyKind::Deleted,
            Self::Unreadable { .. } => BodyKind::Unreadable,
            Self::Other { .. } => BodyKind::Other,
        }
    }

    /// The earlier message that this one acts on, when it is no conversation of its own.
    #[must_use]
    pub const fn target(&self) -> Option<&MessageId> {
        match self {
            Self::Reaction { to, .. } => Some(to),
            Self::Edited { target, .. }
            | Self::Revoked { target }
            | Self::Pinned { target, .. } => Some(target),
            Self::Vote { poll, .. } => Some(poll),
            Self::EventReply { event, .. } => Some(event),
            Self::Text(_)
            | Self::Media(_)
            | Self::Location(_)
            | Self::LiveLocation(_)
            | Self::Contacts { .. }
            | Self::Poll(_)
            | Self::Event(_)
            | Self::Interactive(_)
            | Self::Reply(_)
            | Self::Invite(_)
            | Self::Timer { .. }
            | Self::Deleted { .. }
            | Self::Unreadable { .. }
            | Self::Other { .. } => None,
        }
    }

    /// The words a person reads in it: text, caption, question, name. Search looks here.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.body),
            Self::Media(media) => media.caption.as_deref().or(media.file_name.as_deref()),
            Self::Location(place) => place.name.as_deref().or(place.address.as_deref()),
            Self::LiveLocation(place) => place.caption.as_deref(),
            Self::Contacts { cards } => cards.first().map(|card| &*card.name),
            Self::Poll(poll) => Some(&poll.question),
            Self::Event(event) => Some(&event.name),
            Self::Interactive(interactive) => Some(&interactive.body),
            Self::Reply(reply) => Some(&reply.title),
            Self::Invite(invite) => invite.caption.as_deref().or(Some(&invite.name)),
            Self::Edited { body, .. } => Some(body),
            Self::Reaction { .. }
            | Self::Revoked { .. }
            | Self::Vote { .. }
            | Self::EventReply { .. }
            | Self::Pinned { .. }
            | Self::Timer { .. }
            | Self::Deleted { .. }
            | Self::Unreadable { .. }
            | Self::Other { .. } => None,
        }
    }
}

/// A file in a message of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaBody {
    /// What it was sent as. Its name on the wire leaves `kind` to the tag of [`Body`].
    #[serde(rename = "as_kind")]
    pub kind: MediaKind,
    /// The file in the session's media store; its bytes may still have to be downloaded.
    pub id: MediaId,
    /// The media type, e.g. `image/jpeg`.
    pub mime_type: String,
    /// Size in bytes, as the sender said.
    pub size: u64,
    /// SHA-256 of the bytes, lowercase hex.
    pub sha256: String,
    /// Words under the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// The file name the sender gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Width in pixels, for pictures and films.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels, for pictures and films.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Length in seconds, for sound and films.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// Loudness of a voice note over its length, 64 values from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waveform: Option<Vec<u8>>,
    /// A small JPEG of it, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
}

/// The preview of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewBody {
    /// The link as it stands in the words.
    pub link: String,
    /// Headline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The page's canonical address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical: Option<String>,
    /// A small JPEG, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
}

/// An invitation to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// The group.
    pub group: ChatId,
    /// What it is called.
    pub name: String,
    /// The code that lets the invited person in.
    pub code: String,
    /// When the code ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Words with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}
