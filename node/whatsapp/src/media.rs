//! What is needed to download a file, and the download itself.

use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::{ChatId, MediaId, MessageId};
use wacore::download::{DownloadWriter, Downloadable, MediaType};
use wacore::media_retry::MediaRetryResult;
use whatsapp_rust::error::ErrorChainExt;
use whatsapp_rust::features::{MediaReuploadError, MediaReuploadRequest};
use whatsapp_rust::{Client, anyhow};

use crate::addresses;
use crate::api::{Error, Target};
use crate::outgoing::chain;

/// First byte of the stored form.
const SCHEMA: u8 = 1;
/// Length of a media id: enough of the digest that nobody finds a second file for it.
const MEDIA_ID_LEN: usize = 40;
/// Length of a media key. Source: whatsapp-rust 0.7.0, `UploadResponse`.
const MEDIA_KEY_BYTES: usize = 32;
/// Length of a SHA-256.
const DIGEST_BYTES: usize = 32;
/// Domain of WhatsApp's media hosts.
const MEDIA_DOMAIN: &str = "whatsapp.net";
const MEDIA_DOMAIN_SUFFIX: &str = ".whatsapp.net";
/// Longest wait for the phone to upload a file again. Source: our choice, so that a caller who waits half a minute still
/// hears why; the library itself waits 30 s.
const REUPLOAD_TIMEOUT: Duration = Duration::from_secs(20);
/// What the media host answers for a file that it has no more. Source: whatsapp-rust 0.7.0, `media_reupload`, and
/// WhatsApp Web's `MediaDownload`, which ask the phone for it.
const GONE: [u16; 2] = [404, 410];
/// Space reserved at most on the sender's word about the size.
const RESERVED_BYTES_MAX: u64 = 4 << 20;

/// The reference to a file on WhatsApp's media host, with its keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaKeys {
    pub(crate) kind: StoredKind,
    pub(crate) direct_path: Option<String>,
    /// The whole address, for files of channels.
    pub(crate) static_url: Option<String>,
    pub(crate) media_key: Option<Vec<u8>>,
    pub(crate) file_enc_sha256: Option<Vec<u8>>,
    pub(crate) file_sha256: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
}

/// What the file was sent as; the order is the stored form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredKind {
    Image,
    Video,
    Audio,
    Document,
    Sticker,
}

impl From<MediaKind> for StoredKind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Image => Self::Image,
            MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => Self::Video,
            MediaKind::Audio | MediaKind::Voice => Self::Audio,
            MediaKind::Document => Self::Document,
            MediaKind::Sticker => Self::Sticker,
        }
    }
}

impl From<StoredKind> for MediaType {
    fn from(kind: StoredKind) -> Self {
        match kind {
            StoredKind::Image => Self::Image,
            StoredKind::Video => Self::Video,
            StoredKind::Audio => Self::Audio,
            StoredKind::Document => Self::Document,
            StoredKind::Sticker => Self::Sticker,
        }
    }
}

impl Downloadable for MediaKeys {
    /// The client writes it right after the media host's name: one that does not begin with `/` could name another host, and
    /// strangers choose it.
    fn direct_path(&self) -> Option<&str> {
        let path = self.direct_path.as_deref();
        path.filter(|path| path.starts_with('/'))
    }
    fn media_key(&self) -> Option<&[u8]> {
        self.media_key.as_deref()
    }
    fn file_enc_sha256(&self) -> Option<&[u8]> {
        self.file_enc_sha256.as_deref()
    }
    fn file_sha256(&self) -> Option<&[u8]> {
        self.file_sha256.as_deref()
    }
    fn file_length(&self) -> Option<u64> {
        self.size
    }
    fn app_info(&self) -> MediaType {
        self.kind.into()
    }
    /// Strangers choose it too: only WhatsApp's own hosts are asked.
    fn static_url(&self) -> Option<&str> {
        self.static_url.as_deref().filter(|url| is_whatsapps(url))
    }
}

/// Domains of the hosts that serve WhatsApp's files without encryption. Source: our choice, its owner's content hosts.
const STATIC_HOSTS: [&str; 2] = ["whatsapp.net", "fbcdn.net"];

/// Whether an address is of one of WhatsApp's hosts.
fn is_whatsapps(url: &str) -> bool {
    let authority = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|host| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        let of = |own: &&str| {
            let before = host.strip_suffix(*own);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        host.bytes().all(plain) && STATIC_HOSTS.iter().any(of)
    })
}

impl MediaKeys {
    /// The opaque form that leaves the crate.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut out = vec![SCHEMA];
        bincode::serde::encode_into_std_write(self, &mut out, bincode::config::standard()).ok()?;
        Some(out)
    }

    /// From what a caller knows of a file.
    pub(crate) fn of_caller(keys: &switchboard_vocab::media::MediaKeys) -> Result<Self, Error> {
        let hex = |what: &str, text: &str| {
            hex::decode(text).map_err(|_| Error::Media(format!("{what} is not hex")))
        };
        let digest = |what: &str, text: &Option<String>| match text {
            Some(text) => hex(what, text).and_then(|bytes| {
                if bytes.len() == DIGEST_BYTES {
                    Ok(Some(bytes))
                } else {
                    Err(Error::Media(format!("{what} has not {DIGEST_BYTES} bytes")))
                }
            }),
            None => Ok(None),
        };
        let media_key = hex("the media key", &keys.media_key)?;
        if media_key.len() != MEDIA_KEY_BYTES {
            return Err(Error::Media(format!(
                "the media key has not {MEDIA_KEY_BYTES} bytes"
            )));
        }
        let path = match (&keys.direct_path, &keys.url) {
            (Some(path), _) if !path.is_empty() => path.clone(),
            (_, Some(url)) => path_of(url)?,
            (_, None) => return Err(Error::Media("neither path nor address is told".to_owned())),
        };
        Ok(Self {
            kind: keys.kind.into(),
            direct_path: Some(path),
            static_url: None,
            media_key: Some(media_key),
            file_enc_sha256: digest("the digest of the encrypted file", &keys.encrypted_sha256)?,
            file_sha256: digest("the digest of the file", &keys.sha256)?,
            size: keys.size,
        })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let Some((&SCHEMA, body)) = bytes.split_first() else {
            return Err(Error::Media("the keys are not of this release".to_owned()));
        };
        bincode::serde::decode_from_slice(body, bincode::config::standard())
            .map(|(keys, _)| keys)
            .map_err(|error| Error::Media(format!("read the keys: {error}")))
    }

    /// The file's id in the session's media store: the same each time the message is delivered, and another for
    /// another file, also when somebody reuses a message id.
    pub(crate) fn media_id(&self, message: &MessageId) -> Option<MediaId> {
        let mut digest = Sha256::new();
        for part in [
            message.as_str().as_bytes(),
            self.file_enc_sha256.as_deref().unwrap_or_default(),
            self.file_sha256.as_deref().unwrap_or_default(),
            self.direct_path.as_deref().unwrap_or_default().as_bytes(),
        ] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        let mut text = hex::encode(digest.finalize());
        text.truncate(MEDIA_ID_LEN);
        MediaId::parse(&text).ok()
    }
}

/// The path on the media host in an address of a file.
fn path_of(url: &str) -> Result<String, Error> {
    let url: url::Url = url
        .parse()
        .map_err(|error| Error::Media(format!("the address is none: {error}")))?;
    let is_theirs = url
        .host_str()
        .is_some_and(|host| host == MEDIA_DOMAIN || host.ends_with(MEDIA_DOMAIN_SUFFIX));
    if !is_theirs {
        return Err(Error::Media(
            "the address is not of whatsapp's media host".to_owned(),
        ));
    }
    let query = url.query().map(|query| format!("?{query}"));
    Ok(format!("{}{}", url.path(), query.unwrap_or_default()))
}

/// Collects a download and refuses to grow beyond its limit.
struct Bounded {
    bytes: Cursor<Vec<u8>>,
    size_max: u64,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let end = self
            .bytes
            .position()
            .saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        if end > self.size_max {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the file is larger than {} bytes", self.size_max),
            ));
        }
        self.bytes.write(part)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

impl DownloadWriter for Bounded {
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.bytes
            .get_mut()
            .truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Downloads and decrypts a file of at most `size_max` bytes.
pub(crate) async fn download(client: &Client, keys: &[u8], size_max: u64) -> Result<Bytes, Error> {
    let keys = MediaKeys::from_bytes(keys)?;
    if keys.size.is_some_and(|size| size > size_max) {
        return Err(Error::Media(format!(
            "the file is larger than {size_max} bytes"
        )));
    }
    let reserved = keys.size.unwrap_or(0).min(RESERVED_BYTES_MAX);
    let writer = Bounded {
        bytes: Cursor::new(Vec::with_capacity(usize::try_from(reserved).unwrap_or(0))),
        size_max,
    };
    match Box::pin(client.download_to_writer(&keys, writer)).await {
        Ok(writer) => Ok(writer.bytes.into_inner().into()),
        Err(error) => Err(match http_status(&error) {
            Some(status) if GONE.contains(&status) => {
                Error::Gone(format!("the file is gone from the media host ({status})"))
            }
            _ => failed(&error),
        }),
    }
}

fn http_status(error: &anyhow::Error) -> Option<u16> {
    let cause: &(dyn std::error::Error + 'static) = error.as_ref();
    cause.http_status()
}

/// What a failed transfer with the media host means.
pub(crate) fn failed(error: &anyhow::Error) -> Error {
    let cause: &(dyn std::error::Error + 'static) = error.as_ref();
    if cause.is_transport_unavailable() {
        return Error::NotConnected;
    }
    match cause.http_status() {
        Some(429) => Error::RateLimited("the media host answered 429".to_owned()),
        Some(status) => Error::Media(format!("the media host answered {status}")),
        None => Error::Media(format!("{error:#}")),
    }
}

/// Why the phone was not asked, or what it did not answer.
fn unanswered(what: &str, error: &MediaReuploadError) -> Error {
    if matches!(error, MediaReuploadError::Timeout) {
        return Error::PhoneSilent(what.to_owned());
    }
    let is_offline = matches!(
        error,
        MediaReuploadError::NotLoggedIn | MediaReuploadError::Client(_)
    );
    if is_offline {
        return Error::NotConnected;
    }
    Error::Media(format!("{what}: {}", chain(error)))
}

/// Asks the phone to upload a file again; the new keys.
pub(crate) async fn reupload(
    client: &Client,
    chat: &ChatId,
    target: &Target,
    media_keys: &[u8],
) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "upload the file again";
    let mut keys = MediaKeys::from_bytes(media_keys)?;
    let media_key = keys
        .media_key
        .clone()
        .ok_or_else(|| Error::Media("the file was never encrypted".to_owned()))?;
    let chat = addresses::jid_of_chat(chat);
    let writer = target.sender.as_ref().map(addresses::jid_of_user);
    let is_shared = !chat.is_pn() && !chat.is_lid();
    let request = MediaReuploadRequest {
        msg_id: target.id.as_str(),
        chat_jid: &chat,
        media_key: &media_key,
        is_from_me: target.from_me,
        participant: writer.as_ref().filter(|_| is_shared),
    };
    let reupload = client.media_reupload();
    let asking = Box::pin(reupload.request(&request));
    let answer = tokio::time::timeout(REUPLOAD_TIMEOUT, asking)
        .await
        .map_err(|_| Error::PhoneSilent(WHAT.to_owned()))?
        .map_err(|error| unanswered(WHAT, &error))?;
    match answer {
        MediaRetryResult::Success { direct_path } => {
            keys.direct_path = Some(direct_path);
            keys.static_url = None;
            keys.to_bytes()
                .ok_or_else(|| Error::Media("the new keys cannot be written".to_owned()))
        }
        MediaRetryResult::NotFound => {
            Err(Error::Media("the phone does not have the file".to_owned()))
        }
        MediaRetryResult::GeneralError | MediaRetryResult::DecryptionError => Err(Error::Media(
            "the phone could not upload the file".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> MediaKeys {
        MediaKeys {
            kind: StoredKind::Audio,
            direct_path: Some("/v/t62/x".to_owned()),
            static_url: None,
            media_key: Some(vec![1; 32]),
            file_enc_sha256: Some(vec![2; 32]),
            file_sha256: Some(vec![3; 32]),
            size: Some(10),
        }
    }

    #[test]
    fn keys_round_trip_and_refuse_others() {
        let bytes = keys().to_bytes().unwrap();
        assert!(MediaKeys::from_bytes(&bytes).unwrap() == keys());
        assert!(MediaKeys::from_bytes(&[]).is_err());
        assert!(MediaKeys::from_bytes(&[9, 1]).is_err());
        assert!(MediaKeys::from_bytes(&bytes[..8]).is_err());
    }

    #[test]
    fn paths_that_could_name_another_host_are_none() {
        assert_eq!(keys().direct_path(), Some("/v/t62/x"));
        for path in [
            "",
            "v/x",
            "@files.test/x",
            ":80@files.test/x",
            ".files.test/x",
        ] {
            let keys = MediaKeys {
                direct_path: Some(path.to_owned()),
                ..keys()
            };
            assert_eq!(keys.direct_path(), None, "{path}");
        }
    }

    #[test]
    fn files_in_the_clear_come_from_whatsapps_hosts_only() {
        let told = |url: &str| {
            let static_url = Some(url.to_owned());
            let keys = MediaKeys {
                static_url,
                ..keys()
            };
            keys.static_url().map(str::to_owned)
        };
        for url in [
            "https://static.whatsapp.net/a",
            "https://x.y.fbcdn.net/a?b=c",
            "https://whatsapp.net",
        ] {
            assert_eq!(told(url).as_deref(), Some(url));
        }
        for url in [
            "",
            "http://static.whatsapp.net/a",
            "https://169.254.169.254/latest",
            "https://whatsapp.net.files.test/a",
            "https://files.test/.whatsapp.net",
            "https://files.test#.whatsapp.net",
            "https://files.test\\.whatsapp.net",
            "https://files.test:1@whatsapp.net",
            "https://notwhatsapp.net/a",
            "https://whatsapp.net:1/a",
        ] {
            assert_eq!(told(url), None, "{url}");
        }
    }

    #[test]
    fn ids_are_stable_and_do_not_collide() {
        let (one, two) = (
            MessageId::parse("3EB0A").unwrap(),
            MessageId::parse("3EB0B").unwrap(),
        );
        let other = MediaKeys {
            file_enc_sha256: Some(vec![9; 32]),
            ..keys()
        };
        assert_eq!(keys().media_id(&one), keys().media_id(&one));
        assert_ne!(keys().media_id(&one), keys().media_id(&two));
        assert_ne!(keys().media_id(&one), other.media_id(&one));
    }

    #[test]
    fn a_download_stops_at_its_limit() {
        let mut sink = Bounded {
            bytes: Cursor::new(Vec::new()),
            size_max: 4,
        };
        assert!(sink.write_all(b"1234").is_ok());
        assert!(sink.write_all(b"5").is_err());
        sink.truncate(0).unwrap();
        sink.rewind().unwrap();
        assert!(sink.write_all(b"abcd").is_ok());
    }
}
