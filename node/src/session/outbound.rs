//! The one place that every send of every dialect passes.
//!
//! Owns the order of a send: check, bring the file to hand, record durably, hand to WhatsApp, record what became of it.
//! The same message id is the same message: it leaves at most once.

use std::time::Duration;

use switchboard_vocab::content::{Body, Content, MediaBody, OutgoingMedia, Text};
use switchboard_vocab::messages::{
    CAPTION_LEN_MAX, DeliveryStatus, Message, Quote, SendMessage, Sent, TEXT_LEN_MAX,
};
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ErrorCode, OpError};
use switchboard_whatsapp::{Outgoing, OutgoingContent, OutgoingFile};
use tokio::time::timeout;

use super::account::remote;
use super::context::SessionCx;
use super::journal::{Claim, Fate};
use crate::ports::{Resolved, Wanted};

/// Longest hand-over of one message to WhatsApp, upload of its file included.
const SEND_MAX: Duration = Duration::from_secs(100);

/// Sends one message.
pub(crate) async fn send(op: SendMessage, cx: &SessionCx) -> Result<Sent, OpError> {
    check(&op)?;
    if let Some(known) = cx.journal().message(&op.id).await?
        && known.message.from_me
        && !matches!(known.fate, Some(Fate::Refused { .. }))
    {
        return repeated(&op, known.message, known.fate.unwrap_or(Fate::Dispatched));
    }
    cx.check_disk()?;
    let (account, identity) = cx.connected().await?;
    let file = match &op.content {
        Content::Text(_) => None,
        Content::Media(media) => Some(bring(media, cx).await?),
    };
    let quoted = quoted(op.quoted.as_ref(), cx).await?;
    let message = record(&op, &identity, file.as_ref(), quoted.as_ref());
    let meta = file.as_ref().map(|file| file.meta.clone());
    // A durable retry outbox belongs here: the message is recorded, nothing has left. It would take the call over from
    // this line on, pace it, and try again what certainly did not leave.
    match cx.journal().claim(message, meta).await? {
        Claim::New(_) => {}
        Claim::Known(message, fate) => return repeated(&op, message, fate),
    }
    let id = op.id.clone();
    let outgoing = outgoing(op, file, quoted);
    let handed = timeout(SEND_MAX, account.send(outgoing)).await;
    let error = match handed {
        Ok(Ok(dispatched)) => {
            let recorded = cx.journal().dispatched(dispatched).await;
            // It left: only a call with the same id may be repeated, and that one will find it.
            let message = recorded.map_err(|e| OpError::from(e).maybe_executed())?;
            return Ok(Sent { message });
        }
        Ok(Err(error)) => remote(&error),
        Err(_) => {
            let text = "whatsapp did not take the message in time";
            OpError::new(ErrorCode::Timeout, text).maybe_executed()
        }
    };
    cx.journal().not_sent(id, error.clone()).await?;
    Err(error)
}

/// The answer for an id that was sent before.
fn repeated(op: &SendMessage, message: Message, fate: Fate) -> Result<Sent, OpError> {
    let alt = message.chat_alt.as_ref().map(|user| user.clone().into());
    if message.chat != op.to && alt.as_ref() != Some(&op.to) {
        let text = "the message id was used in another conversation: choose a fresh one";
        return Err(OpError::invalid(text));
    }
    match fate {
        Fate::Dispatched => Ok(Sent { message }),
        Fate::Unknown { error } | Fate::Refused { error } => Err(error),
        Fate::Attempted => {
            let text = "the message was handed over before and its fate is not known yet";
            Err(OpError::new(ErrorCode::Unavailable, text).maybe_executed())
        }
    }
}

fn check(op: &SendMessage) -> Result<(), OpError> {
    match &op.content {
        Content::Text(Text { body, .. }) if body.is_empty() => {
            Err(OpError::invalid("the text is empty"))
        }
        Content::Text(Text { body, .. }) => within("the text", body, TEXT_LEN_MAX),
        Content::Media(media) => {
            let caption = media.caption.as_deref().unwrap_or_default();
            within("the caption", caption, CAPTION_LEN_MAX)
        }
    }
}

fn within(what: &str, text: &str, max: usize) -> Result<(), OpError> {
    // Bytes first: a text with few enough of them needs no counting.
    if text.len() > max && text.chars().count() > max {
        let text = format!("{what} is longer than {max} characters");
        return Err(OpError::new(ErrorCode::TooLarge, text));
    }
    Ok(())
}

/// Brings the file to hand and keeps it, so that the sent message can be opened later.
async fn bring(media: &OutgoingMedia, cx: &SessionCx) -> Result<Resolved, OpError> {
    let wanted = Wanted {
        source: &media.source,
        kind: Some(media.as_kind),
        mime_type: media.mime_type.as_deref(),
        file_name: media.file_name.as_deref(),
    };
    let file = cx.ports().media.resolve(cx.scope(), wanted).await?;
    cx.ports()
        .media
        .put(cx.scope(), &file.meta, file.bytes.clone())
        .await?;
    Ok(file)
}

/// The message that is answered, with its writer where the log knows them.
async fn quoted(
    quote: Option<&Quote>,
    cx: &SessionCx,
) -> Result<Option<(Quote, Option<Message>)>, OpError> {
    let Some(quote) = quote else { return Ok(None) };
    let found = cx
        .journal()
        .message(&quote.id)
        .await?
        .map(|stored| stored.message);
    let author = quote
        .author
        .clone()
        .or_else(|| found.as_ref().map(|m| m.sender.clone()));
    Ok(Some((
        Quote {
            id: quote.id.clone(),
            author,
        },
        found,
    )))
}

fn record(
    op: &SendMessage,
    identity: &Identity,
    file: Option<&Resolved>,
    quoted: Option<&(Quote, Option<Message>)>,
) -> Message {
    let body = match (&op.content, file) {
        (Content::Media(media), Some(file)) => Body::Media(MediaBody {
            kind: media.as_kind,
            id: file.meta.id.clone(),
            mime_type: file.meta.mime_type.clone(),
            size: file.meta.size,
            sha256: file.meta.sha256.clone(),
            caption: media.caption.clone(),
            file_name: file.meta.file_name.clone(),
            width: file.size.map(|size| size.0),
            height: file.size.map(|size| size.1),
            seconds: None,
        }),
        (Content::Text(text), _) => Body::Text(text.clone()),
        // A file was brought for every media content; without one only its words are left to say.
        (Content::Media(media), None) => Body::Text(Text {
            body: media.caption.clone().unwrap_or_default(),
            mentions: Vec::new(),
        }),
    };
    Message {
        id: op.id.clone(),
        number: 0,
        chat: op.to.clone(),
        chat_alt: None,
        sender: identity.phone.clone(),
        sender_alt: identity.lid.clone(),
        from_me: true,
        push_name: identity.push_name.clone(),
        at: crate::clock::now(),
        body,
        quoted: quoted.map(|(quote, _)| quote.clone()),
        status: DeliveryStatus::Pending,
        forwarded: false,
        proto_json: None,
    }
}

fn outgoing(
    op: SendMessage,
    file: Option<Resolved>,
    quoted: Option<(Quote, Option<Message>)>,
) -> Outgoing {
    let content = match (op.content, file) {
        (Content::Media(media), Some(file)) => OutgoingContent::Media(OutgoingFile {
            kind: media.as_kind,
            mime_type: file.meta.mime_type,
            bytes: file.bytes,
            caption: media.caption,
            file_name: file.meta.file_name,
            size: file.size,
            thumbnail: file.thumbnail,
        }),
        (Content::Text(Text { body, mentions }), _) => OutgoingContent::Text { body, mentions },
        (Content::Media(media), None) => OutgoingContent::Text {
            body: media.caption.unwrap_or_default(),
            mentions: Vec::new(),
        },
    };
    Outgoing {
        id: op.id,
        to: op.to,
        content,
        quoted,
    }
}
