//! The server's side of what a phone keeps besides messages: names for its chats, and what it finds wrong.

use std::sync::{Arc, Mutex};

use wacore_binary::{Jid, JidExt as _};

use super::app_state::COLLECTIONS;
use super::ids::{AccountId, Addressing, DeviceId, PHONE, parse_number};
use super::phones::Job;
use super::server::Server;
use crate::phone::{Act, AppStateRead, Named, Phone};

impl Server {
    /// The account with a number, and its phone.
    pub(crate) fn account_and_phone(&self, number: &str) -> Option<(AccountId, Arc<Mutex<Phone>>)> {
        let account = self.find_number(number)?;
        Some((account, Arc::clone(&self.account(account)?.phone)))
    }

    /// The addresses of a chat or contact that a user calls by number or address. `None` if it is neither.
    pub(crate) fn named(&self, text: &str) -> Option<Named> {
        let number = parse_number(text);
        let jid: Jid = match number {
            Some(number) => Jid::pn(number.to_string()),
            None => text.parse().ok().filter(|j: &Jid| !j.user.is_empty())?,
        };
        let whole = Named {
            chat: jid.to_string(),
            shown: jid.to_string(),
            ..Named::default()
        };
        if jid.is_group() {
            return Some(whole);
        }
        let account = self.resolve(&jid).and_then(|d| self.account(d.account));
        let Some(account) = account else {
            return Some(whole);
        };
        let chat = if number.is_some() {
            account.jid(self.phone_addressing()).to_string()
        } else {
            whole.chat
        };
        Some(Named {
            chat,
            shown: account.jid(Addressing::Pn).to_string(),
            lid: Some(account.jid(Addressing::Lid).to_string()),
            range: None,
        })
    }

    /// What follows for the service from what a user does: it knows the profile name.
    pub(crate) fn user_acts(&mut self, account: AccountId, act: &Act) {
        let phone = DeviceId {
            account,
            device: PHONE,
        };
        if let Some(name) = act.push_name() {
            self.rename(phone, name);
        }
    }

    /// What follows for the service from what a phone has read: it notes what is wrong, and learns who is a contact.
    pub(crate) fn app_state_read(&mut self, account: AccountId, read: &AppStateRead) {
        let now_ms = self.clock.now_ms();
        for (device, fault) in &read.faults {
            let by = DeviceId {
                account,
                device: *device,
            };
            self.journal.event(now_ms, Some(by), fault.event());
        }
        let added = self.accounts_at(&read.contacts_added);
        let removed = self.accounts_at(&read.contacts_removed);
        if !added.is_empty() || !removed.is_empty() {
            self.change_address_book(account, &added, &removed);
        }
    }

    fn accounts_at(&self, addresses: &[String]) -> Vec<AccountId> {
        let jids = addresses.iter().filter_map(|a| a.parse::<Jid>().ok());
        jids.filter_map(|jid| self.resolve(&jid))
            .map(|d| d.account)
            .collect()
    }

    /// Patches that the phone has not been told of.
    pub(super) fn next_app_state(&mut self, account: AccountId) -> Option<Job> {
        let state = self.account_mut(account)?.app_state.as_deref_mut()?;
        if !std::mem::take(&mut state.unread) {
            return None;
        }
        let news = COLLECTIONS.iter().filter_map(|name| {
            let news = state.for_phone(name)?;
            Some((*name, news))
        });
        Some(Job::AppState(news.collect()))
    }
}
