//! `blocklist`: whom an account does not want to hear of.
//!
//! Source: protocol notes, section 7; shapes as in wacore 0.7.0, `iq/blocklist.rs`.

use std::collections::BTreeSet;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use crate::core::ids::{AccountId, Addressing, DeviceId};
use crate::core::privacy::NO_HASH;
use crate::core::profile::LISTED_MAX;
use crate::core::server::Server;
use crate::core::xml;

impl Server {
    pub(super) fn iq_blocklist(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if setting {
            let Some(item) = iq.get_optional_child("item") else {
                return Answer::BAD;
            };
            if let Err(refusal) = self.change_blocklist(from, item) {
                return refusal;
            }
        }
        let blocked = self.blocked_by(from.account);
        let items: Vec<Node> = blocked
            .iter()
            .filter_map(|id| self.account(*id))
            .map(|a| {
                NodeBuilder::new("item")
                    .attr("jid", a.jid(Addressing::Lid))
                    .attr("pn_jid", a.jid(Addressing::Pn))
                    .build()
            })
            .collect();
        let hash = self.blocklist_hash(&blocked);
        Answer::one(
            NodeBuilder::new("list")
                .attr("dhash", hash)
                .attr("addressing_mode", Addressing::Lid.as_str())
                .children(items)
                .build(),
        )
    }

    fn change_blocklist(&mut self, from: DeviceId, item: &Node) -> Result<(), Answer> {
        let named = xml::attr_jid(item, "jid").or_else(|| xml::attr_jid(item, "pn_jid"));
        let target = named.and_then(|j| self.resolve(&j)).map(|d| d.account);
        let target = target.ok_or(Answer::NOT_FOUND)?;
        if target == from.account {
            return Err(Answer::BAD);
        }
        if let Some(known) = xml::attr(item, "dhash")
            && !self.hash_is_current(&known, &self.blocked_by(from.account))
        {
            return Err(Answer::CONFLICT);
        }
        let block = match xml::attr(item, "action").as_deref() {
            Some("block") => true,
            Some("unblock") => false,
            _ => return Err(Answer::BAD),
        };
        if self.set_blocked(from, target, block) {
            Ok(())
        } else {
            Err(Answer::Error(406, "not-acceptable"))
        }
    }

    /// Blocks or unblocks `target` and tells the own companions. Returns whether the list had room.
    pub(crate) fn set_blocked(&mut self, by: DeviceId, target: AccountId, block: bool) -> bool {
        let before = self.blocklist_hash(&self.blocked_by(by.account));
        let Some(account) = self.account_mut(by.account) else {
            return false;
        };
        let blocked = &mut account.profile_mut().blocked;
        let changed = if !block {
            blocked.remove(&target)
        } else if blocked.len() < LISTED_MAX {
            blocked.insert(target)
        } else {
            return false;
        };
        if !changed {
            return true;
        }
        let after = self.blocklist_hash(&self.blocked_by(by.account));
        let Some(jid) = self.account(target).map(|a| a.jid(Addressing::Lid)) else {
            return true;
        };
        let item = NodeBuilder::new("item")
            .attr("jid", jid)
            .attr("action", if block { "block" } else { "unblock" })
            .build();
        let change = NodeBuilder::new("blocklist")
            .attr("action", "modify")
            .attr("prev_dhash", before)
            .attr("dhash", after)
            .children([item])
            .build();
        self.sync_account(by, None, &[change]);
        self.tell_watchers(by.account);
        true
    }

    fn blocked_by(&self, account: AccountId) -> BTreeSet<AccountId> {
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        profile.map(|p| p.blocked.clone()).unwrap_or_default()
    }

    fn blocklist_hash(&self, blocked: &BTreeSet<AccountId>) -> String {
        self.list_hash(blocked)
            .unwrap_or_else(|| NO_HASH.to_owned())
    }
}
