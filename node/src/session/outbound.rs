//! The one place that every send of every dialect passes.
//!
//! Owns the order of a send: check, bring the files to hand, show typing, record durably, hand to WhatsApp, record what
//! became of it. The same message id is the same message: it leaves at most once.

mod act;
mod card;
mod check;
mod files;
mod preview;
mod record;
mod story;

use std::time::Duration;

use switchboard_vocab::content::{Body, Content, MediaKind};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::{Forward, Message, MessageRef, Quote, SendMessage, Sent};
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, UserId};
use switchboard_whatsapp::{
    Account, Dispatched, Error, Outgoing, OutgoingContent, OutgoingStory, Target,
};
use tokio::time::{Instant, timeout};

use super::account::remote;
use super::context::SessionCx;
use super::journal::{Claim, Claimed, Fate, StoredMessage};

pub(crate) use act::act;
pub(crate) use story::{copy, post, stories, viewers};

/// Longest hand-over of one message to WhatsApp, upload of its file included.
const SEND_MAX: Duration = Duration::from_secs(100);
/// What typing leaves of a call's time for the send itself.
const AFTER_TYPING: Duration = Duration::from_secs(5);

/// Sends one message.
pub(crate) async fn send(op: SendMessage, cx: &SessionCx) -> Result<Sent, OpError> {
    check::message(&op)?;
    if let Some(answer) = earlier(&op.id, &op.to, cx).await? {
        return answer;
    }
    cx.check_disk()?;
    let (account, identity) = cx.connected().await?;
    let quoted = quoted(op.quoted.as_ref(), cx).await?;
    let SendMessage {
        id,
        to,
        content,
        typing,
        ..
    } = op;
    let voice = matches!(&content, Content::Media(media) if media.as_kind == MediaKind::Voice);
    let brought = files::bring(content, cx).await?;
    let mut message = record::message(&id, &to, &identity, brought.body);
    message.context.mentions = brought.mentions;
    message.context.mention_all = brought.mention_all;
    message.context.view_once = brought.view_once;
    message.context.preview = brought.preview;
    message.context.quoted_body = quoted
        .as_ref()
        .and_then(|(_, found)| found.as_ref())
        .map(|found| Box::new(found.body.clone()));
    message.quoted = quoted.as_ref().map(|(quote, _)| quote.clone());
    if let Some(period) = typing {
        let state = if voice {
            ChatState::Recording
        } else {
            ChatState::Composing
        };
        show_typing(&*account, &to, state, period, cx).await;
    }
    message.context.ephemeral = timer(&to, cx).await?;
    let outgoing = Outgoing {
        id,
        to,
        content: brought.content,
        quoted,
        expires: message.context.ephemeral,
    };
    let letter = Letter::of(message, brought.media, Parcel::Message(Box::new(outgoing)));
    dispatch(letter, &*account, cx).await
}

/// Sends a message of the log on.
pub(crate) async fn forward(op: Forward, cx: &SessionCx) -> Result<Sent, OpError> {
    if let Some(answer) = earlier(&op.id, &op.to, cx).await? {
        return answer;
    }
    cx.check_disk()?;
    let found = known(&op.target, cx).await?;
    let proto = proto_of(&found, cx).await?;
    let score = found.message.context.forwarding_score.unwrap_or(0);
    let words = reworded(&found.message);
    let (account, identity) = cx.connected().await?;
    let mut message = record::message(
        &op.id,
        &op.to,
        &identity,
        record::fresh(found.message.body)?,
    );
    message.forwarded = true;
    message.context.forwarding_score = Some(score.saturating_add(1));
    message.context.ephemeral = timer(&op.to, cx).await?;
    let media = super::media_of(&message.body).map(super::stored_media);
    let outgoing = Outgoing {
        id: op.id,
        to: op.to,
        content: OutgoingContent::Forward {
            proto,
            score,
            words,
        },
        quoted: None,
        expires: message.context.ephemeral,
    };
    let letter = Letter::of(message, media, Parcel::Message(Box::new(outgoing)));
    dispatch(letter, &*account, cx).await
}

/// The words or the caption of a message whose first ones were changed.
fn reworded(message: &Message) -> Option<String> {
    message.marks.edited_at?;
    if let Body::Text(text) = &message.body {
        return Some(text.body.clone());
    }
    let Body::Media(media) = &message.body else {
        return None;
    };
    Some(media.caption.clone().unwrap_or_default())
}

/// What is handed to WhatsApp.
enum Parcel {
    Message(Box<Outgoing>),
    Story(Box<OutgoingStory>),
}

/// A message on its way, with its row for the log.
struct Letter {
    claimed: Claimed,
    parcel: Parcel,
}

impl Letter {
    fn of(message: Message, media: Option<StoredMedia>, parcel: Parcel) -> Self {
        let audience = match &parcel {
            Parcel::Story(story) => Some(story.audience.clone()),
            Parcel::Message(_) => None,
        };
        Self {
            claimed: Claimed {
                message,
                media,
                audience,
            },
            parcel,
        }
    }
}

/// Records the message, hands it over and records what became of it.
async fn dispatch(letter: Letter, account: &dyn Account, cx: &SessionCx) -> Result<Sent, OpError> {
    let Letter { claimed, parcel } = letter;
    let (id, to) = (claimed.message.id.clone(), claimed.message.chat.clone());
    // A durable retry outbox belongs here: the message is recorded, nothing has left. It would take the call over from
    // this line on, pace it, and try again what certainly did not leave.
    match cx.journal().claim(claimed).await? {
        Claim::New(_) => {}
        Claim::Known(message, fate) => return repeated(&to, message, fate),
    }
    let handed = timeout(SEND_MAX, hand_over(parcel, account)).await;
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

async fn hand_over(parcel: Parcel, account: &dyn Account) -> Result<Dispatched, Error> {
    match parcel {
        Parcel::Message(outgoing) => account.send(*outgoing).await,
        Parcel::Story(story) => account.post_story(*story).await,
    }
}

/// The answer for an id that was sent before, where there is one.
async fn earlier(
    id: &MessageId,
    to: &ChatId,
    cx: &SessionCx,
) -> Result<Option<Result<Sent, OpError>>, OpError> {
    let Some(known) = cx.journal().own(id).await? else {
        return Ok(None);
    };
    if matches!(known.fate, Some(Fate::Refused { .. })) {
        return Ok(None);
    }
    let fate = known.fate.unwrap_or(Fate::Dispatched);
    Ok(Some(repeated(to, known.message, fate)))
}

/// The answer for an id that was sent before.
fn repeated(to: &ChatId, message: Message, fate: Fate) -> Result<Sent, OpError> {
    let alt = message.chat_alt.as_ref().map(|user| user.clone().into());
    if message.chat != *to && alt.as_ref() != Some(to) {
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

/// After how long messages of the conversation disappear, as the store knows it.
async fn timer(to: &ChatId, cx: &SessionCx) -> Result<Option<Duration>, OpError> {
    Ok(cx.journal().timer(to).await?)
}

/// The message that is answered, with its writer where the log knows them.
async fn quoted(
    quote: Option<&Quote>,
    cx: &SessionCx,
) -> Result<Option<(Quote, Option<Message>)>, OpError> {
    let Some(quote) = quote else { return Ok(None) };
    let found = cx.journal().message(&quote.id).await?;
    let found = found.map(|stored| stored.message);
    if quote.author.is_none() && found.is_none() {
        let text = format!("there is no message {} to answer", quote.id);
        return Err(OpError::new(ErrorCode::NotFound, text));
    }
    let author = quote.author.clone();
    let author = author.or_else(|| found.as_ref().map(|m| m.sender.clone()));
    let quote = Quote {
        id: quote.id.clone(),
        author,
    };
    Ok(Some((quote, found)))
}

/// Shows that somebody writes, then that nobody does. Nobody is served by an error here.
async fn show_typing(
    account: &dyn Account,
    to: &ChatId,
    state: ChatState,
    period: Duration,
    cx: &SessionCx,
) {
    let until = Instant::now() + period;
    let latest = cx.patience().checked_sub(AFTER_TYPING);
    let until = latest.map_or(until, |latest| until.min(latest));
    if let Err(error) = account.send_chat_state(to, state).await {
        tracing::debug!(session = %cx.scope().session, %error, "typing was not shown");
        return;
    }
    tokio::time::sleep_until(until).await;
    if let Err(error) = account.send_chat_state(to, ChatState::Paused).await {
        tracing::debug!(session = %cx.scope().session, %error, "typing did not end");
    }
}

/// The message of the log that a reference names.
pub(crate) async fn known(target: &MessageRef, cx: &SessionCx) -> Result<StoredMessage, OpError> {
    cx.journal()
        .find(target)
        .await?
        .ok_or_else(|| no_message(&target.id))
}

/// No such message.
pub(crate) fn no_message(id: &MessageId) -> OpError {
    let text = format!("there is no message {id} in the log");
    OpError::new(ErrorCode::NotFound, text)
}

/// The protobuf of a message of the log.
async fn proto_of(found: &StoredMessage, cx: &SessionCx) -> Result<bytes::Bytes, OpError> {
    let proto = cx.journal().proto(found.message.number).await?;
    proto.ok_or_else(|| {
        let text = format!(
            "what message {} says is not at hand any more",
            found.message.id
        );
        OpError::new(ErrorCode::NotFound, text)
    })
}

/// How an earlier message is named towards WhatsApp.
pub(crate) fn target_of(message: &Message) -> Target {
    Target {
        id: message.id.clone(),
        from_me: message.from_me,
        sender: Some(message.sender.clone()),
    }
}

/// Whether a person is the account itself.
pub(crate) fn is_me(user: &UserId, identity: &Identity) -> bool {
    *user == identity.phone || identity.lid.as_ref() == Some(user)
}
