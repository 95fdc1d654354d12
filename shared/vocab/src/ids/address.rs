//! WhatsApp addresses: users by phone number or by LID, and the chats one can write to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Shortest phone number accepted, in digits including the country code.
const PHONE_DIGITS_MIN: usize = 5;
/// Longest phone number accepted. Source: ITU-T E.164, section 6 (15 digits).
const PHONE_DIGITS_MAX: usize = 15;
/// Longest user part of an address that is not a phone number (LIDs, group and channel ids).
const USER_PART_LEN_MAX: usize = 64;

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a WhatsApp address: {reason}")]
pub struct ParseAddressError {
    text: String,
    reason: &'static str,
}

fn refuse(text: &str, reason: &'static str) -> ParseAddressError {
    ParseAddressError {
        text: text.chars().take(USER_PART_LEN_MAX).collect(),
        reason,
    }
}

/// A person: known by phone number or, where WhatsApp hides the number, by LID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum UserId {
    /// Digits of the phone number with country code, without `+`.
    Phone(Box<str>),
    /// Digits of the LID.
    Lid(Box<str>),
}

impl UserId {
    /// A user by phone number: digits with country code.
    ///
    /// # Errors
    /// When anything but digits stands in it, or their count is outside 5 to 15.
    pub fn phone(digits: &str) -> Result<Self, ParseAddressError> {
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse(digits, "a phone number has digits only"));
        }
        if !(PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len()) {
            return Err(refuse(
                digits,
                "a phone number has 5 to 15 digits with country code",
            ));
        }
        Ok(Self::Phone(digits.into()))
    }

    /// A user by LID: digits.
    ///
    /// # Errors
    /// When it is empty, too long, or has anything but digits.
    pub fn lid(digits: &str) -> Result<Self, ParseAddressError> {
        if digits.is_empty() || digits.len() > USER_PART_LEN_MAX {
            return Err(refuse(digits, "a lid has 1 to 64 digits"));
        }
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse(digits, "a lid has digits only"));
        }
        Ok(Self::Lid(digits.into()))
    }

    /// The user part: digits of the number or of the LID.
    #[must_use]
    pub fn user(&self) -> &str {
        match self {
            Self::Phone(digits) | Self::Lid(digits) => digits,
        }
    }

    /// The phone number's digits, when this is a phone number.
    #[must_use]
    pub fn as_phone(&self) -> Option<&str> {
        match self {
            Self::Phone(digits) => Some(digits),
            Self::Lid(_) => None,
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(digits) => write!(f, "{digits}@s.whatsapp.net"),
            Self::Lid(digits) => write!(f, "{digits}@lid"),
        }
    }
}

impl FromStr for UserId {
    type Err = ParseAddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            ChatId::User(user) => Ok(user),
            ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => {
                Err(refuse(text, "it is not a person"))
            }
        }
    }
}

impl TryFrom<String> for UserId {
    type Error = ParseAddressError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(user: UserId) -> Self {
        user.to_string()
    }
}

/// A conversation: with a person, a group, a channel, or a broadcast address.
///
/// The text form is WhatsApp's own (`<user>@<server>`); foreign spellings stay in the dialects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ChatId {
    /// A person.
    User(UserId),
    /// A group, by the part before `@g.us`.
    Group(Box<str>),
    /// A channel, by the part before `@newsletter`.
    Newsletter(Box<str>),
    /// A broadcast list, or `status` for stories.
    Broadcast(Box<str>),
}

impl ChatId {
    /// Whether this is a group.
    #[must_use]
    pub const fn is_group(&self) -> bool {
        matches!(self, Self::Group(_))
    }

    /// The person, when the chat is with one.
    #[must_use]
    pub const fn as_user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Group(_) | Self::Newsletter(_) | Self::Broadcast(_) => None,
        }
    }

    /// The part before the `@`.
    #[must_use]
    pub fn user_part(&self) -> &str {
        match self {
            Self::User(user) => user.user(),
            Self::Group(part) | Self::Newsletter(part) | Self::Broadcast(part) => part,
        }
    }
}

impl From<UserId> for ChatId {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Group(part) => write!(f, "{part}@g.us"),
            Self::Newsletter(part) => write!(f, "{part}@newsletter"),
            Self::Broadcast(part) => write!(f, "{part}@broadcast"),
        }
    }
}

impl FromStr for ChatId {
    type Err = ParseAddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (part, server) = text
            .split_once('@')
            .ok_or_else(|| refuse(text, "it has no '@<server>'"))?;
        let opaque = |make: fn(Box<str>) -> Self| {
            let fits = !part.is_empty()
                && part.len() <= USER_PART_LEN_MAX
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if fits {
                Ok(make(part.into()))
            } else {
                Err(refuse(text, "its user part is not valid"))
            }
        };
        match server {
            "s.whatsapp.net" => UserId::phone(part).map(Self::User),
            "lid" => UserId::lid(part).map(Self::User),
            "g.us" => opaque(Self::Group),
            "newsletter" => opaque(Self::Newsletter),
            "broadcast" => opaque(Self::Broadcast),
            _ => Err(refuse(text, "its server is not known")),
        }
    }
}

impl TryFrom<String> for ChatId {
    type Error = ParseAddressError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ChatId> for String {
    fn from(chat: ChatId) -> Self {
        chat.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for text in [
            "4915112345678@s.whatsapp.net",
            "81234567890123@lid",
            "4915112345678-1600000000@g.us",
            "120363000000000000@newsletter",
            "status@broadcast",
        ] {
            assert_eq!(text.parse::<ChatId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bad_addresses_are_refused() {
        for text in [
            "",
            "123",
            "12@s.whatsapp.net",
            "abc@s.whatsapp.net",
            "1234567@c.us",
            "@g.us",
            "a b@g.us",
        ] {
            assert!(text.parse::<ChatId>().is_err(), "{text:?} was accepted");
        }
        assert!("120@g.us".parse::<UserId>().is_err());
    }
}
