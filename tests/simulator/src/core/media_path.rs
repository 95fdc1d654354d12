//! Where the media host keeps a file: the path follows from the hash of the encrypted content.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What download paths start with.
pub(crate) const PATH: &str = "/v/t62.0-sim/";

/// The path of a file.
pub(crate) fn media_path(sha256: &[u8; 32]) -> String {
    format!("{PATH}{}", URL_SAFE_NO_PAD.encode(sha256))
}
