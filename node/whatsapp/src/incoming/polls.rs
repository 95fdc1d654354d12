//! Polls and events in messages, and the sealed answers to them.

use switchboard_vocab::content::{Body, EventBody, EventReply, Poll, PollOption};
use wa::message::event_response_message::EventResponseType;
use waproto::whatsapp as wa;

use super::body::{self, Said};
use super::cards;
use super::sealed::Sealed;

/// Most options of a poll that are kept; WhatsApp's clients allow 12.
const OPTIONS_MAX: usize = 64;

/// Reads a poll, an event, or an answer to one.
pub(super) fn read(message: &wa::Message) -> Option<Said> {
    read_poll(message)
        .or_else(|| read_event(message))
        .or_else(|| read_vote(message))
        .or_else(|| read_answer(message))
}

/// The poll in a message, whichever version of the field carries it.
pub(super) fn poll_in(message: &wa::Message) -> Option<&wa::message::PollCreationMessage> {
    [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
        &message.poll_creation_message_v6,
    ]
    .into_iter()
    .find_map(|field| field.as_option())
}

/// The options of the poll in a message; none where there is no poll.
pub(super) fn options(message: &wa::Message) -> Vec<String> {
    poll_in(message).map(option_names).unwrap_or_default()
}

fn option_names(poll: &wa::message::PollCreationMessage) -> Vec<String> {
    poll.options
        .iter()
        .take(OPTIONS_MAX)
        .map(|option| option.option_name.clone().unwrap_or_default())
        .collect()
}

fn read_poll(message: &wa::Message) -> Option<Said> {
    let poll = poll_in(message)?;
    let options = option_names(poll).into_iter().map(|name| PollOption {
        name,
        voters: Vec::new(),
    });
    let body = Body::Poll(Poll {
        question: poll.name.clone().unwrap_or_default(),
        options: options.collect(),
        choices_max: poll.selectable_options_count.filter(|count| *count > 0),
    });
    Some(Said::with(body, poll.context_info.as_option()))
}

fn read_event(message: &wa::Message) -> Option<Said> {
    let event = message.event_message.as_option()?;
    let body = Body::Event(EventBody {
        name: event.name.clone().unwrap_or_default(),
        description: event.description.clone().filter(|text| !text.is_empty()),
        start: body::moment(event.start_time),
        end: body::moment(event.end_time),
        location: event.location.as_option().map(cards::location),
        join_link: event.join_link.clone().filter(|text| !text.is_empty()),
        cancelled: event.is_canceled.unwrap_or(false),
        answers: Vec::new(),
    });
    Some(Said::with(body, event.context_info.as_option()))
}

fn read_vote(message: &wa::Message) -> Option<Said> {
    let update = message.poll_update_message.as_option()?;
    let key = update.poll_creation_message_key.as_option()?;
    let poll = body::target(Some(key))?;
    let vote = update.vote.as_option();
    let sealed = Sealed {
        key: key.clone(),
        target: poll.clone(),
        payload: vote.and_then(|vote| vote.enc_payload.clone()),
        iv: vote.and_then(|vote| vote.enc_iv.clone()),
    };
    let mut said = Said::plain(Body::Vote {
        poll,
        options: None,
    });
    said.sealed = Some(sealed);
    Some(said)
}

fn read_answer(message: &wa::Message) -> Option<Said> {
    let answer = message.enc_event_response_message.as_option()?;
    let key = answer.event_creation_message_key.as_option()?;
    let event = body::target(Some(key))?;
    let sealed = Sealed {
        key: key.clone(),
        target: event.clone(),
        payload: answer.enc_payload.clone(),
        iv: answer.enc_iv.clone(),
    };
    let mut said = Said::plain(Body::EventReply { event, reply: None });
    said.sealed = Some(sealed);
    Some(said)
}

/// An answer to an event in our words.
pub(crate) fn reply(response: Option<EventResponseType>) -> EventReply {
    match response {
        Some(EventResponseType::GOING) => EventReply::Going,
        Some(EventResponseType::NOT_GOING) => EventReply::NotGoing,
        Some(EventResponseType::MAYBE) => EventReply::Maybe,
        Some(EventResponseType::UNKNOWN) | None => EventReply::Unknown,
    }
}
