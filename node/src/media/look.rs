//! What a file really is: read from its bytes, with size, hash and a small picture for previews.

use std::io::Cursor;

use bytes::Bytes;
use image::{ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{ErrorCode, MediaId, OpError};

use crate::ports::Resolved;

/// Longest side of a preview, in pixels. Source: WhatsApp Web's own previews.
const PREVIEW_SIDE_MAX: u32 = 100;
/// Longest side of a picture that is decoded, in pixels.
const PICTURE_SIDE_MAX: u32 = 16_384;
/// Most memory that decoding one picture may take, in bytes.
const PICTURE_MEMORY_MAX: u64 = 256 * 1024 * 1024;
/// The type of bytes that nothing recognises.
const UNKNOWN_TYPE: &str = "application/octet-stream";

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

fn look(given: Given) -> Result<Resolved, OpError> {
    if given.bytes.is_empty() {
        return Err(OpError::invalid("the file is empty"));
    }
    let found = infer::get(&given.bytes).map(|kind| kind.mime_type());
    let mime_type = mime_type(found, given.mime_type.as_deref());
    let kind = given.kind.unwrap_or_else(|| kind_of(&mime_type));
    refuse_misfits(kind, &mime_type)?;
    let picture = if mime_type.starts_with("image/") {
        picture(&given.bytes)
    } else {
        None
    };
    if matches!(kind, MediaKind::Image | MediaKind::Sticker) && picture.is_none() {
        return Err(unsupported(
            "the picture is damaged or too large to be read",
        ));
    }
    let (size, thumbnail) = picture.map_or((None, None), |(size, preview)| (Some(size), preview));
    let meta = StoredMedia {
        id: given.id,
        kind,
        mime_type,
        size: u64::try_from(given.bytes.len()).unwrap_or(u64::MAX),
        sha256: hex::encode(Sha256::digest(&given.bytes)),
        file_name: given.file_name,
    };
    Ok(Resolved {
        meta,
        bytes: given.bytes,
        size,
        thumbnail,
    })
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
        MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => (
            matches!(mime_type, "video/mp4" | "video/3gpp" | "video/quicktime"),
            "an mp4 or 3gp film",
        ),
        MediaKind::Audio => (
            mime_type.starts_with("audio/") || mime_type == "video/mp4",
            "a sound file",
        ),
        MediaKind::Voice => (
            mime_type.starts_with("audio/ogg") || mime_type == "audio/opus",
            "ogg sound with opus",
        ),
        MediaKind::Sticker => (mime_type == "image/webp", "a webp picture"),
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

/// Width, height and a preview of a picture that can be read.
fn picture(bytes: &Bytes) -> Option<((u32, u32), Option<Bytes>)> {
    let mut reader = ImageReader::new(Cursor::new(bytes.as_ref()))
        .with_guessed_format()
        .ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(PICTURE_SIDE_MAX);
    limits.max_image_height = Some(PICTURE_SIDE_MAX);
    limits.max_alloc = Some(PICTURE_MEMORY_MAX);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    let size = (picture.width(), picture.height());
    let preview = picture
        .thumbnail(PREVIEW_SIDE_MAX, PREVIEW_SIDE_MAX)
        .to_rgb8();
    let mut out = Cursor::new(Vec::new());
    let written = preview.write_to(&mut out, ImageFormat::Jpeg).ok();
    Some((size, written.map(|()| out.into_inner().into())))
}

#[cfg(test)]
mod tests {
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
}
