//! Changes of the synchronised state, seen on all the account's devices.

use std::sync::Arc;
use std::time::Duration;

use switchboard_vocab::chats::Mute;
use switchboard_vocab::{ChatId, UserId};
use wacore::appstate::patch_decode::WAPatchName;
use wacore::appstate::schemas;
use wacore_binary::Jid;
use waproto::whatsapp as wa;
use whatsapp_rust::Client;
use whatsapp_rust::features::AppStateError;
use whatsapp_rust::{SyncActionMessageRange, message_key, message_range};

use crate::account::collections;
use crate::api::{AppStateChange, ChatTail, Error, Target};
use crate::ask::failed;
use crate::backend::Backend;
use crate::{addresses, clock};

mod remove;

/// Most times that a change is given to the library, which tries five times each.
const TRIES_MAX: usize = 3;
/// Pause before it is given again: whoever else writes may be done by then.
const TRY_PAUSE: Duration = Duration::from_secs(1);
/// How the library says that every try met another device's change. Source: whatsapp-rust 0.7.0, `send_app_state_patch`;
/// it has no type of its own for it.
const GAVE_UP: &str = "still conflicting after";
/// Longest wait for a change: conflicts with other devices are settled on the way.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(120);

/// Sends a change; `Ok` means that WhatsApp took it.
pub(crate) async fn change(
    client: &Arc<Client>,
    backend: &Arc<Backend>,
    change: AppStateChange,
) -> Result<(), Error> {
    let sending = Box::pin(insist(client, backend, change));
    match tokio::time::timeout(CHANGE_TIMEOUT, sending).await {
        Ok(result) => result,
        Err(_) => Err(Error::Interrupted(
            "a change of the app state: whatsapp did not answer".to_owned(),
        )),
    }
}

/// Sends a change until no other device was faster. The library gives up after five conflicts in a row.
async fn insist(
    client: &Arc<Client>,
    backend: &Arc<Backend>,
    change: AppStateChange,
) -> Result<(), Error> {
    let collection = collection(&change);
    let mut tries = 1;
    loop {
        match send(client, backend, change.clone()).await {
            Err(Error::Conflict(text)) if tries < TRIES_MAX => {
                tracing::debug!(%text, "a change is sent again");
                tries += 1;
                tokio::time::sleep(TRY_PAUSE).await;
                collections::read(client, collection).await;
            }
            other => return other,
        }
    }
}

/// Where a change is kept.
fn collection(change: &AppStateChange) -> WAPatchName {
    let schema = match change {
        AppStateChange::Archive(..) => schemas::ARCHIVE,
        AppStateChange::Pin(..) => schemas::PIN,
        AppStateChange::Mute(..) => schemas::MUTE,
        AppStateChange::MarkRead(..) => schemas::MARK_CHAT_AS_READ,
        AppStateChange::Clear(_) => schemas::CLEAR_CHAT,
        AppStateChange::Delete(_) => schemas::DELETE_CHAT,
        AppStateChange::Star(..) => schemas::STAR,
        AppStateChange::DeleteForMe(..) => schemas::DELETE_MESSAGE_FOR_ME,
        AppStateChange::SaveContact(..) | AppStateChange::RemoveContact(_) => schemas::CONTACT,
    };
    schema
        .collection
        .as_str()
        .parse()
        .unwrap_or(WAPatchName::Unknown)
}

async fn send(
    client: &Arc<Client>,
    backend: &Arc<Backend>,
    change: AppStateChange,
) -> Result<(), Error> {
    let actions = client.chat_actions();
    let result = match change {
        AppStateChange::Archive(tail, archived) => {
            let (jid, range) = (jid(&tail.chat), range(&tail));
            if archived {
                actions.archive_chat(&jid, range).await
            } else {
                actions.unarchive_chat(&jid, range).await
            }
        }
        AppStateChange::Pin(chat, true) => actions.pin_chat(&jid(&chat)).await,
        AppStateChange::Pin(chat, false) => actions.unpin_chat(&jid(&chat)).await,
        AppStateChange::Mute(chat, None) => actions.unmute_chat(&jid(&chat)).await,
        AppStateChange::Mute(chat, Some(Mute::Forever)) => actions.mute_chat(&jid(&chat)).await,
        AppStateChange::Mute(chat, Some(Mute::Until(until))) => {
            let until = i64::try_from(until.as_millis()).unwrap_or(i64::MAX);
            actions.mute_chat_until(&jid(&chat), until).await
        }
        AppStateChange::MarkRead(tail, read) => {
            let range = range(&tail);
            actions
                .mark_chat_as_read(&jid(&tail.chat), read, range)
                .await
        }
        AppStateChange::Clear(tail) => {
            let range = range(&tail);
            actions
                .clear_chat(&jid(&tail.chat), true, true, range)
                .await
        }
        AppStateChange::Delete(tail) => {
            let range = range(&tail);
            actions.delete_chat(&jid(&tail.chat), true, range).await
        }
        AppStateChange::Star(chat, target, starred) => {
            let (chat, writer) = (jid(&chat), writer(&chat, &target));
            let id = target.id.as_str();
            if starred {
                actions
                    .star_message(&chat, writer.as_ref(), id, target.from_me)
                    .await
            } else {
                actions
                    .unstar_message(&chat, writer.as_ref(), id, target.from_me)
                    .await
            }
        }
        AppStateChange::DeleteForMe(chat, target, at) => {
            let (chat, writer) = (jid(&chat), writer(&chat, &target));
            let at = i64::try_from(at.as_secs()).ok();
            let id = target.id.as_str();
            let me = target.from_me;
            actions
                .delete_message_for_me(&chat, writer.as_ref(), id, me, true, at)
                .await
        }
        AppStateChange::SaveContact(user, name, first) => {
            return save_contact(client, &user, name, first).await;
        }
        AppStateChange::RemoveContact(user) => {
            return remove::contact(client, backend, &user).await;
        }
    };
    result.map_err(|error| refused("change the app state", &error))
}

/// What a change failed of.
fn refused(what: &str, error: &AppStateError) -> Error {
    if let AppStateError::InvalidRequest(text) = error {
        return Error::Refused {
            code: None,
            text: format!("{what}: {text}"),
        };
    }
    let error = failed(what, error);
    if let Error::Other(text) = &error
        && text.contains(GAVE_UP)
    {
        return Error::Conflict(text.clone());
    }
    error
}

/// Puts a person into the address book: by number, or by LID where no number is known.
async fn save_contact(
    client: &Client,
    user: &UserId,
    name: String,
    first: Option<String>,
) -> Result<(), Error> {
    let what = "save a contact";
    let jid = addresses::jid_of_user(user);
    let known = addresses::person(client, &jid, None).await;
    let main = known.map_or_else(|| user.clone(), |person| person.main);
    let first = first.or_else(|| name.split_whitespace().next().map(str::to_owned));
    let jid = addresses::jid_of_user(&main);
    if matches!(main, UserId::Phone(_)) {
        let actions = client.chat_actions();
        let saved = actions.save_contact(&jid, Some(name), first, true).await;
        return saved.map_err(|error| refused(what, &error));
    }
    let value = wa::SyncActionValue {
        lid_contact_action: buffa::MessageField::some(wa::sync_action_value::LidContactAction {
            full_name: Some(name),
            first_name: first,
            ..Default::default()
        }),
        timestamp: i64::try_from(clock::now().as_millis()).ok(),
        ..Default::default()
    };
    let jid = jid.to_string();
    client
        .send_app_state_action(&schemas::LID_CONTACT, &[jid.as_str()], &value)
        .await
        .map_err(|error| refused(what, &error))
}

fn jid(chat: &ChatId) -> Jid {
    addresses::jid_of_chat(chat)
}

/// Who wrote a message, where the index of a change names them: others in groups.
fn writer(chat: &ChatId, target: &Target) -> Option<Jid> {
    let is_shared = matches!(chat, ChatId::Group(_) | ChatId::Broadcast(_));
    let sender = target.sender.as_ref();
    sender
        .filter(|_| is_shared && !target.from_me)
        .map(addresses::jid_of_user)
}

/// The last message of a conversation, by which devices know that they mean the same state.
fn range(tail: &ChatTail) -> Option<SyncActionMessageRange> {
    let (target, at) = tail.last.as_ref()?;
    let at = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let writer = writer(&tail.chat, target);
    let key = message_key(
        target.id.as_str(),
        &jid(&tail.chat),
        target.from_me,
        writer.as_ref(),
    );
    Some(message_range(at, None, vec![(key, at)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_vocab::{MessageId, Timestamp};

    fn tail(chat: &str, from_me: bool) -> ChatTail {
        let target = Target {
            id: MessageId::parse("M1").unwrap(),
            from_me,
            sender: UserId::phone("15550002").ok(),
        };
        ChatTail {
            chat: chat.parse().unwrap(),
            last: Some((target, Timestamp::from_secs(7))),
        }
    }

    #[test]
    fn the_range_names_the_last_message() {
        let range_of = |chat, from_me| range(&tail(chat, from_me)).unwrap();
        let group = range_of("1-2@g.us", false);
        assert_eq!(group.last_message_timestamp, Some(7));
        let key = group.messages[0].key.as_option().unwrap();
        assert_eq!(key.id.as_deref(), Some("M1"));
        assert_eq!(key.participant.as_deref(), Some("15550002@s.whatsapp.net"));
        for (chat, from_me) in [("1-2@g.us", true), ("15550002@s.whatsapp.net", false)] {
            let range = range_of(chat, from_me);
            let key = range.messages[0].key.as_option().unwrap();
            assert_eq!(key.participant, None);
            assert_eq!(key.from_me, Some(from_me));
        }
        let unknown = ChatTail {
            last: None,
            ..tail("1-2@g.us", true)
        };
        assert!(range(&unknown).is_none());
    }
}
