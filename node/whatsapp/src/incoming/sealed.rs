//! Votes and answers, which only the secret of the poll or event opens.
//!
//! Owns which address keyed them: whoever votes uses the addresses under which they know the poll's author, so every
//! pair of addresses of the two is tried.

use switchboard_vocab::content::{Body, EventReply};
use switchboard_vocab::{ChatId, MessageId, UserId};
use wacore::poll::{PollVoteCiphertext, compute_option_hash, decrypt_poll_vote_with_secret};
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use super::{People, polls};
use crate::addresses::{self, Person};
use crate::backend::{Backend, Ballot};

/// A vote or an answer as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sealed {
    /// Names the poll or event as the voter sees it.
    pub(super) key: wa::MessageKey,
    pub(super) target: MessageId,
    pub(super) payload: Option<Vec<u8>>,
    pub(super) iv: Option<Vec<u8>>,
}

/// Opens what was sealed, as far as the secret is known.
pub(super) async fn open(
    client: &Client,
    backend: &Backend,
    sealed: &Sealed,
    people: &People,
    from_me: bool,
    body: &mut Body,
) {
    let Some(author) = author(client, sealed, people, from_me).await else {
        return;
    };
    let Some(ballot) = ballot(backend, sealed, &author).await else {
        tracing::debug!(id = %sealed.target, "the secret of a poll or event is not known");
        return;
    };
    match body {
        Body::Vote { options, .. } => *options = choices(sealed, &ballot, &author, &people.sender),
        Body::EventReply { reply, .. } => {
            *reply = answer(sealed, &ballot, &author, &people.sender);
        }
        Body::Text(_)
        | Body::Media(_)
        | Body::Location(_)
        | Body::LiveLocation(_)
        | Body::Contacts { .. }
        | Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_)
        | Body::Reaction { .. }
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => {}
    }
}

/// Who made the poll or event. The key is written from the voter's side.
async fn author(
    client: &Client,
    sealed: &Sealed,
    people: &People,
    from_me: bool,
) -> Option<Person> {
    if sealed.key.from_me == Some(true) {
        return Some(people.sender.clone());
    }
    if let Some(text) = sealed.key.participant.as_deref()
        && let Ok(jid) = text.parse()
    {
        return addresses::person(client, &jid, None).await;
    }
    match &people.chat {
        ChatId::User(partner) if from_me => Some(Person {
            main: partner.clone(),
            alt: people.chat_alt.clone(),
        }),
        ChatId::User(_) => own(client),
        ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_) => None,
    }
}

/// The account itself.
pub(crate) fn own(client: &Client) -> Option<Person> {
    let device = client.persistence_manager().get_device_snapshot();
    let phone = device.pn.as_ref().and_then(addresses::user);
    let lid = device.lid.as_ref().and_then(addresses::user);
    match (phone, lid) {
        (Some(phone), lid) => Some(Person::from_two(phone, lid)),
        (None, Some(lid)) => Some(Person::from_two(lid, None)),
        (None, None) => None,
    }
}

async fn ballot(backend: &Backend, sealed: &Sealed, author: &Person) -> Option<Ballot> {
    for user in addresses_of(author) {
        match backend
            .ballot(sealed.target.as_str(), &user.to_string())
            .await
        {
            Ok(Some(ballot)) => return Some(ballot),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the secret of a poll or event cannot be read"),
        }
    }
    None
}

fn addresses_of(person: &Person) -> impl Iterator<Item = &UserId> + Clone {
    std::iter::once(&person.main).chain(&person.alt)
}

/// Tries every pair of addresses.
fn each_pair<T>(
    author: &Person,
    voter: &Person,
    mut attempt: impl FnMut(&str, &str) -> Option<T>,
) -> Option<T> {
    for author in addresses_of(author) {
        for voter in addresses_of(voter) {
            let found = attempt(&author.to_string(), &voter.to_string());
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

fn choices(
    sealed: &Sealed,
    ballot: &Ballot,
    author: &Person,
    voter: &Person,
) -> Option<Vec<String>> {
    let (payload, iv) = (sealed.payload.as_deref()?, sealed.iv.as_deref()?);
    let sealed_vote = PollVoteCiphertext {
        enc_payload: payload,
        enc_iv: iv,
    };
    let hashes = each_pair(author, voter, |author, voter| {
        let id = sealed.target.as_str();
        decrypt_poll_vote_with_secret(sealed_vote, &ballot.secret, id, author, voter).ok()
    })?;
    Some(named(&hashes, &ballot.options))
}

/// The options whose digests these are, in the order of the poll.
pub(crate) fn named(hashes: &[Vec<u8>], options: &[String]) -> Vec<String> {
    options
        .iter()
        .filter(|name| {
            let digest = compute_option_hash(name);
            hashes.iter().any(|hash| hash.as_slice() == digest)
        })
        .cloned()
        .collect()
}

fn answer(sealed: &Sealed, ballot: &Ballot, author: &Person, voter: &Person) -> Option<EventReply> {
    let (payload, iv) = (sealed.payload.as_deref()?, sealed.iv.as_deref()?);
    each_pair(author, voter, |author, voter| {
        let id = sealed.target.as_str();
        let secret = &ballot.secret;
        let answer = wacore::event::decrypt_event_response_with_secret(
            payload, iv, secret, id, author, voter,
        );
        Some(polls::reply(answer.ok()?.response))
    })
}
