//! Names of sessions, chats, people and messages as this system writes them: `<digits>@c.us`, and message ids that repeat
//! direction and chat.

use serde::Serialize;
use switchboard_dialect_kit::{Refusal, Reject, phone};
use switchboard_vocab::messages::{MessageRef, Quote};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, SessionId, UserId};

/// What that system says of a session's name that has other characters than letters, digits, `_` and `-`.
const BAD_SESSION_NAME: &str = "Session should be alphanumerical or -";

/// An error that names the field.
pub(crate) fn invalid(field: &str, reason: impl std::fmt::Display) -> Reject {
    OpError::invalid(format!("{field}: {reason}")).into()
}

/// A refusal that names the field.
pub(crate) fn refused(field: &str, refusal: Refusal) -> Reject {
    OpError::new(ErrorCode::Refused, format!("{field}: {}", refusal.reason())).into()
}

/// Refuses a text that is too long.
pub(crate) fn at_most(field: &str, text: &str, characters_max: usize) -> Result<(), Reject> {
    if text.chars().count() <= characters_max {
        return Ok(());
    }
    let reason = format!("{field}: at most {characters_max} characters are possible");
    Err(OpError::new(ErrorCode::TooLarge, reason).into())
}

/// Reads the name of a session.
pub(crate) fn session(name: &str) -> Result<SessionId, Reject> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.bytes().all(word) {
        return Err(OpError::invalid(BAD_SESSION_NAME).into());
    }
    SessionId::parse(name).map_err(|e| invalid("sessionId", e))
}

/// Reads a chat, which has its server: `<digits>@c.us`, `<id>@g.us` and the like.
pub(crate) fn chat_id(field: &str, text: &str) -> Result<ChatId, Reject> {
    if !text.contains('@') {
        let wanted = "a chat id such as 1234567890@c.us or 120363012345678901@g.us is expected";
        return Err(invalid(field, wanted));
    }
    phone::chat(text).map_err(|e| invalid(field, e.public))
}

/// Reads whom to send to.
pub(crate) fn recipient(field: &str, text: &str) -> Result<ChatId, Reject> {
    let chat = chat_id(field, text)?;
    if matches!(chat, ChatId::Broadcast(_)) {
        return Err(refused(field, Refusal::NotOnLinkedDevice));
    }
    Ok(chat)
}

/// Reads a person, whose server may be left out.
pub(crate) fn user_id(field: &str, text: &str) -> Result<UserId, Reject> {
    match phone::chat(text).map_err(|e| invalid(field, e.public))? {
        ChatId::User(user) => Ok(user),
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => {
            Err(invalid(field, format!("{text:?} is not a person")))
        }
    }
}

/// Reads the message that is meant: its bare id, or the serialised one.
pub(crate) fn message_id(field: &str, text: &str) -> Result<Quote, Reject> {
    let direction = |text: &str| matches!(text, "true" | "false");
    let mut parts = text.splitn(4, '_');
    let (id, author) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(own), Some(chat), Some(id), participant) if direction(own) => {
            let chat = chat_id(field, chat)?;
            let author = match participant {
                Some(participant) => Some(user_id(field, participant)?),
                None if own == "false" => chat.as_user().cloned(),
                None => None,
            };
            (id, author)
        }
        _ => (text, None),
    };
    let id = MessageId::parse(id).map_err(|e| invalid(field, e))?;
    Ok(Quote { id, author })
}

/// Reads the message of a chat that is meant.
pub(crate) fn message_ref(chat: &str, message: &str) -> Result<MessageRef, Reject> {
    let chat = chat_id("chatId", chat)?;
    let id = message_id("messageId", message)?.id;
    let from_me = match message.split_once('_') {
        Some(("true", _)) => Some(true),
        Some(("false", _)) => Some(false),
        Some(_) | None => None,
    };
    Ok(MessageRef {
        id,
        chat: Some(chat),
        from_me,
    })
}

/// A message's id in its parts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MessageKey {
    #[serde(rename = "fromMe")]
    from_me: bool,
    remote: String,
    id: String,
    /// Who wrote it, in groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<String>,
    #[serde(rename = "_serialized")]
    serialized: String,
}

impl MessageKey {
    /// The key of a message in a chat.
    pub(crate) fn new(
        id: &MessageId,
        from_me: bool,
        remote: String,
        participant: Option<String>,
    ) -> Self {
        let tail = participant.as_ref().map(|p| format!("_{p}"));
        Self {
            serialized: format!("{from_me}_{remote}_{id}{}", tail.unwrap_or_default()),
            from_me,
            remote,
            id: id.to_string(),
            participant,
        }
    }
}

/// A person's or chat's id in its parts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Wid {
    server: &'static str,
    user: String,
    #[serde(rename = "_serialized")]
    serialized: String,
}

impl Wid {
    /// The id of a person: by phone number where it is known.
    pub(crate) fn of(person: &UserId, alt: Option<&UserId>) -> Self {
        let by_number = alt.filter(|alt| person.as_phone().is_none() && alt.as_phone().is_some());
        let person = by_number.unwrap_or(person);
        Self {
            server: match person {
                UserId::Phone(_) => "c.us",
                UserId::Lid(_) => "lid",
            },
            user: person.user().to_owned(),
            serialized: user(person, None),
        }
    }

    /// The id of a chat: by phone number where it is known.
    pub(crate) fn chat(chat: &ChatId, alt: Option<&UserId>) -> Self {
        let server = match chat {
            ChatId::User(person) => return Self::of(person, alt),
            ChatId::Group(_) => "g.us",
            ChatId::Newsletter(_) => "newsletter",
            ChatId::Broadcast(_) => "broadcast",
        };
        Self {
            server,
            user: chat.user_part().to_owned(),
            serialized: chat.to_string(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_follow_the_pattern() {
        assert_eq!(session("sales_1-a").unwrap().as_str(), "sales_1-a");
        for name in ["a b", "a.b", "ü", "a/b"] {
            assert_eq!(session(name).unwrap_err().0.public, BAD_SESSION_NAME);
        }
        assert!(session(&"x".repeat(65)).is_err());
    }

    #[test]
    fn chats_have_their_server() {
        let read = |text| recipient("chatId", text).map(|chat| chat.to_string()).ok();
        let person = Some("4915112345678@s.whatsapp.net".to_owned());
        assert_eq!(read("4915112345678@c.us"), person);
        assert_eq!(read("120363@g.us").as_deref(), Some("120363@g.us"));
        for text in ["", "4915112345678", "12@c.us", "a@b", "status@broadcast"] {
            assert_eq!(read(text), None, "{text:?} was accepted");
        }
    }

    #[test]
    fn message_ids_come_bare_or_serialised() {
        let read = |text: &str| {
            let quote = message_id("messageId", text).ok()?;
            Some((quote.id.to_string(), quote.author.map(|a| a.to_string())))
        };
        let id = || "3EB0A1".to_owned();
        let partner = || Some("4915112345678@s.whatsapp.net".to_owned());
        assert_eq!(read("3EB0A1"), Some((id(), None)));
        assert_eq!(read("true_4915112345678@c.us_3EB0A1"), Some((id(), None)));
        assert_eq!(
            read("false_4915112345678@c.us_3EB0A1"),
            Some((id(), partner()))
        );
        assert_eq!(
            read("false_120363@g.us_3EB0A1_4915112345678@c.us"),
            Some((id(), partner()))
        );
        assert_eq!(read("false_120363@g.us_3EB0A1"), Some((id(), None)));
        for text in ["", "false_x_3EB0A1", "a b", "true_4915112345678@c.us_"] {
            assert_eq!(read(text), None, "{text:?} was accepted");
        }
    }
}
