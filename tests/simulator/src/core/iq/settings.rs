//! `disappearing_mode`, the collections of `w:sync:app:state`, and notifications.
//!
//! Source: protocol notes, sections 4, 7 and 12.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::Answer;
use crate::core::app_state::{Fetched, UploadError};
use crate::core::ids::{AccountId, DeviceId};
use crate::core::server::Server;
use crate::core::xml;

impl Server {
    pub(super) fn iq_disappearing(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if setting {
            let mode = iq.get_optional_child("disappearing_mode");
            let Some(duration) = mode.and_then(|m| xml::attr_u64(m, "duration")) else {
                return Answer::BAD;
            };
            self.set_default_timer(from, duration);
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
