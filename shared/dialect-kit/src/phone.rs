//! Phone numbers and addresses as people write them.

use switchboard_vocab::{ChatId, OpError, UserId};

/// A phone number as people write it: digits with `+`, spaces, dashes, dots or brackets between them.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] when other characters occur or the digits are not 5 to 15.
pub fn user(text: &str) -> Result<UserId, OpError> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let odd = text
        .chars()
        .any(|c| !(c.is_ascii_digit() || "+ -.()/\u{a0}".contains(c)));
    if odd {
        return Err(OpError::invalid(format!(
            "{text:?} is not a phone number: digits with country code are expected"
        )));
    }
    UserId::phone(&digits).map_err(|e| OpError::invalid(e.to_string()))
}

/// A chat as the systems of this family write it: `<digits>@c.us` or `@s.whatsapp.net`, `@lid`, `@g.us`, `@newsletter`,
/// `@broadcast`, or a bare phone number.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] when it is none of those.
pub fn chat(text: &str) -> Result<ChatId, OpError> {
    let text = text.trim();
    match text.split_once('@') {
        None => user(text).map(ChatId::User),
        Some((digits, "c.us" | "s.whatsapp.net")) => user(digits).map(ChatId::User),
        Some(_) => text
            .parse()
            .map_err(|e: switchboard_vocab::ids::ParseAddressError| {
                OpError::invalid(e.to_string())
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_numbers_in_many_ways() {
        for text in ["4915112345678", "+49 151 1234-5678", "+49 (151) 12345678"] {
            assert_eq!(user(text).unwrap().user(), "4915112345678", "{text}");
        }
        for text in ["", "abc", "12", "49151123456789012", "49151x2345678"] {
            assert!(user(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn chats_come_with_foreign_servers() {
        assert_eq!(
            chat("4915112345678@c.us").unwrap().to_string(),
            "4915112345678@s.whatsapp.net"
        );
        assert_eq!(chat("120363@g.us").unwrap().to_string(), "120363@g.us");
        assert!(chat("x@y").is_err());
    }
}
