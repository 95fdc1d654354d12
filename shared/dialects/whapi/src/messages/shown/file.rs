//! Files, in messages and in the list of files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use switchboard_vocab::Timestamp;
use switchboard_vocab::content::MediaBody;
use switchboard_vocab::media::StoredMedia;

use super::Links;
use crate::ids;

/// `MediaFile`. The document requires `time` and defines `timestamp`, and has two spellings of the file's name: all are sent.
#[derive(Serialize)]
pub(crate) struct MediaFile {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    mime_type: String,
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    /// Base64, as in that system's own samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    timestamp: u64,
    time: u64,
}

impl MediaFile {
    /// A file of the store.
    pub(crate) fn of(media: &StoredMedia, at: Timestamp, links: &Links<'_>) -> Self {
        Self {
            id: ids::media(&media.id),
            link: links.to(&media.id),
            mime_type: media.mime_type.clone(),
            file_size: media.size,
            file_name: media.file_name.clone(),
            filename: media.file_name.clone(),
            sha256: hex::decode(&media.sha256)
                .ok()
                .map(|sum| STANDARD.encode(sum)),
            timestamp: at.as_secs(),
            time: at.as_secs(),
        }
    }
}

/// `MediaFile` with what the kinds of messages add.
#[derive(Serialize)]
pub(super) struct File {
    #[serde(flatten)]
    file: MediaFile,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u32>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    waveform: Option<String>,
    /// A data URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    view_once: bool,
}

impl File {
    /// The file of a message.
    pub(super) fn of(media: &MediaBody, at: Timestamp, once: bool, links: &Links<'_>) -> Self {
        let stored = StoredMedia {
            id: media.id.clone(),
            kind: media.kind,
            mime_type: media.mime_type.clone(),
            size: media.size,
            sha256: media.sha256.clone(),
            file_name: media.file_name.clone(),
        };
        Self {
            file: MediaFile::of(&stored, at, links),
            caption: media.caption.clone(),
            width: media.width,
            height: media.height,
            seconds: media.seconds,
            waveform: media.waveform.as_ref().map(|bars| STANDARD.encode(bars)),
            preview: media.thumbnail.as_deref().map(picture),
            view_once: once,
        }
    }
}

/// A small picture as a data URI.
pub(super) fn picture(base64: &str) -> String {
    format!("data:image/jpeg;base64,{base64}")
}
