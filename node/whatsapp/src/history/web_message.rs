//! A message of the history, with what had happened to it when it was told.

use std::time::Duration;

use switchboard_vocab::content::{Body, EventAnswer, Marks, REACTIONS_MAX, Reaction};
use switchboard_vocab::messages::DeliveryStatus;
use switchboard_vocab::{ChatId, MessageId, Timestamp};
use wa::pin_in_chat::Type as PinType;
use wa::web_message_info::{Status, StubType};
use waproto::whatsapp as wa;

use super::Reader;
use super::conversation::Place;
use crate::addresses::{self, Person};
use crate::api::Incoming;
use crate::incoming::{self, About, People};

/// Reads a message; nothing where it says nothing.
pub(super) async fn read(
    reader: &Reader<'_>,
    mut told: wa::WebMessageInfo,
    place: &Place,
) -> Option<Incoming> {
    let key = told.key.as_option()?.clone();
    let id = MessageId::parse(key.id.as_deref()?).ok()?;
    let from_me = key.from_me.unwrap_or(false);
    let participant = key.participant.clone().or_else(|| told.participant.clone());
    let sender = writer(reader, place, from_me, participant.as_deref()).await?;
    let people = People {
        chat: place.chat.clone(),
        chat_alt: place.alt.clone(),
        sender,
    };
    let at = Timestamp::from_secs(told.message_timestamp.unwrap_or(0));
    let message = told.message.take();
    let old = About {
        id: id.clone(),
        from_me,
        push_name: told.push_name.clone(),
        at,
    };
    let revoked = deleted(&told, &people, at);
    let mut incoming = match (revoked, message.as_ref()) {
        (Some(body), _) => incoming::bare(old, people.clone(), body),
        (None, Some(message)) => {
            let secret = told.message_secret.as_deref();
            incoming::take_old(reader.client, reader.backend, message, old, &people, secret).await?
        }
        (None, None) => return None,
    };
    incoming.message.context.from_history = true;
    incoming.message.status = status(told.status, from_me);
    incoming.message.marks = marks(reader, &told, place, at).await;
    votes(reader, &told, place, &mut incoming.message.body).await;
    Some(incoming)
}

async fn writer(
    reader: &Reader<'_>,
    place: &Place,
    from_me: bool,
    participant: Option<&str>,
) -> Option<Person> {
    if from_me {
        return incoming::own(reader.client);
    }
    if let Some(jid) = participant.and_then(|text| text.parse().ok()) {
        return addresses::person(reader.client, &jid, None).await;
    }
    match &place.chat {
        ChatId::User(user) => Some(Person {
            main: user.clone(),
            alt: place.alt.clone(),
        }),
        ChatId::Newsletter(_) | ChatId::Group(_) | ChatId::Broadcast(_) => None,
    }
}

/// What is left of a message that was deleted for everyone.
fn deleted(told: &wa::WebMessageInfo, people: &People, at: Timestamp) -> Option<Body> {
    if told.message_stub_type != Some(StubType::REVOKE) {
        return None;
    }
    let by = told
        .message_stub_parameters
        .first()
        .and_then(|text| addresses::user_in_text(text));
    Some(Body::Deleted {
        by: by.unwrap_or_else(|| people.sender.main.clone()),
        at: told
            .revoke_message_timestamp
            .filter(|secs| *secs > 0)
            .map_or(at, Timestamp::from_secs),
    })
}

/// How far it came, as the phone says.
fn status(told: Option<Status>, from_me: bool) -> DeliveryStatus {
    match told {
        Some(Status::ERROR) if from_me => DeliveryStatus::Failed,
        Some(Status::PENDING) if from_me => DeliveryStatus::Pending,
        Some(Status::SERVER_ACK) if from_me => DeliveryStatus::Server,
        Some(Status::READ) => DeliveryStatus::Read,
        Some(Status::PLAYED) => DeliveryStatus::Played,
        None if from_me => DeliveryStatus::Server,
        Some(Status::DELIVERY_ACK | Status::ERROR | Status::PENDING | Status::SERVER_ACK)
        | None => DeliveryStatus::Delivered,
    }
}

fn moment(ms: Option<i64>) -> Option<Timestamp> {
    let ms = u64::try_from(ms?).ok().filter(|ms| *ms > 0)?;
    Some(Timestamp::from_millis(ms))
}

/// Who did something to a message: the key names them.
async fn actor(reader: &Reader<'_>, place: &Place, key: Option<&wa::MessageKey>) -> Option<Person> {
    let key = key?;
    writer(
        reader,
        place,
        key.from_me.unwrap_or(false),
        key.participant.as_deref(),
    )
    .await
}

async fn marks(
    reader: &Reader<'_>,
    told: &wa::WebMessageInfo,
    place: &Place,
    at: Timestamp,
) -> Marks {
    let mut reactions = Vec::new();
    for reaction in told.reactions.iter().take(REACTIONS_MAX) {
        let emoji = reaction.text.clone().filter(|emoji| !emoji.is_empty());
        let person = actor(reader, place, reaction.key.as_option()).await;
        if let (Some(emoji), Some(person)) = (emoji, person) {
            reactions.push(Reaction {
                user: person.main,
                emoji,
                at: moment(reaction.sender_timestamp_ms).unwrap_or(at),
            });
        }
    }
    Marks {
        starred: told.starred.unwrap_or(false),
        pinned_until: told.pin_in_chat.as_option().and_then(pinned),
        edited_at: None,
        reactions,
    }
}

fn pinned(pin: &wa::PinInChat) -> Option<Timestamp> {
    if pin.r#type != Some(PinType::PIN_FOR_ALL) {
        return None;
    }
    let since = moment(pin.sender_timestamp_ms.or(pin.server_timestamp_ms))?;
    let lasts = pin
        .message_add_on_context_info
        .as_option()
        .and_then(|info| info.message_add_on_duration_in_secs)?;
    Some(since.plus(Duration::from_secs(lasts.into())))
}

/// Puts the votes and answers that the phone told into the poll or event.
async fn votes(reader: &Reader<'_>, told: &wa::WebMessageInfo, place: &Place, body: &mut Body) {
    if let Body::Poll(poll) = body {
        let names: Vec<String> = poll
            .options
            .iter()
            .map(|option| option.name.clone())
            .collect();
        for update in &told.poll_updates {
            let voter = actor(reader, place, update.poll_update_message_key.as_option()).await;
            let hashes = update.vote.as_option().map(|vote| &*vote.selected_options);
            let (Some(voter), Some(hashes)) = (voter, hashes) else {
                continue;
            };
            let chosen = incoming::named(hashes, &names);
            for option in &mut poll.options {
                option.voters.retain(|user| *user != voter.main);
                if chosen.contains(&option.name) {
                    option.voters.push(voter.main.clone());
                }
            }
        }
    }
    if let Body::Event(event) = body {
        for response in &told.event_responses {
            let person = actor(
                reader,
                place,
                response.event_response_message_key.as_option(),
            )
            .await;
            let said = response.event_response_message.as_option();
            if let (Some(person), Some(said)) = (person, said) {
                event.answers.retain(|answer| answer.user != person.main);
                event.answers.push(EventAnswer {
                    user: person.main,
                    reply: incoming::event_reply(said.response),
                    at: moment(response.timestamp_ms).unwrap_or(Timestamp::from_secs(0)),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_the_phone() {
        let cases = [
            (Some(Status::ERROR), true, DeliveryStatus::Failed),
            (Some(Status::PENDING), true, DeliveryStatus::Pending),
            (Some(Status::SERVER_ACK), true, DeliveryStatus::Server),
            (Some(Status::DELIVERY_ACK), true, DeliveryStatus::Delivered),
            (Some(Status::READ), true, DeliveryStatus::Read),
            (Some(Status::PLAYED), false, DeliveryStatus::Played),
            (Some(Status::SERVER_ACK), false, DeliveryStatus::Delivered),
            (None, true, DeliveryStatus::Server),
            (None, false, DeliveryStatus::Delivered),
        ];
        for (told, from_me, expected) in cases {
            assert_eq!(status(told, from_me), expected, "{told:?} {from_me}");
        }
    }

    #[test]
    fn a_pin_lasts_as_long_as_it_says() {
        let pin = |kind| wa::PinInChat {
            r#type: Some(kind),
            sender_timestamp_ms: Some(1_000),
            message_add_on_context_info: buffa::MessageField::some(wa::MessageAddOnContextInfo {
                message_add_on_duration_in_secs: Some(60),
                ..Default::default()
            }),
            ..Default::default()
        };
        let until = Timestamp::from_secs(61);
        assert_eq!(pinned(&pin(PinType::PIN_FOR_ALL)), Some(until));
        assert_eq!(pinned(&pin(PinType::UNPIN_FOR_ALL)), None);
    }
}
