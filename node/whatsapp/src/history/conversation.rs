//! A conversation of the history: what its phone shows of it, and its messages.

use std::time::Duration;

use switchboard_vocab::chats::Mute;
use switchboard_vocab::{ChatId, Timestamp, UserId};
use wacore_binary::Jid;
use waproto::whatsapp as wa;

use super::{MESSAGES_MAX, Reader, web_message};
use crate::addresses;
use crate::api::{ChatFact, Fact, History, Incoming};

/// Above this a moment is in milliseconds: as seconds it would be the year 33658.
const MILLIS_FROM: u64 = 1_000_000_000_000;

/// Where a conversation stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) chat: ChatId,
    pub(super) alt: Option<UserId>,
}

/// Reads a conversation and hands it over.
pub(super) async fn read(
    reader: &Reader<'_>,
    mut conversation: wa::Conversation,
    piece: &mut (dyn FnMut(Vec<Fact>, Vec<Incoming>) -> History + Send),
) {
    let Some(place) = place(reader, &conversation).await else {
        tracing::debug!("a conversation of the history has an address without a word of ours");
        return;
    };
    let mut messages: Vec<wa::WebMessageInfo> = std::mem::take(&mut conversation.messages)
        .into_iter()
        .filter_map(|entry| entry.message.into_option())
        .collect();
    // The phone tells the newest first, and older phones in any order.
    messages.sort_by_key(|message| message.message_timestamp.unwrap_or(0));
    let mut facts = vec![Fact::Chat(fact(&conversation, &place))];
    if let (ChatId::User(phone @ UserId::Phone(_)), Some(lid)) = (&place.chat, &place.alt) {
        facts.push(Fact::Pair {
            phone: phone.clone(),
            lid: lid.clone(),
        });
    }
    let mut ready = Vec::new();
    for message in messages {
        ready.extend(web_message::read(reader, message, &place).await);
        if ready.len() >= MESSAGES_MAX {
            let piece = piece(std::mem::take(&mut facts), std::mem::take(&mut ready));
            if !reader.hand_over(piece).await {
                return;
            }
        }
    }
    if !facts.is_empty() || !ready.is_empty() {
        reader.hand_over(piece(facts, ready)).await;
    }
}

async fn place(reader: &Reader<'_>, conversation: &wa::Conversation) -> Option<Place> {
    let jid: Jid = conversation.id.parse().ok()?;
    let told = [
        &conversation.pn_jid,
        &conversation.lid_jid,
        &conversation.new_jid,
        &conversation.old_jid,
    ];
    let alt = told
        .into_iter()
        .flatten()
        .filter_map(|text| text.parse::<Jid>().ok())
        .find(|other| other.server != jid.server);
    match addresses::chat(&jid)? {
        ChatId::User(_) => {
            let person = addresses::person(reader.client, &jid, alt.as_ref()).await?;
            Some(Place {
                chat: ChatId::User(person.main),
                alt: person.alt,
            })
        }
        chat @ (ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_)) => {
            Some(Place { chat, alt: None })
        }
    }
}

/// A moment in seconds or milliseconds, whichever it is.
fn moment(value: u64) -> Timestamp {
    if value >= MILLIS_FROM {
        Timestamp::from_millis(value)
    } else {
        Timestamp::from_secs(value)
    }
}

fn mute(until: u64) -> Option<Mute> {
    match i64::try_from(until) {
        Ok(0) => None,
        Ok(_) => Some(Mute::Until(moment(until))),
        // A negative number in an unsigned field: for ever.
        Err(_) => Some(Mute::Forever),
    }
}

fn fact(conversation: &wa::Conversation, place: &Place) -> ChatFact {
    let last = conversation
        .conversation_timestamp
        .or(conversation.last_msg_timestamp);
    let name = conversation
        .name
        .as_ref()
        .or(conversation.display_name.as_ref());
    let some = |secs: u32| Some(Duration::from_secs(secs.into())).filter(|time| !time.is_zero());
    ChatFact {
        chat: place.chat.clone(),
        alt: place.alt.clone(),
        name: name.filter(|name| !name.is_empty()).cloned(),
        last_at: last.filter(|at| *at > 0).map(moment),
        unread: conversation.unread_count,
        marked_unread: conversation.marked_as_unread,
        archived: conversation.archived,
        pinned_at: conversation
            .pinned
            .map(|at| Some(u64::from(at)).filter(|at| *at > 0).map(moment)),
        muted: conversation.mute_end_time.map(mute),
        ephemeral: conversation.ephemeral_expiration.map(some),
        read_only: conversation.read_only,
        not_spam: conversation.not_spam,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_phone_shows_of_a_chat() {
        let place = Place {
            chat: "15550001@s.whatsapp.net".parse().unwrap(),
            alt: UserId::lid("77").ok(),
        };
        let told = wa::Conversation {
            name: Some("Anna".to_owned()),
            conversation_timestamp: Some(9),
            unread_count: Some(3),
            archived: Some(true),
            pinned: Some(0),
            mute_end_time: Some(u64::MAX),
            ephemeral_expiration: Some(86_400),
            ..Default::default()
        };
        let expected = ChatFact {
            alt: UserId::lid("77").ok(),
            name: Some("Anna".to_owned()),
            last_at: Some(Timestamp::from_secs(9)),
            unread: Some(3),
            archived: Some(true),
            pinned_at: Some(None),
            muted: Some(Some(Mute::Forever)),
            ephemeral: Some(Some(Duration::from_secs(86_400))),
            ..ChatFact::of(place.chat.clone())
        };
        assert_eq!(fact(&told, &place), expected);
        let silent = fact(&wa::Conversation::default(), &place);
        assert_eq!(
            (silent.muted, silent.pinned_at, silent.unread),
            (None, None, None)
        );
    }

    #[test]
    fn moments_are_read_in_both_units() {
        let at = Timestamp::from_secs(1_900_000_000);
        assert_eq!(mute(1_900_000_000), Some(Mute::Until(at)));
        assert_eq!(mute(1_900_000_000_000), Some(Mute::Until(at)));
        assert_eq!(mute(0), None);
    }
}
