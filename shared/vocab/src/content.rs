//! What a message says: verbs are operations, kinds of content are data.

use serde::{Deserialize, Serialize};

use crate::ids::{MediaId, MessageId, UserId};
use crate::media::MediaSource;

/// The kinds of files a message can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
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
}

impl Content {
    /// Plain words, nobody mentioned.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text {
            body: body.into(),
            mentions: Vec::new(),
        })
    }
}

/// Words of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The words; at most [`crate::messages::TEXT_LEN_MAX`] characters.
    pub body: String,
    /// Who is mentioned in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
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
}

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
    /// One or more contact cards.
    Contacts {
        /// The cards, as vCard text.
        cards: Vec<Card>,
    },
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
    /// Something this release has no words for.
    Other {
        /// The name of the protobuf field that was set, e.g. `poll_creation_message`.
        field: String,
    },
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
}

/// A place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What the place is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A contact card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The name shown.
    pub name: String,
    /// The vCard text.
    pub vcard: String,
}

#[cfg(test)]
mod tests {
    use super::*;

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
        });
        let text = serde_json::to_string(&body).unwrap();
        assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), body);
    }
}
