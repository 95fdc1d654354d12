//! Pictures: size, previews, stickers and square portraits.

use std::io::Cursor;

use bytes::Bytes;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

/// Longest side of a preview, in pixels. Source: WhatsApp Web's own previews.
const PREVIEW_SIDE_MAX: u32 = 100;
/// Longest side of a picture that is decoded, in pixels.
const SIDE_MAX: u32 = 16_384;
/// Most memory that decoding one picture may take, in bytes.
const MEMORY_MAX: u64 = 256 * 1024 * 1024;
/// Side of a sticker, in pixels. Source: WhatsApp's rules for stickers.
const STICKER_SIDE: u32 = 512;
/// Side of a portrait, in pixels. Source: WhatsApp Web uploads profile pictures of 640 by 640.
const PORTRAIT_SIDE: u32 = 640;

/// A picture that could be read.
pub(super) struct Picture {
    decoded: DynamicImage,
}

/// Reads a picture; nothing for one that is damaged or too large.
pub(super) fn read(bytes: &[u8]) -> Option<Picture> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_MAX);
    reader.limits(limits);
    Some(Picture {
        decoded: reader.decode().ok()?,
    })
}

impl Picture {
    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.decoded.width(), self.decoded.height())
    }

    /// A small JPEG.
    pub(super) fn preview(&self) -> Option<Bytes> {
        jpeg(&self.decoded.thumbnail(PREVIEW_SIDE_MAX, PREVIEW_SIDE_MAX))
    }

    /// A WebP of the size that stickers have, the picture whole in its middle.
    pub(super) fn sticker(&self) -> Option<Bytes> {
        let small = self
            .decoded
            .resize(STICKER_SIDE, STICKER_SIDE, FilterType::Lanczos3)
            .to_rgba8();
        let mut square = image::RgbaImage::new(STICKER_SIDE, STICKER_SIDE);
        let left = (STICKER_SIDE - small.width()) / 2;
        let top = (STICKER_SIDE - small.height()) / 2;
        image::imageops::overlay(&mut square, &small, left.into(), top.into());
        encoded(&square.into(), ImageFormat::WebP)
    }

    /// A square JPEG cut from the middle.
    pub(super) fn portrait(&self) -> Option<Bytes> {
        jpeg(
            &self
                .decoded
                .resize_to_fill(PORTRAIT_SIDE, PORTRAIT_SIDE, FilterType::Lanczos3),
        )
    }
}

fn jpeg(picture: &DynamicImage) -> Option<Bytes> {
    encoded(&picture.to_rgb8().into(), ImageFormat::Jpeg)
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Option<Bytes> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).ok()?;
    Some(out.into_inner().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide() -> Picture {
        Picture {
            decoded: image::RgbImage::new(300, 100).into(),
        }
    }

    #[test]
    fn stickers_are_webp_of_their_size() {
        let sticker = wide().sticker().unwrap();
        assert_eq!(infer::get(&sticker).unwrap().mime_type(), "image/webp");
        let read = read(&sticker).unwrap();
        assert_eq!(read.size(), (STICKER_SIDE, STICKER_SIDE));
        // What is beside the picture is transparent.
        assert_eq!(read.decoded.to_rgba8().get_pixel(0, 0).0[3], 0);
        assert_eq!(read.decoded.to_rgba8().get_pixel(256, 256).0[3], 255);
    }

    #[test]
    fn portraits_are_square_jpegs() {
        let portrait = wide().portrait().unwrap();
        assert_eq!(infer::get(&portrait).unwrap().mime_type(), "image/jpeg");
        assert_eq!(
            read(&portrait).unwrap().size(),
            (PORTRAIT_SIDE, PORTRAIT_SIDE)
        );
    }

    #[test]
    fn previews_keep_their_shape() {
        let preview = wide().preview().unwrap();
        assert_eq!(read(&preview).unwrap().size(), (100, 33));
    }
}
