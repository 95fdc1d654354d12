//! The frames in which a tree travels (planned move, backup).
//!
//! ```text
//! header  = "SWKX" 01 'H' id(16) epoch(u64) length(u16) namespace  wrapped data key
//! data    = 'D' sequence(u32) count(u32)  count x { length(u16) key  length(u32) stored }
//! trailer = 'T' sequence(u32) entries(u64) bytes(u64) hash(32)  seal
//! ```
//! Stored values travel as they are, sealed under the data key, so whoever carries the frames sees
//! no plain value. The data key travels wrapped (XChaCha20-Poly1305) with a key derived by
//! HKDF-SHA-256 from the transfer key, salted with the random id of the export, for this namespace
//! and epoch only; the header before it is its associated data. The hash is SHA-256 over header and
//! data frames. The seal is an empty text under the data key with id and trailer as associated
//! data: only who holds the data key can make a trailer, so nothing can be left out or put in.
//!
//! Owns the bytes. Must not know stores.

use crate::layout::Entry;
use crate::seal::{DataKey, ID_BYTES, NONCE_BYTES, TAG_BYTES, TransferKey};

const MAGIC: &[u8] = b"SWKX\x01H";
const DATA: u8 = b'D';
const TRAILER: u8 = b'T';
const WRAPPED_BYTES: usize = NONCE_BYTES + crate::seal::KEY_BYTES + TAG_BYTES;
const TRAILER_BYTES: usize = 1 + 4 + 8 + 8 + 32;

/// Frames that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error("not a header frame of a known version")]
    Header,
    #[error("the data key does not unwrap: other transfer key, or damaged header")]
    Key,
    #[error("frame is neither data nor trailer, or its lengths do not fit")]
    Form,
    #[error("the trailer is not authentic")]
    Seal,
}

/// First frame.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) id: [u8; ID_BYTES],
    pub(crate) epoch: u64,
    pub(crate) namespace: String,
    pub(crate) key: DataKey,
}

impl Header {
    pub(crate) fn encode(&self, transfer: &TransferKey) -> Result<Vec<u8>, BadFrame> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        let length = u16::try_from(self.namespace.len()).map_err(|_error| BadFrame::Header)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(self.namespace.as_bytes());
        let wrapping = transfer.wrapping_key(&self.id, &self.namespace, self.epoch);
        let wrapped = wrapping
            .seal(&[], &out, self.key.bytes())
            .map_err(|_error| BadFrame::Key)?;
        out.extend_from_slice(&wrapped);
        Ok(out)
    }

    pub(crate) fn decode(frame: &[u8], transfer: &TransferKey) -> Result<Self, BadFrame> {
        let open_length = frame
            .len()
            .checked_sub(WRAPPED_BYTES)
            .ok_or(BadFrame::Header)?;
        let (open, wrapped) = frame
            .split_at_checked(open_length)
            .ok_or(BadFrame::Header)?;
        let rest = open.strip_prefix(MAGIC).ok_or(BadFrame::Header)?;
        let (id, rest) = rest
            .split_first_chunk::<ID_BYTES>()
            .ok_or(BadFrame::Header)?;
        let (epoch, rest) = rest.split_first_chunk::<8>().ok_or(BadFrame::Header)?;
        let (length, name) = rest.split_first_chunk::<2>().ok_or(BadFrame::Header)?;
        if usize::from(u16::from_be_bytes(*length)) != name.len() {
            return Err(BadFrame::Header);
        }
        let namespace = std::str::from_utf8(name)
            .map_err(|_error| BadFrame::Header)?
            .to_owned();
        let epoch = u64::from_be_bytes(*epoch);
        let wrapping = transfer.wrapping_key(id, &namespace, epoch);
        let key = wrapping
            .open(open, wrapped)
            .map_err(|_error| BadFrame::Key)?;
        let key = zeroize::Zeroizing::new(key);
        let key = DataKey::from_bytes(&key).map_err(|_error| BadFrame::Key)?;
        Ok(Self {
            id: *id,
            epoch,
            namespace,
            key,
        })
    }
}

/// Any frame after the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Data { sequence: u32, entries: Vec<Entry> },
    Trailer { sequence: u32, trailer: Trailer },
}

/// What the last frame claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) hash: [u8; 32],
}

/// Encodes a data frame.
pub(crate) fn encode_data(sequence: u32, entries: &[Entry]) -> Result<Vec<u8>, BadFrame> {
    let mut out = vec![DATA];
    out.extend_from_slice(&sequence.to_be_bytes());
    let count = u32::try_from(entries.len()).map_err(|_error| BadFrame::Form)?;
    out.extend_from_slice(&count.to_be_bytes());
    for (key, stored) in entries {
        let key_length = u16::try_from(key.len()).map_err(|_error| BadFrame::Form)?;
        let stored_length = u32::try_from(stored.len()).map_err(|_error| BadFrame::Form)?;
        out.extend_from_slice(&key_length.to_be_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(&stored_length.to_be_bytes());
        out.extend_from_slice(stored);
    }
    Ok(out)
}

impl Trailer {
    pub(crate) fn encode(
        &self,
        sequence: u32,
        id: &[u8; ID_BYTES],
        key: &DataKey,
    ) -> Result<Vec<u8>, BadFrame> {
        let mut out = vec![TRAILER];
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&self.entries.to_be_bytes());
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(&self.hash);
        let seal = key
            .seal(&[], &seal_aad(id, &out), &[])
            .map_err(|_error| BadFrame::Seal)?;
        out.extend_from_slice(&seal);
        Ok(out)
    }
}

impl Frame {
    /// Reads a data frame or an authentic trailer.
    pub(crate) fn decode(
        frame: &[u8],
        id: &[u8; ID_BYTES],
        key: &DataKey,
    ) -> Result<Self, BadFrame> {
        let (kind, rest) = frame.split_first().ok_or(BadFrame::Form)?;
        let (sequence, rest) = rest.split_first_chunk::<4>().ok_or(BadFrame::Form)?;
        let sequence = u32::from_be_bytes(*sequence);
        match *kind {
            DATA => Ok(Self::Data {
                sequence,
                entries: decode_entries(rest)?,
            }),
            TRAILER => {
                let (open, seal) = frame
                    .split_at_checked(TRAILER_BYTES)
                    .ok_or(BadFrame::Form)?;
                key.open(&seal_aad(id, open), seal)
                    .map_err(|_error| BadFrame::Seal)?;
                let trailer = decode_trailer(rest).ok_or(BadFrame::Form)?;
                Ok(Self::Trailer { sequence, trailer })
            }
            _ => Err(BadFrame::Form),
        }
    }
}

fn decode_entries(rest: &[u8]) -> Result<Vec<Entry>, BadFrame> {
    let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(BadFrame::Form)?;
    let mut entries = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(BadFrame::Form)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (key, after) = after.split_at_checked(length).ok_or(BadFrame::Form)?;
        let (length, after) = after.split_first_chunk::<4>().ok_or(BadFrame::Form)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (stored, after) = after.split_at_checked(length).ok_or(BadFrame::Form)?;
        entries.push((key.to_vec(), stored.to_vec()));
        rest = after;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(BadFrame::Form)
    }
}

fn decode_trailer(rest: &[u8]) -> Option<Trailer> {
    let (entries, rest) = rest.split_first_chunk::<8>()?;
    let (bytes, rest) = rest.split_first_chunk::<8>()?;
    Some(Trailer {
        entries: u64::from_be_bytes(*entries),
        bytes: u64::from_be_bytes(*bytes),
        hash: *rest.first_chunk::<32>()?,
    })
}

/// Starts with text where values have a length, so no value's associated data equals it.
fn seal_aad(id: &[u8; ID_BYTES], trailer: &[u8]) -> Vec<u8> {
    [b"export trailer".as_slice(), id, trailer].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_and_damage_is_seen() {
        let (transfer, key, id) = (TransferKey::new([1; 32]), DataKey::random(), [5; ID_BYTES]);
        let namespace = "session:a/b".to_owned();
        let header = Header {
            id,
            epoch: 7,
            namespace,
            key: key.clone(),
        };
        let frame = header.encode(&transfer).unwrap();
        let back = Header::decode(&frame, &transfer).unwrap();
        assert_eq!(
            (back.id, back.epoch, back.namespace.as_str()),
            (id, 7, "session:a/b")
        );
        assert_eq!(back.key.bytes(), key.bytes());
        assert!(Header::decode(&frame, &TransferKey::new([2; 32])).is_err());
        for at in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 1;
            assert!(Header::decode(&damaged, &transfer).is_err(), "byte {at}");
            assert!(
                Header::decode(&frame[..at], &transfer).is_err(),
                "cut to {at}"
            );
        }

        let entries = vec![(vec![1, 2], vec![3; 300]), (vec![], vec![])];
        let data = encode_data(4, &entries).unwrap();
        let back = Frame::decode(&data, &id, &key).unwrap();
        assert_eq!(
            back,
            Frame::Data {
                sequence: 4,
                entries
            }
        );
        assert!(Frame::decode(&data[..data.len() - 1], &id, &key).is_err());

        let trailer = Trailer {
            entries: 1,
            bytes: 2,
            hash: [3; 32],
        };
        let last = trailer.encode(5, &id, &key).unwrap();
        let back = Frame::decode(&last, &id, &key).unwrap();
        assert_eq!(
            back,
            Frame::Trailer {
                sequence: 5,
                trailer
            }
        );
        assert!(Frame::decode(&last, &[6; ID_BYTES], &key).is_err());
        for at in 0..last.len() {
            let mut damaged = last.clone();
            damaged[at] ^= 1;
            assert!(Frame::decode(&damaged, &id, &key).is_err(), "byte {at}");
        }
    }
}
