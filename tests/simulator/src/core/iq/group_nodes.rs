//! How groups look on the wire: `<group>`, `<participant>` and the `w:gp2` notifications.
//!
//! Source: protocol notes, sections 7 and 12.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Answer;
use crate::core::groups::{GroupId, Member, Part, Place};
use crate::core::ids::{AccountId, Addressing, DeviceId};
use crate::core::messages::group_chat;
use crate::core::server::Server;

impl Server {
    pub(super) fn group_answer(&self, id: GroupId, members: bool) -> Answer {
        self.group_node(id, members)
            .map_or(Answer::NOT_FOUND, Answer::one)
    }

    fn user_jid(&self, account: AccountId, addressing: Addressing) -> Jid {
        self.account(account)
            .map(|a| a.jid(addressing))
            .unwrap_or_default()
    }

    pub(super) fn participant_node(&self, addressing: Addressing, member: Member) -> Node {
        let key = match addressing {
            Addressing::Lid => "phone_number",
            Addressing::Pn => "lid",
        };
        let mut node = NodeBuilder::new("participant")
            .attr("jid", self.user_jid(member.account, addressing))
            .attr(key, self.user_jid(member.account, addressing.other()));
        if let Some(role) = member.role.as_str() {
            node = node.attr("type", role);
        }
        node.build()
    }

    /// `<group>` with everything about it.
    pub(super) fn group_node(&self, id: GroupId, members: bool) -> Option<Node> {
        let group = self.groups.get(id)?;
        let mode = group.addressing;
        let mut children = Vec::new();
        if members {
            children.extend(
                group
                    .members
                    .iter()
                    .map(|m| self.participant_node(mode, *m)),
            );
        }
        let flags = [
            ("locked", group.locked),
            ("announcement", group.announcement),
        ];
        children.extend(
            flags
                .iter()
                .filter(|f| f.1)
                .map(|f| NodeBuilder::new(f.0).build()),
        );
        children.extend(place_nodes(group.place));
        if group.ephemeral_s > 0 {
            let node = NodeBuilder::new("ephemeral").attr("expiration", group.ephemeral_s);
            children.push(node.build());
        }
        if group.approval {
            let state = NodeBuilder::new("group_join").attr("state", "on").build();
            children.push(
                NodeBuilder::new("membership_approval_mode")
                    .children([state])
                    .build(),
            );
        }
        if let Some(text) = &group.description {
            let body = NodeBuilder::new("body")
                .bytes(text.body.as_bytes().to_vec())
                .build();
            children.push(
                NodeBuilder::new("description")
                    .attr("id", &*text.id)
                    .attr("t", text.at_s)
                    .attr("participant", self.user_jid(text.by, mode))
                    .children([body])
                    .build(),
            );
        }
        let node = NodeBuilder::new("group")
            .attr("id", group.id.0)
            .attr("subject", &*group.subject.body)
            .attr("s_t", group.subject.at_s)
            .attr("s_o", self.user_jid(group.subject.by, mode))
            .attr("creation", group.created_s)
            .attr("creator", self.user_jid(group.creator, mode))
            .attr("addressing_mode", mode.as_str())
            .attr("p_v_id", group.version.to_string())
            .attr("size", group.members.len() as u64)
            .children(children);
        Some(node.build())
    }

    /// Tells all companions of all members.
    pub(super) fn announce(&mut self, by: DeviceId, id: GroupId, change: Node) {
        let Some(group) = self.groups.get(id) else {
            return;
        };
        let mode = group.addressing;
        let members: Vec<AccountId> = group.members.iter().map(|m| m.account).collect();
        let mut node = self.notification(id.jid(), "w:gp2", vec![change]);
        node.attrs
            .insert("participant", self.user_jid(by.account, mode));
        if mode == Addressing::Lid {
            node.attrs
                .insert("participant_pn", self.user_jid(by.account, Addressing::Pn));
        }
        node.attrs.insert("addressing_mode", mode.as_str());
        if let Some(account) = self.account(by.account) {
            node.attrs.insert("notify", &*account.name);
        }
        for account in members {
            for target in self.companions_of(account) {
                self.deliver(target, group_chat(id), &node);
            }
        }
    }
}

/// What `<group>` says about communities.
fn place_nodes(place: Place) -> Vec<Node> {
    let flag = |tag: &'static str| NodeBuilder::new(tag).build();
    match place {
        Place::Alone => Vec::new(),
        Place::Parent { open } => {
            let mut nodes = vec![flag("parent")];
            if open {
                nodes.push(flag("allow_non_admin_sub_group_creation"));
            }
            nodes
        }
        Place::Part { parent, kind } => {
            let linked = NodeBuilder::new("linked_parent").attr("jid", parent.jid());
            let mut nodes = vec![linked.build()];
            match kind {
                Part::Announcements => nodes.push(flag("default_sub_group")),
                Part::General => nodes.push(flag("general_chat")),
                Part::Linked => {}
            }
            nodes
        }
    }
}
