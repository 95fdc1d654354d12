//! What the account is asked to send.

use std::time::Duration;

use bytes::Bytes;
use switchboard_vocab::content::{
    Card, Interactive, LiveLocation, Location, MediaKind, NewEvent, NewPoll, PreviewBody, StoryText,
};
use switchboard_vocab::messages::{Message, Quote};
use switchboard_vocab::profile::StoryPrivacy;
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};

/// A message to send, its file already at hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The id it will have.
    pub id: MessageId,
    /// Where to.
    pub to: ChatId,
    /// What it says.
    pub content: OutgoingContent,
    /// The message it answers, with the quoted message as the log has it.
    pub quoted: Option<(Quote, Option<Message>)>,
    /// After how long it disappears: the timer of its chat. Kinds without a context stay.
    pub expires: Option<Duration>,
}

/// What an outgoing message says. Everything is checked and every file is at hand.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one value per send, moved once; a box would only cost"
)]
pub enum OutgoingContent {
    /// Words.
    Text {
        /// The words.
        body: String,
        /// Who is mentioned.
        mentions: Vec<UserId>,
        /// Whether everybody in the group is mentioned.
        mention_all: bool,
        /// The preview of a link in them.
        preview: Option<PreviewBody>,
    },
    /// A file.
    Media(OutgoingFile),
    /// A place.
    Location(Location),
    /// A place shown as moving.
    LiveLocation(LiveLocation),
    /// Contact cards.
    Contacts(Vec<Card>),
    /// A poll.
    Poll(NewPoll),
    /// An event.
    Event(NewEvent),
    /// Buttons, a list or cards, with the file of the header and of each card in its place.
    Interactive {
        /// As the caller says; its sources are not looked at.
        content: Interactive,
        /// The file above the words.
        file: Option<OutgoingFile>,
        /// The files of the cards, in their order.
        card_files: Vec<Option<OutgoingFile>>,
    },
    /// A reaction; an empty emoji takes an earlier one back.
    Reaction {
        /// The message reacted to.
        target: Target,
        /// The emoji.
        emoji: String,
    },
    /// New words for an own message.
    Edit {
        /// The message.
        target: Target,
        /// The words.
        body: String,
        /// Who is mentioned.
        mentions: Vec<UserId>,
        /// The protobuf of the message, so that a caption keeps its file. `None` for a text.
        proto: Option<Bytes>,
    },
    /// Deletes a message for everyone.
    Revoke {
        /// The message.
        target: Target,
    },
    /// Pins a message; `None` takes the pin away.
    Pin {
        /// The message.
        target: Target,
        /// For how long.
        period: Option<Duration>,
    },
    /// A message of the log, sent on.
    Forward {
        /// Its protobuf.
        proto: Bytes,
        /// How often it was forwarded before.
        score: u32,
        /// Its words or its caption where they were changed since: the protobuf has the first ones.
        words: Option<String>,
    },
}

impl OutgoingContent {
    /// Plain words, nobody mentioned, no preview.
    #[must_use]
    pub fn words(body: impl Into<String>) -> Self {
        Self::Text {
            body: body.into(),
            mentions: Vec::new(),
            mention_all: false,
            preview: None,
        }
    }
}

/// An earlier message that an outgoing one is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: MessageId,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// Who wrote it; needed in groups.
    pub sender: Option<UserId>,
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingFile {
    /// What to send it as.
    pub kind: MediaKind,
    /// The media type.
    pub mime_type: String,
    /// The bytes.
    pub bytes: Bytes,
    /// Words under it.
    pub caption: Option<String>,
    /// Its file name.
    pub file_name: Option<String>,
    /// Width and height in pixels, for pictures.
    pub size: Option<(u32, u32)>,
    /// A small JPEG shown before the file is downloaded.
    pub thumbnail: Option<Bytes>,
    /// Length in seconds, for sound and films.
    pub seconds: Option<u32>,
    /// Loudness of a voice note, 64 values from 0 to 100.
    pub waveform: Option<Vec<u8>>,
    /// Who is mentioned in the caption.
    pub mentions: Vec<UserId>,
    /// Whether it can be opened once only.
    pub view_once: bool,
}

impl OutgoingFile {
    /// A file with nothing else said.
    #[must_use]
    pub fn new(kind: MediaKind, mime_type: impl Into<String>, bytes: Bytes) -> Self {
        Self {
            kind,
            mime_type: mime_type.into(),
            bytes,
            caption: None,
            file_name: None,
            size: None,
            thumbnail: None,
            seconds: None,
            waveform: None,
            mentions: Vec::new(),
            view_once: false,
        }
    }
}

/// A story to post.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingStory {
    /// The id it will have.
    pub id: MessageId,
    /// What it says.
    pub content: OutgoingStoryContent,
    /// Who sees it: numbers or LIDs. Nobody is an error.
    pub audience: Vec<UserId>,
    /// How the audience was chosen, as the stanza says it.
    pub privacy: StoryPrivacy,
}

/// What a story says.
#[derive(Debug, Clone, PartialEq)]
pub enum OutgoingStoryContent {
    /// Words on a colour.
    Text(StoryText),
    /// A file; for a voice note the colour behind it, as ARGB.
    Media(Box<OutgoingFile>, Option<u32>),
    /// The protobuf of a message of the log.
    Copy(Bytes),
    /// Deletes an own story, which was sent to the same audience.
    Revoke(MessageId),
}

/// A message as it left.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatched {
    /// Its id on WhatsApp.
    pub id: MessageId,
    /// When it was written to the socket.
    pub at: Timestamp,
    /// The protobuf `Message` as it left; see [`Incoming::proto`](crate::Incoming::proto).
    pub proto: Option<Bytes>,
    /// What is needed to download the sent file again.
    pub media_keys: Option<Vec<u8>>,
}
