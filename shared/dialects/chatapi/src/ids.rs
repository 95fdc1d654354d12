//! Names of chats, people and messages as this system writes them: `<digits>@c.us`, `<fromMe>_<chatId>_<id>`.

use switchboard_dialect_kit::{Refusal, Reject, phone};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, UserId};

/// An error that names the field.
pub(crate) fn invalid(field: &str, reason: impl std::fmt::Display) -> Reject {
    OpError::invalid(format!("{field}: {reason}")).into()
}

/// Reads whom to send to: `chatId` is used instead of `phone` where both are there.
pub(crate) fn recipient(phone: Option<&str>, chat_id: Option<&str>) -> Result<ChatId, Reject> {
    let given = |text: &&str| !text.trim().is_empty();
    match (phone.filter(given), chat_id.filter(given)) {
        (_, Some(text)) => chat_of(text),
        (Some(text), None) => {
            let user = phone::user(text).map_err(|e| invalid("phone", e.public))?;
            Ok(ChatId::User(user))
        }
        (None, None) => Err(invalid("phone", "a phone number or a chatId is expected")),
    }
}

fn chat_of(text: &str) -> Result<ChatId, Reject> {
    if !text.contains('@') {
        let wanted =
            "a chat id such as 17472822486@c.us or 79680561234-1479621234@g.us is expected";
        return Err(invalid("chatId", wanted));
    }
    let chat = phone::chat(text).map_err(|e| invalid("chatId", e.public))?;
    if matches!(chat, ChatId::Broadcast(_)) {
        let reason = format!("chatId: {}", Refusal::NotOnLinkedDevice.reason());
        return Err(OpError::new(ErrorCode::Refused, reason).into());
    }
    Ok(chat)
}

/// The id of a person: by phone number where it is known.
pub(crate) fn user(user: &UserId, alt: Option<&UserId>) -> String {
    let known = user.as_phone().or_else(|| alt.and_then(UserId::as_phone));
    known.map_or_else(|| user.to_string(), |digits| format!("{digits}@c.us"))
}

/// The id of a chat: by phone number where it is known.
pub(crate) fn chat(chat: &ChatId, alt: Option<&UserId>) -> String {
    chat.as_user()
        .map_or_else(|| chat.to_string(), |person| user(person, alt))
}

/// The id of a message in a chat that is written like this.
pub(crate) fn message(id: &MessageId, from_me: bool, chat: &str) -> String {
    format!("{from_me}_{chat}_{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_phones_or_chats() {
        let read = |phone, chat| recipient(phone, chat).map(|chat| chat.to_string()).ok();
        let person = Some("17472822486@s.whatsapp.net".to_owned());
        let group = Some("79680561234-1479621234@g.us".to_owned());
        assert_eq!(read(Some("17472822486"), None), person);
        assert_eq!(read(Some("+1 (747) 282-2486"), Some("")), person);
        assert_eq!(read(None, Some("17472822486@c.us")), person);
        assert_eq!(read(Some("1"), Some("79680561234-1479621234@g.us")), group);
        for (phone, chat) in [
            (None, None),
            (Some(""), Some(" ")),
            (Some("12"), None),
            (Some("17472822486@c.us"), None),
            (None, Some("17472822486")),
            (None, Some("a@b")),
            (None, Some("status@broadcast")),
        ] {
            assert_eq!(read(phone, chat), None, "{phone:?} {chat:?} was accepted");
        }
    }
}
