//! Links under which callers fetch media: signed, so that the link alone opens one file for a while.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use switchboard_vocab::{MediaId, SessionRef, Timestamp};

/// How long a link opens its file. Source: chat-api.com guaranteed files for 30 days.
pub const LINK_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Bytes of the signature kept in the link; 128 bits cannot be guessed.
const SIGNATURE_LEN: usize = 16;

/// Makes and checks media links.
#[derive(Clone)]
pub struct MediaLinks {
    base: String,
    key: [u8; 32],
}

impl std::fmt::Debug for MediaLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaLinks")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// A link that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLink {
    /// Whose file.
    pub session: SessionRef,
    /// Which file.
    pub media: MediaId,
}

impl MediaLinks {
    /// Links under `base` (scheme, host, port, no slash at the end), signed with `key`.
    #[must_use]
    pub fn new(base: impl Into<String>, key: [u8; 32]) -> Self {
        let base: String = base.into();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            key,
        }
    }

    /// The path of the route that serves the links, as axum writes it.
    pub const ROUTE: &'static str = "/files/{tenant}/{session}/{media}";

    /// The link to one file.
    #[must_use]
    pub fn link(&self, session: &SessionRef, media: &MediaId, now: Timestamp) -> String {
        let expires = now.plus(LINK_LIFETIME).as_secs();
        let signature = hex::encode(self.sign(session, media, expires));
        format!(
            "{}/files/{session}/{media}?expires={expires}&signature={signature}",
            self.base
        )
    }

    /// Checks a link's parts. `None` when it was not made here, was changed, or has expired.
    #[must_use]
    pub fn open(
        &self,
        session: &SessionRef,
        media: &MediaId,
        expires: u64,
        signature: &str,
        now: Timestamp,
    ) -> Option<OpenedLink> {
        let given = hex::decode(signature).ok()?;
        let right: bool = self
            .sign(session, media, expires)
            .as_slice()
            .ct_eq(&given)
            .into();
        (right && now.as_secs() <= expires).then(|| OpenedLink {
            session: session.clone(),
            media: media.clone(),
        })
    }

    fn sign(&self, session: &SessionRef, media: &MediaId, expires: u64) -> [u8; SIGNATURE_LEN] {
        // HMAC takes keys of any length, so this cannot fail.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .unwrap_or_else(|_| unreachable!("hmac takes keys of any length"));
        mac.update(format!("{session}/{media}/{expires}").as_bytes());
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut short = [0u8; SIGNATURE_LEN];
        short.copy_from_slice(full.split_at(SIGNATURE_LEN).0);
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_its_own_file_only_and_expires() {
        let links = MediaLinks::new("http://127.0.0.1:8080/", [7; 32]);
        let session: SessionRef = "default/a".parse().unwrap();
        let media = MediaId::parse("m1").unwrap();
        let now = Timestamp::from_secs(1_000);
        let link = links.link(&session, &media, now);
        let (_, query) = link.split_once('?').unwrap();
        let (expires, signature) = query.split_once('&').unwrap();
        let expires: u64 = expires.trim_start_matches("expires=").parse().unwrap();
        let signature = signature.trim_start_matches("signature=");
        assert!(
            links
                .open(&session, &media, expires, signature, now)
                .is_some()
        );
        let other = MediaId::parse("m2").unwrap();
        assert!(
            links
                .open(&session, &other, expires, signature, now)
                .is_none()
        );
        assert!(
            links
                .open(&session, &media, expires + 1, signature, now)
                .is_none()
        );
        let later = now.plus(LINK_LIFETIME).plus(Duration::from_secs(1));
        assert!(
            links
                .open(&session, &media, expires, signature, later)
                .is_none()
        );
    }
}
