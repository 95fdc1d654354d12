//! Addresses and times as this system writes them.

use chrono::{DateTime, SecondsFormat};
use switchboard_dialect_kit::{Reject, phone};
use switchboard_vocab::messages::Quote;
use switchboard_vocab::{ChatId, MessageId, OpError, Timestamp, UserId};

/// A recipient: digits with or without `+`, or a whole address.
pub(crate) fn recipient(text: &str) -> Result<ChatId, Reject> {
    phone::chat(text).map_err(|error| could_not_parse("Phone", &error))
}

/// A chat field that must be a whole address or a number.
pub(crate) fn chat(field: &str, text: &str) -> Result<ChatId, Reject> {
    phone::chat(text).map_err(|error| could_not_parse(field, &error))
}

/// A person.
pub(crate) fn person(field: &str, text: &str) -> Result<UserId, Reject> {
    match chat(field, text)? {
        ChatId::User(user) => Ok(user),
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => Err(could_not_parse(
            field,
            &OpError::invalid("it is not a person"),
        )),
    }
}

/// A message id.
pub(crate) fn message(field: &str, text: &str) -> Result<MessageId, Reject> {
    MessageId::parse(text)
        .map_err(|error| could_not_parse(field, &OpError::invalid(error.to_string())))
}

/// The message that is answered, of a `ContextInfo`: both of its fields or neither.
pub(crate) fn quote(
    stanza: Option<&str>,
    participant: Option<&str>,
) -> Result<Option<Quote>, Reject> {
    match (
        stanza.filter(|text| !text.is_empty()),
        participant.filter(|text| !text.is_empty()),
    ) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(OpError::invalid("Missing StanzaId in ContextInfo").into()),
        (Some(_), None) => Err(OpError::invalid("Missing Participant in ContextInfo").into()),
        (Some(stanza), Some(participant)) => {
            let id = message("StanzaId", stanza)?;
            Ok(Some(Quote {
                id,
                author: Some(person("Participant", participant)?),
            }))
        }
    }
}

/// A time as RFC 3339 in UTC, to the second. Source: that system writes Go's `time.Time`.
pub(crate) fn time(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn could_not_parse(field: &str, error: &OpError) -> Reject {
    OpError::invalid(format!("Could not parse {field}: {}", error.public)).into()
}
