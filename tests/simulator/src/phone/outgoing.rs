//! Messages a phone sends by itself.

use rand::{CryptoRng, Rng, RngExt as _};
use waproto::whatsapp as wa;

use super::{MediaKind, SealedMedia};

/// Where the media host put a sealed file: the answer to its upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAt {
    /// Full address. Some clients download from here, so its host must be one they can reach.
    pub url: String,
    /// Path on any media host.
    pub direct_path: String,
}

/// What is special about a film or a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileForm {
    /// Nothing.
    #[default]
    Plain,
    /// A film that plays by itself, without sound.
    Gif,
    /// A round film.
    Round,
    /// A voice note.
    Voice,
}

/// What the user adds to a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaDetails {
    /// MIME type of the plain file.
    pub mimetype: String,
    /// Text below the file. Ignored for sounds and stickers, which have none.
    pub caption: Option<String>,
    /// Name, for documents.
    pub file_name: Option<String>,
    /// What is special about it.
    pub form: FileForm,
    /// Length of a sound or film, in seconds.
    pub seconds: Option<u32>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Loudness of a voice note, 64 values from 0 to 100.
    pub waveform: Option<Vec<u8>>,
    /// Small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// Pages of a document.
    pub pages: Option<u32>,
    /// Whether a sticker moves.
    pub animated: bool,
    /// Whether it may be opened once only.
    pub view_once: bool,
}

/// A plain text.
pub fn text_message<R: Rng + CryptoRng>(text: &str, rng: &mut R) -> wa::Message {
    wa::Message {
        conversation: Some(text.to_owned()),
        message_context_info: context(rng),
        ..Default::default()
    }
}

/// What messages of all five types say about their file.
struct Stored {
    at: StoredAt,
    mimetype: String,
    timestamp: Option<i64>,
}

/// A message of one of the five types, with the fields that all of them have.
macro_rules! file {
    ($stored:ident, $media:ident, $type:ident { $($field:ident $(: $value:expr)?),* $(,)? }) => {
        wa::message::$type {
            url: Some($stored.at.url),
            direct_path: Some($stored.at.direct_path),
            mimetype: Some($stored.mimetype),
            media_key: Some($media.media_key.to_vec()),
            media_key_timestamp: $stored.timestamp,
            file_sha256: Some($media.file_sha256.to_vec()),
            file_enc_sha256: Some($media.file_enc_sha256.to_vec()),
            file_length: Some($media.file_length),
            $($field $(: $value)?,)*
            ..Default::default()
        }
        .into()
    };
}

/// A message that refers to an uploaded file. `now` is in Unix seconds.
pub fn media_message<R: Rng + CryptoRng>(
    media: &SealedMedia,
    at: StoredAt,
    mut details: MediaDetails,
    now: u64,
    rng: &mut R,
) -> wa::Message {
    let stored = Stored {
        at,
        mimetype: std::mem::take(&mut details.mimetype),
        timestamp: i64::try_from(now).ok(),
    };
    let message = match media.kind {
        MediaKind::Video | MediaKind::Audio => with_length(media, stored, details),
        MediaKind::Image | MediaKind::Document | MediaKind::Sticker => {
            without_length(media, stored, details)
        }
    };
    wa::Message {
        message_context_info: context(rng),
        ..message
    }
}

/// Films and sounds.
fn with_length(media: &SealedMedia, stored: Stored, details: MediaDetails) -> wa::Message {
    let mut message = wa::Message::default();
    let seconds = details.seconds;
    let view_once = details.view_once.then_some(true);
    if media.kind == MediaKind::Audio {
        let ptt = (details.form == FileForm::Voice).then_some(true);
        let waveform = details.waveform;
        message.audio_message = file!(
            stored,
            media,
            AudioMessage {
                seconds,
                view_once,
                waveform,
                ptt
            }
        );
        return message;
    }
    let round = details.form == FileForm::Round;
    let video = file!(
        stored,
        media,
        VideoMessage {
            caption: details.caption.filter(|_| !round),
            seconds,
            width: details.width,
            height: details.height,
            jpeg_thumbnail: details.thumbnail,
            view_once,
            gif_playback: (details.form == FileForm::Gif).then_some(true),
        }
    );
    if round {
        message.ptv_message = video;
    } else {
        message.video_message = video;
    }
    message
}

/// Pictures, documents and stickers.
fn without_length(media: &SealedMedia, stored: Stored, details: MediaDetails) -> wa::Message {
    let mut message = wa::Message::default();
    let (caption, jpeg_thumbnail) = (details.caption, details.thumbnail);
    let (width, height) = (details.width, details.height);
    match media.kind {
        MediaKind::Document => {
            let title = details.file_name.clone();
            message.document_message = file!(
                stored,
                media,
                DocumentMessage {
                    caption,
                    title,
                    jpeg_thumbnail,
                    page_count: details.pages,
                    file_name: details.file_name
                }
            );
        }
        MediaKind::Sticker => {
            let is_animated = details.animated.then_some(true);
            message.sticker_message = file!(
                stored,
                media,
                StickerMessage {
                    width,
                    height,
                    is_animated
                }
            );
        }
        MediaKind::Image | MediaKind::Video | MediaKind::Audio => {
            let view_once = details.view_once.then_some(true);
            message.image_message = file!(
                stored,
                media,
                ImageMessage {
                    caption,
                    width,
                    height,
                    jpeg_thumbnail,
                    view_once,
                }
            );
        }
    }
    message
}

/// The copy of a sent message for the own companions. `chat` is the jid of the chat it went to.
#[must_use]
pub fn device_sent(chat: &str, message: &wa::Message) -> wa::Message {
    let mut inner = message.clone();
    // Clients look for the context outside the wrapper.
    let context = inner.message_context_info.take();
    let copy = wa::message::DeviceSentMessage {
        destination_jid: Some(chat.to_owned()),
        message: inner.into(),
        ..Default::default()
    };
    wa::Message {
        device_sent_message: copy.into(),
        message_context_info: context.into(),
        ..Default::default()
    }
}

/// Each message has its own secret, from which later votes, edits and reactions to it derive keys.
fn context<R: Rng + CryptoRng>(rng: &mut R) -> buffa::MessageField<wa::MessageContextInfo> {
    wa::MessageContextInfo {
        message_secret: Some(secret(rng)),
        ..Default::default()
    }
    .into()
}

/// A new message secret.
pub(super) fn secret<R: Rng + CryptoRng>(rng: &mut R) -> Vec<u8> {
    let secret: [u8; 32] = rng.random();
    secret.to_vec()
}
