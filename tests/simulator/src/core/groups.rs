//! Groups as the server keeps them: members, roles and settings. Requests about them are in
//! `iq/groups.rs`, messages to them in `messages.rs`.

use std::collections::HashMap;

use wacore_binary::{Jid, JidExt as _};

use super::ids::{AccountId, Addressing};
use super::profile::Picture;

/// Most groups a simulator holds.
pub const GROUPS_MAX: usize = 100_000;
/// Most members of a group. Source: WhatsApp's limit.
pub const MEMBERS_MAX: usize = 1024;
/// Ids count up from here, so that they look like those of current groups.
const FIRST_ID: u64 = 120_363_000_000_000_000;

/// A group, by the digits of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u64);

impl GroupId {
    /// The group that an address names.
    #[must_use]
    pub fn parse(jid: &Jid) -> Option<Self> {
        jid.is_group()
            .then(|| jid.user.parse().ok().map(Self))
            .flatten()
    }

    /// Its address.
    #[must_use]
    pub fn jid(self) -> Jid {
        Jid::group(self.0.to_string())
    }
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Write, unless only admins may.
    Member,
    /// Change the group.
    Admin,
    /// The creator: cannot be demoted or removed.
    Owner,
}

impl Role {
    /// As the `type` attribute of `<participant>` has it.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Member => None,
            Self::Admin => Some("admin"),
            Self::Owner => Some("superadmin"),
        }
    }
}

/// A member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub account: AccountId,
    /// As what.
    pub role: Role,
}

/// A text of a group with its author.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text.
    pub body: Box<str>,
    /// The id the author gave this version; empty for subjects.
    pub id: Box<str>,
    /// Who wrote it.
    pub by: AccountId,
    /// When, in seconds.
    pub at_s: u64,
}

/// What a group is in a community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// It is in none.
    #[default]
    Alone,
    /// It is the community itself: the group of everyone in it, in which nobody writes.
    Parent {
        /// Whether members who are no admins may add groups.
        open: bool,
    },
    /// It is one of the community's groups.
    Part {
        /// The community.
        parent: GroupId,
        /// Which one.
        kind: Part,
    },
}

/// Which of a community's groups a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The one for announcements, which everyone is in.
    Announcements,
    /// The one made with the community for everyone to talk in.
    General,
    /// Another one.
    Linked,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub subject: Text,
    /// Its description.
    pub description: Option<Text>,
    /// When it was made, in seconds.
    pub created_s: u64,
    /// By whom.
    pub creator: AccountId,
    /// How its members address each other in it.
    pub addressing: Addressing,
    /// Who is in it.
    pub members: Vec<Member>,
    /// Counts the changes of the members.
    pub version: u64,
    /// Whether only admins change its texts.
    pub locked: bool,
    /// Whether only admins write.
    pub announcement: bool,
    /// Lifetime of messages, in seconds; 0 is for ever.
    pub ephemeral_s: u64,
    /// Whether admins decide on who joins by link.
    pub approval: bool,
    /// Code of its invite link.
    pub invite: Box<str>,
    /// Its picture.
    pub picture: Option<Box<Picture>>,
    /// What it is in a community.
    pub place: Place,
}

impl Group {
    /// The member `account`.
    #[must_use]
    pub fn member(&self, account: AccountId) -> Option<Member> {
        self.members.iter().find(|m| m.account == account).copied()
    }

    /// Whether `account` is in it.
    #[must_use]
    pub fn has(&self, account: AccountId) -> bool {
        self.member(account).is_some()
    }

    /// Whether `account` may change it.
    #[must_use]
    pub fn is_admin(&self, account: AccountId) -> bool {
        self.member(account).is_some_and(|m| m.role >= Role::Admin)
    }

    /// Whether `account` may write to it.
    #[must_use]
    pub fn may_write(&self, account: AccountId) -> bool {
        if matches!(self.place, Place::Parent { .. }) {
            false
        } else if self.announcement {
            self.is_admin(account)
        } else {
            self.has(account)
        }
    }

    /// Whether `account` may change its texts.
    #[must_use]
    pub fn may_edit(&self, account: AccountId) -> bool {
        if self.locked {
            self.is_admin(account)
        } else {
            self.has(account)
        }
    }

    /// Takes a member out; if the last admin goes, the first remaining member takes over.
    pub fn remove(&mut self, account: AccountId) -> bool {
        let before = self.members.len();
        self.members.retain(|m| m.account != account);
        let removed = self.members.len() < before;
        if removed {
            self.version += 1;
            if !self.members.iter().any(|m| m.role >= Role::Admin)
                && let Some(first) = self.members.first_mut()
            {
                first.role = Role::Admin;
            }
        }
        removed
    }
}

/// All groups.
#[derive(Debug, Default)]
pub struct Groups {
    groups: HashMap<GroupId, Group>,
    made: u64,
}

impl Groups {
    /// The group `id`.
    #[must_use]
    pub fn get(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    /// The group `id`, to change it.
    pub fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(&id)
    }

    /// An id for a new group, unless there are too many.
    pub fn new_id(&mut self) -> Option<GroupId> {
        if self.groups.len() >= GROUPS_MAX {
            return None;
        }
        self.made += 1;
        Some(GroupId(FIRST_ID + self.made))
    }

    /// Adds a group.
    pub fn insert(&mut self, group: Group) {
        self.groups.insert(group.id, group);
    }

    /// Removes a group that has no members left.
    pub fn remove(&mut self, id: GroupId) {
        self.groups.remove(&id);
    }

    /// The groups of a community, oldest first.
    #[must_use]
    pub fn parts_of(&self, community: GroupId) -> Vec<(GroupId, Part)> {
        let parts = self.groups.values().filter_map(|g| match g.place {
            Place::Part { parent, kind } if parent == community => Some((g.id, kind)),
            Place::Alone | Place::Parent { .. } | Place::Part { .. } => None,
        });
        let mut parts: Vec<(GroupId, Part)> = parts.collect();
        parts.sort_unstable_by_key(|(id, _)| *id);
        parts
    }

    /// The group with an invite code.
    #[must_use]
    pub fn by_invite(&self, code: &str) -> Option<&Group> {
        self.groups.values().find(|g| *g.invite == *code)
    }
}
