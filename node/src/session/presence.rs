//! What WhatsApp last told of people's presence, and what this account shows in conversations.
//!
//! Owns a bounded memory and the tasks that end what is shown. Nothing here is durable.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_vocab::events::presence::{ChatState, ChatStateChange, PresenceChange};
use switchboard_vocab::presence::Presence;
use switchboard_vocab::{ChatId, UserId};
use switchboard_whatsapp::Account;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// People whose presence is remembered; whoever was told of longest ago goes first.
const PEOPLE_MAX: usize = 1_000;
/// Conversations in which something is shown at once; in one more it ends by itself.
const SHOWN_MAX: usize = 64;
/// How often what is shown is renewed. Source: WhatsApp's own clients let it end after about 25 seconds.
const RENEW: Duration = Duration::from_secs(15);

/// What was last told of people.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<People>);

#[derive(Debug, Default)]
struct People {
    told: HashMap<UserId, Presence>,
    order: VecDeque<UserId>,
}

impl Known {
    pub(crate) fn get(&self, user: &UserId) -> Option<Presence> {
        let people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        people.told.get(user).cloned()
    }

    pub(crate) fn changed(&self, change: &PresenceChange) {
        self.tell(&change.user, |known| {
            known.online = Some(change.online);
            known.last_seen = change.last_seen.or(known.last_seen);
            if !change.online {
                known.state = None;
            }
        });
    }

    /// What somebody does in a group is no news of what they do in the conversation with this account.
    pub(crate) fn state(&self, change: &ChatStateChange) {
        if change.chat.as_user().is_some() {
            self.tell(&change.user, |known| known.state = Some(change.state));
        }
    }

    fn tell(&self, user: &UserId, edit: impl FnOnce(&mut Presence)) {
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let People { told, order } = &mut *people;
        if !told.contains_key(user) {
            order.push_back(user.clone());
            if order.len() > PEOPLE_MAX
                && let Some(oldest) = order.pop_front()
            {
                told.remove(&oldest);
            }
        }
        let known = told.entry(user.clone()).or_insert_with(|| Presence {
            user: user.clone(),
            online: None,
            last_seen: None,
            state: None,
        });
        edit(known);
    }
}

/// What this account shows in conversations for a while.
#[derive(Debug, Default)]
pub(crate) struct Showing(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    tasks: JoinSet<()>,
    chats: HashMap<ChatId, AbortHandle>,
}

impl Showing {
    /// Something else is shown there from now on.
    pub(crate) fn end(&self, chat: &ChatId) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = shown.chats.remove(chat) {
            task.abort();
        }
    }

    /// Renews what is shown in a conversation, and ends it after `period`.
    pub(crate) fn keep(
        &self,
        account: Arc<dyn Account>,
        chat: ChatId,
        state: ChatState,
        period: Duration,
    ) {
        let until = Instant::now() + period;
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while shown.tasks.try_join_next().is_some() {}
        shown.chats.retain(|_, task| !task.is_finished());
        if shown.chats.len() >= SHOWN_MAX {
            return;
        }
        let there = chat.clone();
        let task = shown.tasks.spawn(async move {
            while Instant::now() + RENEW < until {
                tokio::time::sleep(RENEW).await;
                if account.send_chat_state(&there, state).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep_until(until).await;
            // Without a connection nothing is shown any more.
            let _ = account.send_chat_state(&there, ChatState::Paused).await;
        });
        shown.chats.insert(chat, task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(at: usize) -> UserId {
        UserId::phone(&format!("49151{at:08}")).unwrap()
    }

    #[test]
    fn whoever_was_told_of_longest_ago_is_forgotten() {
        let known = Known::default();
        for at in 0..=PEOPLE_MAX {
            known.changed(&PresenceChange {
                user: user(at),
                online: true,
                last_seen: None,
            });
        }
        assert_eq!(known.get(&user(0)), None);
        assert_eq!(known.get(&user(1)).unwrap().online, Some(true));
        let people = known.0.lock().unwrap();
        assert_eq!(
            (people.told.len(), people.order.len()),
            (PEOPLE_MAX, PEOPLE_MAX)
        );
    }

    #[test]
    fn going_ends_what_somebody_does() {
        let known = Known::default();
        let typing = |chat: ChatId| ChatStateChange {
            chat,
            user: user(1),
            state: ChatState::Composing,
        };
        known.state(&typing("1@g.us".parse().unwrap()));
        assert_eq!(known.get(&user(1)), None);
        known.state(&typing(user(1).into()));
        assert_eq!(
            known.get(&user(1)).unwrap().state,
            Some(ChatState::Composing)
        );
        known.changed(&PresenceChange {
            user: user(1),
            online: false,
            last_seen: None,
        });
        assert_eq!(known.get(&user(1)).unwrap().state, None);
    }
}
