//! The library's addresses as ours and back, with the phone number first where it is known.

use switchboard_vocab::{ChatId, UserId};
use wacore_binary::{Jid, Server};
use whatsapp_rust::Client;

/// The user part of the placeholder that stands for "no login" on a simulator.
const PLACEHOLDER_USER: &str = "1";

/// A person under one or both addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The phone number where it is known, else the LID.
    pub(crate) main: UserId,
    /// The other one.
    pub(crate) alt: Option<UserId>,
}

impl Person {
    /// From up to two addresses of the same person.
    pub(crate) fn from_two(one: UserId, other: Option<UserId>) -> Self {
        let other = other.filter(|other| *other != one);
        match other {
            Some(phone @ UserId::Phone(_)) if matches!(one, UserId::Lid(_)) => Self {
                main: phone,
                alt: Some(one),
            },
            other => Self {
                main: one,
                alt: other,
            },
        }
    }
}

/// The person an address stands for, device left out; nothing for groups, bots and services.
pub(crate) fn user(jid: &Jid) -> Option<UserId> {
    match jid.server {
        Server::Pn | Server::Hosted | Server::Legacy => UserId::phone(jid.user_base()).ok(),
        Server::Lid | Server::HostedLid => UserId::lid(jid.user_base()).ok(),
        Server::Group
        | Server::Broadcast
        | Server::Newsletter
        | Server::Messenger
        | Server::Interop
        | Server::Bot
        | Server::Call => None,
    }
}

/// The conversation an address stands for; nothing where we have no word for it.
pub(crate) fn chat(jid: &Jid) -> Option<ChatId> {
    match jid.server {
        Server::Group | Server::Broadcast | Server::Newsletter => {
            format!("{}@{}", jid.user, jid.server.as_str()).parse().ok()
        }
        Server::Pn
        | Server::Hosted
        | Server::Legacy
        | Server::Lid
        | Server::HostedLid
        | Server::Messenger
        | Server::Interop
        | Server::Bot
        | Server::Call => user(jid).map(ChatId::User),
    }
}

/// Reads an address out of a protobuf field.
pub(crate) fn user_in_text(text: &str) -> Option<UserId> {
    text.parse::<Jid>().ok().as_ref().and_then(user)
}

/// The library's address of a person.
pub(crate) fn jid_of_user(user: &UserId) -> Jid {
    match user {
        UserId::Phone(digits) => Jid::pn(&**digits),
        UserId::Lid(digits) => Jid::lid(&**digits),
    }
}

/// The library's address of a conversation.
pub(crate) fn jid_of_chat(chat: &ChatId) -> Jid {
    match chat {
        ChatId::User(user) => jid_of_user(user),
        ChatId::Group(part) => Jid::group(&**part),
        ChatId::Newsletter(part) => Jid::newsletter(&**part),
        ChatId::Broadcast(part) => Jid::new(&**part, Server::Broadcast),
    }
}

/// The address that makes an unpaired client skip the certificate chain on a simulator.
pub(crate) fn placeholder() -> Jid {
    Jid::pn(PLACEHOLDER_USER)
}

/// Whether a stored address is [`placeholder`] and no login.
pub(crate) fn is_placeholder(jid: &Jid) -> bool {
    jid.server == Server::Pn && jid.user == PLACEHOLDER_USER
}

/// The person behind an address, its other address taken from `hint` or from what the session learnt.
pub(crate) async fn person(client: &Client, jid: &Jid, hint: Option<&Jid>) -> Option<Person> {
    let one = user(jid)?;
    if let Some(other) = hint.and_then(user) {
        return Some(Person::from_two(one, Some(other)));
    }
    // A failed lookup costs an address, not the message.
    let entry = Box::pin(client.get_lid_pn_entry(&jid_of_user(&one)))
        .await
        .ok()
        .flatten();
    let other = entry.and_then(|entry| match &one {
        UserId::Phone(_) => UserId::lid(&entry.lid).ok(),
        UserId::Lid(_) => UserId::phone(&entry.phone_number).ok(),
    });
    Some(Person::from_two(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_come_first() {
        let (phone, lid) = (
            UserId::phone("15550001").unwrap(),
            UserId::lid("77").unwrap(),
        );
        let both = Person {
            main: phone.clone(),
            alt: Some(lid.clone()),
        };
        assert_eq!(Person::from_two(lid.clone(), Some(phone.clone())), both);
        assert_eq!(Person::from_two(phone, Some(lid.clone())), both);
        assert_eq!(
            Person::from_two(lid.clone(), Some(lid.clone())),
            Person {
                main: lid,
                alt: None
            }
        );
    }

    #[test]
    fn addresses_survive_both_ways() {
        for text in [
            "15550001@s.whatsapp.net",
            "77@lid",
            "1-2@g.us",
            "5@newsletter",
            "status@broadcast",
        ] {
            let ours: ChatId = text.parse().unwrap();
            let theirs = jid_of_chat(&ours);
            assert_eq!(theirs.to_string(), text);
            assert_eq!(chat(&theirs), Some(ours));
        }
        assert_eq!(
            chat(&"15550001:3@s.whatsapp.net".parse().unwrap()),
            "15550001@s.whatsapp.net".parse().ok()
        );
        assert_eq!(chat(&"867@bot".parse().unwrap()), None);
    }

    #[test]
    fn the_placeholder_is_no_login() {
        assert!(is_placeholder(&placeholder()));
        assert_eq!(user(&placeholder()), None);
        assert!(!is_placeholder(&Jid::pn("15550001")));
        assert!(!is_placeholder(&Jid::lid("1")));
    }
}
