//! `w:g2` and `w:mex`: requests about communities and the groups in them.
//!
//! Source: the shapes that `whatsapp-rust` 0.5 and 0.7 read and write.

use serde_json::{Value, json};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Answer;
use super::documents::Refusal;
use crate::core::groups::{GroupId, Part, Place, Role};
use crate::core::ids::{AccountId, DeviceId};
use crate::core::server::Server;
use crate::core::xml;

/// Most groups of a community. Source: WhatsApp's limit.
const PARTS_MAX: usize = 100;

impl Server {
    /// Whether `id` is a community in which `account` is an admin.
    fn leads(&self, id: GroupId, account: AccountId) -> bool {
        let group = self.groups.get(id);
        group.is_some_and(|g| matches!(g.place, Place::Parent { .. }) && g.is_admin(account))
    }

    /// The part `id` of a community.
    fn part(&self, community: GroupId, id: GroupId) -> Option<Part> {
        match self.groups.get(id)?.place {
            Place::Part { parent, kind } if parent == community => Some(kind),
            Place::Alone | Place::Parent { .. } | Place::Part { .. } => None,
        }
    }

    // ---- links ---------------------------------------------------------------------------

    pub(super) fn link_groups(&mut self, from: DeviceId, id: GroupId, request: &Node) -> Answer {
        if !self.leads(id, from.account) {
            return Answer::FORBIDDEN;
        }
        let Some(link) = request.get_optional_child("link") else {
            return Answer::BAD;
        };
        let mut results = Vec::new();
        for group in link.get_children_by_tag("group") {
            let Some(jid) = xml::attr_jid(group, "jid") else {
                return Answer::BAD;
            };
            let outcome = GroupId::parse(&jid)
                .ok_or(404)
                .and_then(|part| self.link_group(from, id, part));
            results.push(result_node(jid, outcome));
        }
        let mut echo = NodeBuilder::new("link").children(results);
        if let Some(kind) = xml::attr(link, "link_type") {
            echo = echo.attr("link_type", &*kind);
        }
        Answer::one(NodeBuilder::new("links").children([echo.build()]).build())
    }

    fn link_group(&mut self, from: DeviceId, community: GroupId, id: GroupId) -> Result<(), u16> {
        if self.groups.parts_of(community).len() >= PARTS_MAX {
            return Err(419);
        }
        let group = self.groups.get_mut(id).ok_or(404_u16)?;
        if !group.is_admin(from.account) {
            return Err(403);
        }
        if group.place != Place::Alone {
            return Err(409);
        }
        group.place = Place::Part {
            parent: community,
            kind: Part::Linked,
        };
        let members: Vec<AccountId> = group.members.iter().map(|m| m.account).collect();
        // Whoever is in one of its groups is in the community.
        for account in members {
            self.enter_community(from, community, account);
        }
        self.announce_link(from, community, id, "link", None);
        Ok(())
    }

    pub(super) fn unlink_groups(&mut self, from: DeviceId, id: GroupId, request: &Node) -> Answer {
        if !self.leads(id, from.account) {
            return Answer::FORBIDDEN;
        }
        let mut results = Vec::new();
        for group in request.get_children_by_tag("group") {
            let Some(jid) = xml::attr_jid(group, "jid") else {
                return Answer::BAD;
            };
            let outcome = match GroupId::parse(&jid).map(|part| (part, self.part(id, part))) {
                Some((part, Some(Part::Linked | Part::General))) => {
                    self.unlink_group(from, id, part, "unlink_group");
                    Ok(())
                }
                Some((_, Some(Part::Announcements))) => Err(405),
                Some((_, None)) | None => Err(404),
            };
            results.push(result_node(jid, outcome));
        }
        Answer::one(
            NodeBuilder::new("unlink")
                .attr("unlink_type", "sub_group")
                .children(results)
                .build(),
        )
    }

    fn unlink_group(&mut self, by: DeviceId, community: GroupId, id: GroupId, why: &'static str) {
        self.announce_link(by, community, id, "unlink", Some(why));
        if let Some(group) = self.groups.get_mut(id) {
            group.place = Place::Alone;
        }
    }

    /// Tells both sides: the community hears of the group, and the group of the community.
    fn announce_link(
        &mut self,
        by: DeviceId,
        community: GroupId,
        id: GroupId,
        tag: &'static str,
        reason: Option<&'static str>,
    ) {
        let sides = [
            (community, id, "sub_group"),
            (id, community, "parent_group"),
        ];
        for (told, about, kind) in sides {
            let subject = self.groups.get(about).map(|g| g.subject.body.clone());
            let group = NodeBuilder::new("group")
                .attr("jid", about.jid())
                .attr("subject", &*subject.unwrap_or_default())
                .build();
            let key = if tag == "link" {
                "link_type"
            } else {
                "unlink_type"
            };
            let mut change = NodeBuilder::new(tag).attr(key, kind).children([group]);
            if let Some(reason) = reason {
                change = change.attr("unlink_reason", reason);
            }
            self.announce(by, told, change.build());
        }
    }

    /// Ends a community: its groups go on alone, except the one for announcements.
    pub(super) fn end_community(&mut self, from: DeviceId, id: GroupId) -> Answer {
        if !self.leads(id, from.account) {
            return Answer::FORBIDDEN;
        }
        for (part, kind) in self.groups.parts_of(id) {
            if kind == Part::Announcements {
                self.delete_group(from, part);
            } else {
                self.unlink_group(from, id, part, "delete_parent");
            }
        }
        self.delete_group(from, id);
        Answer::done()
    }

    fn delete_group(&mut self, by: DeviceId, id: GroupId) {
        self.announce(by, id, NodeBuilder::new("delete").build());
        let members = self.groups.get(id).map(|g| g.members.clone());
        self.groups.remove(id);
        for member in members.unwrap_or_default() {
            if let Some(account) = self.account_mut(member.account) {
                account.groups.retain(|g| *g != id);
            }
        }
    }

    // ---- members -------------------------------------------------------------------------

    /// Whoever was added to a community, or to a group of one, is in all of it that everyone is in.
    pub(super) fn joined_community(&mut self, by: DeviceId, id: GroupId, account: AccountId) {
        match self.groups.get(id).map(|g| g.place) {
            Some(Place::Parent { .. }) => self.enter_announcements(by, id, account),
            Some(Place::Part { parent, .. }) => self.enter_community(by, parent, account),
            Some(Place::Alone) | None => {}
        }
    }

    fn enter_community(&mut self, by: DeviceId, community: GroupId, account: AccountId) {
        if self.add_member(community, account).is_ok() {
            self.announce_members(by, community, "add", &[account]);
        }
        self.enter_announcements(by, community, account);
    }

    fn enter_announcements(&mut self, by: DeviceId, community: GroupId, account: AccountId) {
        let parts = self.groups.parts_of(community);
        let announcements = parts.into_iter().find(|(_, k)| *k == Part::Announcements);
        if let Some((id, _)) = announcements
            && self.add_member(id, account).is_ok()
        {
            self.announce_members(by, id, "add", &[account]);
        }
    }

    /// A member of the community joins one of its groups by itself.
    pub(super) fn join_part(&mut self, from: DeviceId, id: GroupId, request: &Node) -> Answer {
        let Some(part) = self.named_part(id, request) else {
            return Answer::NOT_FOUND;
        };
        if self.groups.get(part).is_some_and(|g| g.approval) {
            // Requests to join are not simulated.
            return Answer::UNKNOWN;
        }
        match self.add_member(part, from.account) {
            Ok(()) => self.announce_members(from, part, "add", &[from.account]),
            Err(409) => {}
            Err(_) => return Answer::Error(419, "resource-limit"),
        }
        self.linked_group(part)
    }

    pub(super) fn part_answer(&self, id: GroupId, request: &Node) -> Answer {
        self.named_part(id, request)
            .map_or(Answer::NOT_FOUND, |part| self.linked_group(part))
    }

    fn named_part(&self, community: GroupId, request: &Node) -> Option<GroupId> {
        let id = GroupId::parse(&xml::attr_jid(request, "jid")?)?;
        self.part(community, id).map(|_| id)
    }

    fn linked_group(&self, id: GroupId) -> Answer {
        self.group_node(id, true).map_or(Answer::NOT_FOUND, |node| {
            Answer::one(NodeBuilder::new("linked_group").children([node]).build())
        })
    }

    /// Everyone in any group of the community, once.
    pub(super) fn participants_of_parts(&self, id: GroupId) -> Answer {
        let mut seen: Vec<AccountId> = Vec::new();
        let mut nodes = Vec::new();
        for (part, _) in self.groups.parts_of(id) {
            let Some(group) = self.groups.get(part) else {
                continue;
            };
            for member in &group.members {
                if seen.contains(&member.account) {
                    continue;
                }
                seen.push(member.account);
                let member = crate::core::groups::Member {
                    role: Role::Member,
                    ..*member
                };
                nodes.push(self.participant_node(group.addressing, member));
            }
        }
        Answer::one(
            NodeBuilder::new("linked_groups_participants")
                .children(nodes)
                .build(),
        )
    }

    // ---- documents -----------------------------------------------------------------------

    pub(super) fn mex_subgroups(
        &self,
        from: DeviceId,
        variables: &Value,
    ) -> Result<Value, Refusal> {
        let id = self.community_of(
            from,
            variables.get("group_id").or_else(|| input_id(variables)),
        )?;
        let (mut default, mut edges) = (Value::Null, Vec::new());
        for (part, kind) in self.groups.parts_of(id) {
            let Some(shown) = self.shown_part(part, kind) else {
                continue;
            };
            if kind == Part::Announcements {
                default = shown;
            } else {
                edges.push(json!({ "node": shown }));
            }
        }
        Ok(json!({ "xwa2_group_query_by_id": {
            "id": id.jid().to_string(),
            "default_sub_group": default,
            "sub_groups": { "edges": edges },
        }}))
    }

    pub(super) fn mex_subgroup_counts(
        &self,
        from: DeviceId,
        variables: &Value,
    ) -> Result<Value, Refusal> {
        let id = self.community_of(from, input_id(variables))?;
        let edges: Vec<Value> = self
            .groups
            .parts_of(id)
            .into_iter()
            .filter_map(|(part, _)| self.groups.get(part))
            .map(|g| {
                json!({ "node": {
                    "id": g.id.jid().to_string(),
                    "total_participants_count": g.members.len(),
                }})
            })
            .collect();
        Ok(json!({ "xwa2_group_query_by_id": {
            "id": id.jid().to_string(),
            "sub_groups": { "edges": edges },
        }}))
    }

    fn community_of(&self, from: DeviceId, id: Option<&Value>) -> Result<GroupId, Refusal> {
        let jid: Option<Jid> = id.and_then(Value::as_str).and_then(|i| i.parse().ok());
        let id = jid.as_ref().and_then(GroupId::parse).ok_or(Refusal::Bad)?;
        let group = self.groups.get(id).ok_or(Refusal::NotFound)?;
        match group.place {
            Place::Parent { .. } if group.has(from.account) => Ok(id),
            Place::Parent { .. } => Err(Refusal::Forbidden),
            Place::Alone | Place::Part { .. } => Err(Refusal::NotFound),
        }
    }

    fn shown_part(&self, id: GroupId, kind: Part) -> Option<Value> {
        let group = self.groups.get(id)?;
        Some(json!({
            "id": id.jid().to_string(),
            "subject": {
                "value": &*group.subject.body,
                "creation_time": group.subject.at_s.to_string(),
            },
            "participants_count": group.members.len(),
            "properties": { "general_chat": kind == Part::General },
        }))
    }
}

/// The id in `input`, as one of the documents has it.
fn input_id(variables: &Value) -> Option<&Value> {
    let input = variables.get("input")?;
    input.get("group_jid").or_else(|| input.get("group_id"))
}

fn result_node(jid: Jid, outcome: Result<(), u16>) -> Node {
    let mut node = NodeBuilder::new("group").attr("jid", jid);
    if let Err(code) = outcome {
        node = node.attr("error", code);
    }
    node.build()
}
