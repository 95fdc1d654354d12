//! The file of an old message is gone from the media host: the phone, which still has it, uploads it again.
//!
//! Source: `media_retry` of wacore 0.7.0, which reads what is written here.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use buffa::Message as _;
use hkdf::Hkdf;
use rand::{CryptoRng, Rng, RngExt as _};
use sha2::Sha256;
use wa::media_retry_notification::ResultType;
use waproto::whatsapp as wa;

use super::{MediaRef, Phone};

/// What a companion sends or gets, encrypted under the key of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRetry {
    /// Ciphertext with its tag.
    pub bytes: Vec<u8>,
    /// Initialisation vector.
    pub iv: Vec<u8>,
}

/// Why there is no new upload. The number is the code that the companion gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReuploadError {
    /// The phone does not have the message, or its file.
    #[error("upload again: message or file is not there")]
    NotFound,
    /// The request is not under the key of the file.
    #[error("upload again: request cannot be decrypted")]
    Decryption,
}

impl ReuploadError {
    /// As the `code` attribute has it. Source: `MediaRetryNotification.ResultType`.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::NotFound => ResultType::NOT_FOUND as u32,
            Self::Decryption => ResultType::DECRYPTION_ERROR as u32,
        }
    }
}

fn cipher(media_key: &[u8; 32]) -> Aes256Gcm {
    let mut key = [0_u8; 32];
    // Fails only for outputs of more than 255 hashes.
    let done =
        Hkdf::<Sha256>::new(None, media_key).expand(b"WhatsApp Media Retry Notification", &mut key);
    debug_assert!(done.is_ok(), "32 bytes are one hash");
    Aes256Gcm::new(&key.into())
}

impl Phone {
    /// The file of a message that a companion wants uploaded again. `request` proves that it knows the file's key.
    ///
    /// # Errors
    /// When the phone does not have the message, or the proof is wrong.
    pub fn file_to_upload_again(
        &self,
        chat: &str,
        id: &str,
        request: &SealedRetry,
    ) -> Result<MediaRef, ReuploadError> {
        let message = self.kept_message(chat, id).ok_or(ReuploadError::NotFound)?;
        let file = MediaRef::of(&message).ok().flatten();
        let file = file.ok_or(ReuploadError::NotFound)?;
        let iv = <[u8; 12]>::try_from(&*request.iv).map_err(|_| ReuploadError::Decryption)?;
        let payload = Payload {
            msg: &request.bytes,
            aad: id.as_bytes(),
        };
        let plain = cipher(file.media_key())
            .decrypt(&Nonce::from(iv), payload)
            .map_err(|_| ReuploadError::Decryption)?;
        let receipt = wa::ServerErrorReceipt::decode_from_slice(&plain);
        match receipt.ok().and_then(|r| r.stanza_id) {
            Some(named) if named == id => Ok(file),
            _ => Err(ReuploadError::Decryption),
        }
    }
}

/// Tells a companion where the file is now.
pub fn uploaded_again<R: Rng + CryptoRng>(
    file: &MediaRef,
    id: &str,
    direct_path: String,
    rng: &mut R,
) -> Option<SealedRetry> {
    let notification = wa::MediaRetryNotification {
        stanza_id: Some(id.to_owned()),
        direct_path: Some(direct_path),
        result: Some(ResultType::SUCCESS),
        ..Default::default()
    };
    let plain = notification.encode_to_vec();
    let iv: [u8; 12] = rng.random();
    let payload = Payload {
        msg: &plain,
        aad: id.as_bytes(),
    };
    let bytes = cipher(file.media_key())
        .encrypt(&Nonce::from(iv), payload)
        .ok()?;
    Some(SealedRetry {
        bytes,
        iv: iv.to_vec(),
    })
}
