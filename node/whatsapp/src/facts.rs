//! Events of the library as facts about chats, people and messages.
//!
//! What the library never tells stays unknown here: removals of app-state entries (contacts that left the address book),
//! and kinds it has no event for (chat locks, favourites, message labels).

use std::time::Duration;

use switchboard_vocab::chats::Mute;
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};
use wacore::stanza::groups::GroupNotificationAction;
use wacore::types::LearningSource;
use wacore::types::events::{
    BusinessStatusUpdate, BusinessUpdateType, ContactNumberChanged, ContactUpdate, DecryptFailMode,
    DeleteMessageForMeUpdate, Event, EventKind, GroupUpdate, MuteUpdate, PictureUpdate, StarUpdate,
    UnavailableType, UndecryptableMessage,
};
use wacore_binary::Jid;
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use crate::api::{ChatFact, ContactFact, Fact};
use crate::{addresses, incoming};

/// The events that tell facts.
pub(crate) const KINDS: [EventKind; 17] = [
    EventKind::UndecryptableMessage,
    EventKind::PictureUpdate,
    EventKind::UserAboutUpdate,
    EventKind::ContactNumberChanged,
    EventKind::GroupUpdate,
    EventKind::ContactUpdate,
    EventKind::PushNameUpdate,
    EventKind::SelfPushNameUpdated,
    EventKind::PinUpdate,
    EventKind::MuteUpdate,
    EventKind::ArchiveUpdate,
    EventKind::StarUpdate,
    EventKind::MarkChatAsReadUpdate,
    EventKind::DeleteChatUpdate,
    EventKind::ClearChatUpdate,
    EventKind::DeleteMessageForMeUpdate,
    EventKind::BusinessStatusUpdate,
];

/// Whether an event tells facts.
pub(crate) fn are_told_by(event: &Event) -> bool {
    KINDS.contains(&event.kind())
}

/// What an event tells.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum grows, and what is new means nothing to us"
)]
pub(crate) async fn of(client: &Client, event: &Event) -> Vec<Fact> {
    let one = match event {
        Event::ArchiveUpdate(update) => {
            let archived = update.action.archived;
            chat(client, &update.jid, |fact| fact.archived = archived).await
        }
        Event::PinUpdate(update) => {
            let is_pinned = update.action.pinned.unwrap_or(false);
            let at = is_pinned.then(|| at(update.timestamp));
            chat(client, &update.jid, |fact| fact.pinned_at = Some(at)).await
        }
        Event::MuteUpdate(update) => {
            let muted = mute(update);
            chat(client, &update.jid, |fact| fact.muted = Some(muted)).await
        }
        Event::MarkChatAsReadUpdate(update) => {
            let unread = update.action.read.map(|read| !read);
            chat(client, &update.jid, |fact| fact.marked_unread = unread).await
        }
        Event::DeleteChatUpdate(update) => {
            let until = until(update.action.message_range.as_option());
            let gone = address(client, &update.jid).await;
            gone.map(|(chat, _)| Fact::ChatDeleted { chat, until })
        }
        Event::ClearChatUpdate(update) => {
            let until = until(update.action.message_range.as_option());
            // Source: the mutation's index is ["clearChat", chat, deleteStarred, deleteMedia].
            let keeps_starred = !update.delete_starred;
            let cleared = address(client, &update.jid).await;
            cleared.map(|(chat, _)| Fact::ChatCleared {
                chat,
                until,
                keeps_starred,
            })
        }
        Event::StarUpdate(update) => starred(client, update).await,
        Event::DeleteMessageForMeUpdate(update) => deleted(client, update).await,
        Event::ContactUpdate(update) => return saved(client, update).await,
        Event::PushNameUpdate(update) => {
            let name = Some(update.new_push_name.clone()).filter(|name| !name.is_empty());
            contact(client, &update.jid, |fact| fact.push_name = name).await
        }
        Event::SelfPushNameUpdated(update) => Some(Fact::OwnName(update.new_name.clone())),
        Event::PictureUpdate(update) => picture(client, update).await,
        Event::UserAboutUpdate(update) => {
            let about = Some(update.status.clone()).filter(|text| !text.is_empty());
            contact(client, &update.jid, |fact| fact.about = Some(about)).await
        }
        Event::BusinessStatusUpdate(update) => business(client, update).await,
        Event::ContactNumberChanged(update) => return moved(update),
        Event::GroupUpdate(update) => group(update),
        Event::UndecryptableMessage(message) => unreadable(client, message).await,
        _ => None,
    };
    one.into_iter().collect()
}

fn at(time: chrono::DateTime<chrono::Utc>) -> Timestamp {
    Timestamp::from_millis(u64::try_from(time.timestamp_millis()).unwrap_or(0))
}

/// A conversation and the other address of its person.
async fn address(client: &Client, jid: &Jid) -> Option<(ChatId, Option<UserId>)> {
    match addresses::chat(jid)? {
        ChatId::User(_) => {
            let person = addresses::person(client, jid, None).await?;
            Some((ChatId::User(person.main), person.alt))
        }
        chat @ (ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_)) => {
            Some((chat, None))
        }
    }
}

async fn chat(client: &Client, jid: &Jid, tell: impl FnOnce(&mut ChatFact)) -> Option<Fact> {
    let (chat, alt) = address(client, jid).await?;
    let mut fact = ChatFact {
        alt,
        ..ChatFact::of(chat)
    };
    tell(&mut fact);
    Some(Fact::Chat(fact))
}

async fn contact(client: &Client, jid: &Jid, tell: impl FnOnce(&mut ContactFact)) -> Option<Fact> {
    let person = addresses::person(client, jid, None).await?;
    let mut fact = ContactFact {
        alt: person.alt,
        ..ContactFact::of(person.main)
    };
    tell(&mut fact);
    Some(Fact::Contact(fact))
}

/// Up to which message a conversation was cleared; everything where that is not told.
fn until(range: Option<&wa::sync_action_value::SyncActionMessageRange>) -> Option<Timestamp> {
    let secs = u64::try_from(range?.last_message_timestamp?).ok()?;
    (secs > 0).then(|| Timestamp::from_secs(secs))
}

/// Until when a conversation is mute. Source: WhatsApp Web writes -1 for "for ever".
fn mute(update: &MuteUpdate) -> Option<Mute> {
    if !update.action.muted.unwrap_or(false) {
        return None;
    }
    match update.action.mute_end_timestamp {
        Some(ms) if ms > 0 => u64::try_from(ms)
            .ok()
            .map(|ms| Mute::Until(Timestamp::from_millis(ms))),
        Some(_) | None => Some(Mute::Forever),
    }
}

async fn starred(client: &Client, update: &StarUpdate) -> Option<Fact> {
    let (chat, _) = address(client, &update.chat_jid).await?;
    Some(Fact::Starred {
        chat,
        id: MessageId::parse(&update.message_id).ok()?,
        starred: update.action.starred.unwrap_or(false),
    })
}

async fn deleted(client: &Client, update: &DeleteMessageForMeUpdate) -> Option<Fact> {
    let (chat, _) = address(client, &update.chat_jid).await?;
    Some(Fact::DeletedForMe {
        chat,
        id: MessageId::parse(&update.message_id).ok()?,
        at: at(update.timestamp),
    })
}

async fn saved(client: &Client, update: &ContactUpdate) -> Vec<Fact> {
    let action = &update.action;
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let first = filled(&action.first_name);
    let whole = filled(&action.full_name).or_else(|| first.clone());
    let told = [&action.lid_jid, &action.pn_jid];
    let told = told
        .into_iter()
        .flatten()
        .find_map(|text| text.parse().ok());
    let Some(person) = addresses::person(client, &update.jid, told.as_ref()).await else {
        return Vec::new();
    };
    let mut facts = Vec::with_capacity(2);
    if let (phone @ UserId::Phone(_), Some(lid)) = (&person.main, &person.alt) {
        // The library does not keep this pair, and later records name the person by LID.
        let learning = client.add_lid_pn_mapping(lid.user(), phone.user(), LearningSource::Other);
        if let Err(error) = Box::pin(learning).await {
            tracing::debug!(%error, "a pair of addresses was not kept");
        }
        facts.push(Fact::Pair {
            phone: phone.clone(),
            lid: lid.clone(),
        });
    }
    facts.push(Fact::Contact(ContactFact {
        alt: person.alt,
        saved: whole.map(|whole| (whole, first)),
        ..ContactFact::of(person.main)
    }));
    facts
}

async fn picture(client: &Client, update: &PictureUpdate) -> Option<Fact> {
    let picture_id = if update.removed {
        None
    } else {
        Some(update.picture_id.clone()?)
    };
    contact(client, &update.jid, |fact| {
        fact.picture_id = Some(picture_id)
    })
    .await
}

async fn business(client: &Client, update: &BusinessStatusUpdate) -> Option<Fact> {
    let is_business = update.update_type != BusinessUpdateType::RemovedAsBusiness;
    let name = update.verified_name.clone();
    let jid = update.target_jid.as_ref().unwrap_or(&update.jid);
    contact(client, jid, |fact| {
        fact.business = Some(is_business);
        fact.verified_name = name;
    })
    .await
}

fn moved(update: &ContactNumberChanged) -> Vec<Fact> {
    let user = |jid: Option<&Jid>| jid.and_then(addresses::user);
    let (from, to) = (user(Some(&update.old_jid)), user(Some(&update.new_jid)));
    let mut facts = Vec::new();
    if let (Some(from), Some(to)) = (from, to.clone()) {
        facts.push(Fact::NumberChanged { from, to });
    }
    if let (Some(phone @ UserId::Phone(_)), Some(lid)) = (to, user(update.new_lid.as_ref())) {
        facts.push(Fact::Pair { phone, lid });
    }
    facts
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other changes of groups are no facts about the conversation"
)]
fn group(update: &GroupUpdate) -> Option<Fact> {
    let mut fact = ChatFact::of(addresses::chat(&update.group_jid)?);
    match &update.action {
        GroupNotificationAction::Subject { subject, .. } => fact.name = Some(subject.clone()),
        GroupNotificationAction::Ephemeral { expiration, .. } => {
            let period = Duration::from_secs(u64::from(*expiration));
            fact.ephemeral = Some(Some(period).filter(|period| !period.is_zero()));
        }
        _ => return None,
    }
    Some(Fact::Chat(fact))
}

async fn unreadable(client: &Client, message: &UndecryptableMessage) -> Option<Fact> {
    if matches!(message.decrypt_fail_mode, DecryptFailMode::Hide) {
        // What nobody would have seen either way: reactions, votes, keys.
        return None;
    }
    let reason = match (message.is_unavailable, message.unavailable_type) {
        (true, UnavailableType::ViewOnce) => {
            "it can be opened once only, and not on linked devices"
        }
        (true, _) => "whatsapp does not give it to linked devices",
        (false, _) => "it could not be decrypted; the writer was asked to send it again",
    };
    let incoming = incoming::unreadable(client, &message.info, reason).await?;
    Some(Fact::Unreadable(Box::new(incoming)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn muted(muted: bool, until: Option<i64>) -> MuteUpdate {
        let action = wa::sync_action_value::MuteAction {
            muted: Some(muted),
            mute_end_timestamp: until,
            ..Default::default()
        };
        MuteUpdate::builder()
            .jid("15550001@s.whatsapp.net".parse().unwrap())
            .timestamp(chrono::DateTime::from_timestamp(1, 0).unwrap())
            .action(Box::new(action))
            .from_full_sync(false)
            .build()
    }

    #[test]
    fn the_end_of_a_mute_is_read() {
        assert_eq!(mute(&muted(true, Some(-1))), Some(Mute::Forever));
        assert_eq!(mute(&muted(true, None)), Some(Mute::Forever));
        let until = Mute::Until(Timestamp::from_millis(7_000));
        assert_eq!(mute(&muted(true, Some(7_000))), Some(until));
        assert_eq!(mute(&muted(false, Some(7_000))), None);
    }

    #[test]
    fn a_range_without_a_moment_means_everything() {
        let range = |secs| wa::sync_action_value::SyncActionMessageRange {
            last_message_timestamp: secs,
            ..Default::default()
        };
        assert_eq!(until(Some(&range(Some(5)))), Some(Timestamp::from_secs(5)));
        assert_eq!(until(Some(&range(Some(0)))), None);
        assert_eq!(until(Some(&range(None))), None);
        assert_eq!(until(None), None);
    }

    #[test]
    fn a_number_that_moved_tells_its_pair() {
        let update = ContactNumberChanged::builder()
            .old_jid("15550001@s.whatsapp.net".parse().unwrap())
            .new_jid("15550002@s.whatsapp.net".parse().unwrap())
            .new_lid("77@lid".parse().unwrap())
            .timestamp(chrono::DateTime::from_timestamp(1, 0).unwrap())
            .build();
        let user = |digits: &str| UserId::phone(digits).unwrap();
        let expected = [
            Fact::NumberChanged {
                from: user("15550001"),
                to: user("15550002"),
            },
            Fact::Pair {
                phone: user("15550002"),
                lid: UserId::lid("77").unwrap(),
            },
        ];
        assert_eq!(moved(&update), expected);
    }
}
