//! What the user of a phone notices besides messages: receipts for what the phone sent, who is there
//! and who is typing. A short list for each phone, made when the first arrives.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, JidExt as _, Node};

use super::ids::{AccountId, Addressing};
use super::server::Server;
use super::xml;

/// Signals a phone keeps. The oldest go first.
pub const SIGNALS_MAX: usize = 64;
/// Most message ids of one signal.
const IDS_MAX: usize = 32;

/// What was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Messages arrived at a device.
    Delivered,
    /// Messages were read; for a story: it was seen.
    Read,
    /// Voice notes or films were played.
    Played,
    /// Somebody came online.
    Available,
    /// Somebody went offline, or hides when.
    Unavailable,
    /// Somebody types.
    Composing,
    /// Somebody records.
    Recording,
    /// Somebody stopped typing or recording.
    Paused,
}

/// Something a phone's user noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// Counts up from 1 for each phone, without gaps.
    pub seq: u64,
    /// What it was.
    pub kind: SignalKind,
    /// Address of who caused it, by number.
    pub from: String,
    /// Address of the chat.
    pub chat: String,
    /// Ids of the messages it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// When somebody was last there, in Unix seconds, if it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<u64>,
    /// Unix seconds.
    pub timestamp: u64,
}

/// The signals of a phone.
#[derive(Debug, Default)]
pub struct Signals {
    entries: VecDeque<Signal>,
    last: u64,
}

impl Signals {
    fn push(&mut self, mut signal: Signal) {
        self.last += 1;
        signal.seq = self.last;
        if self.entries.len() >= SIGNALS_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(signal);
    }
}

impl Server {
    /// What a phone's user noticed after signal `since`, oldest first. `None` without such a phone.
    #[must_use]
    pub fn signals(&self, number: &str, since: u64) -> Option<Vec<Signal>> {
        let account = self.account(self.find_number(number)?)?;
        let entries = account.signals.as_deref().map(|s| &s.entries);
        let entries = entries.into_iter().flatten();
        Some(entries.filter(|s| s.seq > since).cloned().collect())
    }

    /// Notes something on the phone of `account`, if phones listen.
    pub(crate) fn signal(
        &mut self,
        account: AccountId,
        kind: SignalKind,
        from: AccountId,
        chat: Option<&Jid>,
        (ids, last_seen): (Vec<String>, Option<u64>),
    ) {
        if !self.options.phones_listen {
            return;
        }
        let Some(from) = self.account(from).map(|a| a.jid(Addressing::Pn)) else {
            return;
        };
        let chat = match chat {
            Some(jid) if jid.is_group() || jid.is_status_broadcast() => jid.to_string(),
            _ => from.to_string(),
        };
        let timestamp = self.now_s();
        if let Some(a) = self.account_mut(account) {
            a.signals.get_or_insert_default().push(Signal {
                seq: 0,
                kind,
                from: from.to_string(),
                chat,
                ids,
                last_seen,
                timestamp,
            });
        }
    }

    /// Notes a receipt on the phone of the author of the messages it is for.
    pub(crate) fn signal_receipt(&mut self, author: AccountId, by: AccountId, receipt: &Node) {
        let kind = match xml::attr(receipt, "type").as_deref() {
            None | Some("inactive") => SignalKind::Delivered,
            Some("read") => SignalKind::Read,
            Some("played") => SignalKind::Played,
            Some(_) => return,
        };
        let mut ids = xml::listed_ids(receipt);
        ids.truncate(IDS_MAX);
        let chat = xml::attr_jid(receipt, "to");
        self.signal(author, kind, by, chat.as_ref(), (ids, None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_and_bounded() {
        let mut signals = Signals::default();
        let total = SIGNALS_MAX as u64 + 5;
        for n in 0..total {
            signals.push(Signal {
                seq: 0,
                kind: SignalKind::Delivered,
                from: String::new(),
                chat: String::new(),
                ids: Vec::new(),
                last_seen: None,
                timestamp: n,
            });
        }
        assert_eq!(signals.entries.len(), SIGNALS_MAX);
        assert_eq!(signals.entries.back().map(|s| s.seq), Some(total));
        assert_eq!(signals.entries.front().map(|s| s.seq), Some(6));
    }
}
