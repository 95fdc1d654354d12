//! Messages of ours on their way out.
//!
//! Owns the protobuf form, the upload, and the judgement whether a failed send may have left.

use switchboard_vocab::messages::{Message, Quote};
use switchboard_vocab::{ChatId, UserId};
use wacore::proto_helpers::{MessageBuilderExt, MessageExt};
use wacore::types::message::AddressingMode;
use waproto::whatsapp as wa;
use whatsapp_rust::error::ErrorChainExt;
use whatsapp_rust::upload::UploadOptions;
use whatsapp_rust::{Client, NodeFilter, SendError, SendOptions};

use crate::addresses;
use crate::api::{Dispatched, Error, Outgoing, OutgoingContent, OutgoingFile};
use crate::media::{self, MediaKeys};
use crate::{clock, proto_json};

mod file;
mod quote;
mod reach;
#[cfg(test)]
mod tests;

pub(crate) use reach::Reach;

/// WhatsApp's code for "slow down".
const TOO_MANY: u16 = 429;

/// Sends a message; `Ok` means that the frame was written to the socket.
pub(crate) async fn send(
    client: &Client,
    reach: &Reach,
    outgoing: Outgoing,
) -> Result<Dispatched, Error> {
    let to = addresses::jid_of_chat(&outgoing.to);
    if let ChatId::User(user) = &outgoing.to {
        reach.check(client, user).await?;
    }
    let (message, keys) = build(client, &outgoing).await?;
    let proto = proto_json::bytes(&message);
    // The library shows the stanza it is about to write: nothing seen means that nothing left.
    let id = outgoing.id.as_str();
    let mut written = client.wait_for_sent_node(NodeFilter::tag("message").attr("id", id));
    let options = SendOptions::default().with_message_id(id);
    let result = Box::pin(client.send_message_with_options(to, message, options)).await;
    let stanza = written.try_recv().ok().flatten();
    match (result, stanza) {
        (Ok(_), Some(stanza))
            if outgoing.to.as_user().is_some() && !reach::reaches_another(client, &stanza) =>
        {
            // Only our own devices were encrypted for (upstream issue 1298).
            if let ChatId::User(user) = &outgoing.to {
                reach.forget(user);
            }
            Err(Error::NoRecipient(
                "no device of theirs could be encrypted for".to_owned(),
            ))
        }
        (Ok(_), _) => Ok(Dispatched {
            id: outgoing.id,
            at: clock::now(),
            proto: Some(proto),
            media_keys: keys.and_then(|keys| keys.to_bytes()),
        }),
        (Err(error), Some(_)) => {
            tracing::debug!(id, error = %error, "the connection broke under a message");
            Err(Error::Interrupted("the message".to_owned()))
        }
        (Err(error), None) => Err(refused(&error)),
    }
}

/// What a send that certainly did not leave failed of.
fn refused(error: &SendError) -> Error {
    if let Some(rejection) = error.server_rejection() {
        let text = rejection.text.to_owned();
        return match rejection.code {
            TOO_MANY => Error::RateLimited(text),
            code => Error::Refused {
                code: Some(code),
                text,
            },
        };
    }
    if let Some(failure) = error.store_failure() {
        return Error::Store(chain(failure));
    }
    if error.is_transport_unavailable() || error.is_timeout() {
        return Error::NotConnected;
    }
    match error {
        SendError::NotLoggedIn => Error::NotConnected,
        SendError::InvalidRequest(text) => Error::Refused {
            code: None,
            text: text.clone(),
        },
        SendError::Client(_) | SendError::Iq(_) | SendError::Internal(_) => {
            Error::Other(chain(error))
        }
        other => Error::Other(chain(other)),
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// The protobuf message, its file uploaded.
async fn build(
    client: &Client,
    outgoing: &Outgoing,
) -> Result<(wa::Message, Option<MediaKeys>), Error> {
    let quoted = outgoing.quoted.as_ref();
    let context =
        quoted.map(|(quoted, original)| quote_context(quoted, original.as_ref(), &outgoing.to));
    match &outgoing.content {
        OutgoingContent::Text { body, mentions, .. } => {
            let mentions = mention_texts(client, &outgoing.to, mentions).await;
            Ok((text(body, mentions, context), None))
        }
        OutgoingContent::Media(file) => {
            let (mut message, keys) = upload(client, file).await?;
            if let Some(context) = context {
                message.set_context_info(context);
            }
            Ok((message, Some(keys)))
        }
        _ => Err(Error::Refused {
            code: None,
            text: "this kind of message is not sent yet".to_owned(),
        }),
    }
}

fn text(body: &str, mentions: Vec<String>, context: Option<wa::ContextInfo>) -> wa::Message {
    if mentions.is_empty() && context.is_none() {
        return wa::Message::text(body);
    }
    let context = wa::ContextInfo {
        mentioned_jid: mentions,
        ..context.unwrap_or_default()
    };
    wa::Message::text_with_context(body, context)
}

/// Mentions as the chat's members know each other: by LID where the group is addressed so.
async fn mention_texts(client: &Client, to: &ChatId, mentions: &[UserId]) -> Vec<String> {
    let by_lid = match to {
        ChatId::Group(_) if !mentions.is_empty() => {
            let group = addresses::jid_of_chat(to);
            let info = Box::pin(client.groups().query_info(&group)).await;
            info.is_ok_and(|info| info.addressing_mode == AddressingMode::Lid)
        }
        ChatId::Group(_) | ChatId::User(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => false,
    };
    let mut texts = Vec::with_capacity(mentions.len());
    for user in mentions {
        let known = match user {
            UserId::Phone(_) if by_lid => {
                addresses::person(client, &addresses::jid_of_user(user), None).await
            }
            UserId::Phone(_) | UserId::Lid(_) => None,
        };
        let lid = known.and_then(|person| person.alt);
        texts.push(lid.as_ref().unwrap_or(user).to_string());
    }
    texts
}

fn quote_context(quoted: &Quote, original: Option<&Message>, to: &ChatId) -> wa::ContextInfo {
    // Without an author clients show the quote as the chat partner's.
    let author = quoted
        .author
        .clone()
        .or_else(|| original.map(|message| message.sender.clone()))
        .or_else(|| to.as_user().cloned());
    wa::ContextInfo {
        stanza_id: Some(quoted.id.to_string()),
        participant: author.map(|author| author.to_string()),
        quoted_message: buffa::MessageField::some(quote::body(original)),
        ..Default::default()
    }
}

async fn upload(client: &Client, file: &OutgoingFile) -> Result<(wa::Message, MediaKeys), Error> {
    let kind = file::media_type(file.kind);
    let uploading = client.upload(file.bytes.to_vec(), kind, UploadOptions::default());
    let uploaded = Box::pin(uploading)
        .await
        .map_err(|error| media::failed(&error))?;
    let keys = file::keys(file, &uploaded);
    Ok((file::message(file, uploaded), keys))
}
