//! Events as foreign payloads.

use bytes::Bytes;
use switchboard_vocab::chats::Chat;
use switchboard_vocab::contacts::Contact;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::Message;
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
    /// The message that a status is about, as it is now, when the dialect said it wants it and the log has it.
    pub message: Option<&'a Message>,
    /// The conversation of a message of somebody else as it is now, when the dialect said it wants it.
    pub chat: Option<&'a Chat>,
    /// What a part of the history brought, when the dialect said it wants it: one page, the event is written once for each.
    pub history: Option<&'a HistoryPage>,
}

/// A page of what a part of the phone's history brought into the store.
#[derive(Debug, Clone, Default)]
pub struct HistoryPage {
    /// Messages of it, with their protobufs, in the order in which they came.
    pub messages: Vec<Message>,
    /// The conversations of these messages as they are now.
    pub chats: Vec<Chat>,
    /// People who call themselves something, where the part is about that.
    pub people: Vec<Contact>,
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
