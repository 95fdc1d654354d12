//! Events as foreign payloads.

use bytes::Bytes;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{MediaId, SessionRef, Timestamp};

use crate::links::MediaLinks;

/// What a payload may need besides the event.
#[derive(Debug, Clone)]
pub struct EventCx<'a> {
    /// Whose event.
    pub session: &'a SessionRef,
    /// Who the session is, once paired.
    pub identity: Option<&'a Identity>,
    /// When the payload is made.
    pub now: Timestamp,
    /// Makes media links.
    pub links: &'a MediaLinks,
    /// The message's file, when the dialect said it wants it and it could be loaded.
    pub media: Option<(&'a StoredMedia, &'a Bytes)>,
}

impl EventCx<'_> {
    /// The link under which a receiver can fetch a file of this session.
    #[must_use]
    pub fn media_link(&self, media: &MediaId) -> String {
        self.links.link(self.session, media, self.now)
    }
}

/// One call of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The method; POST everywhere but where that system can be told otherwise.
    pub method: http::Method,
    /// Appended to the subscription's address, for systems that post each kind to a path of its own.
    pub path_suffix: Option<String>,
    /// Headers of that system (`x-api-key` and the like).
    pub headers: Vec<(String, String)>,
    /// The `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

impl Payload {
    /// A JSON body by POST.
    #[must_use]
    pub fn json<T: serde::Serialize>(body: &T) -> Self {
        Self {
            method: http::Method::POST,
            path_suffix: None,
            headers: Vec::new(),
            content_type: "application/json".to_owned(),
            // Only a map with keys that are not text can fail, which no payload type has.
            body: serde_json::to_vec(body).unwrap_or_default().into(),
        }
    }
}
