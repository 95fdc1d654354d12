//! QR codes as pictures.

use std::io::Cursor;

use base64::Engine;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use qrcode::{Color, EcLevel, QrCode};
use switchboard_vocab::OpError;

/// Side of a picture when nobody asks for one, in pixels. Source: whatsmeow-based gateways draw 256.
pub const SIDE_DEFAULT: u32 = 264;
/// Largest side of a picture, in pixels.
pub const SIDE_MAX: u32 = 2_048;
/// Quiet zone round the code, in modules. Source: ISO/IEC 18004, section 9.1.
const QUIET_ZONE: u32 = 4;

/// How a picture should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Side in pixels; the code is drawn in whole pixels per module and centred.
    pub side: u32,
    /// Colour of the dark modules, red-green-blue.
    pub dark: [u8; 3],
    /// Colour of the light modules and the margin.
    pub light: [u8; 3],
}

impl Default for Look {
    fn default() -> Self {
        Self {
            side: SIDE_DEFAULT,
            dark: [0, 0, 0],
            light: [255, 255, 255],
        }
    }
}

/// Draws a text as a QR code, as PNG bytes.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] when the text does not fit a QR code or the side is too small or large for it.
pub fn png(text: &str, look: Look) -> Result<Vec<u8>, OpError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|e| OpError::invalid(format!("the text cannot be drawn as a qr code: {e}")))?;
    let modules = u32::try_from(code.width()).map_err(|_| OpError::internal("qr code width"))?;
    let needed = modules + 2 * QUIET_ZONE;
    if look.side < needed || look.side > SIDE_MAX {
        return Err(OpError::invalid(format!(
            "a picture of this qr code must be {needed} to {SIDE_MAX} pixels wide"
        )));
    }
    let scale = look.side / needed;
    let margin = (look.side - modules * scale) / 2;
    let mut picture = RgbImage::from_pixel(look.side, look.side, Rgb(look.light));
    for (at, color) in (0u32..).zip(code.to_colors()) {
        if color == Color::Light {
            continue;
        }
        let (left, top) = (
            margin + (at % modules) * scale,
            margin + (at / modules) * scale,
        );
        for y in top..top + scale {
            for x in left..left + scale {
                picture.put_pixel(x, y, Rgb(look.dark));
            }
        }
    }
    let mut out = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture)
        .write_to(&mut out, ImageFormat::Png)
        .map_err(|e| OpError::internal(format!("encode the qr picture: {e}")))?;
    Ok(out.into_inner())
}

/// PNG bytes as a data URI.
#[must_use]
pub fn data_uri(png: &[u8]) -> String {
    format!(
        "data:image/png;base64,{}",
        base64::engine::general_purpose::STANDARD.encode(png)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_side_asked_for() {
        let bytes = png(
            "2@abc,def",
            Look {
                side: 300,
                ..Look::default()
            },
        )
        .unwrap();
        let picture = image::load_from_memory(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (300, 300));
        assert!(
            png(
                "2@abc,def",
                Look {
                    side: 10,
                    ..Look::default()
                }
            )
            .is_err()
        );
    }
}
