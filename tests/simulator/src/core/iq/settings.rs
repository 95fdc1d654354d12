//! `disappearing_mode` and notifications.
//!
//! Source: protocol notes, sections 4, 7 and 12.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::Answer;
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
