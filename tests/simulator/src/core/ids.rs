//! Who is who: accounts, devices and connections under numbers of our own, so that queues, acks and
//! sessions do not depend on whether a stanza named an account by phone number or by LID.

use wacore_binary::{Jid, Server};

/// An account, by position in the server's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// A device of an account. Number 0 is the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId {
    /// The account.
    pub account: AccountId,
    /// The number of the device within it.
    pub device: u16,
}

/// A connection. Never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// The number of the phone among an account's devices.
pub const PHONE: u16 = 0;

/// How an account was, or is to be, addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addressing {
    /// By phone number, `@s.whatsapp.net`.
    Pn,
    /// By LID, `@lid`.
    Lid,
}

impl Addressing {
    /// The addressing of `jid`, if it names a user at all.
    #[must_use]
    pub fn of(jid: &Jid) -> Option<Self> {
        if jid.server.is_lid_family() {
            Some(Self::Lid)
        } else if jid.server.is_pn_family() {
            Some(Self::Pn)
        } else {
            None
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Pn => Self::Lid,
            Self::Lid => Self::Pn,
        }
    }

    /// As the `addressing_mode` attribute has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pn => "pn",
            Self::Lid => "lid",
        }
    }
}

/// The server's own address, `s.whatsapp.net`.
#[must_use]
pub fn server_jid() -> Jid {
    Jid::new("", Server::Pn)
}

/// The digits of a phone number written with or without `+`, spaces and dashes.
#[must_use]
pub fn parse_number(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let foreign = text
        .chars()
        .any(|c| !(c.is_ascii_digit() || " +-().".contains(c)));
    if foreign || digits.is_empty() || digits.len() > NUMBER_DIGITS_MAX {
        return None;
    }
    digits.parse().ok()
}

/// Longest phone number. Source: ITU-T E.164.
pub const NUMBER_DIGITS_MAX: usize = 15;

#[cfg(test)]
mod tests {
    use super::parse_number;

    #[test]
    fn numbers() {
        assert_eq!(parse_number("+49 (170) 123-4567"), Some(491_701_234_567));
        assert_eq!(parse_number("49170x"), None);
        assert_eq!(parse_number(""), None);
        assert_eq!(parse_number("1234567890123456"), None);
    }
}
