//! `privacy`, `blocklist`, `disappearing_mode` and the collections of `w:sync:app:state`.
//!
//! Source: protocol notes, sections 4, 7 and 12.

use rand::RngExt;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::Answer;
use crate::core::app_state::{Fetched, UploadError};
use crate::core::ids::{AccountId, Addressing, DeviceId};
use crate::core::messages::account_chat;
use crate::core::server::Server;
use crate::core::xml;

/// Privacy settings of an account that changed none.
const PRIVACY_DEFAULTS: [(&str, &str); 9] = [
    ("last", "all"),
    ("online", "all"),
    ("profile", "all"),
    ("status", "all"),
    ("readreceipts", "all"),
    ("groupadd", "all"),
    ("calladd", "all"),
    ("messages", "all"),
    ("defense", "off"),
];
/// Longest value of a privacy setting, in bytes.
const PRIVACY_VALUE_MAX: usize = 64;
/// Most tokens in one request.
const TOKENS_MAX: usize = 1024;
/// Bytes of a trusted-contact token.
const TOKEN_LEN: usize = 32;

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
        let Some(account) = self.account_mut(from.account) else {
            return Answer::NOT_FOUND;
        };
        if setting {
            for category in request.get_children_by_tag("category") {
                let name = xml::attr(category, "name").unwrap_or_default();
                let value = xml::attr(category, "value").unwrap_or_default();
                let known = PRIVACY_DEFAULTS.iter().any(|(n, _)| *n == name);
                if !known || value.is_empty() || value.len() > PRIVACY_VALUE_MAX {
                    return Answer::BAD;
                }
                account
                    .profile_mut()
                    .privacy
                    .insert((*name).into(), (*value).into());
            }
        }
        let changed = account.profile.as_deref().map(|p| &p.privacy);
        let categories = PRIVACY_DEFAULTS.iter().map(|(name, default)| {
            let value = changed.and_then(|c| c.get(*name)).map_or(*default, |v| v);
            NodeBuilder::new("category")
                .attr("name", *name)
                .attr("value", value)
                .build()
        });
        let children: Vec<Node> = categories.collect();
        Answer::one(NodeBuilder::new("privacy").children(children).build())
    }

    /// Gives the named contacts a token of the asker.
    fn issue_tokens(&mut self, from: DeviceId, tokens: &Node) -> Answer {
        let asked: Vec<Node> = tokens
            .get_children_by_tag("token")
            .take(TOKENS_MAX)
            .cloned()
            .collect();
        for token in asked {
            let Some(jid) = xml::attr_jid(&token, "jid") else {
                return Answer::BAD;
            };
            let (Some(target), Some(mode)) = (self.resolve(&jid), Addressing::of(&jid)) else {
                continue;
            };
            let Some(sender) = self.account(from.account).map(|a| a.jid(mode)) else {
                continue;
            };
            let bytes: [u8; TOKEN_LEN] = self.rng.random();
            let mut given = NodeBuilder::new("token").bytes(bytes.to_vec()).build();
            xml::copy_attr(&token, &mut given, "t");
            xml::copy_attr(&token, &mut given, "type");
            let child = NodeBuilder::new("tokens").children([given]).build();
            let node = self.notification(sender, "privacy_token", vec![child]);
            for device in self.companions_of(target.account) {
                self.deliver(device, account_chat(from.account), &node);
            }
        }
        Answer::done()
    }

    pub(super) fn iq_blocklist(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if setting {
            let Some(item) = iq.get_optional_child("item") else {
                return Answer::BAD;
            };
            let target = xml::attr_jid(item, "jid").and_then(|j| self.resolve(&j));
            let Some(target) = target.map(|d| d.account) else {
                return Answer::NOT_FOUND;
            };
            let block = xml::attr(item, "action").as_deref() == Some("block");
            let Some(account) = self.account_mut(from.account) else {
                return Answer::NOT_FOUND;
            };
            let blocked = &mut account.profile_mut().blocked;
            if block {
                blocked.insert(target);
            } else {
                blocked.remove(&target);
            }
        }
        let profile = self
            .account(from.account)
            .and_then(|a| a.profile.as_deref());
        let blocked: Vec<AccountId> = profile
            .map(|p| p.blocked.iter().copied().collect())
            .unwrap_or_default();
        let items: Vec<Node> = blocked
            .iter()
            .filter_map(|id| self.account(*id))
            .map(|a| {
                NodeBuilder::new("item")
                    .attr("jid", a.jid(Addressing::Lid))
                    .build()
            })
            .collect();
        let hash = format!("{}-{}", from.account.0, items.len());
        Answer::one(
            NodeBuilder::new("list")
                .attr("dhash", hash)
                .children(items)
                .build(),
        )
    }

    pub(super) fn iq_disappearing(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if setting {
            let now_s = self.now_s();
            let mode = iq.get_optional_child("disappearing_mode");
            let Some(duration) = mode.and_then(|m| xml::attr_u64(m, "duration")) else {
                return Answer::BAD;
            };
            let Some(account) = self.account_mut(from.account) else {
                return Answer::NOT_FOUND;
            };
            account.profile_mut().disappearing = Some((duration, now_s));
            return Answer::done();
        }
        Answer::one(self.disappearing_node(from.account))
    }

    pub(crate) fn disappearing_node(&self, account: AccountId) -> Node {
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        let (duration, at_s) = profile.and_then(|p| p.disappearing).unwrap_or_default();
        NodeBuilder::new("disappearing_mode")
            .attr("duration", duration)
            .attr("t", at_s)
            .build()
    }

    // ---- app state -----------------------------------------------------------------------

    pub(super) fn iq_app_state(&mut self, from: DeviceId, iq: &Node) -> Answer {
        let Some(sync) = iq.get_optional_child("sync") else {
            return Answer::BAD;
        };
        let mut answers = Vec::new();
        let mut changed = Vec::new();
        for request in sync.get_children_by_tag("collection") {
            let Some(name) = xml::attr(request, "name") else {
                return Answer::BAD;
            };
            let version = xml::attr_u64(request, "version").unwrap_or(0);
            let Some(account) = self.account_mut(from.account) else {
                return Answer::NOT_FOUND;
            };
            let state = account.app_state.get_or_insert_default();
            let answer = match xml::child_bytes(request, "patch") {
                Some(patch) => match state.upload(&name, version, patch) {
                    Ok(new) => {
                        changed.push((name.to_string(), new));
                        collection(&name, new).build()
                    }
                    Err(e) => collection_error(&name, &e),
                },
                None => match state.fetch(&name, version) {
                    Some(fetched) => fetched_node(&name, fetched),
                    None => collection_error(&name, &UploadError::Unknown),
                },
            };
            answers.push(answer);
        }
        for (name, version) in changed {
            self.announce_app_state(from, &name, version);
        }
        Answer::one(NodeBuilder::new("sync").children(answers).build())
    }

    /// Tells the other companions of the account to fetch.
    fn announce_app_state(&mut self, by: DeviceId, name: &str, version: u64) {
        for target in self.companions_of(by.account) {
            if target != by {
                let node = NodeBuilder::new("collection")
                    .attr("name", name)
                    .attr("version", version);
                self.notify_from(
                    target,
                    crate::core::ids::server_jid(),
                    "server_sync",
                    vec![node.build()],
                );
            }
        }
    }

    // ---- notifications -------------------------------------------------------------------

    /// A notification, not yet sent.
    pub(crate) fn notification(
        &mut self,
        from: Jid,
        kind: &'static str,
        children: Vec<Node>,
    ) -> Node {
        NodeBuilder::new("notification")
            .attr("from", from)
            .attr("type", kind)
            .attr("id", self.stanza_id())
            .attr("t", self.now_s())
            .children(children)
            .build()
    }

    /// A notification to one device.
    pub(crate) fn notify_from(
        &mut self,
        to: DeviceId,
        from: Jid,
        kind: &'static str,
        children: Vec<Node>,
    ) {
        let chat = if from.is_group() {
            None
        } else {
            self.chat_key(Some(&from))
        };
        let node = self.notification(from, kind, children);
        self.deliver(to, chat.unwrap_or(0), &node);
    }
}

fn collection(name: &str, version: u64) -> NodeBuilder {
    NodeBuilder::new("collection")
        .attr("name", name)
        .attr("version", version)
        .attr("type", "result")
}

fn fetched_node(name: &str, fetched: Fetched) -> Node {
    let mut node = collection(name, fetched.version);
    if fetched.more {
        node = node.attr("has_more_patches", true);
    }
    if fetched.patches.is_empty() {
        return node.build();
    }
    let patches: Vec<Node> = fetched
        .patches
        .into_iter()
        .map(|p| NodeBuilder::new("patch").bytes(p).build())
        .collect();
    node.children([NodeBuilder::new("patches").children(patches).build()])
        .build()
}

fn collection_error(name: &str, error: &UploadError) -> Node {
    let (code, text) = match error {
        UploadError::Conflict => (409_u16, "conflict"),
        UploadError::Unreadable => (400, "bad-request"),
        UploadError::Unknown => (404, "item-not-found"),
        UploadError::Full => (400, "too many patches"),
    };
    let child = NodeBuilder::new("error")
        .attr("code", code)
        .attr("text", text)
        .build();
    NodeBuilder::new("collection")
        .attr("name", name)
        .attr("type", "error")
        .children([child])
        .build()
}
