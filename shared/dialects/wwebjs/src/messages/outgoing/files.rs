//! Files to send: inside the request, or behind a link.

use serde::Deserialize;
use switchboard_dialect_kit::Reject;
use switchboard_dialect_kit::media::{self, Given};
use switchboard_vocab::UserId;
use switchboard_vocab::content::{MediaKind, OutgoingMedia};
use switchboard_vocab::messages::CAPTION_LEN_MAX;

use super::options::Options;
use crate::ids::{at_most, invalid};

/// `MessageMedia`. The size is not read: the bytes are counted.
#[derive(Deserialize)]
pub(super) struct MessageMedia {
    mimetype: String,
    data: String,
    filename: Option<String>,
}

/// A file as the options want it.
pub(super) fn file(
    given: Given,
    caption: Option<String>,
    mentions: Vec<UserId>,
    options: &Options,
) -> Result<OutgoingMedia, Reject> {
    let as_kind = kind(given.mime_type.as_deref(), options);
    let caption = captioned(as_kind, caption)?;
    if !mentions.is_empty() && caption.is_none() {
        return Err(invalid("options.mentions", "there is no caption for them"));
    }
    let view_once = options.is_view_once == Some(true);
    let can_once = matches!(
        as_kind,
        MediaKind::Image | MediaKind::Video | MediaKind::Voice
    );
    if view_once && !can_once {
        return Err(invalid(
            "options.isViewOnce",
            "only pictures, films and voice notes can be opened once only",
        ));
    }
    let chosen = [
        options.send_media_as_sticker,
        options.send_media_as_document,
    ];
    Ok(OutgoingMedia {
        // Only the bytes of a link without an ending can tell, unless the caller did.
        by_type: given.mime_type.is_none() && !chosen.contains(&Some(true)),
        mime_type: given.mime_type,
        caption,
        file_name: given.file_name,
        mentions,
        view_once,
        ..OutgoingMedia::new(as_kind, given.source)
    })
}

/// The file of a `MessageMedia`.
pub(super) fn inline(field: &str, file: MessageMedia) -> Result<Given, Reject> {
    if !file.mimetype.contains('/') {
        let wanted = "a media type such as image/png is expected";
        return Err(invalid(&format!("{field}.mimetype"), wanted));
    }
    let bytes = media::base64(&file.data);
    let bytes = bytes.map_err(|e| invalid(&format!("{field}.data"), e.public))?;
    let name = file.filename.filter(|name| !name.is_empty());
    Ok(Given::bytes(
        bytes,
        Some(file.mimetype.to_ascii_lowercase()),
        name,
    ))
}

/// A file behind a link. Its name is the last segment of the path, and its type what the name's ending says. Where that says
/// nothing, the bytes will.
pub(super) fn linked(field: &str, link: &str) -> Result<Given, Reject> {
    let given = media::link(link).map_err(|e| invalid(field, e.public))?;
    let url = url::Url::parse(link).map_err(|e| invalid(field, e))?;
    let mut segments = url.path_segments().into_iter().flatten();
    let name = segments.next_back().filter(|name| !name.is_empty());
    let ending = name.and_then(|name| name.rsplit_once('.'));
    Ok(Given {
        mime_type: ending
            .and_then(|(_, ending)| type_of(&ending.to_ascii_lowercase()))
            .map(str::to_owned),
        file_name: name.map(str::to_owned),
        ..given
    })
}

/// The type of files whose names end so, for those that are shown as something else than a document.
fn type_of(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "mp4" => "video/mp4",
        "3gp" => "video/3gpp",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "amr" => "audio/amr",
        "ogg" | "oga" | "opus" => "audio/ogg",
        _ => return None,
    })
}

/// What the file is sent as. Where nothing tells its type yet, as a document, which any file can.
fn kind(mime_type: Option<&str>, options: &Options) -> MediaKind {
    let family = mime_type.and_then(|mime| mime.split('/').next());
    if options.send_media_as_sticker == Some(true) {
        return MediaKind::Sticker;
    }
    if options.send_media_as_document == Some(true) {
        return MediaKind::Document;
    }
    match family {
        Some("image") => MediaKind::Image,
        Some("video") if options.send_video_as_gif == Some(true) => MediaKind::Gif,
        Some("video") => MediaKind::Video,
        Some("audio") if options.send_audio_as_voice == Some(true) => MediaKind::Voice,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

fn captioned(kind: MediaKind, caption: Option<String>) -> Result<Option<String>, Reject> {
    let Some(caption) = caption.filter(|caption| !caption.is_empty()) else {
        return Ok(None);
    };
    match kind {
        MediaKind::Image | MediaKind::Video | MediaKind::Gif | MediaKind::Document => {
            at_most("options.caption", &caption, CAPTION_LEN_MAX)?;
            Ok(Some(caption))
        }
        MediaKind::ShortVideo | MediaKind::Audio | MediaKind::Voice | MediaKind::Sticker => {
            Err(invalid(
                "options.caption",
                "only pictures, films and documents have one",
            ))
        }
    }
}
