//! `w:g2`: requests about groups and the notifications that follow.
//!
//! Source: protocol notes, sections 7 and 12.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use crate::core::groups::{GroupId, MEMBERS_MAX, Member, Role, Text};
use crate::core::ids::{AccountId, DeviceId};
use crate::core::server::Server;
use crate::core::xml;

/// Longest subject, in characters. Source: WhatsApp's limit.
pub(super) const SUBJECT_CHARS_MAX: usize = 100;
/// Longest description, in characters. Source: WhatsApp's limit.
const DESCRIPTION_CHARS_MAX: usize = 2048;

impl Server {
    pub(super) fn iq_groups(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        let Some(request) = xml::first_child(iq) else {
            return Answer::BAD;
        };
        let to = xml::attr_jid(iq, "to").filter(|j| !j.user.is_empty());
        let Some(to) = to else {
            return self.groups_request(from, request, setting);
        };
        let Some(id) = GroupId::parse(&to).filter(|id| self.groups.get(*id).is_some()) else {
            return Answer::NOT_FOUND;
        };
        if request.tag == "accept" && setting {
            return self.accept_invitation(from, id, request);
        }
        if !self.groups.get(id).is_some_and(|g| g.has(from.account)) {
            return Answer::FORBIDDEN;
        }
        match (request.tag.as_ref(), setting) {
            ("query", false) => self.group_answer(id, true),
            ("invite", false) => self.invite_answer(from, id),
            ("invite", true) => self.revoke_invite(from, id),
            ("add" | "remove" | "promote" | "demote", true) => {
                self.change_members(from, id, request)
            }
            ("subject" | "description", true) => self.change_text(from, id, request),
            ("links", true) => self.link_groups(from, id, request),
            ("unlink", true) => self.unlink_groups(from, id, request),
            ("delete_parent", true) => self.end_community(from, id),
            ("join_linked_group", true) => self.join_part(from, id, request),
            ("query_linked", false) => self.part_answer(id, request),
            ("linked_groups_participants", false) => self.participants_of_parts(id),
            (_, true) => self.change_setting(from, id, request),
            _ => Answer::UNKNOWN,
        }
    }

    /// Requests to `g.us` itself.
    fn groups_request(&mut self, from: DeviceId, request: &Node, setting: bool) -> Answer {
        match (request.tag.as_ref(), setting) {
            ("create", true) => self.create_group(from, request),
            ("participating", false) => self.participating(from),
            ("leave", true) => self.leave_groups(from, request),
            ("invite", false) => {
                let code = xml::attr(request, "code").unwrap_or_default();
                match self.groups.by_invite(&code).map(|g| g.id) {
                    Some(id) => self.group_answer(id, false),
                    None => Answer::NOT_FOUND,
                }
            }
            ("invite", true) => self.join_by_invite(from, request),
            _ => Answer::UNKNOWN,
        }
    }

    fn participating(&self, from: DeviceId) -> Answer {
        let ids = self
            .account(from.account)
            .map(|a| a.groups.clone())
            .unwrap_or_default();
        let nodes: Vec<Node> = ids
            .into_iter()
            .filter_map(|id| self.group_node(id, true))
            .collect();
        Answer::one(NodeBuilder::new("groups").children(nodes).build())
    }

    fn leave_groups(&mut self, from: DeviceId, request: &Node) -> Answer {
        let mut results = Vec::new();
        for group in request.get_children_by_tag("group") {
            let Some(jid) = xml::attr_jid(group, "id") else {
                return Answer::BAD;
            };
            let id = GroupId::parse(&jid);
            let left = id.is_some_and(|id| self.remove_member(from, id, from.account));
            let mut result = NodeBuilder::new("group").attr("id", jid);
            if !left {
                result = result.attr("error", 404_u16);
            }
            results.push(result.build());
        }
        Answer::one(NodeBuilder::new("leave").children(results).build())
    }

    /// Takes a member out and tells everyone, the member included.
    pub(super) fn remove_member(&mut self, by: DeviceId, id: GroupId, account: AccountId) -> bool {
        let Some(group) = self.groups.get(id).filter(|g| g.has(account)) else {
            return false;
        };
        let participant = self.participant_node(
            group.addressing,
            Member {
                account,
                role: Role::Member,
            },
        );
        let mut remove = NodeBuilder::new("remove").children([participant]);
        if by.account == account {
            remove = remove.attr("reason", "leave");
        }
        self.announce(by, id, remove.build());
        if let Some(group) = self.groups.get_mut(id) {
            group.remove(account);
            if group.members.is_empty() {
                self.groups.remove(id);
            }
        }
        if let Some(a) = self.account_mut(account) {
            a.groups.retain(|g| *g != id);
        }
        true
    }

    pub(super) fn add_member(&mut self, id: GroupId, account: AccountId) -> Result<(), u16> {
        let group = self.groups.get_mut(id).ok_or(404_u16)?;
        if group.has(account) {
            return Err(409);
        }
        if group.members.len() >= MEMBERS_MAX {
            return Err(419);
        }
        group.members.push(Member {
            account,
            role: Role::Member,
        });
        group.version += 1;
        if let Some(a) = self.account_mut(account) {
            a.groups.push(id);
        }
        Ok(())
    }

    fn change_members(&mut self, from: DeviceId, id: GroupId, request: &Node) -> Answer {
        if !self
            .groups
            .get(id)
            .is_some_and(|g| g.is_admin(from.account))
        {
            return Answer::FORBIDDEN;
        }
        let Some(action) = action_tag(&request.tag) else {
            return Answer::UNKNOWN;
        };
        let mut results = Vec::new();
        let mut changed = Vec::new();
        for participant in request.get_children_by_tag("participant") {
            let Some(jid) = xml::attr_jid(participant, "jid") else {
                return Answer::BAD;
            };
            let account = self.resolve(&jid).map(|d| d.account);
            let unwilling =
                account.filter(|a| action == "add" && !self.may_add(from.account, *a, participant));
            let outcome = match unwilling {
                Some(_) => Err(403),
                None => account
                    .ok_or(404)
                    .and_then(|a| self.change_member(from, id, a, action)),
            };
            let mut result = NodeBuilder::new("participant").attr("jid", jid);
            if let Some(account) = unwilling {
                result = result.children([self.invitation(id, from.account, account)]);
            }
            match outcome {
                Ok(()) => {
                    changed.extend(account);
                    result = result.attr("type", 200_u16);
                }
                Err(code) => result = result.attr("error", code),
            }
            results.push(result.build());
        }
        if action != "remove" && !changed.is_empty() {
            self.announce_members(from, id, action, &changed);
        }
        Answer::one(NodeBuilder::new(action).children(results).build())
    }

    pub(super) fn announce_members(
        &mut self,
        from: DeviceId,
        id: GroupId,
        action: &'static str,
        who: &[AccountId],
    ) {
        let Some(group) = self.groups.get(id) else {
            return;
        };
        let nodes: Vec<Node> = who
            .iter()
            .filter_map(|a| group.member(*a))
            .map(|m| self.participant_node(group.addressing, m))
            .collect();
        let mut change = NodeBuilder::new(action).children(nodes);
        if action == "add" {
            change = change.attr("p_v_id", group.version.to_string());
        }
        self.announce(from, id, change.build());
    }

    fn change_member(
        &mut self,
        by: DeviceId,
        id: GroupId,
        account: AccountId,
        action: &str,
    ) -> Result<(), u16> {
        if action == "add" {
            self.add_member(id, account)?;
            self.joined_community(by, id, account);
            return Ok(());
        }
        let group = self.groups.get_mut(id).ok_or(404_u16)?;
        let member = group
            .members
            .iter_mut()
            .find(|m| m.account == account)
            .ok_or(404_u16)?;
        if member.role == Role::Owner && by.account != account {
            return Err(405);
        }
        match action {
            "promote" => member.role = member.role.max(Role::Admin),
            "demote" => member.role = Role::Member,
            _ => {
                self.remove_member(by, id, account);
            }
        }
        Ok(())
    }

    fn change_text(&mut self, from: DeviceId, id: GroupId, request: &Node) -> Answer {
        let now_s = self.now_s();
        let by = from.account;
        let Some(group) = self.groups.get_mut(id) else {
            return Answer::NOT_FOUND;
        };
        if !group.may_edit(by) {
            return Answer::FORBIDDEN;
        }
        let mut echo = request.clone();
        if request.tag == "subject" {
            let body = xml::bytes(request)
                .and_then(|b| std::str::from_utf8(b).ok())
                .unwrap_or_default();
            if body.chars().count() > SUBJECT_CHARS_MAX {
                return Answer::BAD;
            }
            group.subject = Text {
                body: body.into(),
                id: "".into(),
                by,
                at_s: now_s,
            };
            echo = NodeBuilder::new("subject")
                .attr("subject", body)
                .attr("s_t", now_s)
                .build();
            if let Some(a) = self.account(by) {
                echo.attrs
                    .insert("s_o", a.jid(self.options.group_addressing));
            }
        } else {
            let body = xml::child_bytes(request, "body").and_then(|b| std::str::from_utf8(b).ok());
            if body.is_some_and(|b| b.chars().count() > DESCRIPTION_CHARS_MAX) {
                return Answer::BAD;
            }
            let version = xml::attr(request, "id").unwrap_or_default();
            group.description = body.map(|b| Text {
                body: b.into(),
                id: (*version).into(),
                by,
                at_s: now_s,
            });
        }
        self.announce(from, id, echo);
        Answer::done()
    }

    fn change_setting(&mut self, from: DeviceId, id: GroupId, request: &Node) -> Answer {
        let Some(group) = self.groups.get_mut(id) else {
            return Answer::NOT_FOUND;
        };
        if !group.is_admin(from.account) {
            return Answer::FORBIDDEN;
        }
        match request.tag.as_ref() {
            "locked" => group.locked = true,
            "unlocked" => group.locked = false,
            "announcement" => group.announcement = true,
            "not_announcement" => group.announcement = false,
            "ephemeral" => group.ephemeral_s = xml::attr_u64(request, "expiration").unwrap_or(0),
            "not_ephemeral" => group.ephemeral_s = 0,
            "membership_approval_mode" => group.approval = state_is_on(Some(request)),
            _ => return Answer::UNKNOWN,
        }
        self.announce(from, id, request.clone());
        Answer::done()
    }

    // ---- invites -------------------------------------------------------------------------

    fn invite_answer(&self, from: DeviceId, id: GroupId) -> Answer {
        match self.groups.get(id) {
            Some(group) if group.is_admin(from.account) => Answer::one(
                NodeBuilder::new("invite")
                    .attr("code", &*group.invite)
                    .build(),
            ),
            Some(_) => Answer::FORBIDDEN,
            None => Answer::NOT_FOUND,
        }
    }

    fn revoke_invite(&mut self, from: DeviceId, id: GroupId) -> Answer {
        let code = self.invite_code();
        match self.groups.get_mut(id) {
            Some(group) if group.is_admin(from.account) => group.invite = code,
            _ => return Answer::FORBIDDEN,
        }
        self.invite_answer(from, id)
    }

    fn join_by_invite(&mut self, from: DeviceId, request: &Node) -> Answer {
        let code = xml::attr(request, "code").unwrap_or_default();
        let Some(group) = self.groups.by_invite(&code) else {
            return Answer::NOT_FOUND;
        };
        let id = group.id;
        if group.approval {
            // Requests to join are not simulated.
            return Answer::UNKNOWN;
        }
        match self.add_member(id, from.account) {
            Ok(()) => self.announce_members(from, id, "add", &[from.account]),
            Err(409) => {}
            Err(_) => return Answer::Error(419, "resource-limit"),
        }
        Answer::one(NodeBuilder::new("group").attr("jid", id.jid()).build())
    }
}

fn action_tag(tag: &str) -> Option<&'static str> {
    ["add", "remove", "promote", "demote"]
        .into_iter()
        .find(|t| *t == tag)
}

pub(super) fn state_is_on(mode: Option<&Node>) -> bool {
    let join = mode.and_then(|m| m.get_optional_child("group_join"));
    join.and_then(|j| xml::attr(j, "state")).as_deref() == Some("on")
}
