//! The media host: a content-addressed store of encrypted files. It cannot read them; it checks
//! that a file is the one its token names and keeps it in memory within limits.
//!
//! Source: protocol notes, sections 7 and 12.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

/// Largest file, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Most files that have expired and are remembered.
const EXPIRED_MAX: usize = 10_000;
/// Most uploads that are incomplete at a time.
const PARTIAL_MAX: usize = 256;
pub(crate) use crate::core::MEDIA_PATH as PATH;
use crate::core::media_path;

/// Why a file was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The token is not base64 of a SHA-256.
    #[error("store media: token is not the base64 of a sha-256")]
    Token,
    /// The file has another hash than its token.
    #[error("store media: content does not match its token")]
    Mismatch,
    /// The store is full.
    #[error("store media: no room for {0} more bytes")]
    Full(usize),
    /// A part does not continue what is there.
    #[error("store media: part starts at {offset}, have {have} bytes")]
    Offset {
        /// Where the part starts.
        offset: usize,
        /// What is there.
        have: usize,
    },
}

#[derive(Debug, Default)]
struct Files {
    whole: HashMap<[u8; 32], Bytes>,
    partial: HashMap<[u8; 32], BytesMut>,
    bytes: usize,
    /// How often a file has expired. Its upload of that number, and later ones, are there.
    expired: HashMap<[u8; 32], u32>,
}

impl Files {
    /// Where a file is since its last upload.
    fn path(&self, hash: &[u8; 32]) -> String {
        let path = media_path(hash);
        match self.expired.get(hash) {
            Some(upload) => format!("{path}.{upload}"),
            None => path,
        }
    }
}

/// How far an upload is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The file is here.
    Complete,
    /// This many of its first bytes are here.
    Partial(usize),
}

/// The store.
#[derive(Debug)]
pub(crate) struct MediaStore {
    files: Mutex<Files>,
    bytes_max: usize,
}

impl MediaStore {
    /// A store for at most `bytes_max` bytes in all.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            files: Mutex::new(Files::default()),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a file, or the rest of one from `offset` on, and returns its download path.
    pub(crate) fn put(&self, token: &str, offset: usize, data: Bytes) -> Result<String, Error> {
        let hash = hash_of(token)?;
        let mut files = self.lock();
        if files.whole.contains_key(&hash) {
            return Ok(files.path(&hash));
        }
        let data = if offset == 0 {
            data
        } else {
            let have = files.partial.get(&hash).map_or(0, BytesMut::len);
            if have != offset {
                return Err(Error::Offset { offset, have });
            }
            let mut all = files.partial.remove(&hash).unwrap_or_default();
            files.bytes -= all.len();
            all.extend_from_slice(&data);
            all.freeze()
        };
        if <[u8; 32]>::from(Sha256::digest(&data)) != hash {
            return Err(Error::Mismatch);
        }
        self.make_room(&mut files, data.len())?;
        files.whole.insert(hash, data);
        Ok(files.path(&hash))
    }

    /// Keeps the first bytes of a file whose upload broke off.
    pub(crate) fn put_partial(&self, token: &str, data: &[u8]) -> Result<(), Error> {
        let hash = hash_of(token)?;
        let mut files = self.lock();
        if files.whole.contains_key(&hash) || data.is_empty() || files.partial.len() >= PARTIAL_MAX
        {
            return Ok(());
        }
        let freed = files.partial.remove(&hash).map_or(0, |old| old.len());
        files.bytes -= freed;
        self.make_room(&mut files, data.len())?;
        files.partial.insert(hash, BytesMut::from(data));
        Ok(())
    }

    fn make_room(&self, files: &mut Files, more: usize) -> Result<(), Error> {
        if files.bytes + more > self.bytes_max {
            return Err(Error::Full(more));
        }
        files.bytes += more;
        Ok(())
    }

    /// How much of a file is here.
    pub(crate) fn presence(&self, token: &str) -> Result<(Presence, String), Error> {
        let hash = hash_of(token)?;
        let files = self.lock();
        let presence = if files.whole.contains_key(&hash) {
            Presence::Complete
        } else {
            Presence::Partial(files.partial.get(&hash).map_or(0, BytesMut::len))
        };
        Ok((presence, files.path(&hash)))
    }

    /// The file at a download path, unless it has expired there.
    pub(crate) fn by_path(&self, path: &str) -> Option<Bytes> {
        let path = path.split('?').next().unwrap_or_default();
        let (token, upload) = path.strip_prefix(PATH)?.split_once('.').map_or_else(
            || (path.strip_prefix(PATH).unwrap_or_default(), Some(0)),
            |(token, upload)| (token, upload.parse::<u32>().ok()),
        );
        let hash = hash_of(token).ok()?;
        let files = self.lock();
        let expired = files.expired.get(&hash).copied().unwrap_or(0);
        let file = files.whole.get(&hash)?;
        upload.filter(|u| *u >= expired).map(|_| file.clone())
    }

    /// Lets a file expire where it is now. Returns whether there is such a file.
    pub(crate) fn expire(&self, hash: [u8; 32]) -> bool {
        let mut files = self.lock();
        if !files.whole.contains_key(&hash)
            || (files.expired.len() >= EXPIRED_MAX && !files.expired.contains_key(&hash))
        {
            return false;
        }
        let uploads = files.expired.entry(hash).or_default();
        *uploads = uploads.saturating_add(1);
        true
    }

    /// Lets whoever still has the file upload it again. Returns where it is now.
    pub(crate) fn upload_again(&self, hash: &[u8; 32]) -> Option<String> {
        let files = self.lock();
        files.whole.get(hash)?;
        Some(files.path(hash))
    }
}

fn hash_of(token: &str) -> Result<[u8; 32], Error> {
    let decoded = if token.ends_with('=') {
        URL_SAFE.decode(token)
    } else {
        URL_SAFE_NO_PAD.decode(token)
    };
    decoded
        .ok()
        .and_then(|b| b.try_into().ok())
        .ok_or(Error::Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(data: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(data))
    }

    #[test]
    fn content_is_checked_and_found_by_its_path() {
        let store = MediaStore::new(1000);
        let path = store
            .put(&token(b"abc"), 0, Bytes::from_static(b"abc"))
            .unwrap();
        assert_eq!(
            store.by_path(&format!("{path}?auth=x")).unwrap(),
            &b"abc"[..]
        );
        assert_eq!(
            store.put(&token(b"abd"), 0, Bytes::from_static(b"abc!")),
            Err(Error::Mismatch)
        );
        assert_eq!(store.put("nonsense", 0, Bytes::new()), Err(Error::Token));
        let big = Bytes::from(vec![0; 1000]);
        assert_eq!(
            store.put(&token(&big), 0, big.clone()),
            Err(Error::Full(1000))
        );
    }

    #[test]
    fn a_broken_upload_continues_where_it_stopped() {
        let store = MediaStore::new(1000);
        let t = token(b"abcdef");
        store.put_partial(&t, b"abc").unwrap();
        assert_eq!(store.presence(&t).unwrap().0, Presence::Partial(3));
        assert!(matches!(
            store.put(&t, 2, Bytes::new()),
            Err(Error::Offset { have: 3, .. })
        ));
        store.put(&t, 3, Bytes::from_static(b"def")).unwrap();
        assert_eq!(store.presence(&t).unwrap().0, Presence::Complete);
        assert_eq!(store.lock().bytes, 6);
    }
}
