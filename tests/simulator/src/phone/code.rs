//! Linking by a code that the user reads off the companion and types into the phone.
//!
//! The code protects two ephemeral keys that cross by way of the server; from them, the two identities and 32 random
//! bytes of the companion both sides derive the secret that a QR code would have carried.
//! Source: WhatsApp Web, as implemented by whatsapp-rust 0.7.0.

use aes::Aes256;
use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hkdf::Hkdf;
use rand::{CryptoRng, Rng, RngExt as _};
use sha2::Sha256;
use wacore_libsignal::protocol::{KeyPair, PublicKey};

use super::keys::{array, public_bytes};
use super::{PairError, Phone};

/// How long a code may be typed after the companion asked for it.
pub const CODE_VALIDITY_SECS: u64 = 180;

/// Rounds of the password derivation.
const PBKDF2_ROUNDS: u32 = 131_072;
/// What codes are made of. No 0, I, O and U.
const CODE_ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTVWXYZ";
const CODE_LENGTH: usize = 8;
/// Salt 32, IV 16, key 32.
const WRAPPED_KEY_LENGTH: usize = 80;
/// Salt 32, nonce 12, three times 32, tag 16.
const WRAPPED_BUNDLE_LENGTH: usize = 156;

/// One attempt of a companion to be linked by code, as the phone sees it.
pub struct CodePairing {
    wrapped_companion_key: [u8; WRAPPED_KEY_LENGTH],
    asked_at: u64,
    exchange: Option<Exchange>,
}

/// After a code was typed.
struct Exchange {
    companion_key: [u8; 32],
    own: KeyPair,
}

impl std::fmt::Debug for CodePairing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodePairing")
            .field("asked_at", &self.asked_at)
            .field("code_typed", &self.exchange.is_some())
            .finish_non_exhaustive()
    }
}

/// Content of the `primary_hello` notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryHello {
    /// `link_code_pairing_wrapped_primary_ephemeral_pub`.
    pub wrapped_key: [u8; WRAPPED_KEY_LENGTH],
    /// `primary_identity_pub`.
    pub identity: [u8; 32],
}

/// What `link_device` needs, as [`super::QrText`] holds it in the other flow.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeCompanion {
    /// The companion's public identity key.
    pub identity: [u8; 32],
    /// The secret both sides derived.
    pub adv_secret: [u8; 32],
}

impl std::fmt::Debug for CodeCompanion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeCompanion(..)")
    }
}

impl CodePairing {
    /// Starts with the `link_code_pairing_wrapped_companion_ephemeral_pub` of a `companion_hello`.
    ///
    /// # Errors
    /// When it has the wrong length.
    pub fn from_companion_hello(wrapped: &[u8], now: u64) -> Result<Self, PairError> {
        let wrapped_companion_key = wrapped.try_into().map_err(|_| PairError::WrappedLength {
            what: "companion key",
            got: wrapped.len(),
            need: WRAPPED_KEY_LENGTH,
        })?;
        Ok(Self {
            wrapped_companion_key,
            asked_at: now,
            exchange: None,
        })
    }

    /// The user types the code; dashes, blanks and lower case are fine. May be called again after a mistyped code.
    ///
    /// A wrong code is not noticed here, as in reality: the companion's answer will not open. Costs two password
    /// derivations, some 40 ms of computing, so call it outside a runtime's worker.
    ///
    /// # Errors
    /// When the code is malformed or expired.
    pub fn enter_code<R: Rng + CryptoRng>(
        &mut self,
        phone: &Phone,
        code: &str,
        now: u64,
        rng: &mut R,
    ) -> Result<PrimaryHello, PairError> {
        let code = normalise(code)?;
        let age = now.saturating_sub(self.asked_at);
        if age > CODE_VALIDITY_SECS {
            return Err(PairError::CodeExpired(age - CODE_VALIDITY_SECS));
        }
        let companion_key = unwrap_key(&self.wrapped_companion_key, &code);
        let own = KeyPair::generate(rng);
        let wrapped_key = wrap_key(&public_bytes(&own.public_key), &code, rng);
        self.exchange = Some(Exchange { companion_key, own });
        Ok(PrimaryHello {
            wrapped_key,
            identity: phone.identity(),
        })
    }

    /// Opens the companion's answer.
    ///
    /// `wrapped_bundle` is `link_code_pairing_wrapped_key_bundle`, `companion_identity` is
    /// `companion_identity_public` of the `companion_finish`. Continue with [`Phone::link_device`].
    ///
    /// # Errors
    /// [`PairError::CodeMismatch`] when another code was typed than shown.
    pub fn on_companion_finish(
        &self,
        phone: &Phone,
        wrapped_bundle: &[u8],
        companion_identity: &[u8; 32],
    ) -> Result<CodeCompanion, PairError> {
        let exchange = self.exchange.as_ref().ok_or(PairError::NoCodeTyped)?;
        let wrapped: &[u8; WRAPPED_BUNDLE_LENGTH] =
            wrapped_bundle
                .try_into()
                .map_err(|_| PairError::WrappedLength {
                    what: "key bundle",
                    got: wrapped_bundle.len(),
                    need: WRAPPED_BUNDLE_LENGTH,
                })?;
        let ephemeral = agree(&exchange.own, &exchange.companion_key)?;
        let bundle = open_bundle(wrapped, &ephemeral)?;
        let (named_companion, rest) = bundle.split_at(32);
        let (named_primary, random) = rest.split_at(32);
        if named_companion != companion_identity {
            return Err(PairError::CodeIdentity("companion"));
        }
        if named_primary != phone.identity() {
            return Err(PairError::CodeIdentity("primary"));
        }
        let identity = phone.agree_identity(companion_identity)?;
        let secret = [ephemeral.as_slice(), &identity, random].concat();
        let adv_secret = hkdf(None, &secret, b"adv_secret");
        Ok(CodeCompanion {
            identity: *companion_identity,
            adv_secret,
        })
    }
}

impl Phone {
    fn agree_identity(&self, theirs: &[u8; 32]) -> Result<[u8; 32], PairError> {
        let theirs = PublicKey::from_djb_public_key_bytes(theirs).map_err(PairError::Key)?;
        let identity = &self.keys.pairs(&self.root).identity;
        identity
            .private_key()
            .calculate_agreement(&theirs)
            .map_err(PairError::Key)
    }
}

fn normalise(code: &str) -> Result<String, PairError> {
    let typed = code.chars().filter(|c| *c != '-' && !c.is_whitespace());
    let code: String = typed
        .take(CODE_LENGTH + 1)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    if code.len() == CODE_LENGTH && code.chars().all(|c| CODE_ALPHABET.contains(c)) {
        Ok(code)
    } else {
        Err(PairError::CodeShape)
    }
}

fn password_key(code: &str, salt: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(code.as_bytes(), salt, PBKDF2_ROUNDS, &mut key);
    key
}

fn apply_keystream(data: &mut [u8; 32], key: [u8; 32], iv: [u8; 16]) {
    ctr::Ctr128BE::<Aes256>::new(&key.into(), &iv.into()).apply_keystream(data);
}

fn wrap_key<R: Rng + CryptoRng>(
    public: &[u8; 32],
    code: &str,
    rng: &mut R,
) -> [u8; WRAPPED_KEY_LENGTH] {
    let salt: [u8; 32] = rng.random();
    let iv: [u8; 16] = rng.random();
    let mut sealed = *public;
    apply_keystream(&mut sealed, password_key(code, &salt), iv);
    let mut wrapped = [0; WRAPPED_KEY_LENGTH];
    let parts = salt.iter().chain(&iv).chain(&sealed);
    wrapped
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = *from);
    wrapped
}

fn unwrap_key(wrapped: &[u8; WRAPPED_KEY_LENGTH], code: &str) -> [u8; 32] {
    let (salt, rest) = wrapped.split_at(32);
    let (iv, sealed) = rest.split_at(16);
    let mut public = array(sealed);
    apply_keystream(&mut public, password_key(code, salt), array(iv));
    public
}

fn open_bundle(
    wrapped: &[u8; WRAPPED_BUNDLE_LENGTH],
    ephemeral: &[u8; 32],
) -> Result<[u8; 96], PairError> {
    let (salt, rest) = wrapped.split_at(32);
    let (nonce, sealed) = rest.split_at(12);
    let key = hkdf(
        Some(salt),
        ephemeral,
        b"link_code_pairing_key_bundle_encryption_key",
    );
    let nonce: [u8; 12] = array(nonce);
    let opened = Aes256Gcm::new(&key.into())
        .decrypt(&Nonce::from(nonce), sealed)
        .map_err(|_| PairError::CodeMismatch)?;
    opened.try_into().map_err(|_| PairError::CodeMismatch)
}

fn agree(own: &KeyPair, theirs: &[u8; 32]) -> Result<[u8; 32], PairError> {
    let theirs = PublicKey::from_djb_public_key_bytes(theirs).map_err(PairError::Key)?;
    own.calculate_agreement(&theirs).map_err(PairError::Key)
}

fn hkdf(salt: Option<&[u8]>, secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // Fails only for outputs of more than 255 hashes.
    let expanded = Hkdf::<Sha256>::new(salt, secret).expand(info, &mut out);
    debug_assert!(expanded.is_ok(), "32 bytes are one hash");
    out
}
