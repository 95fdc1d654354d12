//! Addresses and times as this system writes them.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};
use switchboard_dialect_kit::{Reject, phone};
use switchboard_vocab::messages::Quote;
use switchboard_vocab::{ChatId, MessageId, OpError, Timestamp, UserId};

/// A recipient: digits with or without `+`, or a whole address.
pub(crate) fn recipient(text: &str) -> Result<ChatId, Reject> {
    chat("Phone", text)
}

/// A chat field that must be a whole address or a number.
pub(crate) fn chat(field: &str, text: &str) -> Result<ChatId, Reject> {
    phone::chat(&without_device(text)).map_err(|error| could_not_parse(field, &error))
}

/// An address without the agent and the device it may name: `<digits>.<agent>:<device>@<server>` is how that system writes
/// whoever sent something, in its webhooks and in its reference.
fn without_device(text: &str) -> Cow<'_, str> {
    let Some((user, server)) = text.split_once('@') else {
        return Cow::Borrowed(text);
    };
    match user.split_once(['.', ':']) {
        Some((digits, _)) => Cow::Owned(format!("{digits}@{server}")),
        None => Cow::Borrowed(text),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_name_a_device() {
        let read = |text| chat("Chat", text).map(|chat| chat.to_string()).ok();
        let person = Some("5491155553934@s.whatsapp.net".to_owned());
        for text in [
            "5491155553934.0:1@s.whatsapp.net",
            "5491155553934:12@s.whatsapp.net",
            "5491155553934@s.whatsapp.net",
            "+5491155553934",
        ] {
            assert_eq!(read(text), person, "{text}");
        }
        assert_eq!(read("77.1:3@lid").as_deref(), Some("77@lid"));
        assert_eq!(read("5491155553934.0:1"), None);
    }
}
