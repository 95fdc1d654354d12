//! What a message says: verbs are operations, kinds of content are data.

mod body;
mod event;
mod interactive;
mod place;
mod poll;
mod story;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, UserId};
use crate::media::MediaSource;
use crate::time::Timestamp;

pub use body::{Body, BodyKind, Invite, MediaBody, PreviewBody};
pub use event::{EventAnswer, EventBody, EventReply, NewEvent};
pub use interactive::{
    Action, BUTTONS_MAX, Button, CARDS_MAX, CarouselCard, Interactive, ROWS_MAX, Reply, ReplyKind,
    Row, Section,
};
pub use place::{Card, LiveLocation, Location};
pub use poll::{NewPoll, POLL_OPTIONS_MAX, POLL_OPTIONS_MIN, Poll, PollOption};
pub use story::{Audience, Font, StoryContent, StoryText};

/// The kinds of files a message can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A film without sound that plays in a loop; MP4 on the wire.
    Gif,
    /// A short round film.
    ShortVideo,
    /// A sound file.
    Audio,
    /// A voice note.
    Voice,
    /// Any file.
    Document,
    /// A sticker.
    Sticker,
}

/// What an outgoing message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Words.
    Text(Text),
    /// A file.
    Media(OutgoingMedia),
    /// A place.
    Location(Location),
    /// A place that is shown as moving. A linked device cannot send the updates: it stays where it was sent.
    LiveLocation(LiveLocation),
    /// One or more contact cards.
    Contacts {
        /// The cards, as vCard text; at least one.
        cards: Vec<Card>,
    },
    /// The contact card of somebody, with the name the store knows them by.
    Person {
        /// Whose card, by phone number.
        user: UserId,
        /// The number as people read it; the name of somebody the store does not know.
        number: String,
    },
    /// A poll.
    Poll(NewPoll),
    /// An invitation to an event.
    Event(NewEvent),
    /// Buttons, a list, or a row of cards. WhatsApp promises no delivery of these to linked devices.
    Interactive(Interactive),
}

impl Content {
    /// Plain words, nobody mentioned.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text {
            body: body.into(),
            ..Text::default()
        })
    }

    /// The files this content carries, so that bytes can travel apart from the call.
    pub fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        match self {
            Self::Text(text) => match &mut text.preview {
                LinkPreview::Given(given) => given.thumbnail.iter_mut().collect(),
                LinkPreview::Off | LinkPreview::Auto => Vec::new(),
            },
            Self::Media(media) => media.media_mut(),
            Self::Interactive(interactive) => interactive.media_mut(),
            Self::Location(_)
            | Self::LiveLocation(_)
            | Self::Contacts { .. }
            | Self::Person { .. }
            | Self::Poll(_)
            | Self::Event(_) => Vec::new(),
        }
    }
}

/// Words of a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// The words; at most [`crate::messages::TEXT_LEN_MAX`] characters.
    pub body: String,
    /// Who is mentioned in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether everybody in the group is mentioned.
    #[serde(default)]
    pub mention_all: bool,
    /// The preview of the first link in them. Only for sending; what was sent or received is in
    /// [`Context::preview`].
    #[serde(default)]
    pub preview: LinkPreview,
}

/// The preview of a link in words that are sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPreview {
    /// None.
    #[default]
    Off,
    /// The node reads the page behind the egress guard; without an answer the words go without a preview.
    Auto,
    /// As the caller says.
    Given(GivenPreview),
}

/// A preview that the caller wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenPreview {
    /// The link as it stands in the words; the first one in them when absent.
    #[serde(default)]
    pub link: Option<String>,
    /// Headline.
    pub title: String,
    /// What is below it.
    #[serde(default)]
    pub description: Option<String>,
    /// The page's canonical address.
    #[serde(default)]
    pub canonical: Option<String>,
    /// A picture; made small by the node.
    #[serde(default)]
    pub thumbnail: Option<MediaSource>,
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutgoingMedia {
    /// What to send it as.
    pub as_kind: MediaKind,
    /// Where the bytes come from.
    pub source: MediaSource,
    /// The media type the caller declared; the bytes are looked at in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Words under the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// The file name shown for documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Whether its type decides what it is sent as, once the bytes are here; a document where nothing tells.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_type: bool,
    /// Who is mentioned in the caption.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether it can be opened once only. Pictures, films and voice notes.
    #[serde(default)]
    pub view_once: bool,
    /// Length in seconds as the caller says; read from the file when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// Loudness of a voice note over its length, 64 values from 0 to 100; made from the sound when absent.
    /// Source: WhatsApp's own clients show 64 bars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waveform: Option<Vec<u8>>,
    /// Width and height in pixels as the caller says; read from the file when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// A picture shown before the file is downloaded; made from the file when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<MediaSource>,
}

impl OutgoingMedia {
    /// A file with nothing else said.
    #[must_use]
    pub const fn new(as_kind: MediaKind, source: MediaSource) -> Self {
        Self {
            as_kind,
            source,
            mime_type: None,
            caption: None,
            file_name: None,
            by_type: false,
            mentions: Vec::new(),
            view_once: false,
            seconds: None,
            waveform: None,
            size: None,
            thumbnail: None,
        }
    }

    /// Its files.
    pub fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        let mut all = vec![&mut self.source];
        all.extend(self.thumbnail.as_mut());
        all
    }
}

/// What stands around a message: what it refers to and how it travelled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Who is mentioned, in words of any kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether everybody in the group is mentioned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mention_all: bool,
    /// What the quoted message says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted_body: Option<Box<Body>>,
    /// How often it was forwarded before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding_score: Option<u32>,
    /// After how long it disappears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Duration>,
    /// Whether it could be opened once only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub view_once: bool,
    /// The preview of a link in its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewBody>,
    /// The account's own address, on messages of others: whom they were sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    /// Whether this session sent it, and not another device of the account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sent_here: bool,
    /// Which device of the writer it came from, where WhatsApp told: 0 is the phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u16>,
    /// Whether it came with the history of the phone and not while the session was linked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_history: bool,
}

/// What happened to a message since.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    /// Whether this account starred it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub starred: bool,
    /// Until when it is pinned in its chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_until: Option<Timestamp>,
    /// When its words were last changed; the body has the new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// The reactions that stand, one per person, at most [`REACTIONS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
}

/// Most reactions kept with one message. Source: a group has at most 1,024 members.
pub const REACTIONS_MAX: usize = 1_024;

/// A reaction that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Whose.
    pub user: UserId,
    /// The emoji.
    pub emoji: String,
    /// When.
    pub at: Timestamp,
}

/// Whether the address is the one that stories go to.
#[must_use]
pub fn is_stories(chat: &ChatId) -> bool {
    matches!(chat, ChatId::Broadcast(part) if &**part == STORIES)
}

/// The user part of the address that stories go to. Source: WhatsApp's `status@broadcast`.
pub const STORIES: &str = "status";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MediaId;

    #[test]
    fn a_file_in_a_body_survives_the_bus() {
        let body = Body::Media(MediaBody {
            kind: MediaKind::Voice,
            id: MediaId::parse("m1").unwrap(),
            mime_type: "audio/ogg".into(),
            size: 1,
            sha256: "00".into(),
            caption: None,
            file_name: None,
            width: None,
            height: None,
            seconds: Some(1),
            waveform: None,
            thumbnail: None,
        });
        let text = serde_json::to_string(&body).unwrap();
        assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), body);
    }
}
