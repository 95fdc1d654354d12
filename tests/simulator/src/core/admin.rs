//! What tests and people may do to the service from outside, apart from being a client.

use std::sync::{Arc, Mutex};

use wacore_binary::Jid;

use super::conn::Conn;
use super::ids::{ConnId, DeviceId, PHONE, parse_number};
use super::pairing;
use super::server::{Effect, Server};
use crate::faults::{self, Fault, Request, Target};
use crate::journal::Report;
use crate::phone::Phone;

impl Server {
    /// The account with a phone number as people write it.
    pub(crate) fn find_number(&self, number: &str) -> Option<super::ids::AccountId> {
        parse_number(number).and_then(|n| self.by_number.get(&n).copied())
    }

    /// Sets up a phone without companions, unless its account exists. Returns the account's LID.
    ///
    /// # Errors
    /// When the number is none, or there are too many accounts.
    pub fn add_phone(&mut self, number: &str, name: &str) -> Result<u64, pairing::Error> {
        let digits =
            parse_number(number).ok_or_else(|| pairing::Error::Number(number.to_owned()))?;
        let account = self
            .account_with_number(digits, name)
            .ok_or(pairing::Error::Full)?;
        self.account(account)
            .map(|a| a.lid)
            .ok_or(pairing::Error::Full)
    }

    /// The phone with a number.
    #[must_use]
    pub fn phone_of(&self, number: &str) -> Option<Arc<Mutex<Phone>>> {
        let account = self.find_number(number)?;
        self.account(account).map(|a| Arc::clone(&a.phone))
    }

    /// Adds a fault, or carries it out at once if it is one that acts at once. Returns how many
    /// connections that touched.
    ///
    /// # Errors
    /// When the request makes no sense or there are too many rules.
    pub fn inject(&mut self, request: Request) -> Result<usize, faults::Error> {
        let target = match (&request.number, request.device) {
            (None, None) => Target::Anyone,
            (None, Some(_)) => return Err(faults::Error::DeviceWithoutNumber),
            (Some(number), device) => {
                let account = self
                    .find_number(number)
                    .ok_or_else(|| faults::Error::Number(number.clone()))?;
                match device {
                    None => Target::Account(account),
                    Some(device) => Target::Device(DeviceId { account, device }),
                }
            }
        };
        match request.fault {
            Fault::Disconnect => {
                let hit = self.covered(target);
                for conn in &hit {
                    self.effect(Effect::Abort(*conn));
                    self.closed(*conn);
                }
                Ok(hit.len())
            }
            Fault::StreamError { code } => {
                let hit = self.covered(target);
                for conn in &hit {
                    self.stream_error(*conn, code);
                }
                Ok(hit.len())
            }
            Fault::Clear => {
                self.faults.clear();
                Ok(0)
            }
            Fault::Refuse
            | Fault::TooManyRequests
            | Fault::Failure { .. }
            | Fault::Drop
            | Fault::Delay { .. }
            | Fault::Nack { .. }
            | Fault::Conflict
            | Fault::Garble
            | Fault::Withhold { .. }
            | Fault::Duplicate => {
                let chat = request.to.as_deref().map(|to| self.chat_named(to));
                let chat = chat.transpose()?;
                self.faults.add_for_chat(request, target, chat).map(|()| 0)
            }
        }
    }

    /// The key of the chat at a number or address.
    fn chat_named(&self, to: &str) -> Result<u64, faults::Error> {
        let nobody = || faults::Error::Receiver(to.to_owned());
        let jid = match parse_number(to) {
            Some(number) => Jid::pn(number.to_string()),
            None => to.parse().map_err(|_| nobody())?,
        };
        self.chat_key(Some(&jid)).ok_or_else(nobody)
    }

    fn covered(&self, target: Target) -> Vec<ConnId> {
        let mut hit: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(_, c)| target.covers(Conn::device(c)))
            .map(|(id, _)| *id)
            .collect();
        hit.sort_unstable();
        hit
    }

    /// The rules that still act.
    #[must_use]
    pub fn active_faults(&self) -> Vec<Request> {
        self.faults.active()
    }

    /// Deletes all rules.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The journal so far.
    #[must_use]
    pub fn journal_report(&self) -> Report {
        let queued = |id| self.device(id).map_or(0, |d| d.queue.len());
        self.journal.report(|id| self.device_name(id), queued)
    }

    /// The user takes a companion off the account, on the phone. Returns whether there was one.
    pub fn unlink(&mut self, number: &str, device: u16) -> bool {
        let account = self.find_number(number);
        device != PHONE
            && account.is_some_and(|account| self.remove_device(DeviceId { account, device }))
    }
}
