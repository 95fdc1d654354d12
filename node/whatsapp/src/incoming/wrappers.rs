//! The wrappers around what a message says.

use waproto::whatsapp as wa;

/// Deepest nesting of wrappers that is opened; real messages have two or three.
const WRAPPERS_MAX: usize = 8;

/// What is inside, and what the wrappers told.
pub(super) struct Opened<'a> {
    pub(super) message: &'a wa::Message,
    pub(super) view_once: bool,
    /// By which votes and answers to it are read.
    pub(super) secret: Option<&'a [u8]>,
}

/// Opens the wrappers: copies of own messages, disappearing, view once, captions, edits, albums and so on.
pub(super) fn open(mut message: &wa::Message) -> Opened<'_> {
    let mut view_once = false;
    let mut secret = None;
    for _ in 0..WRAPPERS_MAX {
        secret = secret_of(message).or(secret);
        let once = [
            message.view_once_message.as_option(),
            message.view_once_message_v2.as_option(),
            message.view_once_message_v2_extension.as_option(),
        ];
        let once = once
            .into_iter()
            .flatten()
            .find_map(|wrapper| wrapper.message.as_option());
        view_once |= once.is_some();
        match once.or_else(|| inner(message)) {
            Some(inner) => message = inner,
            None => break,
        }
    }
    Opened {
        message,
        view_once,
        secret,
    }
}

fn secret_of(message: &wa::Message) -> Option<&[u8]> {
    message
        .message_context_info
        .as_option()?
        .message_secret
        .as_deref()
}

fn inner(message: &wa::Message) -> Option<&wa::Message> {
    if let Some(copy) = message.device_sent_message.as_option()
        && let Some(inner) = copy.message.as_option()
    {
        return Some(inner);
    }
    let wrappers = [
        &message.ephemeral_message,
        &message.document_with_caption_message,
        &message.edited_message,
        &message.group_mentioned_message,
        &message.lottie_sticker_message,
        &message.associated_child_message,
        &message.group_status_message,
        &message.group_status_message_v2,
        &message.spoiler_message,
        &message.limit_sharing_message,
        &message.bot_invoke_message,
        &message.bot_forwarded_message,
        &message.question_message,
        &message.question_reply_message,
        &message.poll_creation_message_v4,
        &message.poll_creation_option_image_message,
        &message.event_cover_image,
    ];
    wrappers
        .into_iter()
        .filter_map(|wrapper| wrapper.as_option())
        .find_map(|wrapper| wrapper.message.as_option())
}
