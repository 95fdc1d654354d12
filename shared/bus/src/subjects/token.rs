//! Escaping of one token of a subject or key.
//!
//! `[A-Za-z0-9_-]` stand for themselves, every other byte is `=` and two upper-case hex digits, and the
//! empty text is a single `=`. `=` is legal in NATS subjects and keys, so the escape needs nothing
//! from the set of plain characters and a plain id looks the same on the wire. Canonical: one text has one
//! token and back.

use std::fmt::Write as _;

/// The token that stands for `text`.
pub(super) fn escape(text: &str) -> String {
    if text.is_empty() {
        return "=".to_owned();
    }
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            token.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(token, "={byte:02X}");
        }
    }
    token
}

/// The text that `token` stands for, `None` if no text has this token.
pub(super) fn unescape(token: &str) -> Option<String> {
    if token == "=" {
        return Some(String::new());
    }
    let mut text = Vec::with_capacity(token.len());
    let mut bytes = token.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let escaped = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
            if is_plain(escaped) {
                return None;
            }
            text.push(escaped);
        } else if is_plain(byte) {
            text.push(byte);
        } else {
            return None;
        }
    }
    if text.is_empty() {
        None
    } else {
        String::from_utf8(text).ok()
    }
}

/// True for the characters that need no escape.
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Upper case only: two spellings of one token would be two records.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_ids_stay_as_they_are() {
        assert_eq!(escape("my_tenant-01"), "my_tenant-01");
    }

    #[test]
    fn wildcards_dots_and_spaces_are_escaped() {
        assert_eq!(escape("a.b *>"), "a=2Eb=20=2A=3E");
        assert_eq!(escape("="), "=3D");
        assert_eq!(escape(""), "=");
    }

    #[test]
    fn what_escape_never_writes_is_refused() {
        for token in ["", "=2e", "=41", "a.b", "=2", "==", "=FF", "a b", "é"] {
            assert_eq!(unescape(token), None, "{token:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "\\PC*|[.*>=a-zA-Z0-9_-]*") {
            let token = escape(&text);
            prop_assert_eq!(unescape(&token), Some(text));
            prop_assert!(!token.is_empty());
            prop_assert!(token.bytes().all(|byte| is_plain(byte) || byte == b'='));
        }

        #[test]
        fn a_token_that_can_be_read_is_the_only_one_of_its_text(token in "[=2EFa3D_-]{0,8}") {
            if let Some(text) = unescape(&token) {
                prop_assert_eq!(escape(&text), token);
            }
        }
    }
}
