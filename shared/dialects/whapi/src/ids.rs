//! Names of chats, contacts, messages and files as this system writes them.
//!
//! Message ids have the form `<part>-<part>` and at most 30 characters in the first part, which WhatsApp's own ids of 32
//! hex digits do not fit; so they are packed. The same message always gets the same id, in answers, listings, statuses and
//! quotes alike, because nothing but WhatsApp's id goes into it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use switchboard_dialect_kit::{Refusal, Reject, phone};
use switchboard_vocab::{ChatId, MediaId, MessageId, OpError, SessionRef, UserId};

/// The id's first part holds bytes that were upper-case hex digits.
const PACKED: u8 = 0;
/// The id's first part is WhatsApp's id as it is, a dot for each dash.
const PLAIN: u8 = 1;
/// Most bytes that fit 30 characters of base64. Source: the pattern of `MessageID`.
const PACKED_LEN_MAX: usize = 22;
/// Fewest bytes that fill the 4 characters the pattern wants.
const PACKED_LEN_MIN: usize = 3;
/// Length of the part before the `@` in `to`. Source: the pattern of `Sender.to`.
const RECIPIENT_LEN: std::ops::RangeInclusive<usize> = 9..=31;
/// Digits of a contact. Source: the pattern of `ContactID`.
const CONTACT_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// An error that names the field.
pub(crate) fn invalid(field: &str, reason: impl std::fmt::Display) -> Reject {
    OpError::invalid(format!("{field}: {reason}")).into()
}

/// The id of a message.
pub(crate) fn message(id: &MessageId) -> String {
    let (form, head) = match packed(id.as_str()) {
        Some(bytes) => (PACKED, dotted(&bytes)),
        None => (PLAIN, id.as_str().replace('-', ".")),
    };
    let [high, low] = checksum(id.as_str());
    format!("{head}-{}", dotted(&[form, high, low]))
}

/// Reads the id of a message; one that this gateway did not write is refused.
pub(crate) fn message_id(field: &str, text: &str) -> Result<MessageId, Reject> {
    let foreign = || {
        invalid(
            field,
            format!("{text:?} is not a message id of this channel"),
        )
    };
    let (head, tail) = text.split_once('-').ok_or_else(foreign)?;
    let tail: [u8; 3] = undotted(tail)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(foreign)?;
    let [form, check @ ..] = tail;
    let id = match form {
        PACKED => hex::encode_upper(undotted(head).ok_or_else(foreign)?),
        PLAIN => head.replace('.', "-"),
        _ => return Err(foreign()),
    };
    if checksum(&id) != check {
        return Err(foreign());
    }
    MessageId::parse(&id).map_err(|_| foreign())
}

fn packed(id: &str) -> Option<Vec<u8>> {
    let digits = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    let bytes = id
        .bytes()
        .all(digits)
        .then(|| hex::decode(id).ok())
        .flatten()?;
    (PACKED_LEN_MIN..=PACKED_LEN_MAX)
        .contains(&bytes.len())
        .then_some(bytes)
}

/// Tells an id from a typing error: FNV-1a, folded to 16 bits.
fn checksum(id: &str) -> [u8; 2] {
    let full = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [a, b, c, d] = full.to_be_bytes();
    [a ^ c, b ^ d]
}

fn dotted(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes).replace('-', ".")
}

fn undotted(text: &str) -> Option<Vec<u8>> {
    if text.contains('-') {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text.replace('.', "-")).ok()
}

/// The id of a file: `file-` and its hex digits, or `text-` and the hex of its characters.
pub(crate) fn media(id: &MediaId) -> String {
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-';
    if id.as_str().bytes().all(hexadecimal) {
        format!("file-{id}")
    } else {
        format!("text-{}", hex::encode(id.as_str()))
    }
}

/// Reads the id of a file; `None` when this gateway did not write it.
pub(crate) fn media_id(text: &str) -> Option<MediaId> {
    if let Some(id) = text.strip_prefix("file-") {
        return MediaId::parse(id).ok();
    }
    let id = hex::decode(text.strip_prefix("text-")?).ok()?;
    MediaId::parse(std::str::from_utf8(&id).ok()?).ok()
}

/// Reads whom to send to: a phone number or a chat id.
pub(crate) fn recipient(field: &str, text: &str) -> Result<ChatId, Reject> {
    let (local, server) = text
        .split_once('@')
        .map_or((text, None), |(l, s)| (l, Some(s)));
    let digits = |b: u8| b.is_ascii_digit() || (b == b'-' && server.is_some());
    if !RECIPIENT_LEN.contains(&local.len()) || !local.bytes().all(digits) {
        let wanted =
            "a phone number in digits, or a chat id such as 1234567891@s.whatsapp.net, is expected";
        return Err(invalid(field, wanted));
    }
    let chat = phone::chat(text).map_err(|e| invalid(field, e.public))?;
    if matches!(chat, ChatId::Broadcast(_)) {
        return Err(invalid(field, Refusal::NotOnLinkedDevice.reason()));
    }
    Ok(chat)
}

/// The same where the document wants one digit more: forwards and events. Source: the patterns of their `to`.
pub(crate) fn distant_recipient(field: &str, text: &str) -> Result<ChatId, Reject> {
    let local = text.split('@').next().unwrap_or_default();
    if local.len() <= *RECIPIENT_LEN.start() {
        return Err(invalid(field, "at least 10 digits are expected"));
    }
    recipient(field, text)
}

/// Reads the chat a path names.
pub(crate) fn chat_id(field: &str, text: &str) -> Result<ChatId, Reject> {
    if !text.contains('@') {
        return Err(invalid(
            field,
            "a chat id such as 1234567891@s.whatsapp.net is expected",
        ));
    }
    phone::chat(text).map_err(|e| invalid(field, e.public))
}

/// Reads a contact: digits of a phone number, or `<digits>@lid` as answers have it of one whose number is hidden.
pub(crate) fn contact_id(field: &str, text: &str) -> Result<UserId, Reject> {
    if let Some(digits) = text.strip_suffix("@lid") {
        return UserId::lid(digits).map_err(|e| invalid(field, e));
    }
    if !CONTACT_DIGITS.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(
            field,
            "a phone number of 7 to 15 digits is expected",
        ));
    }
    UserId::phone(text).map_err(|e| invalid(field, e))
}

/// The id of a chat: by phone number where it is known.
pub(crate) fn chat(chat: &ChatId, alt: Option<&UserId>) -> String {
    match (chat, alt) {
        (ChatId::User(UserId::Lid(_)), Some(phone @ UserId::Phone(_))) => phone.to_string(),
        _ => chat.to_string(),
    }
}

/// The id of a contact: the digits of the phone number; the whole address of one whose number is hidden.
pub(crate) fn contact(user: &UserId, alt: Option<&UserId>) -> String {
    user.as_phone()
        .or_else(|| alt.and_then(UserId::as_phone))
        .map_or_else(|| user.to_string(), str::to_owned)
}

/// The same where the document allows digits only: those of the LID of one whose number is hidden, if they fit.
pub(crate) fn contact_digits(user: &UserId, alt: Option<&UserId>) -> String {
    let known = user.as_phone().or_else(|| alt.and_then(UserId::as_phone));
    let digits = known.unwrap_or_else(|| user.user());
    let fits = CONTACT_DIGITS.contains(&digits.len());
    // The pattern of `ContactID` allows an empty text, and nothing else for what does not fit.
    if fits {
        digits.to_owned()
    } else {
        String::new()
    }
}

/// The chat that a message went to, as `recipient_id`; stories go to an address that does not fit its pattern.
pub(crate) fn recipient_of(to: &ChatId, alt: Option<&UserId>) -> Option<String> {
    (!matches!(to, ChatId::Broadcast(_))).then(|| chat(to, alt))
}

/// The id of the channel.
pub(crate) fn channel(session: &SessionRef) -> String {
    session.session.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_fit_the_pattern_and_round_trip() {
        for text in [
            "3EB0A1B2C3D4E5F6071829",
            "3A5B7C9D1E2F30415263",
            "AC1234567890ABCDEF1234567890ABCDEF",
            "order-17_b",
            "0A",
            "abcdef",
        ] {
            let id = MessageId::parse(text).unwrap();
            let shown = message(&id);
            let (head, tail) = shown.split_once('-').unwrap();
            assert!(head.len() <= 30 && tail.len() == 4, "{shown}");
            assert!(!tail.contains('-') && !head.contains('-'), "{shown}");
            assert_eq!(message_id("id", &shown).unwrap(), id, "{shown}");
        }
    }

    #[test]
    fn foreign_message_ids_are_refused() {
        let shown = message(&MessageId::parse("3EB0A1B2C3D4E5F6071829").unwrap());
        let mistyped = shown.replacen('P', "Q", 1);
        assert_ne!(shown, mistyped);
        for text in ["", "-", "3EB0A1B2C3D4E5F6071829", "PrCh-AAAA", &mistyped] {
            assert!(message_id("id", text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn media_ids_round_trip() {
        for text in ["0123abcd", "01-23", "Offer_2", "xyz"] {
            let id = MediaId::parse(text).unwrap();
            let shown = media(&id);
            let (_, tail) = shown.split_once('-').unwrap();
            assert!(
                tail.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
                "{shown}"
            );
            assert_eq!(media_id(&shown), Some(id));
        }
        for text in ["", "file-", "text-zz", "http://a/b", "/9j/4AAQ"] {
            assert_eq!(media_id(text), None, "{text:?} was accepted");
        }
    }

    #[test]
    fn recipients_follow_the_pattern() {
        for text in [
            "4915112345678",
            "4915112345678@s.whatsapp.net",
            "120363025343298765@g.us",
            "81234567890123@lid",
        ] {
            assert!(recipient("to", text).is_ok(), "{text:?} was refused");
        }
        for text in [
            "",
            "+4915112345678",
            "12345678",
            "49151x2345678",
            "status@broadcast",
            "4915112345678@example.org",
        ] {
            assert!(recipient("to", text).is_err(), "{text:?} was accepted");
        }
    }
}
