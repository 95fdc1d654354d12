//! `privacy`: settings with their exclusion lists, and the tokens of trusted contacts.
//!
//! Source: protocol notes, sections 6 and 7; shapes as in wacore 0.7.0, `iq/privacy.rs` and
//! `iq/tctoken.rs`.

use std::collections::BTreeSet;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use crate::core::ids::{AccountId, Addressing, DeviceId};
use crate::core::messages::account_chat;
use crate::core::privacy::{Category, NO_HASH, Value};
use crate::core::profile::LISTED_MAX;
use crate::core::server::Server;
use crate::core::xml;

/// Most tokens in one request.
const TOKENS_MAX: usize = 1024;

/// A setting about to be changed.
struct Change {
    category: Category,
    value: Value,
    excluded: Option<BTreeSet<AccountId>>,
}

impl Server {
    pub(super) fn iq_privacy(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if let Some(tokens) = iq.get_optional_child("tokens") {
            return if setting {
                self.issue_tokens(from, tokens)
            } else {
                Answer::UNKNOWN
            };
        }
        let Some(request) = iq.get_optional_child("privacy") else {
            return Answer::BAD;
        };
        if !setting {
            return Answer::one(self.privacy_node(from.account, &Category::ALL));
        }
        let mut changes = Vec::new();
        for category in request.get_children_by_tag("category") {
            match self.privacy_change(from.account, category) {
                Ok(change) => changes.push(change),
                Err(refusal) => return refusal,
            }
        }
        let categories: Vec<Category> = changes.iter().map(|c| c.category).collect();
        for change in changes {
            self.apply_privacy(from.account, change);
        }
        self.privacy_changed(from, &categories);
        Answer::one(self.privacy_node(from.account, &categories))
    }

    /// Reads `<category name value [dhash]>[<user action jid/>..]</category>`.
    fn privacy_change(&self, account: AccountId, node: &Node) -> Result<Change, Answer> {
        let name = xml::attr(node, "name").unwrap_or_default();
        let value = xml::attr(node, "value").unwrap_or_default();
        let (Some(category), Some(value)) = (Category::parse(&name), Value::parse(&value)) else {
            return Err(Answer::BAD);
        };
        if !category.takes(value) {
            return Err(Answer::BAD);
        }
        let mut change = Change {
            category,
            value,
            excluded: None,
        };
        if value != Value::ContactsExcept {
            return Ok(change);
        }
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        let mut list = profile
            .and_then(|p| p.excluded.get(&category).cloned())
            .unwrap_or_default();
        if let Some(known) = xml::attr(node, "dhash")
            && !self.hash_is_current(&known, &list)
        {
            return Err(Answer::CONFLICT);
        }
        for user in node.get_children_by_tag("user") {
            let named = xml::attr_jid(user, "jid").or_else(|| xml::attr_jid(user, "pn_jid"));
            let Some(user_id) = named.and_then(|j| self.resolve(&j)) else {
                return Err(Answer::NOT_FOUND);
            };
            if xml::attr(user, "action").as_deref() == Some("remove") {
                list.remove(&user_id.account);
            } else {
                list.insert(user_id.account);
            }
        }
        if list.len() > LISTED_MAX {
            return Err(Answer::Error(406, "not-acceptable"));
        }
        change.excluded = Some(list);
        Ok(change)
    }

    fn apply_privacy(&mut self, account: AccountId, change: Change) {
        let Some(account) = self.account_mut(account) else {
            return;
        };
        let profile = account.profile_mut();
        if change.value == change.category.default_value() {
            profile.privacy.remove(&change.category);
        } else {
            profile.privacy.insert(change.category, change.value);
        }
        if let Some(list) = change.excluded {
            profile.excluded.insert(change.category, list);
        }
    }

    /// Changes one setting on the phone. Returns whether the setting has this value.
    pub(crate) fn set_privacy(&mut self, by: DeviceId, category: Category, value: Value) -> bool {
        if !category.takes(value) {
            return false;
        }
        let change = Change {
            category,
            value,
            excluded: None,
        };
        self.apply_privacy(by.account, change);
        self.privacy_changed(by, &[category]);
        true
    }

    /// Tells the own devices, and those who watch what they may see now.
    fn privacy_changed(&mut self, by: DeviceId, categories: &[Category]) {
        if categories.is_empty() {
            return;
        }
        let node = self.privacy_node(by.account, categories);
        self.sync_account(by, None, &[node]);
        if categories
            .iter()
            .any(|c| matches!(c, Category::Last | Category::Online))
        {
            self.tell_watchers(by.account);
        }
    }

    /// `<privacy>` with the state of some settings.
    fn privacy_node(&self, account: AccountId, categories: &[Category]) -> Node {
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        let children: Vec<Node> = categories
            .iter()
            .map(|category| {
                let value = self.privacy_value(account, *category);
                let node = NodeBuilder::new("category")
                    .attr("name", category.as_str())
                    .attr("value", value.as_str());
                if value != Value::ContactsExcept {
                    return node.build();
                }
                let list = profile.and_then(|p| p.excluded.get(category));
                let hash = list.and_then(|l| self.list_hash(l));
                node.attr("dhash", hash.unwrap_or_else(|| NO_HASH.to_owned()))
                    .build()
            })
            .collect();
        NodeBuilder::new("privacy").children(children).build()
    }

    /// Gives the named contacts a token of the asker.
    fn issue_tokens(&mut self, from: DeviceId, tokens: &Node) -> Answer {
        let asked: Vec<Node> = tokens
            .get_children_by_tag("token")
            .take(TOKENS_MAX)
            .cloned()
            .collect();
        let now_s = self.now_s();
        for token in asked {
            let Some(jid) = xml::attr_jid(&token, "jid") else {
                return Answer::BAD;
            };
            let Some(target) = self.resolve(&jid).map(|d| d.account) else {
                continue;
            };
            let at_s = xml::attr_u64(&token, "t").unwrap_or(now_s);
            self.give_token(from.account, target, at_s);
        }
        Answer::done()
    }

    /// Sends the devices of `target` a token of `by`.
    pub(crate) fn give_token(&mut self, by: AccountId, target: AccountId, at_s: u64) {
        let Some(giver) = self.account(by) else {
            return;
        };
        let (pn, lid) = (giver.jid(Addressing::Pn), giver.jid(Addressing::Lid));
        let token = NodeBuilder::new("token")
            .attr("type", "trusted_contact")
            .attr("t", at_s)
            .bytes(self.token(by, target, at_s).to_vec())
            .build();
        let tokens = NodeBuilder::new("tokens").children([token]).build();
        let mut node = self.notification(pn, "privacy_token", vec![tokens]);
        node.attrs.insert("sender_lid", lid);
        for device in self.companions_of(target) {
            self.deliver(device, account_chat(by), &node);
        }
    }

    // ---- own devices ---------------------------------------------------------------------

    /// Tells the other companions of an account what one of its devices changed. A new profile name
    /// is an attribute of its own.
    pub(crate) fn sync_account(&mut self, by: DeviceId, name: Option<&str>, children: &[Node]) {
        let Some(own) = self.account(by.account).map(|a| a.jid(Addressing::Pn)) else {
            return;
        };
        for device in self.companions_of(by.account) {
            if device == by {
                continue;
            }
            let mut node = self.notification(own.clone(), "account_sync", children.to_vec());
            if let Some(name) = name {
                node.attrs.insert("pushname", name);
            }
            self.deliver(device, account_chat(by.account), &node);
        }
    }
}
