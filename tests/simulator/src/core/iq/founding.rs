//! `w:g2`: how groups and communities come to be.
//!
//! Source: protocol notes, sections 7 and 12; communities as `whatsapp-rust` 0.5 and 0.7 make them.

use rand::RngExt;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use super::groups::{SUBJECT_CHARS_MAX, state_is_on};
use crate::core::groups::{Group, GroupId, MEMBERS_MAX, Member, Part, Place, Role, Text};
use crate::core::ids::{AccountId, DeviceId};
use crate::core::server::Server;
use crate::core::xml;

/// Name of the group that a community is made with for everyone to talk in.
const GENERAL: &str = "General";

impl Server {
    pub(super) fn create_group(&mut self, from: DeviceId, request: &Node) -> Answer {
        let subject = xml::attr(request, "subject").unwrap_or_default();
        if subject.chars().count() > SUBJECT_CHARS_MAX {
            return Answer::BAD;
        }
        let members = self.initial_members(from.account, request);
        if members.len() > MEMBERS_MAX {
            return Answer::Error(406, "not-acceptable");
        }
        let Some(place) = self.place_of_new(from.account, request) else {
            return Answer::FORBIDDEN;
        };
        let Some(mut group) = self.blank_group(from.account, &subject, members, place) else {
            return Answer::Error(503, "service-unavailable");
        };
        let id = group.id;
        settle(&mut group, request);
        let Some(node) = self.found(from, group, xml::attr(request, "key").as_deref()) else {
            return Answer::NOT_FOUND;
        };
        if matches!(place, Place::Parent { .. }) {
            self.found_parts(from, id, &subject, request);
        }
        Answer::one(node)
    }

    /// What the new group is in a community; `None` if its maker may not add groups to that.
    fn place_of_new(&self, maker: AccountId, request: &Node) -> Option<Place> {
        if request.get_optional_child("parent").is_some() {
            let open = request.get_optional_child("allow_non_admin_sub_group_creation");
            return Some(Place::Parent {
                open: open.is_some(),
            });
        }
        let Some(linked) = request.get_optional_child("linked_parent") else {
            return Some(Place::Alone);
        };
        let parent = GroupId::parse(&xml::attr_jid(linked, "jid")?)?;
        let community = self.groups.get(parent)?;
        let allowed = match community.place {
            Place::Parent { open } => community.is_admin(maker) || (open && community.has(maker)),
            Place::Alone | Place::Part { .. } => false,
        };
        allowed.then_some(Place::Part {
            parent,
            kind: Part::Linked,
        })
    }

    /// A group with nothing set. `None` when the simulator is full.
    fn blank_group(
        &mut self,
        creator: AccountId,
        subject: &str,
        members: Vec<Member>,
        place: Place,
    ) -> Option<Group> {
        let created_s = self.now_s();
        Some(Group {
            id: self.groups.new_id()?,
            subject: Text {
                body: subject.into(),
                id: "".into(),
                by: creator,
                at_s: created_s,
            },
            description: None,
            created_s,
            creator,
            addressing: self.options.group_addressing,
            members,
            version: 1,
            locked: false,
            announcement: false,
            ephemeral_s: 0,
            approval: false,
            invite: self.invite_code(),
            picture: None,
            place,
        })
    }

    /// Adds a group and tells its members. Returns how it looks.
    fn found(&mut self, from: DeviceId, group: Group, key: Option<&str>) -> Option<Node> {
        let id = group.id;
        for member in &group.members {
            if let Some(account) = self.account_mut(member.account) {
                account.groups.push(id);
            }
        }
        self.groups.insert(group);
        let node = self.group_node(id, true)?;
        let mut create = NodeBuilder::new("create")
            .attr("type", "new")
            .children([node.clone()]);
        if let Some(key) = key {
            create = create.attr("key", key);
        }
        self.announce(from, id, create.build());
        Some(node)
    }

    /// The groups that a community begins with.
    fn found_parts(&mut self, from: DeviceId, parent: GroupId, subject: &str, request: &Node) {
        let Some(members) = self.groups.get(parent).map(|g| g.members.clone()) else {
            return;
        };
        let mut parts = vec![(Part::Announcements, subject)];
        if request.get_optional_child("create_general_chat").is_some() {
            parts.push((Part::General, GENERAL));
        }
        for (kind, name) in parts {
            let place = Place::Part { parent, kind };
            if let Some(mut group) = self.blank_group(from.account, name, members.clone(), place) {
                group.announcement = kind == Part::Announcements;
                self.found(from, group, None);
            }
        }
    }

    /// The creator and whoever of the named ones exists and lets the creator add it.
    fn initial_members(&self, creator: AccountId, request: &Node) -> Vec<Member> {
        let mut members = vec![Member {
            account: creator,
            role: Role::Owner,
        }];
        for participant in request.get_children_by_tag("participant") {
            let account = xml::attr_jid(participant, "jid").and_then(|j| self.resolve(&j));
            let Some(account) = account.map(|d| d.account) else {
                continue;
            };
            let willing = self.may_add(creator, account, participant);
            if willing && !members.iter().any(|m| m.account == account) {
                members.push(Member {
                    account,
                    role: Role::Member,
                });
            }
        }
        members
    }

    pub(super) fn invite_code(&mut self) -> Box<str> {
        let bytes: [u8; 11] = self.rng.random();
        hex::encode(bytes).into()
    }
}

/// Takes over what the request to make a group says besides its name and members.
fn settle(group: &mut Group, request: &Node) {
    group.description = request.get_optional_child("description").and_then(|d| {
        let body = std::str::from_utf8(xml::child_bytes(d, "body")?).ok()?;
        Some(Text {
            body: body.into(),
            id: xml::attr(d, "id").unwrap_or_default().into(),
            ..group.subject.clone()
        })
    });
    group.locked = request.get_optional_child("locked").is_some();
    group.announcement = request.get_optional_child("announcement").is_some();
    group.ephemeral_s = request
        .get_optional_child("ephemeral")
        .and_then(|e| xml::attr_u64(e, "expiration"))
        .unwrap_or(0);
    let parent = request.get_optional_child("parent");
    group.approval = state_is_on(request.get_optional_child("membership_approval_mode"))
        || parent.is_some_and(|p| p.attrs.get("default_membership_approval_mode").is_some());
}
