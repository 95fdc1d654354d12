//! Messages of ours on their way out.
//!
//! Owns the protobuf form, the upload, and the judgement whether a failed send may have left.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_vocab::content::is_stories;
use switchboard_vocab::{ChatId, MessageId};
use wacore_binary::Node;
use waproto::whatsapp as wa;
use whatsapp_rust::error::ErrorChainExt;
use whatsapp_rust::{Client, IqError, NodeFilter, SendError, SendOptions, SendResult};

use crate::api::{Dispatched, Error, Outgoing};
use crate::backend::Backend;
use crate::{addresses, clock, incoming, proto_json};

mod build;
mod file;
mod interactive;
mod quote;
mod reach;
mod story;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use reach::Reach;
pub(crate) use story::post;

/// Longest wait for a message to leave: device lists and keys of a large group are asked for on the way.
const SEND_TIMEOUT: Duration = Duration::from_secs(180);
/// WhatsApp's code for "slow down".
pub(crate) const TOO_MANY: u16 = 429;
/// WhatsApp's code for a group that does not exist. Source: protocol notes, `item-not-found`.
const NO_SUCH: u16 = 404;
/// WhatsApp's code for a group that the account is not in. Source: protocol notes, `forbidden`.
const NOT_MEMBER: u16 = 403;

/// Sends a message; `Ok` means that the frame was written to the socket.
pub(crate) async fn send(
    client: &Client,
    backend: &Backend,
    reach: &Reach,
    outgoing: Outgoing,
) -> Result<Dispatched, Error> {
    if let ChatId::Broadcast(list) = &outgoing.to
        && !is_stories(&outgoing.to)
    {
        return Err(build::refusal(format!(
            "linked devices cannot send to the broadcast list {list}"
        )));
    }
    if let ChatId::User(user) = &outgoing.to {
        reach.check(client, user).await?;
    }
    let message = build::message(client, &outgoing).await?;
    keep_secret(client, backend, &outgoing.id, &message).await;
    let form = Form::of(&message, &outgoing.id);
    let to = addresses::jid_of_chat(&outgoing.to);
    let id = outgoing.id.as_str();
    let options = SendOptions::default().with_message_id(id);
    let sending = Box::pin(client.send_message_with_options(to, message, options));
    let (result, stanza) = watched(client, id, sending).await;
    if let (Ok(_), Some(stanza), ChatId::User(user)) = (&result, &stanza, &outgoing.to)
        && !reach::reaches_another(client, stanza)
    {
        // Only our own devices were encrypted for (upstream issue 1298).
        reach.forget(user);
        return Err(Error::NoRecipient(
            "no device of theirs could be encrypted for".to_owned(),
        ));
    }
    let judged = judge(result, stanza.is_some(), outgoing.id, form);
    judged.map_err(|error| of_group(&outgoing.to, error))
}

/// What is kept of a message that leaves.
struct Form {
    proto: Bytes,
    media_keys: Option<Vec<u8>>,
}

impl Form {
    fn of(message: &wa::Message, id: &MessageId) -> Self {
        Self {
            proto: proto_json::bytes(message),
            media_keys: incoming::media_keys(message, id),
        }
    }
}

/// Sends and sees the stanza: the library shows what it is about to write, so nothing seen means that nothing left.
async fn watched(
    client: &Client,
    id: &str,
    sending: impl Future<Output = Result<SendResult, SendError>>,
) -> (Result<SendResult, SendError>, Option<Arc<Node>>) {
    let mut written = client.wait_for_sent_node(NodeFilter::tag("message").attr("id", id));
    let result = match tokio::time::timeout(SEND_TIMEOUT, sending).await {
        Ok(result) => result,
        Err(_) => Err(SendError::Iq(IqError::Timeout)),
    };
    (result, written.try_recv().ok().flatten())
}

fn judge(
    result: Result<SendResult, SendError>,
    is_seen: bool,
    id: MessageId,
    form: Form,
) -> Result<Dispatched, Error> {
    match (result, is_seen) {
        (Ok(_), _) => Ok(Dispatched {
            id,
            at: clock::now(),
            proto: Some(form.proto),
            media_keys: form.media_keys,
        }),
        (Err(error), true) => {
            tracing::debug!(%id, error = %error, "the connection broke under a message");
            Err(Error::Interrupted("the message".to_owned()))
        }
        (Err(error), false) => Err(refused(&error)),
    }
}

/// Keeps what the answers to a poll or event will need, before the first can come.
async fn keep_secret(client: &Client, backend: &Backend, id: &MessageId, message: &wa::Message) {
    if let Some(ballot) = incoming::ballot(message)
        && let Some(own) = incoming::own(client)
    {
        incoming::keep_ballot(backend, id, &own, ballot, clock::now()).await;
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

/// What a send to a group failed of: who asks for its members is told that there is none, or that it is not theirs.
fn of_group(to: &ChatId, error: Error) -> Error {
    let Error::Refused {
        code: Some(code), ..
    } = &error
    else {
        return error;
    };
    let text = match *code {
        NO_SUCH if to.is_group() => "there is no such group",
        NOT_MEMBER if to.is_group() => "the account is not a member of the group",
        _ => return error,
    };
    Error::NoRecipient(text.to_owned())
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
