//! Files in messages.

use switchboard_vocab::MessageId;
use switchboard_vocab::content::{Body, MediaBody, MediaKind};
use waproto::whatsapp as wa;

use super::body::Said;
use super::context;
use crate::media::{MediaKeys, StoredKind};

/// Most values of a waveform that are kept; WhatsApp's clients send 64.
const WAVEFORM_MAX: usize = 256;

/// A file and what is told of it.
struct File<'a> {
    keys: MediaKeys,
    kind: MediaKind,
    mime_type: String,
    info: Option<&'a wa::ContextInfo>,
    caption: Option<&'a str>,
    file_name: Option<&'a str>,
    size: (Option<u32>, Option<u32>),
    seconds: Option<u32>,
    waveform: Option<&'a [u8]>,
    thumbnail: Option<&'a [u8]>,
    view_once: bool,
}

/// The fields all kinds of files share. A macro, because the generated types share no trait.
macro_rules! file {
    ($file:expr, $kind:expr, $mime:expr) => {
        File {
            keys: MediaKeys {
                kind: StoredKind::from($kind),
                direct_path: $file.direct_path.clone(),
                static_url: None,
                media_key: $file.media_key.clone(),
                file_enc_sha256: $file.file_enc_sha256.clone(),
                file_sha256: $file.file_sha256.clone(),
                size: $file.file_length,
            },
            kind: $kind,
            mime_type: $file.mimetype.clone().unwrap_or_else(|| $mime.to_owned()),
            info: $file.context_info.as_option(),
            caption: None,
            file_name: None,
            size: (None, None),
            seconds: None,
            waveform: None,
            thumbnail: None,
            view_once: false,
        }
    };
}

/// Reads a file.
pub(super) fn read(message: &wa::Message, id: &MessageId) -> Option<Said> {
    find(message)?.said(id)
}

fn find(message: &wa::Message) -> Option<File<'_>> {
    let image = message.image_message.as_option();
    let video = message.video_message.as_option();
    let round = message.ptv_message.as_option();
    let audio = message.audio_message.as_option();
    let document = message.document_message.as_option();
    let sticker = message.sticker_message.as_option();
    None.or_else(|| image.map(of_image))
        .or_else(|| video.map(|video| of_video(video, false)))
        .or_else(|| round.map(|video| of_video(video, true)))
        .or_else(|| audio.map(of_audio))
        .or_else(|| document.map(of_document))
        .or_else(|| sticker.map(of_sticker))
}

/// The file of a header, as a message of its own would carry it.
fn of_image(image: &wa::message::ImageMessage) -> File<'_> {
    let mut file = file!(image, MediaKind::Image, "image/jpeg");
    file.keys.static_url = image.static_url.clone();
    file.caption = image.caption.as_deref();
    file.size = (image.width, image.height);
    file.thumbnail = image.jpeg_thumbnail.as_deref();
    file.view_once = image.view_once.unwrap_or(false);
    file
}

fn of_video(video: &wa::message::VideoMessage, round: bool) -> File<'_> {
    let kind = match (round, video.gif_playback) {
        (true, _) => MediaKind::ShortVideo,
        (false, Some(true)) => MediaKind::Gif,
        (false, _) => MediaKind::Video,
    };
    let mut file = file!(video, kind, "video/mp4");
    file.keys.static_url = video.static_url.clone();
    file.caption = video.caption.as_deref();
    file.size = (video.width, video.height);
    file.seconds = video.seconds;
    file.thumbnail = video.jpeg_thumbnail.as_deref();
    file.view_once = video.view_once.unwrap_or(false);
    file
}

fn of_audio(audio: &wa::message::AudioMessage) -> File<'_> {
    let kind = if audio.ptt == Some(true) {
        MediaKind::Voice
    } else {
        MediaKind::Audio
    };
    let mut file = file!(audio, kind, "audio/ogg; codecs=opus");
    file.seconds = audio.seconds;
    file.waveform = audio.waveform.as_deref();
    file.view_once = audio.view_once.unwrap_or(false);
    file
}

fn of_document(document: &wa::message::DocumentMessage) -> File<'_> {
    let mut file = file!(document, MediaKind::Document, "application/octet-stream");
    file.caption = document.caption.as_deref();
    file.file_name = document.file_name.as_deref().or(document.title.as_deref());
    file.thumbnail = document.jpeg_thumbnail.as_deref();
    file
}

fn of_sticker(sticker: &wa::message::StickerMessage) -> File<'_> {
    let mut file = file!(sticker, MediaKind::Sticker, "image/webp");
    file.size = (sticker.width, sticker.height);
    file.thumbnail = sticker.png_thumbnail.as_deref();
    file
}

impl File<'_> {
    fn said(self, id: &MessageId) -> Option<Said> {
        let body = Body::Media(MediaBody {
            kind: self.kind,
            id: self.keys.media_id(id)?,
            mime_type: self.mime_type,
            size: self.keys.size.unwrap_or(0),
            sha256: self
                .keys
                .file_sha256
                .as_deref()
                .map(hex::encode)
                .unwrap_or_default(),
            caption: self
                .caption
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            file_name: self
                .file_name
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            width: self.size.0,
            height: self.size.1,
            seconds: self.seconds,
            waveform: self
                .waveform
                .filter(|values| !values.is_empty() && values.len() <= WAVEFORM_MAX)
                .map(<[u8]>::to_vec),
            thumbnail: context::thumbnail(self.thumbnail),
        });
        let mut said = Said::with(body, self.info);
        said.context.view_once = self.view_once;
        said.media_keys = self.keys.to_bytes();
        Some(said)
    }
}
