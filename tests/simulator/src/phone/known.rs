//! The messages a phone can still refer to: to quote them, to react to them, to vote and to open what is
//! encrypted with their secrets. Bounded; the oldest go first.

use std::collections::VecDeque;

use waproto::whatsapp as wa;

use super::Phone;

/// Messages a phone remembers.
pub const KNOWN_MAX: usize = 64;
/// Longest message remembered whole, encoded; of a longer one only its secret stays.
const KNOWN_BYTES_MAX: usize = 2048;

/// Somebody under both addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Digits of the phone number.
    pub number: u64,
    /// Digits of the LID.
    pub lid: u64,
}

impl Person {
    /// The address by LID or number.
    #[must_use]
    pub fn jid(self, by_lid: bool) -> String {
        if by_lid {
            format!("{}@lid", self.lid)
        } else {
            format!("{}@s.whatsapp.net", self.number)
        }
    }
}

/// A message that a phone has seen or sent.
#[derive(Debug)]
pub struct Known {
    id: Box<str>,
    /// Address of its chat, as the phone shows it.
    pub chat: Box<str>,
    /// Who wrote it.
    pub author: Person,
    body: Box<[u8]>,
}

impl Known {
    /// The message; of a long one only its context.
    #[must_use]
    pub fn message(&self) -> wa::Message {
        waproto::codec::message_decode(&self.body).unwrap_or_default()
    }

    /// The secret from which votes, answers and edits derive their keys.
    #[must_use]
    pub fn secret(&self) -> Option<Vec<u8>> {
        let message = self.message();
        message
            .message_context_info
            .as_option()?
            .message_secret
            .clone()
    }
}

/// The messages of a phone.
#[derive(Debug, Default)]
pub(super) struct KnownMessages(VecDeque<Known>);

impl KnownMessages {
    pub(super) fn heap_bytes(&self) -> usize {
        let one = |k: &Known| k.id.len() + k.chat.len() + k.body.len();
        self.0.capacity() * size_of::<Known>() + self.0.iter().map(one).sum::<usize>()
    }
}

impl Phone {
    /// Remembers a message. One with an id that is known already replaces it.
    pub fn remember(&mut self, id: &str, chat: &str, author: Person, message: &wa::Message) {
        let mut body = waproto::codec::message_to_vec(message);
        if body.len() > KNOWN_BYTES_MAX {
            let rest = wa::Message {
                message_context_info: message.message_context_info.clone(),
                ..Default::default()
            };
            body = waproto::codec::message_to_vec(&rest);
            if body.len() > KNOWN_BYTES_MAX {
                body = Vec::new();
            }
        }
        let known = &mut self.known.0;
        known.retain(|k| *k.id != *id);
        if known.len() >= KNOWN_MAX {
            known.pop_front();
        }
        known.push_back(Known {
            id: id.into(),
            chat: chat.into(),
            author,
            body: body.into(),
        });
    }

    /// A remembered message.
    #[must_use]
    pub fn known(&self, id: &str) -> Option<&Known> {
        self.known.0.iter().rev().find(|k| *k.id == *id)
    }

    /// The user of the phone.
    #[must_use]
    pub const fn person(&self) -> Person {
        Person {
            number: self.number,
            lid: self.lid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: Person = Person { number: 1, lid: 2 };

    fn text(body: &str) -> wa::Message {
        wa::Message {
            conversation: Some(body.to_owned()),
            message_context_info: wa::MessageContextInfo {
                message_secret: Some(vec![7; 32]),
                ..Default::default()
            }
            .into(),
            ..Default::default()
        }
    }

    #[test]
    fn bounded_in_number_and_size_but_secrets_stay() {
        let mut phone = Phone::new(1, 2, "", 3);
        let long = "x".repeat(KNOWN_BYTES_MAX + 1);
        for n in 0..KNOWN_MAX + 3 {
            phone.remember(&n.to_string(), "chat", AUTHOR, &text(&long));
        }
        assert_eq!(phone.known.0.len(), KNOWN_MAX);
        assert!(phone.known("2").is_none());
        let kept = phone.known("3").unwrap();
        assert_eq!(kept.secret(), Some(vec![7; 32]));
        assert_eq!(kept.message().conversation, None);
        assert!(phone.known.heap_bytes() < KNOWN_MAX * 512);
        phone.remember("3", "chat", AUTHOR, &text("short"));
        assert_eq!(phone.known.0.len(), KNOWN_MAX);
        let again = phone.known("3").unwrap().message();
        assert_eq!(again.conversation.as_deref(), Some("short"));
    }
}
