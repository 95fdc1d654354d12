//! The text of a linking QR code.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::PairError;

/// Longest text looked at.
const QR_BYTES_MAX: usize = 4096;

/// What a phone reads from the QR code a companion shows.
#[derive(Clone, PartialEq, Eq)]
pub struct QrText {
    /// Names the companion's connection to the server.
    pub reference: String,
    /// The companion's public Noise key.
    pub noise: [u8; 32],
    /// The companion's public identity key.
    pub identity: [u8; 32],
    /// The secret that authenticates the phone's answer. Never seen by a server.
    pub adv_secret: [u8; 32],
    /// The kind of client, a short code.
    pub client_type: String,
}

impl std::fmt::Debug for QrText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrText")
            .field("client_type", &self.client_type)
            .finish_non_exhaustive()
    }
}

impl QrText {
    /// Reads `ref,noise,identity,secret,type`, after an optional URL prefix that ends in `#`. Further fields are
    /// ignored. Source: WhatsApp Web; the older form without a type is refused by phones.
    ///
    /// # Errors
    /// When a field is missing, empty or no key.
    pub fn parse(text: &str) -> Result<Self, PairError> {
        if text.len() > QR_BYTES_MAX {
            return Err(PairError::QrLength(text.len()));
        }
        let body = text.trim();
        let body = body.rsplit_once('#').map_or(body, |(_, body)| body);
        let mut fields = body.split(',');
        let (Some(reference), Some(noise), Some(identity), Some(secret), Some(client_type)) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            return Err(PairError::QrFields(body.split(',').count()));
        };
        if reference.is_empty() {
            return Err(PairError::QrField("reference"));
        }
        if client_type.is_empty() {
            return Err(PairError::QrField("client type"));
        }
        Ok(Self {
            reference: reference.to_owned(),
            noise: key(noise, "noise key")?,
            identity: key(identity, "identity key")?,
            adv_secret: key(secret, "secret")?,
            client_type: client_type.to_owned(),
        })
    }
}

fn key(text: &str, field: &'static str) -> Result<[u8; 32], PairError> {
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|_| PairError::QrField(field))?;
    bytes.try_into().map_err(|_| PairError::QrField(field))
}
