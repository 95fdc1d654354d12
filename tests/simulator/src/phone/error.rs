//! What can go wrong in a phone: message encryption, pairing, media.

use wacore_libsignal::protocol::{CurveError, SignalProtocolError};

use super::DeviceAddress;

/// Encrypting, decrypting and handing out keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to encrypt with: no session yet and no bundle was given.
    #[error("no session with device {0} and no bundle to build one from")]
    NoSession(DeviceAddress),
    /// A Signal operation failed.
    #[error("signal {operation} with device {device} failed")]
    Signal {
        /// What was attempted.
        operation: &'static str,
        /// The other device.
        device: DeviceAddress,
        /// The library's reason.
        #[source]
        source: SignalProtocolError,
    },
    /// The ciphertext kind does not fit the call: group ciphertext for a pairwise session or the other way round.
    #[error("cannot open {kind} as {wanted} ciphertext")]
    WrongKind {
        /// Kind of the ciphertext.
        kind: &'static str,
        /// What the call handles.
        wanted: &'static str,
    },
    /// The plaintext does not end in 1 to 255 equal bytes that say how many they are.
    #[error("plaintext from device {0} is not padded")]
    Padding(DeviceAddress),
    /// The plaintext is no message.
    #[error("plaintext from device {device} is no message")]
    Decode {
        /// The sender.
        device: DeviceAddress,
        /// The decoder's reason.
        #[source]
        source: buffa::DecodeError,
    },
    /// Only devices of the own account may claim to have sent something in its name.
    #[error("device {0} of another account sent a copy of an own message")]
    ForeignDeviceSent(DeviceAddress),
    /// The receiver asked for the same message too often.
    #[error("device {device} asked for resend {count}")]
    TooManyRetries {
        /// Who asks.
        device: DeviceAddress,
        /// The count it gave.
        count: u8,
    },
    /// More group members than a group can have.
    #[error("group has {0} member devices")]
    TooManyMembers(usize),
    /// Signing the own prekey failed.
    #[error("sign own prekey")]
    Sign(#[source] CurveError),
    /// A key of the other side is no curve point.
    #[error("bundle of device {device} has a bad key")]
    BundleKey {
        /// Whose bundle.
        device: DeviceAddress,
        /// The library's reason.
        #[source]
        source: CurveError,
    },
    /// The in-memory stores answer at once, so a Signal operation that waits is a defect.
    #[error("signal operation did not finish at once")]
    Waiting,
}

impl Error {
    /// Whether a real phone answers this with a retry receipt that carries fresh keys.
    #[must_use]
    pub const fn wants_retry(&self) -> bool {
        match self {
            Self::Signal { source, .. } => matches!(
                source,
                SignalProtocolError::SessionNotFound(_)
                    | SignalProtocolError::InvalidPreKeyId
                    | SignalProtocolError::InvalidSignedPreKeyId
                    | SignalProtocolError::BadMac(_)
                    | SignalProtocolError::InvalidMessage(..)
                    | SignalProtocolError::NoSenderKeyState(_)
                    | SignalProtocolError::InvalidSenderKeySession
                    | SignalProtocolError::SignatureValidationFailed
            ),
            Self::Padding(_) | Self::Decode { .. } => true,
            Self::NoSession(_)
            | Self::WrongKind { .. }
            | Self::ForeignDeviceSent(_)
            | Self::TooManyRetries { .. }
            | Self::TooManyMembers(_)
            | Self::Sign(_)
            | Self::BundleKey { .. }
            | Self::Waiting => false,
        }
    }

    /// Whether this ciphertext was opened before. It is acknowledged and otherwise ignored.
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        matches!(
            self,
            Self::Signal {
                source: SignalProtocolError::DuplicatedMessage(..),
                ..
            }
        )
    }
}

/// Linking a companion device.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// Too long to be a linking code.
    #[error("qr text of {0} bytes is too long")]
    QrLength(usize),
    /// Wrong number of comma-separated fields.
    #[error("qr text has {0} fields, need five")]
    QrFields(usize),
    /// A field does not hold what it should.
    #[error("qr field {0} is empty or not base64 of 32 bytes")]
    QrField(&'static str),
    /// The account has as many linked devices as it may have.
    #[error("account already has {0} linked devices")]
    TooManyDevices(usize),
    /// Device 0 is the phone itself.
    #[error("device 0 is the phone and cannot be linked")]
    DeviceZero,
    /// `finish_device` without `link_device`.
    #[error("device {0} is not being linked")]
    UnknownDevice(u16),
    /// The companion's answer is no signed device identity.
    #[error("device {device} returned an unreadable device identity")]
    Decode {
        /// Which device.
        device: u16,
        /// The decoder's reason.
        #[source]
        source: buffa::DecodeError,
    },
    /// The companion's answer differs from what the phone signed.
    #[error("device {device} returned a changed {field}")]
    Changed {
        /// Which device.
        device: u16,
        /// The field that differs.
        field: &'static str,
    },
    /// The companion did not prove that it holds its identity key.
    #[error("device {0} returned a wrong device signature")]
    DeviceSignature(u16),
    /// A public key of the companion is no curve point.
    #[error("companion key is not a curve point")]
    Key(#[source] CurveError),
    /// A wrapped payload of the code flow has the wrong length.
    #[error("wrapped {what} has {got} bytes, need {need}")]
    WrappedLength {
        /// Which payload.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The protocol's length.
        need: usize,
    },
    /// The typed text cannot be a pairing code.
    #[error("typed pairing code is not eight characters of its alphabet")]
    CodeShape,
    /// The code was shown too long ago.
    #[error("pairing code expired {0} seconds ago")]
    CodeExpired(u64),
    /// The companion answered before a code was typed.
    #[error("companion finished before a code was typed")]
    NoCodeTyped,
    /// The companion's bundle does not open: the typed code is not the one the companion shows.
    #[error("companion key bundle does not open, the code was mistyped")]
    CodeMismatch,
    /// The companion's bundle names other identities than the ones in play.
    #[error("companion key bundle names another {0} identity")]
    CodeIdentity(&'static str),
}

/// Sealing and opening media files.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Larger than the simulator keeps.
    #[error("media of {0} bytes is too large")]
    TooLarge(usize),
    /// The stored file is not the one the message announced.
    #[error("encrypted media has another sha-256 than its message says")]
    EncryptedHash,
    /// The file was not sealed with the message's key.
    #[error("encrypted media fails its authentication")]
    Authentication,
    /// The decrypted file is not padded as a block cipher needs it.
    #[error("encrypted media of {0} bytes does not decrypt")]
    Cipher(usize),
    /// The decrypted file is not the one the sender hashed.
    #[error("decrypted media has another sha-256 than its message says")]
    PlainHash,
    /// The decrypted file has another length than the sender said.
    #[error("decrypted media has {got} bytes, message says {said}")]
    Length {
        /// Real length.
        got: usize,
        /// Announced length.
        said: u64,
    },
    /// The message lacks what is needed to fetch and open the file.
    #[error("media message has no usable {0}")]
    Missing(&'static str),
}
