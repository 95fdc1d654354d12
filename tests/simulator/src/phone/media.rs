//! Media files: sealing before an upload, opening after a download.
//!
//! A file is encrypted with keys that follow from a random media key and the kind of file; the message carries the
//! media key and the hashes, the media host sees only ciphertext.
//! Source: WhatsApp Web, as implemented by whatsapp-rust 0.7.0.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use hkdf::Hkdf;
use rand::{CryptoRng, Rng, RngExt as _};
use sha2::{Digest as _, Sha256};
use wacore::download::Downloadable;
use waproto::whatsapp as wa;

use super::MediaError;
use super::keys::{array, hmac_sha256};
use super::reading::unwrapped;

/// Largest file sealed or opened. Source: our choice, the double keeps files in memory.
pub const MEDIA_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The authentication code behind the ciphertext.
const MAC_LENGTH: usize = 10;
/// IV, cipher key and authentication key; the scheme derives 32 more bytes that nothing uses.
const EXPANDED_LENGTH: usize = 112;

/// What a file is, as far as its encryption is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film, also a round one.
    Video,
    /// Sound, also a voice note.
    Audio,
    /// Any other file.
    Document,
    /// A sticker. Encrypted as a picture.
    Sticker,
}

impl MediaKind {
    /// Separates the keys of the kinds.
    const fn key_info(self) -> &'static [u8] {
        match self {
            Self::Image | Self::Sticker => b"WhatsApp Image Keys",
            Self::Video => b"WhatsApp Video Keys",
            Self::Audio => b"WhatsApp Audio Keys",
            Self::Document => b"WhatsApp Document Keys",
        }
    }

    /// The part of an upload path behind `/mms/`.
    #[must_use]
    pub const fn upload_path(self) -> &'static str {
        match self {
            Self::Image | Self::Sticker => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
        }
    }

    /// The `mediatype` attribute of `<enc>`.
    #[must_use]
    pub const fn enc_media_type(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }
}

/// A file ready to be uploaded, and what its message says about it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedMedia {
    /// What it is.
    pub kind: MediaKind,
    /// What the media host stores.
    pub bytes: Vec<u8>,
    /// The secret for the receivers.
    pub media_key: [u8; 32],
    /// SHA-256 of the plain file.
    pub file_sha256: [u8; 32],
    /// SHA-256 of `bytes`; names the file on the media host.
    pub file_enc_sha256: [u8; 32],
    /// Bytes of the plain file.
    pub file_length: u64,
}

impl std::fmt::Debug for SealedMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedMedia")
            .field("kind", &self.kind)
            .field("file_length", &self.file_length)
            .finish_non_exhaustive()
    }
}

/// Where a received file is and how to open it.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaRef {
    /// What it is.
    pub kind: MediaKind,
    /// Path on the media host.
    pub direct_path: String,
    /// SHA-256 of what the host has; also names it there.
    pub file_enc_sha256: [u8; 32],
    media_key: [u8; 32],
    file_sha256: [u8; 32],
    file_length: Option<u64>,
}

impl std::fmt::Debug for MediaRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaRef")
            .field("kind", &self.kind)
            .field("direct_path", &self.direct_path)
            .finish_non_exhaustive()
    }
}

impl MediaRef {
    /// The secret of the file.
    pub(super) const fn media_key(&self) -> &[u8; 32] {
        &self.media_key
    }

    /// The file a message refers to, through its wrappers; `None` when it has no file.
    ///
    /// # Errors
    /// When the message announces a file but lacks what is needed to get and open it.
    pub fn of(message: &wa::Message) -> Result<Option<Self>, MediaError> {
        let Some((kind, file)) = file_in(unwrapped(message).message) else {
            return Ok(None);
        };
        let hash = |bytes: Option<&[u8]>, what| {
            bytes
                .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                .ok_or(MediaError::Missing(what))
        };
        Ok(Some(Self {
            kind,
            direct_path: file
                .direct_path()
                .filter(|path| !path.is_empty())
                .ok_or(MediaError::Missing("direct path"))?
                .to_owned(),
            file_enc_sha256: hash(file.file_enc_sha256(), "sha-256 of the encrypted file")?,
            media_key: hash(file.media_key(), "media key")?,
            file_sha256: hash(file.file_sha256(), "sha-256 of the file")?,
            file_length: file.file_length(),
        }))
    }
}

/// The part of an unwrapped message that refers to a file.
pub(super) fn file_in(message: &wa::Message) -> Option<(MediaKind, &dyn Downloadable)> {
    fn file<T: Downloadable>(kind: MediaKind, part: &T) -> (MediaKind, &dyn Downloadable) {
        (kind, part)
    }
    let image = message.image_message.as_option();
    let video = message
        .video_message
        .as_option()
        .or(message.ptv_message.as_option());
    let audio = message.audio_message.as_option();
    let document = message.document_message.as_option();
    let sticker = message.sticker_message.as_option();
    image
        .map(|part| file(MediaKind::Image, part))
        .or_else(|| video.map(|part| file(MediaKind::Video, part)))
        .or_else(|| audio.map(|part| file(MediaKind::Audio, part)))
        .or_else(|| document.map(|part| file(MediaKind::Document, part)))
        .or_else(|| sticker.map(|part| file(MediaKind::Sticker, part)))
}

pub(super) struct MediaKeys {
    iv: [u8; 16],
    cipher: [u8; 32],
    mac: [u8; 32],
}

impl MediaKeys {
    pub(super) fn new(key_info: &[u8], media_key: &[u8; 32]) -> Self {
        let mut expanded = [0_u8; EXPANDED_LENGTH];
        // Fails only for outputs of more than 255 hashes.
        let done = Hkdf::<Sha256>::new(None, media_key).expand(key_info, &mut expanded);
        debug_assert!(done.is_ok(), "112 bytes are four hashes");
        let (iv, rest) = expanded.split_at(16);
        let (cipher, rest) = rest.split_at(32);
        Self {
            iv: array(iv),
            cipher: array(cipher),
            mac: array(rest),
        }
    }

    /// Encrypts and authenticates.
    pub(super) fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let cipher = cbc::Encryptor::<Aes256>::new(&self.cipher.into(), &self.iv.into());
        let mut bytes = cipher.encrypt_padded_vec::<Pkcs7>(plain);
        let mac = self.authenticate(&bytes);
        bytes.extend_from_slice(&mac);
        bytes
    }

    fn authenticate(&self, ciphertext: &[u8]) -> [u8; MAC_LENGTH] {
        array(&hmac_sha256(&self.mac, &[&self.iv, ciphertext]))
    }
}

/// Encrypts a file under a new media key.
///
/// # Errors
/// Beyond [`MEDIA_BYTES_MAX`].
pub fn seal_media<R: Rng + CryptoRng>(
    kind: MediaKind,
    plain: &[u8],
    rng: &mut R,
) -> Result<SealedMedia, MediaError> {
    if plain.len() > MEDIA_BYTES_MAX {
        return Err(MediaError::TooLarge(plain.len()));
    }
    let media_key: [u8; 32] = rng.random();
    let bytes = MediaKeys::new(kind.key_info(), &media_key).seal(plain);
    Ok(SealedMedia {
        kind,
        media_key,
        file_sha256: Sha256::digest(plain).into(),
        file_enc_sha256: Sha256::digest(&bytes).into(),
        file_length: u64::try_from(plain.len()).unwrap_or(u64::MAX),
        bytes,
    })
}

/// Checks and decrypts a downloaded file.
///
/// # Errors
/// When any of its hashes, its authentication or its length is not what the message says.
pub fn open_media(file: &MediaRef, stored: &[u8]) -> Result<Vec<u8>, MediaError> {
    if stored.len() > MEDIA_BYTES_MAX.saturating_add(1024) {
        return Err(MediaError::TooLarge(stored.len()));
    }
    if <[u8; 32]>::from(Sha256::digest(stored)) != file.file_enc_sha256 {
        return Err(MediaError::EncryptedHash);
    }
    let keys = MediaKeys::new(file.kind.key_info(), &file.media_key);
    let (ciphertext, mac) = stored
        .split_last_chunk::<MAC_LENGTH>()
        .ok_or(MediaError::Authentication)?;
    if *mac != keys.authenticate(ciphertext) {
        return Err(MediaError::Authentication);
    }
    let cipher = cbc::Decryptor::<Aes256>::new(&keys.cipher.into(), &keys.iv.into());
    let plain = cipher
        .decrypt_padded_vec::<Pkcs7>(ciphertext)
        .map_err(|_| MediaError::Cipher(stored.len()))?;
    if <[u8; 32]>::from(Sha256::digest(&plain)) != file.file_sha256 {
        return Err(MediaError::PlainHash);
    }
    match file.file_length {
        Some(said) if u64::try_from(plain.len()) != Ok(said) => Err(MediaError::Length {
            got: plain.len(),
            said,
        }),
        _ => Ok(plain),
    }
}
