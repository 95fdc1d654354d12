//! Device addresses, key bundles, and the keys a phone derives from its seed.
//!
//! Nothing here is stored that can be derived again: identity and signed prekey on first use, one-time prekeys
//! each time they are needed.

use std::fmt;
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};
use wacore_libsignal::protocol::{
    DeviceId, IdentityKey, IdentityKeyPair, KeyPair, PreKeyBundle, PreKeyId, ProtocolAddress,
    PublicKey, SignedPreKeyId,
};

use super::{Error, Phone};

/// The id of the only signed prekey: phones here never rotate it.
pub(super) const SIGNED_PREKEY_ID: u32 = 1;

/// How many one-time prekeys may be handed out and unused at a time. Of more, the oldest stop working.
/// Source: our choice, as many as a companion uploads.
pub const PREKEYS_OUTSTANDING_MAX: usize = 812;

/// Prekey ids are three bytes on the wire and start at 1.
pub(super) const PREKEY_ID_MAX: u32 = 0x00FF_FFFF;

/// Registration ids are 14 bits and not zero. Source: the Signal protocol.
const REGISTRATION_ID_MAX: u32 = 0x3FFF;

/// One device of one account, the account by its phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceAddress {
    /// Digits of the phone number.
    pub number: u64,
    /// 0 is the phone.
    pub device: u16,
}

impl DeviceAddress {
    /// The address of a device of the account with this phone number.
    #[must_use]
    pub const fn new(number: u64, device: u16) -> Self {
        Self { number, device }
    }

    /// The library's form. The text never leaves this process.
    pub(super) fn protocol(self) -> ProtocolAddress {
        ProtocolAddress::new(
            &self.number.to_string(),
            DeviceId::new(u32::from(self.device)),
        )
    }

    /// Back from [`Self::protocol`].
    pub(super) fn from_protocol(address: &ProtocolAddress) -> Option<Self> {
        let device = u16::try_from(u32::from(address.device_id())).ok()?;
        Some(Self {
            number: address.name().parse().ok()?,
            device,
        })
    }
}

/// Shows the last four digits only: addresses end up in logs.
impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…{:04}:{}", self.number % 10_000, self.device)
    }
}

/// A signed prekey as served to other devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPrekey {
    /// Its id, three bytes on the wire.
    pub id: u32,
    /// The public key without type byte.
    pub public: [u8; 32],
    /// The identity's signature over the type byte (5) and the public key.
    pub signature: [u8; 64],
}

/// What a prekey answer says about one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Registration id, four bytes on the wire.
    pub registration_id: u32,
    /// The public identity key without type byte.
    pub identity: [u8; 32],
    /// The signed prekey.
    pub signed_prekey: SignedPrekey,
    /// A one-time prekey, if one is left: id and public key.
    pub prekey: Option<(u32, [u8; 32])>,
}

impl Bundle {
    /// The library's form.
    pub(super) fn protocol(&self, device: DeviceAddress) -> Result<PreKeyBundle, Error> {
        let key = |bytes: &[u8; 32]| {
            PublicKey::from_djb_public_key_bytes(bytes)
                .map_err(|source| Error::BundleKey { device, source })
        };
        let prekey = match &self.prekey {
            Some((id, public)) => Some((PreKeyId::from(*id), key(public)?)),
            None => None,
        };
        PreKeyBundle::new(
            self.registration_id,
            DeviceId::new(u32::from(device.device)),
            prekey,
            SignedPreKeyId::from(self.signed_prekey.id),
            key(&self.signed_prekey.public)?,
            self.signed_prekey.signature.to_vec(),
            IdentityKey::new(key(&self.identity)?),
        )
        .map_err(|source| Error::Signal {
            operation: "bundle reading",
            device,
            source,
        })
    }
}

/// The secret all keys of a phone follow from.
#[derive(Clone, Copy)]
pub(super) struct Root([u8; 32]);

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(..)")
    }
}

impl Root {
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"simulated phone");
        hash.update(seed.to_be_bytes());
        hash.update(number.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// 32 bytes for one purpose. `label` and `index` together name the purpose.
    pub(super) fn derive(&self, label: &'static str, index: u32) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(label.as_bytes());
        hash.update(index.to_be_bytes());
        hash.finalize().into()
    }

    pub(super) fn rng(&self, label: &'static str, index: u32) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.derive(label, index))
    }

    /// Four bytes for one purpose.
    pub(super) fn word(&self, label: &'static str) -> u32 {
        let [a, b, c, d, ..] = self.derive(label, 0);
        u32::from_be_bytes([a, b, c, d])
    }

    pub(super) fn prekey(&self, id: u32) -> KeyPair {
        KeyPair::generate(&mut self.rng("prekey", id))
    }
}

/// Identity and signed prekey, derived when first needed.
#[derive(Default)]
pub(super) struct AccountKeys {
    pairs: OnceLock<Box<Pairs>>,
    signature: Option<[u8; 64]>,
}

impl fmt::Debug for AccountKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKeys(..)")
    }
}

pub(super) struct Pairs {
    pub(super) identity: IdentityKeyPair,
    pub(super) signed_prekey: KeyPair,
}

impl AccountKeys {
    pub(super) fn pairs(&self, root: &Root) -> &Pairs {
        self.pairs.get_or_init(|| {
            Box::new(Pairs {
                identity: IdentityKeyPair::generate(&mut root.rng("identity", 0)),
                signed_prekey: KeyPair::generate(&mut root.rng("signed prekey", SIGNED_PREKEY_ID)),
            })
        })
    }

    /// The identity's signature over the signed prekey.
    pub(super) fn signature(&mut self, root: &Root) -> Result<[u8; 64], Error> {
        if let Some(signature) = self.signature {
            return Ok(signature);
        }
        let pairs = self.pairs(root);
        let signature = pairs
            .identity
            .private_key()
            .calculate_signature(
                &pairs.signed_prekey.public_key.serialize(),
                &mut root.rng("prekey signature", SIGNED_PREKEY_ID),
            )
            .map_err(Error::Sign)?;
        self.signature = Some(signature);
        Ok(signature)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.pairs.get().map_or(0, |_| size_of::<Pairs>())
    }
}

/// The 32 bytes of a public key, without its type byte.
pub(super) fn public_bytes(key: &PublicKey) -> [u8; 32] {
    let [_, bytes @ ..] = key.serialize();
    bytes
}

/// The start of a slice as an array; shorter slices are filled up with zeros.
pub(super) fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(slice).for_each(|(to, from)| *to = *from);
    out
}

/// HMAC-SHA256 over the concatenated parts.
pub(super) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC fills a short key up with zeros to its block of 64 bytes.
    let mut block = [0_u8; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl Phone {
    /// The account's public identity key, without type byte.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        public_bytes(self.keys.pairs(&self.root).identity.public_key())
    }

    /// The registration id of the phone.
    #[must_use]
    pub fn registration_id(&self) -> u32 {
        self.root.word("registration id") % REGISTRATION_ID_MAX + 1
    }

    /// The phone's keys for a prekey answer or a retry receipt.
    ///
    /// With `one_time`, each call hands out another one-time prekey. The supply does not end, but of more than
    /// [`PREKEYS_OUTSTANDING_MAX`] unused ones the oldest are forgotten.
    ///
    /// # Errors
    /// When the signed prekey cannot be signed.
    pub fn bundle(&mut self, one_time: bool) -> Result<Bundle, Error> {
        let signature = self.keys.signature(&self.root)?;
        let pairs = self.keys.pairs(&self.root);
        let signed_prekey = SignedPrekey {
            id: SIGNED_PREKEY_ID,
            public: public_bytes(&pairs.signed_prekey.public_key),
            signature,
        };
        let prekey = one_time.then(|| {
            let (id, pair) = self.prekeys.hand_out();
            (id, public_bytes(&pair.public_key))
        });
        Ok(Bundle {
            registration_id: self.registration_id(),
            identity: self.identity(),
            signed_prekey,
            prekey,
        })
    }
}
