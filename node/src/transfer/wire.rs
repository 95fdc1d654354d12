//! Calls between nodes as they cross the bus, and the keys that say that they come from a node of this cluster.
//!
//! ```text
//! frame = head {version, mac} | body (JSON: call or answer) | blob (raw: a frame of the key store, a piece of a file)
//! mac   = HMAC-SHA-256 over a label, the body with its length, and the blob; an answer's also over the call's mac
//! ```
//! The key of the mac comes from the master key, so nobody without it can hand a session or a file to a node, and two nodes
//! with different master keys say so. Keys travel sealed (see `switchboard_keystore`); files travel as they lie on the disk.

use bytes::Bytes;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use switchboard_keystore::{TransferKey, TransferReport};
use switchboard_vocab::codec;
use switchboard_vocab::envelope::Frame;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{Epoch, MediaId, NodeId, OpError, SessionRef};

/// The version of these calls. A change of what they mean, or of the key store's frames, is a new one: nodes of two versions
/// refuse each other's sessions, and these stay where they are until both run the same release.
pub(super) const WIRE_VERSION: u32 = 1;

const CALLS_INFO: &[u8] = b"switchboard calls between nodes v1";
const TRANSFER_INFO: &[u8] = b"switchboard session transfer v1";
const CALL_LABEL: &[u8] = b"call";
const ANSWER_LABEL: &[u8] = b"answer";

/// Names one attempt to send a session: 128 random bits as hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TransferId(String);

impl TransferId {
    pub(super) fn fresh() -> Self {
        let mut bytes = [0u8; 16];
        rand::Rng::fill_bytes(&mut rand::rng(), &mut bytes);
        Self(hex::encode(bytes))
    }
}

/// One call to another node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Call {
    /// Who calls.
    pub(super) from: NodeId,
    /// Which session it is about.
    pub(super) session: SessionRef,
    /// What is asked.
    pub(super) ask: Ask,
}

/// What a node asks of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Ask {
    /// Would you take this session, and which of these files have you not? Answered by [`Answer::Missing`].
    MediaHave {
        /// Some of the session's files.
        files: Vec<MediaId>,
    },
    /// The blob is a piece of a file. Answered by [`Answer::Kept`].
    MediaPiece {
        /// The file.
        meta: StoredMedia,
        /// Where the piece belongs.
        offset: u64,
    },
    /// A transfer begins; one under way from the same node is given up. Answered by [`Answer::Taken`].
    Begin {
        /// Names it.
        transfer: TransferId,
        /// The epoch that the copy is for.
        next: Epoch,
    },
    /// The blob is a frame of the key store's export. Answered by [`Answer::Taken`], a repeated one too.
    Frame {
        /// Of which transfer.
        transfer: TransferId,
        /// Its number, from 0, without gaps.
        sequence: u32,
    },
    /// That was all. Answered by [`Answer::Staged`], a repeated one too.
    Finish {
        /// Of which transfer.
        transfer: TransferId,
        /// What was sent.
        report: Report,
    },
    /// The transfer is given up, finished or not. Answered by [`Answer::Taken`].
    Abort {
        /// Which.
        transfer: TransferId,
    },
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Answer {
    /// It is done.
    Taken,
    /// These files are not here.
    Missing {
        /// Their ids.
        files: Vec<MediaId>,
    },
    /// The piece is kept.
    Kept {
        /// The file is complete.
        whole: bool,
    },
    /// A complete copy is staged durably.
    Staged {
        /// What arrived.
        report: Report,
    },
    /// Too much is under way; the same call may be tried again.
    Busy,
    /// No.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// What travelled; equal on both sides when everything arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    entries: u64,
    bytes: u64,
    frames: u32,
    /// SHA-256, hex.
    hash: String,
    source_epoch: Epoch,
}

impl Report {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn source_epoch(&self) -> Epoch {
        self.source_epoch
    }
}

impl From<TransferReport> for Report {
    fn from(report: TransferReport) -> Self {
        Self {
            entries: report.entries,
            bytes: report.bytes,
            frames: report.frames,
            hash: hex::encode(report.hash),
            source_epoch: Epoch(report.source_epoch.0),
        }
    }
}

/// The head of every frame; stays as it is in every version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    version: u32,
    /// Hex.
    mac: String,
}

/// What ties an answer to its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallMac(Vec<u8>);

/// Why a frame is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// The other node runs another release.
    #[error(
        "the nodes run different releases: one speaks version {WIRE_VERSION} of the calls between nodes, the other {0}"
    )]
    Version(u32),
    /// The mac does not fit.
    #[error("the master keys of the two nodes differ, or the call was changed on its way")]
    Key,
    /// Not a frame, or not what the version says.
    #[error("a call between nodes cannot be read: {0}")]
    Form(String),
}

impl From<OpError> for Error {
    fn from(error: OpError) -> Self {
        Self::Form(error.internal.unwrap_or(error.public))
    }
}

/// What a frame said, its blob and its mac; the mac also where the rest is refused.
type Read<T> = Result<(T, Bytes, Vec<u8>), (Error, Vec<u8>)>;

/// What both sides derive from the cluster's transfer key.
pub(super) struct Keys {
    cluster: [u8; 32],
    calls: [u8; 32],
}

impl Keys {
    pub(super) fn new(cluster: [u8; 32]) -> Self {
        let calls = derive(&cluster, None, &[CALLS_INFO]);
        Self { cluster, calls }
    }

    /// The key that seals one transfer.
    pub(super) fn transfer(
        &self,
        session: &SessionRef,
        next: Epoch,
        transfer: &TransferId,
    ) -> TransferKey {
        let name = session.to_string();
        let info = [TRANSFER_INFO, &next.0.to_be_bytes(), name.as_bytes()];
        TransferKey::new(derive(&self.cluster, Some(transfer.0.as_bytes()), &info))
    }

    /// Writes a call.
    pub(super) fn call(&self, call: &Call, blob: Bytes) -> Result<(Bytes, CallMac), Error> {
        let body = codec::encode(call)?;
        let mac = self.mac(&[CALL_LABEL], &body, &blob);
        let bytes = frame(&mac, body, blob)?;
        Ok((bytes, CallMac(mac)))
    }

    /// Reads a call. The mac comes back even where the call is refused, so that the answer can be tied to it.
    pub(super) fn read_call(&self, payload: Bytes) -> (Result<(Call, Bytes), Error>, CallMac) {
        match self.read(&[CALL_LABEL], payload) {
            Ok((call, blob, mac)) => (Ok((call, blob)), CallMac(mac)),
            Err((error, mac)) => (Err(error), CallMac(mac)),
        }
    }

    /// Writes the answer to a call.
    pub(super) fn answer(&self, answer: &Answer, call: &CallMac) -> Result<Bytes, Error> {
        let body = codec::encode(answer)?;
        let mac = self.mac(&[ANSWER_LABEL, &call.0], &body, &[]);
        frame(&mac, body, Bytes::new())
    }

    /// Reads the answer to a call.
    pub(super) fn read_answer(&self, payload: Bytes, call: &CallMac) -> Result<Answer, Error> {
        self.read(&[ANSWER_LABEL, &call.0], payload)
            .map(|(answer, _, _)| answer)
            .map_err(|(error, _)| error)
    }

    fn read<T: DeserializeOwned>(&self, label: &[&[u8]], payload: Bytes) -> Read<T> {
        let frame = Frame::<Head>::decode(payload).map_err(|e| (e.into(), Vec::new()))?;
        let mac = hex::decode(&frame.head.mac).unwrap_or_default();
        if frame.head.version != WIRE_VERSION {
            return Err((Error::Version(frame.head.version), mac));
        }
        let Some(check) = self.hmac(label, &frame.body, &frame.blob) else {
            return Err((Error::Key, mac));
        };
        if check.verify_slice(&mac).is_err() {
            return Err((Error::Key, mac));
        }
        match codec::decode(&frame.body) {
            Ok(read) => Ok((read, frame.blob, mac)),
            Err(error) => Err((error.into(), mac)),
        }
    }

    fn hmac(&self, label: &[&[u8]], body: &[u8], blob: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.calls).ok()?;
        for piece in label.iter().chain([&body]) {
            mac.update(&u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(piece);
        }
        mac.update(blob);
        Some(mac)
    }

    fn mac(&self, label: &[&[u8]], body: &[u8], blob: &[u8]) -> Vec<u8> {
        // HMAC takes keys of any length; without a mac the other side would refuse the call.
        let mac = self.hmac(label, body, blob);
        mac.map_or_else(Vec::new, |mac| mac.finalize().into_bytes().to_vec())
    }
}

fn frame(mac: &[u8], body: Vec<u8>, blob: Bytes) -> Result<Bytes, Error> {
    let head = Head {
        version: WIRE_VERSION,
        mac: hex::encode(mac),
    };
    let body = body.into();
    Ok(Frame { head, body, blob }.encode()?)
}

fn derive(secret: &[u8; 32], salt: Option<&[u8]>, info: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    // 32 bytes is one hash block; only more than 255 blocks can fail.
    let done = Hkdf::<Sha256>::new(salt, secret).expand_multi_info(info, &mut out);
    debug_assert!(done.is_ok());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call {
            from: "one".parse().unwrap(),
            session: "default/a".parse().unwrap(),
            ask: Ask::Frame {
                transfer: TransferId::fresh(),
                sequence: 3,
            },
        }
    }

    #[test]
    fn calls_and_answers_round_trip_and_damage_is_seen() {
        let keys = Keys::new([1; 32]);
        let (bytes, mac) = keys.call(&call(), Bytes::from_static(b"blob")).unwrap();
        let (read, seen) = keys.read_call(bytes.clone());
        let (read, blob) = read.unwrap();
        assert_eq!((read.session, &blob[..]), (call().session, &b"blob"[..]));
        assert_eq!(seen, mac);
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            assert!(keys.read_call(damaged.into()).0.is_err(), "byte {at}");
            assert!(keys.read_call(bytes.slice(..at)).0.is_err(), "cut to {at}");
        }
        let answer = keys.answer(&Answer::Taken, &mac).unwrap();
        assert_eq!(keys.read_answer(answer.clone(), &mac), Ok(Answer::Taken));
        let (_, other) = keys.call(&call(), Bytes::new()).unwrap();
        assert_eq!(keys.read_answer(answer, &other), Err(Error::Key));
    }

    #[test]
    fn other_keys_and_other_releases_say_so() {
        let (one, two) = (Keys::new([1; 32]), Keys::new([2; 32]));
        let (bytes, mac) = one.call(&call(), Bytes::new()).unwrap();
        assert_eq!(two.read_call(bytes.clone()).0, Err(Error::Key));
        let refused = two.answer(&Answer::Busy, &mac).unwrap();
        assert_eq!(one.read_answer(refused, &mac), Err(Error::Key));

        let mut frame = Frame::<Head>::decode(bytes).unwrap();
        frame.head.version = 9;
        let (read, _) = one.read_call(frame.encode().unwrap());
        assert_eq!(read, Err(Error::Version(9)));
    }

    #[test]
    fn every_transfer_has_a_key_of_its_own() {
        let keys = Keys::new([1; 32]);
        let (a, b) = ("t/a".parse().unwrap(), "t/b".parse().unwrap());
        let (one, two) = (TransferId::fresh(), TransferId::fresh());
        let bytes = |session: &SessionRef, next, transfer: &TransferId| {
            let name = session.to_string();
            let info = [TRANSFER_INFO, &Epoch(next).0.to_be_bytes(), name.as_bytes()];
            derive(&keys.cluster, Some(transfer.0.as_bytes()), &info)
        };
        let all = [
            bytes(&a, 1, &one),
            bytes(&b, 1, &one),
            bytes(&a, 2, &one),
            bytes(&a, 1, &two),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key));
        }
    }
}
