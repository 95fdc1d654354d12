//! Who is there and who is typing. Nothing of it is queued: it concerns the moment.
//!
//! Source: protocol notes, sections 6 and 12.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::conn::Phase;
use super::groups::GroupId;
use super::ids::{AccountId, Addressing, ConnId, DeviceId};
use super::server::Server;
use super::xml;

/// Most devices that may watch one account.
pub const WATCHERS_MAX: usize = 4096;
/// Longest profile name, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// A device that wants to know when an account comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watcher {
    /// Who watches.
    pub device: DeviceId,
    /// How it addressed the account.
    pub addressing: Addressing,
}

impl Server {
    /// A client says something about itself or asks about another.
    pub(crate) fn presence(&mut self, conn: ConnId, from: DeviceId, node: &Node) {
        if let Some(name) = xml::attr(node, "name") {
            self.rename(from.account, &name);
        }
        match xml::attr(node, "type").as_deref() {
            Some("available") => self.set_available(conn, from, true),
            Some("unavailable") => self.set_available(conn, from, false),
            Some("subscribe") => {
                if let Some(to) = xml::attr_jid(node, "to") {
                    self.watch(from, &to);
                }
            }
            Some("unsubscribe") => {
                let to = xml::attr_jid(node, "to").and_then(|j| self.resolve(&j));
                if let Some(account) = to.and_then(|d| self.account_mut(d.account)) {
                    account.watchers.retain(|w| w.device != from);
                }
            }
            // Without a type it only carries the name.
            _ => {}
        }
    }

    pub(crate) fn rename(&mut self, account: AccountId, name: &str) {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return;
        }
        if let Some(a) = self.account_mut(account)
            && *a.name != *name
        {
            a.name = name.into();
            if let Ok(mut phone) = a.phone.lock() {
                phone.set_push_name(name);
            }
        }
    }

    fn set_available(&mut self, conn: ConnId, from: DeviceId, now_available: bool) {
        let before = self.is_available(from.account);
        if let Some(Phase::Login { available, .. }) =
            self.conns.get_mut(&conn).map(|c| &mut c.phase)
        {
            *available = now_available;
        }
        self.announce_change(from.account, before);
    }

    /// An available connection is gone.
    pub(crate) fn went_away(&mut self, device: DeviceId) {
        self.announce_change(device.account, true);
    }

    fn announce_change(&mut self, account: AccountId, before: bool) {
        let after = self.is_available(account);
        if before == after {
            return;
        }
        let now_s = self.now_s();
        let watchers = match self.account_mut(account) {
            Some(a) => {
                a.last_seen_s = now_s;
                a.watchers.clone()
            }
            None => return,
        };
        for watcher in watchers {
            self.tell(watcher, account);
        }
    }

    fn is_available(&self, account: AccountId) -> bool {
        let devices = self
            .account(account)
            .map(|a| a.devices.as_slice())
            .unwrap_or_default();
        devices
            .iter()
            .filter_map(|d| self.conns.get(&d.conn?))
            .any(|c| {
                matches!(
                    c.phase,
                    Phase::Login {
                        available: true,
                        ..
                    }
                )
            })
    }

    fn watch(&mut self, from: DeviceId, to: &Jid) {
        let (Some(target), Some(addressing)) = (self.resolve(to), Addressing::of(to)) else {
            return;
        };
        let watcher = Watcher {
            device: from,
            addressing,
        };
        if let Some(account) = self.account_mut(target.account) {
            account.watchers.retain(|w| w.device != from);
            if account.watchers.len() < WATCHERS_MAX {
                account.watchers.push(watcher);
            }
        }
        self.tell(watcher, target.account);
    }

    fn tell(&mut self, watcher: Watcher, account: AccountId) {
        let Some(conn) = self.live(watcher.device) else {
            return;
        };
        let Some(a) = self.account(account) else {
            return;
        };
        let mut presence = NodeBuilder::new("presence").attr("from", a.jid(watcher.addressing));
        if !self.is_available(account) {
            presence = presence.attr("type", "unavailable");
            presence = if a.last_seen_s > 0 {
                presence.attr("last", a.last_seen_s)
            } else {
                presence.attr("last", "deny")
            };
        }
        self.emit(conn, &presence.build());
    }

    /// A client is typing, or has stopped.
    pub(crate) fn chatstate(&mut self, from: DeviceId, node: &Node) {
        let Some(to) = xml::attr_jid(node, "to") else {
            return;
        };
        let Some(sender) = self.account(from.account) else {
            return;
        };
        let mut stanza = NodeBuilder::new("chatstate").build();
        stanza.content.clone_from(&node.content);
        let targets = if to.is_group() {
            let Some(group) = GroupId::parse(&to).and_then(|id| self.groups.get(id)) else {
                return;
            };
            if !group.has(from.account) {
                return;
            }
            stanza.attrs.insert(
                "participant",
                sender.device_jid(group.addressing, from.device),
            );
            stanza.attrs.insert("from", to);
            let members: Vec<AccountId> = group.members.iter().map(|m| m.account).collect();
            self.devices_of(&members)
        } else {
            let (Some(target), Some(mode)) = (self.resolve(&to), Addressing::of(&to)) else {
                return;
            };
            stanza.attrs.insert("from", sender.jid(mode));
            self.companions_of(target.account)
        };
        for target in targets.into_iter().filter(|t| t.account != from.account) {
            if let Some(conn) = self.live(target) {
                self.emit(conn, &stanza);
            }
        }
    }
}
