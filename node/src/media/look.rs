//! What a file really is: read from its bytes, with size, hash, length, loudness and a small picture for previews.

mod picture;
mod sound;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{ErrorCode, MediaId, OpError};

use crate::ports::Resolved;

/// The type of bytes that nothing recognises.
const UNKNOWN_TYPE: &str = "application/octet-stream";
/// The type of words that nobody gave a type.
const TEXT_TYPE: &str = "text/plain";
/// The type of stickers.
const STICKER_TYPE: &str = "image/webp";
/// What voice notes are called. Source: WhatsApp's own clients.
const OPUS_TYPE: &str = "audio/ogg; codecs=opus";
const UNREADABLE_PICTURE: &str = "the picture is damaged or too large to be read";

/// A file before it was looked at.
#[derive(Debug)]
pub(super) struct Given {
    /// Its id.
    pub(super) id: MediaId,
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// What it is to be sent as; decided by its type when absent.
    pub(super) kind: Option<MediaKind>,
    /// What the caller or a server said it is.
    pub(super) mime_type: Option<String>,
    /// Its name.
    pub(super) file_name: Option<String>,
}

/// Looks at a file, off the runtime's workers.
pub(super) async fn at(given: Given) -> Result<Resolved, OpError> {
    let looked = tokio::task::spawn_blocking(move || look(given)).await;
    looked.map_err(|e| OpError::internal(format!("look at media: {e}")))?
}

/// A square JPEG for a profile, off the runtime's workers.
///
/// # Errors
/// [`ErrorCode::UnsupportedMedia`] for bytes that are no picture.
pub(super) async fn portrait(bytes: Bytes) -> Result<Bytes, OpError> {
    let made = tokio::task::spawn_blocking(move || picture::read(&bytes)?.portrait()).await;
    let made = made.map_err(|e| OpError::internal(format!("make a portrait: {e}")))?;
    made.ok_or_else(|| unsupported("the file is no picture that can be read"))
}

fn look(mut given: Given) -> Result<Resolved, OpError> {
    if given.bytes.is_empty() {
        return Err(OpError::invalid("the file is empty"));
    }
    let found = infer::get(&given.bytes).map(|kind| kind.mime_type());
    let found = found.or_else(|| {
        let is_words = given.mime_type.is_none() && is_text(&given.bytes);
        is_words.then_some(TEXT_TYPE)
    });
    let mut mime_type = mime_type(found, given.mime_type.as_deref());
    if given.kind == Some(MediaKind::Sticker) && becomes_a_sticker(&mime_type) {
        let made = picture::read(&given.bytes).and_then(|picture| picture.sticker());
        given.bytes = made.ok_or_else(|| unsupported(UNREADABLE_PICTURE))?;
        STICKER_TYPE.clone_into(&mut mime_type);
    }
    let kind = given.kind.unwrap_or_else(|| kind_of(&mime_type));
    refuse_misfits(kind, &mime_type)?;
    let mut resolved = Resolved {
        meta: StoredMedia {
            id: given.id,
            kind,
            size: u64::try_from(given.bytes.len()).unwrap_or(u64::MAX),
            sha256: hex::encode(Sha256::digest(&given.bytes)),
            file_name: given.file_name,
            mime_type,
        },
        bytes: given.bytes,
        size: None,
        thumbnail: None,
        seconds: None,
        waveform: None,
    };
    describe(&mut resolved)?;
    Ok(resolved)
}

/// Adds what the bytes tell beyond their type.
fn describe(resolved: &mut Resolved) -> Result<(), OpError> {
    let (kind, mime_type) = (resolved.meta.kind, resolved.meta.mime_type.as_str());
    if mime_type.starts_with("image/") {
        let picture = picture::read(&resolved.bytes);
        if matches!(kind, MediaKind::Image | MediaKind::Sticker) && picture.is_none() {
            return Err(unsupported(UNREADABLE_PICTURE));
        }
        resolved.size = picture.as_ref().map(picture::Picture::size);
        resolved.thumbnail = picture.and_then(|picture| picture.preview());
    } else if mime_type.starts_with("video/") && kind != MediaKind::Audio {
        let watched = sound::watch(&resolved.bytes);
        resolved.size = watched.map(|watched| watched.size);
        resolved.seconds = watched.map(|watched| watched.seconds);
    } else if matches!(kind, MediaKind::Audio | MediaKind::Voice) {
        let heard = sound::listen(&resolved.bytes, kind == MediaKind::Voice);
        if kind == MediaKind::Voice && heard.is_none() {
            return Err(unsupported(
                "the voice note cannot be read: it may be cut off",
            ));
        }
        resolved.seconds = heard.as_ref().map(|heard| heard.seconds);
        resolved.waveform = heard.and_then(|heard| heard.waveform);
    }
    Ok(())
}

/// Words without control characters that no text has.
fn is_text(bytes: &[u8]) -> bool {
    let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(odd))
}

/// Pictures that are made into stickers; others are refused.
fn becomes_a_sticker(mime_type: &str) -> bool {
    matches!(mime_type, "image/jpeg" | "image/png" | "image/gif")
}

/// The bytes decide where they can; containers that look alike (zip, ogg, mp4) keep the caller's more exact word.
fn mime_type(found: Option<&'static str>, declared: Option<&str>) -> String {
    let declared = declared
        .map(|text| text.trim().to_ascii_lowercase())
        .filter(|text| text.contains('/'));
    match (found, declared) {
        (None, declared) => declared
            .filter(|text| !(text.starts_with("image/") || text.starts_with("video/")))
            .unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
        (Some("application/zip"), Some(declared)) if declared.starts_with("application/") => {
            declared
        }
        (Some("audio/ogg" | "video/mp4" | "audio/m4a"), Some(declared))
            if declared.starts_with("audio/") || declared.starts_with("video/mp4") =>
        {
            declared
        }
        // What is recognised as opus is opus in ogg.
        (Some("audio/opus"), _) => OPUS_TYPE.to_owned(),
        (Some(found), _) => found.to_owned(),
    }
}

fn kind_of(mime_type: &str) -> MediaKind {
    match mime_type.split('/').next() {
        Some("image") if mime_type != "image/svg+xml" => MediaKind::Image,
        Some("video") => MediaKind::Video,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

/// What WhatsApp's clients show for each kind. Source: WhatsApp's published list of supported media types.
fn refuse_misfits(kind: MediaKind, mime_type: &str) -> Result<(), OpError> {
    let (fits, expected) = match kind {
        MediaKind::Image => (
            matches!(
                mime_type,
                "image/jpeg" | "image/png" | "image/webp" | "image/gif"
            ),
            "a jpeg, png, webp or gif picture",
        ),
        MediaKind::Video => (
            matches!(mime_type, "video/mp4" | "video/3gpp" | "video/quicktime"),
            "an mp4 or 3gp film",
        ),
        // A gif is a film on WhatsApp; there is no encoder here that would make one of a gif picture.
        MediaKind::Gif | MediaKind::ShortVideo => (mime_type == "video/mp4", "an mp4 film"),
        MediaKind::Audio => (
            mime_type.starts_with("audio/") || mime_type == "video/mp4",
            "a sound file",
        ),
        MediaKind::Voice => (mime_type.starts_with("audio/ogg"), "ogg sound with opus"),
        MediaKind::Sticker => (
            mime_type == STICKER_TYPE,
            "a webp, png, jpeg or gif picture",
        ),
        MediaKind::Document => (true, ""),
    };
    if fits {
        Ok(())
    } else {
        Err(unsupported(&format!(
            "the file is {mime_type}, {expected} is expected"
        )))
    }
}

fn unsupported(message: &str) -> OpError {
    OpError::new(ErrorCode::UnsupportedMedia, message)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::ImageFormat;

    use super::*;

    fn png() -> Bytes {
        let mut out = Cursor::new(Vec::new());
        image::RgbImage::new(30, 20)
            .write_to(&mut out, ImageFormat::Png)
            .unwrap();
        out.into_inner().into()
    }

    fn given(bytes: Bytes, kind: Option<MediaKind>, mime_type: Option<&str>) -> Given {
        let id = MediaId::parse("m").unwrap();
        Given {
            id,
            bytes,
            kind,
            mime_type: mime_type.map(str::to_owned),
            file_name: None,
        }
    }

    #[test]
    fn bytes_decide_not_words() {
        let resolved = look(given(png(), Some(MediaKind::Image), Some("image/jpeg"))).unwrap();
        assert_eq!(resolved.meta.mime_type, "image/png");
        assert_eq!(resolved.size, Some((30, 20)));
        assert!(resolved.thumbnail.is_some());
    }

    #[test]
    fn misfits_and_damage_are_refused() {
        let text = Bytes::from_static(b"only words");
        for kind in [
            MediaKind::Image,
            MediaKind::Video,
            MediaKind::Sticker,
            MediaKind::Voice,
        ] {
            let error = look(given(text.clone(), Some(kind), Some("image/png"))).unwrap_err();
            assert_eq!(error.code, ErrorCode::UnsupportedMedia, "{kind:?}");
        }
        let cut = png().slice(..40);
        assert_eq!(
            look(given(cut, Some(MediaKind::Image), None))
                .unwrap_err()
                .code,
            ErrorCode::UnsupportedMedia
        );
        assert!(look(given(Bytes::new(), Some(MediaKind::Document), None)).is_err());
        assert_eq!(
            look(given(text, Some(MediaKind::Document), Some("text/plain")))
                .unwrap()
                .meta
                .mime_type,
            "text/plain"
        );
    }

    #[test]
    fn pictures_become_stickers() {
        let made = look(given(png(), Some(MediaKind::Sticker), None)).unwrap();
        assert_eq!(made.meta.mime_type, STICKER_TYPE);
        assert_eq!(made.size, Some((512, 512)));
        assert_eq!(made.meta.sha256, hex::encode(Sha256::digest(&made.bytes)));
    }

    #[test]
    fn sound_and_films_are_measured() {
        let voice = Bytes::from_static(include_bytes!("fixtures/rising.ogg"));
        let heard = look(given(voice.clone(), Some(MediaKind::Voice), None)).unwrap();
        assert_eq!(heard.meta.mime_type, OPUS_TYPE);
        assert_eq!(
            (heard.seconds, heard.waveform.map(|w| w.len())),
            (Some(3), Some(64))
        );
        let cut = look(given(voice.slice(..60), Some(MediaKind::Voice), None)).unwrap_err();
        assert_eq!(cut.code, ErrorCode::UnsupportedMedia);
        let film = Bytes::from_static(include_bytes!("fixtures/film.mp4"));
        for kind in [MediaKind::Video, MediaKind::Gif, MediaKind::ShortVideo] {
            let watched = look(given(film.clone(), Some(kind), None)).unwrap();
            assert_eq!((watched.seconds, watched.size), (Some(1), Some((64, 48))));
        }
        let mut gif = Cursor::new(Vec::new());
        image::RgbImage::new(3, 3)
            .write_to(&mut gif, ImageFormat::Gif)
            .unwrap();
        let gif = Bytes::from(gif.into_inner());
        let refused = look(given(gif, Some(MediaKind::Gif), None)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::UnsupportedMedia);
    }

    #[test]
    fn words_without_a_type_are_text() {
        let looked = |bytes: &'static [u8], mime_type: Option<&str>| {
            let given = Given {
                id: MediaId::parse("m1").unwrap(),
                bytes: Bytes::from_static(bytes),
                kind: Some(MediaKind::Document),
                mime_type: mime_type.map(str::to_owned),
                file_name: None,
            };
            look(given).unwrap().meta.mime_type
        };
        assert_eq!(looked("hóla\n".as_bytes(), None), TEXT_TYPE);
        assert_eq!(looked(b"a,b\n", Some("text/csv")), "text/csv");
        assert_eq!(looked(b"\x00\x01words", None), UNKNOWN_TYPE);
        assert_eq!(looked(b"%PDF-1.4\n", None), "application/pdf");
    }
}
