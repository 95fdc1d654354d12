//! Whether somebody can be reached at all.
//!
//! The library sends a direct message to our own devices alone, and calls it sent, when the recipient has none
//! (upstream issue 1298). So WhatsApp is asked before the first message to a number, and the stanza is looked at after.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use switchboard_vocab::UserId;
use tokio::time::Instant;
use wacore_binary::{Jid, Node};
use whatsapp_rust::Client;
use whatsapp_rust::error::ErrorChainExt;

use crate::addresses;
use crate::api::Error;

/// Most numbers whose answer is kept per session; beyond that the oldest answers are asked for again.
const ANSWERS_MAX: usize = 1_024;
/// How long "is on WhatsApp" is believed.
const YES_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long "is not on WhatsApp" is believed: somebody may just have registered.
const NO_FOR: Duration = Duration::from_secs(300);

/// What one session knows of who can be reached.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    answers: Mutex<HashMap<UserId, Answer>>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    is_there: bool,
    until: Instant,
}

impl Reach {
    /// Refuses a number that is not on WhatsApp. LIDs come from WhatsApp itself and are not asked for.
    pub(crate) async fn check(&self, client: &Client, user: &UserId) -> Result<(), Error> {
        if matches!(user, UserId::Lid(_)) {
            return Ok(());
        }
        let known = self.answer(user);
        let is_there = match known {
            Some(is_there) => is_there,
            None => {
                let is_there = ask(client, user).await?;
                self.keep(user.clone(), is_there);
                is_there
            }
        };
        if is_there {
            Ok(())
        } else {
            Err(Error::NoRecipient(
                "the number is not on whatsapp".to_owned(),
            ))
        }
    }

    /// Asks again next time.
    pub(crate) fn forget(&self, user: &UserId) {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(user);
    }

    fn answer(&self, user: &UserId) -> Option<bool> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.get(user)?;
        (Instant::now() < answer.until).then_some(answer.is_there)
    }

    fn keep(&self, user: UserId, is_there: bool) {
        let now = Instant::now();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, answer| now < answer.until);
        }
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(
            user,
            Answer {
                is_there,
                until: now + if is_there { YES_FOR } else { NO_FOR },
            },
        );
    }
}

async fn ask(client: &Client, user: &UserId) -> Result<bool, Error> {
    if has_devices(client, user).await {
        return Ok(true);
    }
    let jid = addresses::jid_of_user(user);
    let asked = [jid];
    match Box::pin(client.contacts().is_on_whatsapp(&asked)).await {
        // No word about the number leaves it to the look at the stanza.
        Ok(answers) => Ok(answers.first().is_none_or(|answer| answer.is_registered)),
        Err(error) => match error.server_rejection() {
            Some(rejection) if rejection.code == super::TOO_MANY => {
                Err(Error::RateLimited(rejection.text.to_owned()))
            }
            Some(rejection) => Err(Error::Refused {
                code: Some(rejection.code),
                text: format!("ask for the number: {}", rejection.text),
            }),
            None => Err(Error::NotConnected),
        },
    }
}

/// Whether a device list of theirs is stored: then they are on WhatsApp, and the library keeps the list fresh.
async fn has_devices(client: &Client, user: &UserId) -> bool {
    let backend = client.persistence_manager().backend();
    let mut names = vec![user.user().to_owned()];
    if let Ok(Some(entry)) = backend.get_pn_mapping(user.user()).await {
        names.push(entry.lid);
    }
    for name in names {
        if let Ok(Some(list)) = backend.get_devices(&name).await
            && !list.devices.is_empty()
        {
            return true;
        }
    }
    false
}

/// Whether a direct message's stanza has a copy for anybody but ourselves, or goes to ourselves.
pub(super) fn reaches_another(client: &Client, stanza: &Node) -> bool {
    let device = client.persistence_manager().get_device_snapshot();
    let own = [device.pn.as_ref(), device.lid.as_ref()];
    let is_own = |jid: &Jid| own.iter().flatten().any(|own| own.is_same_chat_as(jid));
    let jid_at = |node: &Node, name: &str| {
        node.attrs
            .get(name)
            .and_then(wacore_binary::NodeValue::to_jid)
    };
    if jid_at(stanza, "to").is_some_and(|to| is_own(&to)) {
        return true;
    }
    let copies = stanza
        .get_optional_child("participants")
        .and_then(Node::children)
        .unwrap_or_default();
    copies
        .iter()
        .filter_map(|copy| jid_at(copy, "jid"))
        .any(|jid| !is_own(&jid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_expire_and_are_bounded() {
        let reach = Reach::default();
        let user = |n: usize| UserId::phone(&format!("1555{n:06}")).unwrap();
        reach.keep(user(1), true);
        reach.keep(user(2), false);
        assert_eq!(
            (reach.answer(&user(1)), reach.answer(&user(2))),
            (Some(true), Some(false))
        );
        tokio::time::advance(NO_FOR).await;
        assert_eq!(
            (reach.answer(&user(1)), reach.answer(&user(2))),
            (Some(true), None)
        );
        reach.forget(&user(1));
        assert_eq!(reach.answer(&user(1)), None);
        for n in 0..3 * ANSWERS_MAX {
            reach.keep(user(n), true);
        }
        assert!(reach.answers.lock().unwrap().len() <= ANSWERS_MAX);
    }
}
