//! Who is there and who is typing. Nothing of it is queued: it concerns the moment.
//!
//! Source: protocol notes, sections 6 and 12.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::conn::Phase;
use super::groups::GroupId;
use super::ids::{AccountId, Addressing, ConnId, DeviceId, PHONE};
use super::privacy::Category;
use super::server::Server;
use super::signals::SignalKind;
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
    /// Whether it showed a token of the account.
    pub trusted: bool,
}

impl Server {
    /// A client says something about itself or asks about another.
    pub(crate) fn presence(&mut self, conn: ConnId, from: DeviceId, node: &Node) {
        if let Some(name) = xml::attr(node, "name") {
            // A device that announces itself may not have heard of the newest name yet.
            let stale = xml::attr(node, "type").is_some() && self.was_called(from.account, &name);
            if !stale {
                self.rename(from, &name);
            }
        }
        match xml::attr(node, "type").as_deref() {
            Some("available") => self.set_available(conn, from, true),
            Some("unavailable") => self.set_available(conn, from, false),
            Some("subscribe") => {
                if let Some(to) = xml::attr_jid(node, "to") {
                    self.watch(from, &to, node);
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

    /// Changes the profile name. The other devices of the account hear of it at once, everybody else
    /// with the next message.
    pub(crate) fn rename(&mut self, by: DeviceId, name: &str) {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return;
        }
        let Some(account) = self.account_mut(by.account) else {
            return;
        };
        if *account.name == *name {
            return;
        }
        let former = std::mem::replace(&mut account.name, name.into());
        account.profile_mut().former_name = former;
        if let Ok(mut phone) = account.phone.lock() {
            phone.set_push_name(name);
        }
        self.sync_account(by, Some(name), &[]);
    }

    fn was_called(&self, account: AccountId, name: &str) -> bool {
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        profile.is_some_and(|p| *p.former_name == *name)
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

    /// The user takes up the phone, or puts it away.
    pub(crate) fn set_phone_available(&mut self, account: AccountId, now_available: bool) {
        let before = self.is_available(account);
        if let Some(a) = self.account_mut(account) {
            a.phone_available = now_available;
        }
        self.announce_change(account, before);
    }

    fn announce_change(&mut self, account: AccountId, before: bool) {
        let after = self.is_available(account);
        if before == after {
            return;
        }
        let now_s = self.now_s();
        if let Some(a) = self.account_mut(account) {
            a.last_seen_s = now_s;
        }
        self.tell_watchers(account);
    }

    /// Tells all who watch an account what they may know of it.
    pub(crate) fn tell_watchers(&mut self, account: AccountId) {
        let watchers = self.account(account).map(|a| a.watchers.clone());
        for watcher in watchers.unwrap_or_default() {
            self.tell(watcher, account);
        }
    }

    fn is_available(&self, account: AccountId) -> bool {
        let Some(a) = self.account(account) else {
            return false;
        };
        if a.phone_available {
            return true;
        }
        a.devices
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

    /// `from` wants to know when `to` comes and goes. The request may show a token.
    pub(crate) fn watch(&mut self, from: DeviceId, to: &Jid, request: &Node) {
        let (Some(target), Some(addressing)) = (self.resolve(to), Addressing::of(to)) else {
            return;
        };
        let watcher = Watcher {
            device: from,
            addressing,
            trusted: self.holds_token(target.account, from.account, request),
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
        let viewer = watcher.device.account;
        let shows = |category| self.shows_presence(account, viewer, category, watcher.trusted);
        let there = self.is_available(account) && shows(Category::Online);
        let Some(a) = self.account(account) else {
            return;
        };
        let last = (!there && shows(Category::Last) && a.last_seen_s > 0).then_some(a.last_seen_s);
        if watcher.device.device == PHONE {
            let kind = if there {
                SignalKind::Available
            } else {
                SignalKind::Unavailable
            };
            self.signal(viewer, kind, account, None, (Vec::new(), last));
            return;
        }
        let mut presence = NodeBuilder::new("presence").attr("from", a.jid(watcher.addressing));
        if !there {
            presence = presence.attr("type", "unavailable");
            presence = match last {
                Some(last_s) => presence.attr("last", last_s),
                None => presence.attr("last", "deny"),
            };
        }
        if let Some(conn) = self.live(watcher.device) {
            self.emit(conn, &presence.build());
        }
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
            if self.has_blocked(target.account, from.account) {
                return;
            }
            stanza.attrs.insert("from", sender.jid(mode));
            self.devices_of(&[target.account])
        };
        let kind = typing_kind(node);
        let chat = xml::attr_jid(node, "to");
        for target in targets.into_iter().filter(|t| t.account != from.account) {
            if target.device == PHONE {
                let nothing = (Vec::new(), None);
                self.signal(target.account, kind, from.account, chat.as_ref(), nothing);
            } else if let Some(conn) = self.live(target) {
                self.emit(conn, &stanza);
            }
        }
    }
}

fn typing_kind(chatstate: &Node) -> SignalKind {
    let Some(state) = xml::first_child(chatstate) else {
        return SignalKind::Paused;
    };
    match (state.tag.as_ref(), xml::attr(state, "media").as_deref()) {
        ("composing", Some("audio")) => SignalKind::Recording,
        ("composing", _) => SignalKind::Composing,
        _ => SignalKind::Paused,
    }
}
