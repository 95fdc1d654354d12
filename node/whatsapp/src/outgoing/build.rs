//! The protobuf form of what is sent.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buffa::MessageField;
use switchboard_vocab::ChatId;
use switchboard_vocab::content::{
    Card, LiveLocation, Location, NewEvent, NewPoll, POLL_OPTIONS_MAX, POLL_OPTIONS_MIN,
    PreviewBody,
};
use switchboard_vocab::messages::{Message, Quote};
use wacore::proto_helpers::MessageBuilderExt;
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use super::{file, interactive, quote, target};
use crate::api::{Error, Outgoing, OutgoingContent};
use crate::{clock, context_fields, incoming};

/// Length of a message secret. Source: whatsapp-rust 0.7.0, `MESSAGE_SECRET_SIZE`.
const SECRET_BYTES: usize = 32;

/// What we refuse before anything left.
pub(super) fn refusal(text: impl Into<String>) -> Error {
    Error::Refused {
        code: None,
        text: text.into(),
    }
}

/// The protobuf message, its files uploaded.
pub(super) async fn message(client: &Client, outgoing: &Outgoing) -> Result<wa::Message, Error> {
    let to = &outgoing.to;
    let mut message = match &outgoing.content {
        OutgoingContent::Text {
            body,
            mentions,
            mention_all,
            preview,
        } => {
            let mut message = text(body, preview.as_ref());
            mention(client, to, &mut message, mentions, *mention_all).await;
            message
        }
        OutgoingContent::Media(file) => {
            let mut message = file::upload(client, file).await?;
            mention(client, to, &mut message, &file.mentions, false).await;
            message
        }
        OutgoingContent::Location(place) => location(place),
        OutgoingContent::LiveLocation(place) => live_location(place),
        OutgoingContent::Contacts(cards) => contacts(cards)?,
        OutgoingContent::Poll(poll) => new_poll(poll)?,
        OutgoingContent::Event(event) => new_event(event)?,
        OutgoingContent::Interactive {
            content,
            file,
            card_files,
        } => interactive::message(client, content, file.as_ref(), card_files).await?,
        OutgoingContent::Reaction { target, emoji } => {
            let key = target::key(client, to, target).await;
            wacore::proto_helpers::build_reaction_message(key, emoji.as_str(), now_ms())
        }
        OutgoingContent::Edit {
            target,
            body,
            mentions,
            proto,
        } => {
            let mut new = target::edited(body, proto.as_deref())?;
            mention(client, to, &mut new, mentions, false).await;
            target::edit(client, to, target, new).await?
        }
        OutgoingContent::Revoke { target } => target::revoke(client, to, target).await?,
        OutgoingContent::Pin { target, period } => target::pin(client, to, target, *period).await?,
        OutgoingContent::Forward {
            proto,
            score,
            words,
        } => target::forward(proto, *score, words.as_deref())?,
    };
    if let Some((quoted, original)) = &outgoing.quoted {
        answer(&mut message, quoted, original.as_ref(), to);
    }
    if let Some(period) = outgoing.expires {
        expire(&mut message, period);
    }
    // Votes and answers are sealed with the secret of the message, so it is ours to choose and to keep.
    if incoming::asks_for_answers(&message) {
        let info = message.message_context_info.get_or_insert_default();
        if info.message_secret.is_none() {
            info.message_secret = Some(rand::random::<[u8; SECRET_BYTES]>().to_vec());
        }
    }
    Ok(wrapped(message, &outgoing.content))
}

pub(super) fn now_ms() -> i64 {
    i64::try_from(clock::now().as_millis()).unwrap_or(i64::MAX)
}

/// Lets it disappear with the others of its chat. Source: WhatsApp's own clients say so in the context of each message.
pub(super) fn expire(message: &mut wa::Message, period: Duration) {
    if let Some(info) = context_fields::of_mut(message) {
        info.expiration = u32::try_from(period.as_secs()).ok();
    }
}

/// Wraps what can be opened once only, and documents with words, behind everything else.
fn wrapped(message: wa::Message, content: &OutgoingContent) -> wa::Message {
    match content {
        OutgoingContent::Media(file) if file.view_once => file::view_once(message),
        OutgoingContent::Media(_) | OutgoingContent::Forward { .. } => {
            file::captioned_document(message)
        }
        OutgoingContent::Text { .. }
        | OutgoingContent::Location(_)
        | OutgoingContent::LiveLocation(_)
        | OutgoingContent::Contacts(_)
        | OutgoingContent::Poll(_)
        | OutgoingContent::Event(_)
        | OutgoingContent::Interactive { .. }
        | OutgoingContent::Reaction { .. }
        | OutgoingContent::Edit { .. }
        | OutgoingContent::Revoke { .. }
        | OutgoingContent::Pin { .. } => message,
    }
}

/// Words, as a bare text where nothing else is said.
pub(super) fn text(body: &str, preview: Option<&PreviewBody>) -> wa::Message {
    let Some(preview) = preview else {
        return wa::Message::text(body);
    };
    let thumbnail = preview.thumbnail.as_deref();
    let text = wa::message::ExtendedTextMessage {
        text: Some(body.to_owned()),
        matched_text: Some(preview.link.clone()),
        title: preview.title.clone(),
        description: preview.description.clone(),
        jpeg_thumbnail: thumbnail.and_then(|text| STANDARD.decode(text).ok()),
        preview_type: Some(wa::message::extended_text_message::PreviewType::NONE),
        ..Default::default()
    };
    wa::Message {
        extended_text_message: MessageField::some(text),
        ..Default::default()
    }
}

/// Adds who is mentioned.
async fn mention(
    client: &Client,
    to: &ChatId,
    message: &mut wa::Message,
    mentions: &[switchboard_vocab::UserId],
    everybody: bool,
) {
    if mentions.is_empty() && !everybody {
        return;
    }
    let names = target::names(client, to, mentions).await;
    if let Some(info) = context_fields::of_mut(message) {
        info.mentioned_jid = names;
        info.non_jid_mentions = everybody.then_some(1);
    }
}

/// Makes it an answer; kinds that cannot be one stay as they are.
pub(super) fn answer(
    message: &mut wa::Message,
    quoted: &Quote,
    original: Option<&Message>,
    to: &ChatId,
) {
    // Without an author clients show the quote as the chat partner's.
    let author = quoted
        .author
        .clone()
        .or_else(|| original.map(|message| message.sender.clone()))
        .or_else(|| to.as_user().cloned());
    if let Some(info) = context_fields::of_mut(message) {
        info.stanza_id = Some(quoted.id.to_string());
        info.participant = author.map(|author| author.to_string());
        info.quoted_message = MessageField::some(quote::body(original));
        // An answer to a story names the stories as the place of what it quotes.
        let is_elsewhere = original.is_some_and(|message| message.chat != *to);
        info.remote_jid = original
            .filter(|_| is_elsewhere)
            .map(|message| message.chat.to_string());
    }
}

fn location_message(place: &Location) -> wa::message::LocationMessage {
    wa::message::LocationMessage {
        degrees_latitude: Some(place.latitude),
        degrees_longitude: Some(place.longitude),
        name: place.name.clone(),
        address: place.address.clone(),
        url: place.url.clone(),
        accuracy_in_meters: place.accuracy,
        speed_in_mps: place.speed,
        degrees_clockwise_from_magnetic_north: place.heading,
        comment: place.comment.clone(),
        ..Default::default()
    }
}

pub(super) fn location(place: &Location) -> wa::Message {
    wa::Message {
        location_message: MessageField::some(location_message(place)),
        ..Default::default()
    }
}

pub(super) fn live_location(place: &LiveLocation) -> wa::Message {
    let place = wa::message::LiveLocationMessage {
        degrees_latitude: Some(place.latitude),
        degrees_longitude: Some(place.longitude),
        accuracy_in_meters: place.accuracy,
        speed_in_mps: place.speed,
        degrees_clockwise_from_magnetic_north: place.heading,
        caption: place.caption.clone(),
        sequence_number: place.sequence,
        time_offset: place.time_offset,
        ..Default::default()
    };
    wa::Message {
        live_location_message: MessageField::some(place),
        ..Default::default()
    }
}

fn contact(card: &Card) -> wa::message::ContactMessage {
    wa::message::ContactMessage {
        display_name: Some(card.name.clone()),
        vcard: Some(card.vcard.clone()),
        ..Default::default()
    }
}

pub(super) fn contacts(cards: &[Card]) -> Result<wa::Message, Error> {
    match cards {
        [] => Err(refusal("a message of contacts needs a card")),
        [card] => Ok(wa::Message {
            contact_message: MessageField::some(contact(card)),
            ..Default::default()
        }),
        cards => Ok(wa::Message {
            contacts_array_message: MessageField::some(wa::message::ContactsArrayMessage {
                display_name: Some(format!("{} contacts", cards.len())),
                contacts: cards.iter().map(contact).collect(),
                ..Default::default()
            }),
            ..Default::default()
        }),
    }
}

/// A poll. Source of the fields by number of choices: whatsapp-rust 0.7.0, `Polls::create`.
pub(super) fn new_poll(poll: &NewPoll) -> Result<wa::Message, Error> {
    let count = poll.options.len();
    if !(POLL_OPTIONS_MIN..=POLL_OPTIONS_MAX).contains(&count) {
        return Err(refusal(format!("a poll with {count} options")));
    }
    let mut names: Vec<&String> = poll.options.iter().collect();
    names.sort_unstable();
    names.dedup();
    if names.len() != count {
        return Err(refusal("a poll with an option twice"));
    }
    let all = u32::try_from(count).unwrap_or(u32::MAX);
    let choices = match poll.choices_max {
        None => all,
        Some(choices) if (1..=all).contains(&choices) => choices,
        Some(choices) => return Err(refusal(format!("a poll with {choices} choices"))),
    };
    let option = |name: &String| wa::message::poll_creation_message::Option {
        option_name: Some(name.clone()),
        option_hash: None,
    };
    let created = MessageField::some(wa::message::PollCreationMessage {
        name: Some(poll.question.clone()),
        options: poll.options.iter().map(option).collect(),
        selectable_options_count: Some(choices),
        ..Default::default()
    });
    Ok(if choices == 1 {
        wa::Message {
            poll_creation_message_v3: created,
            ..Default::default()
        }
    } else {
        wa::Message {
            poll_creation_message: created,
            ..Default::default()
        }
    })
}

pub(super) fn new_event(event: &NewEvent) -> Result<wa::Message, Error> {
    if event.name.trim().is_empty() {
        return Err(refusal("an event without a name"));
    }
    let secs = |at: switchboard_vocab::Timestamp| i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let place = event.location.as_ref().map(location_message);
    let message = wa::message::EventMessage {
        name: Some(event.name.clone()),
        description: event.description.clone(),
        start_time: Some(secs(event.start)),
        end_time: event.end.map(secs),
        location: place.map(MessageField::some).unwrap_or_default(),
        ..Default::default()
    };
    Ok(wa::Message {
        event_message: MessageField::some(message),
        ..Default::default()
    })
}
