//! Media as it travels: where bytes come from, and what is known of a file.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::content::MediaKind;
use crate::ids::{MediaId, MessageId, UploadId};
use crate::operation::Effect;
use crate::time::Timestamp;

/// Where the bytes of an outgoing file come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// The owner fetches this http(s) address behind the egress guard.
    Url(String),
    /// The bytes themselves. Only between a dialect and the router's staging; never on the bus.
    Inline(InlineBytes),
    /// Bytes that the router has uploaded to the owner, to be used once.
    Staged {
        /// Names the upload.
        upload: UploadId,
        /// Size in bytes.
        size: u64,
    },
    /// A file in the session's media store.
    Stored(MediaId),
}

/// Bytes inside a call; written as base64 where a test writes them at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InlineBytes(pub Bytes);

impl Serialize for InlineBytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::fmt::Write;
        let mut text = String::with_capacity(self.0.len() * 2);
        for byte in &self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for InlineBytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        if text.len() % 2 != 0 {
            return Err(D::Error::custom("hex text has an odd length"));
        }
        (0..text.len())
            .step_by(2)
            .map(|at| {
                text.get(at..at + 2)
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                    .ok_or_else(|| D::Error::custom("not hex text"))
            })
            .collect::<Result<Vec<u8>, _>>()
            .map(|bytes| Self(bytes.into()))
    }
}

/// A file of a message, as our media store knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredMedia {
    /// Names the file within its session.
    pub id: MediaId,
    /// What it was sent as.
    pub kind: MediaKind,
    /// The media type, e.g. `image/jpeg`.
    pub mime_type: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, lowercase hex.
    pub sha256: String,
    /// The file name the sender gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
}

/// Puts a file into the session's media store, to be sent by id later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Store {
    /// Where the bytes come from.
    pub source: MediaSource,
    /// The media type the caller declared; the bytes are looked at when it is absent.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// The file name the caller gave.
    #[serde(default)]
    pub file_name: Option<String>,
}

impl crate::Operation for Store {
    type Output = StoredMedia;
    const NAME: &'static str = "media.store";
    const SCOPE: crate::Scope = crate::Scope::Session;
    const EFFECT: Effect = Effect::Write;

    fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        vec![&mut self.source]
    }
}

/// Makes sure that a file can be read, downloading it from WhatsApp when only its keys are known.
///
/// The bytes follow in chunks (see [`crate::envelope::Verb::ReadMedia`]); the answer says how many there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Which file.
    pub target: MediaTarget,
}
crate::operation!(Open => StoredMedia, "media.open", Effect::Read);

/// How a caller names a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaTarget {
    /// By its own id.
    Media(MediaId),
    /// By the message that carries it.
    Message(MessageId),
    /// By what WhatsApp told of it.
    Keys(Box<MediaKeys>),
}

/// What WhatsApp tells of a file: enough to download and decrypt it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaKeys {
    /// What it was sent as; the key is derived for this kind.
    pub kind: MediaKind,
    /// Its address at WhatsApp's media host.
    #[serde(default)]
    pub url: Option<String>,
    /// Its path there.
    #[serde(default)]
    pub direct_path: Option<String>,
    /// The media key, 32 bytes as lowercase hex.
    pub media_key: String,
    /// SHA-256 of the encrypted file, lowercase hex.
    #[serde(default)]
    pub encrypted_sha256: Option<String>,
    /// SHA-256 of the file, lowercase hex.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Size of the file in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// Its media type.
    #[serde(default)]
    pub mime_type: Option<String>,
}

/// Most files one listing returns.
pub const LIST_LIMIT_MAX: u32 = 500;

/// Lists the files in the session's media store, those stored last first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only those stored from this moment on.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Only those stored up to this moment.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Whether those stored first come first.
    #[serde(default)]
    pub oldest_first: bool,
    /// Skip this many.
    #[serde(default)]
    pub offset: u32,
    /// At most this many, at most [`LIST_LIMIT_MAX`].
    pub limit: u32,
}
crate::operation!(List => MediaList, "media.list", Effect::Read);

/// Files of the media store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaList {
    /// The page.
    pub files: Vec<ListedMedia>,
    /// How many match in all.
    pub total: u64,
}

/// A file of the media store and when it was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedMedia {
    /// The file.
    pub media: StoredMedia,
    /// When it was stored.
    pub stored_at: Timestamp,
}

/// Removes a file from the session's media store. What was sent stays at WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Which one.
    pub id: MediaId,
}
crate::operation!(Delete => Removed, "media.delete", Effect::Write);

/// The file is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {}
