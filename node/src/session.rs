//! One session: its lifecycle, its actor, its journal, its sends.
//!
//! Owns everything a session is while it runs on this node. Must not know how many others there are, who supervises
//! it, or what a dialect is.

mod account;
pub(crate) mod actor;
pub(crate) mod context;
pub(crate) mod handle;
mod intake;
mod job;
pub(crate) mod journal;
mod kinds;
pub(crate) mod lanes;
pub(crate) mod lifecycle;
mod link;
pub(crate) mod outbound;
mod past;
mod presence;
pub(crate) mod refetch;

use switchboard_vocab::content::{Body, MediaBody};
use switchboard_vocab::media::StoredMedia;

pub use account::Connect;
pub(crate) use account::remote;

/// The file of a message.
pub(crate) const fn media_of(body: &Body) -> Option<&MediaBody> {
    if let Body::Media(media) = body {
        Some(media)
    } else {
        None
    }
}

/// A file of a message in the words of the media store.
pub(crate) fn stored_media(media: &MediaBody) -> StoredMedia {
    StoredMedia {
        id: media.id.clone(),
        kind: media.kind,
        mime_type: media.mime_type.clone(),
        size: media.size,
        sha256: media.sha256.clone(),
        file_name: media.file_name.clone(),
    }
}
