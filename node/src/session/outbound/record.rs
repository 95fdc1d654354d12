//! What the log keeps of an own message.

use switchboard_vocab::content::{Body, Context, EventBody, Marks, Poll, PollOption};
use switchboard_vocab::content::{NewEvent, NewPoll};
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId, OpError};

/// An own message that has not left yet.
pub(super) fn message(id: &MessageId, to: &ChatId, identity: &Identity, body: Body) -> Message {
    Message {
        id: id.clone(),
        number: 0,
        chat: to.clone(),
        chat_alt: None,
        sender: identity.phone.clone(),
        sender_alt: identity.lid.clone(),
        from_me: true,
        push_name: identity.push_name.clone(),
        at: crate::clock::now(),
        body,
        quoted: None,
        status: DeliveryStatus::Pending,
        forwarded: false,
        context: Context {
            sent_here: true,
            device: Some(identity.device),
            ..Context::default()
        },
        marks: Marks::default(),
        proto_json: None,
    }
}

pub(super) fn poll(new: NewPoll) -> Poll {
    let option = |name| PollOption {
        name,
        voters: Vec::new(),
    };
    Poll {
        question: new.question,
        options: new.options.into_iter().map(option).collect(),
        choices_max: new.choices_max,
    }
}

pub(super) fn event(new: NewEvent) -> EventBody {
    EventBody {
        name: new.name,
        description: new.description,
        start: Some(new.start),
        end: new.end,
        location: new.location,
        join_link: None,
        cancelled: false,
        answers: Vec::new(),
    }
}

/// What a message said when it was new: no votes, no answers. Refuses what is no content of its own.
pub(super) fn fresh(body: Body) -> Result<Body, OpError> {
    match body {
        Body::Poll(mut poll) => {
            for option in &mut poll.options {
                option.voters.clear();
            }
            Ok(Body::Poll(poll))
        }
        Body::Event(mut event) => {
            event.answers.clear();
            Ok(Body::Event(event))
        }
        Body::Text(_)
        | Body::Media(_)
        | Body::Location(_)
        | Body::LiveLocation(_)
        | Body::Contacts { .. }
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_)
        | Body::Other { .. } => Ok(body),
        Body::Reaction { .. }
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. } => Err(OpError::invalid(
            "the message has no content that can be sent on",
        )),
    }
}
