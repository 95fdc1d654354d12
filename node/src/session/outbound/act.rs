//! What is done to an earlier message: reactions, new words, deletions, pins.

use std::time::Duration;

use switchboard_vocab::content::{Body, is_stories};
use switchboard_vocab::messages::{
    Act, CAPTION_LEN_MAX, Message, MessageAction, MessageRef, Sent, TEXT_LEN_MAX,
};
use switchboard_vocab::{ChatId, ErrorCode, OpError};
use switchboard_whatsapp::{Outgoing, OutgoingContent, Target};

use super::{Letter, Parcel, check, dispatch, earlier, no_message, record, story, target_of};
use crate::session::context::SessionCx;
use crate::session::journal::StoredMessage;

/// How long a message can be changed. Source: WhatsApp's own clients offer it for 15 minutes and accept 20.
const EDIT_MAX: Duration = Duration::from_secs(20 * 60);
/// Longest reaction, in characters: one emoji can be a sequence of many.
const EMOJI_LEN_MAX: usize = 16;
/// How long a message can be pinned. Source: WhatsApp's own clients.
const PIN_PERIODS: [Duration; 3] = [
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(7 * 24 * 3_600),
    Duration::from_secs(30 * 24 * 3_600),
];

/// The message that is acted on.
struct Aim {
    chat: ChatId,
    target: Target,
    stored: Option<StoredMessage>,
}

impl Aim {
    fn body(&self) -> Option<&Body> {
        self.stored.as_ref().map(|stored| &stored.message.body)
    }
}

/// Does something to an earlier message.
pub(crate) async fn act(op: Act, cx: &SessionCx) -> Result<Sent, OpError> {
    check_action(&op.action)?;
    let aim = aim(&op.target, cx).await?;
    if let Some(answer) = earlier(&op.id, &aim.chat, cx).await? {
        return answer;
    }
    permitted(&op.action, &aim)?;
    cx.check_disk()?;
    let (account, identity) = cx.connected().await?;
    let id = aim.target.id.clone();
    let stored = aim.stored.as_ref();
    if is_stories(&aim.chat) && op.action == MessageAction::Revoke {
        let letter = story::revocation(&op.id, &id, &identity, stored, cx).await?;
        return dispatch(letter, &*account, cx).await;
    }
    let (body, content) = content(op.action, &aim, cx).await?;
    let message: Message = record::message(&op.id, &aim.chat, &identity, body);
    let outgoing = Outgoing {
        id: op.id,
        to: aim.chat,
        content,
        quoted: None,
        expires: None,
    };
    let letter = Letter::of(message, None, Parcel::Message(Box::new(outgoing)));
    dispatch(letter, &*account, cx).await
}

/// What the log keeps of an action, and what WhatsApp gets.
async fn content(
    action: MessageAction,
    aim: &Aim,
    cx: &SessionCx,
) -> Result<(Body, OutgoingContent), OpError> {
    let (id, stored) = (aim.target.id.clone(), aim.stored.as_ref());
    let target = aim.target.clone();
    let pair = match action {
        MessageAction::React { emoji } => (
            Body::Reaction {
                to: id,
                emoji: emoji.clone(),
            },
            OutgoingContent::Reaction { target, emoji },
        ),
        MessageAction::Edit { body, mentions } => {
            let is_file = matches!(aim.body(), Some(Body::Media(_)));
            let proto = match stored {
                Some(stored) if is_file => Some(super::proto_of(stored, cx).await?),
                Some(_) | None => None,
            };
            let recorded = Body::Edited {
                target: id,
                body: body.clone(),
            };
            let content = OutgoingContent::Edit {
                target,
                body,
                mentions,
                proto,
            };
            (recorded, content)
        }
        MessageAction::Revoke => {
            let recorded = Body::Revoked { target: id };
            (recorded, OutgoingContent::Revoke { target })
        }
        MessageAction::Pin { period } => (
            Body::Pinned {
                target: id,
                period: Some(period),
            },
            OutgoingContent::Pin {
                target,
                period: Some(period),
            },
        ),
        MessageAction::Unpin => (
            Body::Pinned {
                target: id,
                period: None,
            },
            OutgoingContent::Pin {
                target,
                period: None,
            },
        ),
    };
    Ok(pair)
}

/// What can be said of an action without its target.
fn check_action(action: &MessageAction) -> Result<(), OpError> {
    match action {
        MessageAction::React { emoji } => {
            let short = emoji.chars().count() <= EMOJI_LEN_MAX;
            let drawn = emoji.is_empty() || !emoji.is_ascii();
            let words = emoji
                .chars()
                .any(|c| c.is_whitespace() || c.is_ascii_alphabetic());
            if !short || !drawn || words {
                return Err(OpError::invalid("a reaction is one emoji, or empty"));
            }
            Ok(())
        }
        MessageAction::Edit { body, mentions } => {
            check::filled("the text", body)?;
            check::within("the text", body, TEXT_LEN_MAX)?;
            check::mentions(mentions.len())
        }
        MessageAction::Pin { period } if !PIN_PERIODS.contains(period) => Err(OpError::invalid(
            "a message is pinned for 24 hours, 7 days or 30 days",
        )),
        MessageAction::Revoke | MessageAction::Pin { .. } | MessageAction::Unpin => Ok(()),
    }
}

/// Whether WhatsApp lets this account do it to this message.
fn permitted(action: &MessageAction, aim: &Aim) -> Result<(), OpError> {
    let refused = |text: &str| Err(OpError::new(ErrorCode::Refused, text));
    if matches!(aim.body(), Some(Body::Deleted { .. })) {
        let text = format!("message {} was deleted", aim.target.id);
        return Err(OpError::new(ErrorCode::NotFound, text));
    }
    match action {
        MessageAction::Edit { body, .. } => {
            if !aim.target.from_me {
                return refused("whatsapp lets nobody change the messages of others");
            }
            let too_late =
                |stored: &StoredMessage| crate::clock::now() > stored.message.at.plus(EDIT_MAX);
            if aim.stored.as_ref().is_some_and(too_late) {
                return refused("whatsapp lets a message be changed for 20 minutes only");
            }
            match aim.body() {
                None | Some(Body::Text(_)) => Ok(()),
                Some(Body::Media(_)) => check::within("the caption", body, CAPTION_LEN_MAX),
                Some(_) => Err(OpError::invalid("only texts and captions can be changed")),
            }
        }
        MessageAction::Revoke if !aim.target.from_me && !aim.chat.is_group() => {
            refused("whatsapp lets nobody delete the messages of others outside groups")
        }
        MessageAction::Pin { .. } | MessageAction::Unpin if is_stories(&aim.chat) => {
            Err(OpError::invalid("a story cannot be pinned"))
        }
        MessageAction::React { .. }
        | MessageAction::Revoke
        | MessageAction::Pin { .. }
        | MessageAction::Unpin => Ok(()),
    }
}

/// The message from the log. The log knows better than a caller whose it is: without this, new words for another's message would
/// leave as new words for an own one that nobody has.
async fn known(target: &MessageRef, cx: &SessionCx) -> Result<Option<StoredMessage>, OpError> {
    let found = cx.journal().find(target).await?;
    if found.is_some() || target.from_me.is_none() {
        return Ok(found);
    }
    let anybodys = MessageRef {
        from_me: None,
        ..target.clone()
    };
    let found = cx.journal().find(&anybodys).await?;
    if found.is_none() {
        elsewhere(target, cx).await?;
    }
    Ok(found)
}

/// Refuses what the log knows from another conversation: it would leave for one that has no such message.
async fn elsewhere(target: &MessageRef, cx: &SessionCx) -> Result<(), OpError> {
    let anywhere = MessageRef {
        chat: None,
        ..target.clone()
    };
    if target.chat.is_some() && cx.journal().find(&anywhere).await?.is_some() {
        let text = format!("message {} is in another conversation", target.id);
        return Err(OpError::new(ErrorCode::NotFound, text));
    }
    Ok(())
}

/// The message from the log, or as far as the reference itself names it.
async fn aim(target: &MessageRef, cx: &SessionCx) -> Result<Aim, OpError> {
    if let Some(stored) = known(target, cx).await? {
        return Ok(Aim {
            chat: stored.message.chat.clone(),
            target: target_of(&stored.message),
            stored: Some(stored),
        });
    }
    let (Some(chat), Some(from_me)) = (&target.chat, target.from_me) else {
        return Err(no_message(&target.id));
    };
    // Whose message it is can be told in a conversation of two only.
    if !from_me && chat.as_user().is_none() {
        return Err(no_message(&target.id));
    }
    let sender = if from_me {
        None
    } else {
        chat.as_user().cloned()
    };
    Ok(Aim {
        chat: chat.clone(),
        target: Target {
            id: target.id.clone(),
            from_me,
            sender,
        },
        stored: None,
    })
}
