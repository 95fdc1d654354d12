//! Names of chats, people and messages as this system writes them: bare digits where the official API has them, full ids
//! with their server elsewhere.

use switchboard_dialect_kit::{Refusal, Reject, phone};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, UserId};

/// An error that names the field.
pub(crate) fn invalid(field: &str, reason: impl std::fmt::Display) -> Reject {
    OpError::invalid(format!("{field}: {reason}")).into()
}

/// A refusal that names the field.
pub(crate) fn refused(field: &str, refusal: Refusal) -> Reject {
    OpError::new(ErrorCode::Refused, format!("{field}: {}", refusal.reason())).into()
}

/// Reads a message's id: WhatsApp's own.
pub(crate) fn message_id(field: &str, text: &str) -> Result<MessageId, Reject> {
    MessageId::parse(text).map_err(|e| invalid(field, e))
}

/// Reads a person: a phone number or a full id.
pub(crate) fn user(field: &str, text: &str) -> Result<UserId, Reject> {
    match phone::chat(text).map_err(|e| invalid(field, e.public))? {
        ChatId::User(user) => Ok(user),
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => {
            Err(invalid(field, format!("{text:?} is not a person")))
        }
    }
}

/// Reads whom to send to. A bare number is a person, or the group of that number when the caller says `group`.
pub(crate) fn recipient(text: &str, group: Option<bool>) -> Result<ChatId, Reject> {
    let whole;
    let text = match group {
        Some(true) if !text.contains('@') => {
            whole = format!("{text}@g.us");
            &whole
        }
        Some(true | false) | None => text,
    };
    let chat = phone::chat(text).map_err(|e| invalid("to", e.public))?;
    if group.is_some_and(|group| group != chat.is_group()) {
        return Err(invalid(
            "recipient_type",
            "it contradicts the recipient's id",
        ));
    }
    if matches!(chat, ChatId::Broadcast(_)) {
        return Err(refused("to", Refusal::NotOnLinkedDevice));
    }
    Ok(chat)
}

/// Reads a chat: a person by number or full id, or a group by full id.
pub(crate) fn chat_of(field: &str, text: &str) -> Result<ChatId, Reject> {
    phone::chat(text).map_err(|e| invalid(field, e.public))
}

/// Reads a group: its full id, or the part before the `@`.
pub(crate) fn group_of(field: &str, text: &str) -> Result<ChatId, Reject> {
    let whole;
    let text = if text.contains('@') {
        text
    } else {
        whole = format!("{text}@g.us");
        &whole
    };
    let chat = phone::chat(text).map_err(|e| invalid(field, e.public))?;
    if chat.is_group() {
        Ok(chat)
    } else {
        Err(invalid(field, "it is not a group"))
    }
}

/// Reads a chat id that must have its server.
pub(crate) fn full_chat(field: &str, text: &str) -> Result<ChatId, Reject> {
    if !text.contains('@') {
        return Err(invalid(
            field,
            format!("{text:?} lacks the part behind the @"),
        ));
    }
    phone::chat(text).map_err(|e| invalid(field, e.public))
}

/// The full id of a chat: by phone number where it is known.
pub(crate) fn chat(chat: &ChatId, alt: Option<&UserId>) -> String {
    match (chat, alt) {
        (ChatId::User(UserId::Lid(_)), Some(phone @ UserId::Phone(_))) => phone.to_string(),
        _ => chat.to_string(),
    }
}

/// The short id of a person: the digits of the phone number; the whole address of one whose number is hidden.
pub(crate) fn wa_id(user: &UserId, alt: Option<&UserId>) -> String {
    user.as_phone()
        .or_else(|| alt.and_then(UserId::as_phone))
        .map_or_else(|| user.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_people_or_groups() {
        let read = |text, group| recipient(text, group).map(|chat| chat.to_string()).ok();
        let person = Some("4915112345678@s.whatsapp.net".to_owned());
        let group = Some("120363025343298765@g.us".to_owned());
        assert_eq!(read("+49 151 12345678", None), person);
        assert_eq!(read("4915112345678@c.us", Some(false)), person);
        assert_eq!(read("120363025343298765", Some(true)), group);
        assert_eq!(read("120363025343298765@g.us", None), group);
        assert_eq!(read("120363025343298765@g.us", Some(false)), None);
        assert_eq!(read("4915112345678@c.us", Some(true)), None);
        assert_eq!(read("status@broadcast", None), None);
        assert_eq!(read("", None), None);
    }
}
