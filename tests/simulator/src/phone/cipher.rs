//! Pairwise encryption: sessions from bundles, messages in both directions, resends.

use futures::FutureExt as _;
use rand::{CryptoRng, Rng, RngExt as _};
use wacore_libsignal::protocol::{
    CiphertextMessage, DecryptionResult, PreKeySignalMessage, SenderKeyDistributionMessage,
    SignalMessage, SignalProtocolError, UsePQRatchet, message_decrypt, message_encrypt,
    process_prekey_bundle, process_sender_key_distribution_message,
};
use waproto::whatsapp as wa;

use super::group::sender_key_name;
use super::store::{Identities, SignedPrekeys};
use super::{Bundle, DeviceAddress, Error, Phone};

/// Highest retry count answered. Source: WhatsApp clients give up after five attempts.
pub const RETRY_COUNT_MAX: u8 = 5;

/// How many sent messages a phone keeps to answer retry receipts.
pub const SENT_MAX: usize = 32;

/// Longest message kept for a resend, encoded.
const SENT_BYTES_MAX: usize = 16 * 1024;

/// Random padding is 1 to this many bytes. Source: WhatsApp clients, message padding version 2.
const PADDING_MAX: u8 = 16;

/// The kind of a ciphertext, the `type` attribute of `<enc>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncKind {
    /// `pkmsg`: the first messages of a session, they carry what builds it.
    PreKey,
    /// `msg`: within an established session.
    Message,
    /// `skmsg`: for a whole group.
    SenderKey,
}

impl EncKind {
    /// The attribute value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreKey => "pkmsg",
            Self::Message => "msg",
            Self::SenderKey => "skmsg",
        }
    }

    /// From the attribute value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pkmsg" => Some(Self::PreKey),
            "msg" => Some(Self::Message),
            "skmsg" => Some(Self::SenderKey),
            _ => None,
        }
    }
}

/// The content of one `<enc v="2">`. A phone never adds `<device-identity>`: that belongs to companions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enc {
    /// The `type` attribute.
    pub kind: EncKind,
    /// The ciphertext.
    pub bytes: Vec<u8>,
    /// The `count` attribute of a resend.
    pub count: Option<u8>,
}

/// A decrypted message.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The content. Copies of what an own companion sent are already taken out of their wrapper.
    pub message: wa::Message,
    /// Set when an own companion sent this: the chat it went to, as the companion wrote it.
    pub destination: Option<String>,
    /// The group whose sender key came along, as the sender wrote it. The key is stored already.
    pub sender_key_of: Option<String>,
}

/// A sent message, kept for retry receipts.
#[derive(Debug)]
pub(super) struct Sent {
    id: Box<str>,
    message: Box<[u8]>,
}

impl Sent {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.message.len()
    }
}

/// Runs a future of the Signal library, whose stores never wait here.
pub(super) fn at_once<F: Future>(future: F) -> Result<F::Output, Error> {
    future.now_or_never().ok_or(Error::Waiting)
}

/// Encodes and pads a message.
pub(super) fn pad<R: Rng>(message: &wa::Message, rng: &mut R) -> Vec<u8> {
    let mut plaintext = waproto::codec::message_to_vec(message);
    let padding = rng.random_range(1..=PADDING_MAX);
    plaintext.resize(plaintext.len() + usize::from(padding), padding);
    plaintext
}

/// Takes the padding off and decodes.
pub(super) fn unpad(from: DeviceAddress, plaintext: &[u8]) -> Result<wa::Message, Error> {
    let padding = *plaintext.last().ok_or(Error::Padding(from))?;
    let length = plaintext.len().checked_sub(usize::from(padding));
    let (content, tail) = length
        .and_then(|at| plaintext.split_at_checked(at))
        .ok_or(Error::Padding(from))?;
    if padding == 0 || tail.iter().any(|byte| *byte != padding) {
        return Err(Error::Padding(from));
    }
    waproto::codec::message_decode(content).map_err(|source| Error::Decode {
        device: from,
        source,
    })
}

impl Phone {
    /// Whether a message to this device needs no bundle.
    #[must_use]
    pub fn has_session(&self, device: DeviceAddress) -> bool {
        self.sessions.contains(device)
    }

    /// Forgets the session with a device, say after it was unlinked. Returns whether there was one.
    pub fn delete_session(&mut self, device: DeviceAddress) -> bool {
        self.sessions.remove(device)
    }

    /// Encrypts a message for one device.
    ///
    /// The bundle is used only without a session; see [`Self::has_session`].
    ///
    /// # Errors
    /// Without a session and a bundle, or when the bundle is forged.
    pub fn encrypt<R: Rng + CryptoRng>(
        &mut self,
        to: DeviceAddress,
        bundle: Option<&Bundle>,
        message: &wa::Message,
        rng: &mut R,
    ) -> Result<Enc, Error> {
        if !self.has_session(to) {
            self.start_session(to, bundle.ok_or(Error::NoSession(to))?, rng)?;
        }
        let plaintext = pad(message, rng);
        let registration_id = self.registration_id();
        let pairs = self.keys.pairs(&self.root);
        let mut identities = Identities {
            own: &pairs.identity,
            registration_id,
        };
        let address = to.protocol();
        let encrypted = message_encrypt(&plaintext, &address, &mut self.sessions, &mut identities);
        let ciphertext = at_once(encrypted)?.map_err(|source| Error::Signal {
            operation: "encryption",
            device: to,
            source,
        })?;
        let kind = match &ciphertext {
            CiphertextMessage::PreKeySignalMessage(_) => EncKind::PreKey,
            CiphertextMessage::SignalMessage(_)
            | CiphertextMessage::SenderKeyMessage(_)
            | CiphertextMessage::PlaintextContent(_) => EncKind::Message,
        };
        Ok(Enc {
            kind,
            bytes: ciphertext.serialize().to_vec(),
            count: None,
        })
    }

    /// Encrypts a message again after a retry receipt.
    ///
    /// The old session is dropped when there is a bundle (from the receipt's `<keys>`, or fetched); a first retry
    /// without keys goes through the old session. `count` is the receipt's count and becomes the ciphertext's.
    ///
    /// # Errors
    /// As [`Self::encrypt`], and beyond [`RETRY_COUNT_MAX`].
    pub fn resend<R: Rng + CryptoRng>(
        &mut self,
        to: DeviceAddress,
        bundle: Option<&Bundle>,
        message: &wa::Message,
        count: u8,
        rng: &mut R,
    ) -> Result<Enc, Error> {
        if count > RETRY_COUNT_MAX {
            return Err(Error::TooManyRetries { device: to, count });
        }
        if bundle.is_some() {
            self.delete_session(to);
        }
        let enc = self.encrypt(to, bundle, message, rng)?;
        Ok(Enc {
            count: Some(count),
            ..enc
        })
    }

    /// Decrypts a `pkmsg` or `msg` from a device.
    ///
    /// A sender key that comes along is stored for its group; a copy of an own companion's message is unwrapped.
    ///
    /// # Errors
    /// See [`Error::wants_retry`] and [`Error::is_duplicate`] for what to answer.
    pub fn decrypt<R: Rng + CryptoRng>(
        &mut self,
        from: DeviceAddress,
        kind: EncKind,
        bytes: &[u8],
        rng: &mut R,
    ) -> Result<Opened, Error> {
        let failed = |source| Error::Signal {
            operation: "decryption",
            device: from,
            source,
        };
        let ciphertext = match kind {
            EncKind::PreKey => PreKeySignalMessage::try_from(bytes)
                .map(CiphertextMessage::PreKeySignalMessage)
                .map_err(failed)?,
            EncKind::Message => SignalMessage::try_from(bytes)
                .map(CiphertextMessage::SignalMessage)
                .map_err(failed)?,
            EncKind::SenderKey => {
                return Err(Error::WrongKind {
                    kind: kind.as_str(),
                    wanted: "pairwise",
                });
            }
        };
        let decrypted = self.open(from, &ciphertext, rng)?.map_err(failed)?;
        if let Some(id) = decrypted.consumed_prekey_id {
            self.prekeys.consume(id.into());
        }
        let message = unpad(from, &decrypted.plaintext)?;
        let sender_key_of = self.take_sender_key(from, &message)?;
        let (message, destination) = self.unwrap_own(from, message)?;
        Ok(Opened {
            message,
            destination,
            sender_key_of,
        })
    }

    fn open<R: Rng + CryptoRng>(
        &mut self,
        from: DeviceAddress,
        ciphertext: &CiphertextMessage,
        rng: &mut R,
    ) -> Result<Result<DecryptionResult, SignalProtocolError>, Error> {
        let registration_id = self.registration_id();
        let signature = self.keys.signature(&self.root)?;
        let pairs = self.keys.pairs(&self.root);
        let mut identities = Identities {
            own: &pairs.identity,
            registration_id,
        };
        let signed_prekeys = SignedPrekeys {
            pair: &pairs.signed_prekey,
            signature,
        };
        at_once(message_decrypt(
            ciphertext,
            &from.protocol(),
            &mut self.sessions,
            &mut identities,
            &mut self.prekeys,
            &signed_prekeys,
            rng,
            UsePQRatchet::No,
        ))
    }

    fn start_session<R: Rng + CryptoRng>(
        &mut self,
        with: DeviceAddress,
        bundle: &Bundle,
        rng: &mut R,
    ) -> Result<(), Error> {
        let bundle = bundle.protocol(with)?;
        let registration_id = self.registration_id();
        let pairs = self.keys.pairs(&self.root);
        let mut identities = Identities {
            own: &pairs.identity,
            registration_id,
        };
        let address = with.protocol();
        let started = process_prekey_bundle(
            &address,
            &mut self.sessions,
            &mut identities,
            &bundle,
            rng,
            UsePQRatchet::No,
        );
        at_once(started)?.map(drop).map_err(|source| Error::Signal {
            operation: "session start",
            device: with,
            source,
        })
    }

    /// Stores the sender key a message carries. Returns its group.
    fn take_sender_key(
        &mut self,
        from: DeviceAddress,
        message: &wa::Message,
    ) -> Result<Option<String>, Error> {
        let Some(carrier) = message.sender_key_distribution_message.as_option() else {
            return Ok(None);
        };
        let (Some(group), Some(bytes)) = (
            &carrier.group_id,
            &carrier.axolotl_sender_key_distribution_message,
        ) else {
            return Ok(None);
        };
        let failed = |source| Error::Signal {
            operation: "sender key import",
            device: from,
            source,
        };
        let distribution =
            SenderKeyDistributionMessage::try_from(bytes.as_slice()).map_err(failed)?;
        let name = sender_key_name(group, from);
        at_once(process_sender_key_distribution_message(
            &name,
            &distribution,
            &mut self.sender_keys,
        ))?
        .map_err(failed)?;
        Ok(Some(group.clone()))
    }

    /// Takes the message out of the wrapper in which own companions send copies of what they sent.
    fn unwrap_own(
        &self,
        from: DeviceAddress,
        mut message: wa::Message,
    ) -> Result<(wa::Message, Option<String>), Error> {
        let Some(mut copy) = message.device_sent_message.take() else {
            return Ok((message, None));
        };
        if from.number != self.number {
            return Err(Error::ForeignDeviceSent(from));
        }
        let mut inner = copy.message.take().unwrap_or_default();
        if inner.message_context_info.is_unset() {
            inner.message_context_info = message.message_context_info.take().into();
        }
        Ok((inner, copy.destination_jid))
    }

    /// Keeps a sent message for retry receipts, the last [`SENT_MAX`] of them. Very long ones are not kept.
    pub fn remember_sent(&mut self, id: &str, message: &wa::Message) {
        let encoded = waproto::codec::message_to_vec(message);
        if encoded.len() > SENT_BYTES_MAX {
            return;
        }
        if self.sent.len() >= SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent {
            id: id.into(),
            message: encoded.into(),
        });
    }

    /// A kept message, see [`Self::remember_sent`].
    #[must_use]
    pub fn sent(&self, id: &str) -> Option<wa::Message> {
        let sent = self.sent.iter().rev().find(|sent| &*sent.id == id)?;
        waproto::codec::message_decode(&sent.message).ok()
    }
}
