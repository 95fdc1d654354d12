//! What stands around words and files: mentions, quotes, previews, how they travelled.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_vocab::content::{Body, Context, PreviewBody};
use switchboard_vocab::messages::Quote;
use switchboard_vocab::{MessageId, UserId};
use waproto::whatsapp as wa;

use super::{body, wrappers};
use crate::{addresses, context_fields};

/// Most people mentioned that are kept. Source: a group has at most 1,024 members.
const MENTIONS_MAX: usize = 1_024;
/// Longest thumbnail that is kept, as base64.
const THUMBNAIL_CHARS_MAX: usize = 64 << 10;

/// What a context tells; what is quoted is read without its own quote.
pub(super) fn read(info: &wa::ContextInfo) -> Context {
    Context {
        mentions: mentions(info),
        mention_all: info.non_jid_mentions.is_some_and(|kinds| kinds > 0),
        quoted_body: quoted_body(info).map(Box::new),
        forwarding_score: info.forwarding_score.filter(|score| *score > 0),
        ephemeral: info
            .expiration
            .filter(|secs| *secs > 0)
            .map(|secs| Duration::from_secs(secs.into())),
        ..Context::default()
    }
}

fn mentions(info: &wa::ContextInfo) -> Vec<UserId> {
    info.mentioned_jid
        .iter()
        .filter_map(|text| addresses::user_in_text(text))
        .take(MENTIONS_MAX)
        .collect()
}

/// The message that is answered.
pub(super) fn quote(info: &wa::ContextInfo) -> Option<Quote> {
    let id = MessageId::parse(info.stanza_id.as_deref()?).ok()?;
    let author = info
        .participant
        .as_deref()
        .and_then(addresses::user_in_text);
    Some(Quote { id, author })
}

fn quoted_body(info: &wa::ContextInfo) -> Option<Body> {
    let id = MessageId::parse(info.stanza_id.as_deref()?).ok()?;
    let quoted = info.quoted_message.as_option()?;
    // One level: a quote's own context is cut off, or a hostile chain of quotes would be read to its end.
    let mut inner = wrappers::open(quoted).message.clone();
    context_fields::clear(&mut inner);
    body::read(&inner, &id).map(|said| said.body)
}

/// A thumbnail as base64, when it is small enough.
pub(super) fn thumbnail(bytes: Option<&[u8]>) -> Option<String> {
    let bytes = bytes.filter(|bytes| !bytes.is_empty())?;
    (bytes.len().div_ceil(3) * 4 <= THUMBNAIL_CHARS_MAX).then(|| STANDARD.encode(bytes))
}

/// The preview of a link in words.
pub(super) fn preview(text: &wa::message::ExtendedTextMessage) -> Option<PreviewBody> {
    let link = text.matched_text.clone().filter(|link| !link.is_empty())?;
    Some(PreviewBody {
        link,
        title: text.title.clone(),
        description: text.description.clone(),
        canonical: None,
        thumbnail: thumbnail(text.jpeg_thumbnail.as_deref()),
    })
}
