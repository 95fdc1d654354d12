//! `status` ("about" texts and the audience of stories), `w:profile:picture` and names.
//!
//! Source: protocol notes, section 7; shapes as in wacore 0.7.0, `iq/contacts.rs` and `iq/profile.rs`.

use std::collections::BTreeSet;

use bytes::Bytes;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::{Answer, target_or_self};
use crate::core::groups::GroupId;
use crate::core::ids::{AccountId, Addressing, DeviceId};
use crate::core::messages::{account_chat, group_chat};
use crate::core::privacy::Category;
use crate::core::profile::Picture;
use crate::core::server::Server;
use crate::core::xml;

/// Longest "about" text, in bytes.
const ABOUT_BYTES_MAX: usize = 1024;
/// Largest picture, in bytes.
const PICTURE_BYTES_MAX: usize = 256 * 1024;

impl Server {
    pub(super) fn iq_status(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if let Some(privacy) = iq.get_optional_child("privacy") {
            return self.iq_story_privacy(from, privacy, setting);
        }
        let Some(status) = iq.get_optional_child("status") else {
            return Answer::BAD;
        };
        if !setting {
            return Answer::UNKNOWN;
        }
        let text = xml::bytes(status)
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or_default();
        if !self.set_about(from, text) {
            return Answer::BAD;
        }
        Answer::done()
    }

    /// Changes the "about" text and tells whoever may see it. Returns whether it is short enough.
    pub(crate) fn set_about(&mut self, by: DeviceId, text: &str) -> bool {
        if text.len() > ABOUT_BYTES_MAX {
            return false;
        }
        let now_s = self.now_s();
        let Some(account) = self.account_mut(by.account) else {
            return false;
        };
        account.profile_mut().about = Some((text.into(), now_s));
        let jid = account.jid(Addressing::Pn);
        let name = account.name.clone();
        let set = NodeBuilder::new("set").bytes(text.as_bytes().to_vec());
        let mut node = self.notification(jid, "status", vec![set.build()]);
        if !name.is_empty() {
            node.attrs.insert("notify", &*name);
        }
        for device in self.audience(by, Some(Category::About)) {
            self.deliver(device, account_chat(by.account), &node);
        }
        true
    }

    /// `<status>` as `viewer` sees it: code 401 without a text where it is hidden.
    pub(super) fn status_node(&self, account: AccountId, visible: bool) -> Node {
        let node = NodeBuilder::new("status");
        if !visible {
            return node.attr("code", 401_u16).attr("t", 0_u32).build();
        }
        let about = self
            .account(account)
            .and_then(|a| a.profile.as_deref()?.about.clone());
        match about {
            Some((text, at_s)) => node.attr("t", at_s).bytes(text.as_bytes().to_vec()).build(),
            None => node.attr("t", 0_u32).build(),
        }
    }

    // ---- pictures ------------------------------------------------------------------------

    pub(crate) fn picture_of(&self, account: AccountId) -> Option<&Picture> {
        self.account(account)?.profile.as_deref()?.picture.as_ref()
    }

    /// The picture that the media host serves under this number, of an account or a group.
    pub(crate) fn picture(&self, number: u64, id: u64, preview: bool) -> Option<Bytes> {
        let picture = match self.by_number.get(&number) {
            Some(account) => self.picture_of(*account)?,
            None => self.groups.get(GroupId(number))?.picture.as_deref()?,
        };
        if picture.id != id {
            return None;
        }
        let small = picture.preview.as_ref().filter(|_| preview);
        Some(small.unwrap_or(&picture.full).clone())
    }

    pub(super) fn iq_picture(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        let group = xml::attr_jid(iq, "target").and_then(|j| GroupId::parse(&j));
        let asked = iq.get_optional_child("picture");
        if setting {
            let (full, preview) = (sent_picture(iq, "image"), sent_picture(iq, "preview"));
            let set = match group {
                Some(group) => match self.set_group_picture(from, group, full, preview) {
                    Ok(id) => id,
                    Err(refusal) => return refusal,
                },
                None => self.set_picture(from, full, preview),
            };
            return match set {
                Some(id) => Answer::one(NodeBuilder::new("picture").attr("id", id).build()),
                None => Answer::Error(413, "too-large"),
            };
        }
        if let Some(group) = group {
            let Some(g) = self.groups.get(group) else {
                return Answer::NOT_FOUND;
            };
            if !g.has(from.account) {
                return Answer::HIDDEN;
            }
            return self.picture_answer(asked, group.0, g.picture.as_deref());
        }
        let Some(target) = target_or_self(self, from, iq).map(|d| d.account) else {
            return Answer::NOT_FOUND;
        };
        let trusted = asked.is_some_and(|p| self.holds_token(target, from.account, p));
        if !self.allows(target, from.account, Category::Picture, trusted) {
            return Answer::HIDDEN;
        }
        let Some(account) = self.account(target) else {
            return Answer::NOT_FOUND;
        };
        self.picture_answer(asked, account.number, self.picture_of(target))
    }

    fn picture_answer(
        &self,
        asked: Option<&Node>,
        number: u64,
        picture: Option<&Picture>,
    ) -> Answer {
        let Some(picture) = picture else {
            return Answer::NOT_FOUND;
        };
        if asked.and_then(|p| xml::attr_u64(p, "id")) == Some(picture.id) {
            // The asker has this one already.
            return Answer::one(NodeBuilder::new("picture").build());
        }
        let preview = asked.and_then(|p| xml::attr(p, "type")).as_deref() != Some("image");
        let kind = if preview { "preview" } else { "image" };
        let path = format!("/pps/{number}/{}/{kind}", picture.id);
        let node = NodeBuilder::new("picture")
            .attr("id", picture.id)
            .attr("type", kind)
            .attr("url", format!("https://{}{path}", self.options.media_host))
            .attr("direct_path", path);
        Answer::one(node.build())
    }

    /// Sets or removes the picture of a group and tells its members. `None` for one that is too large.
    fn set_group_picture(
        &mut self,
        by: DeviceId,
        id: GroupId,
        full: Option<Bytes>,
        preview: Option<Bytes>,
    ) -> Result<Option<u64>, Answer> {
        let now_s = self.now_s();
        let author = self.account(by.account).map(|a| a.jid(Addressing::Pn));
        let author = author.ok_or(Answer::NOT_FOUND)?;
        let group = self.groups.get_mut(id).ok_or(Answer::NOT_FOUND)?;
        if !group.may_edit(by.account) {
            return Err(Answer::FORBIDDEN);
        }
        if too_large(full.as_ref()) || too_large(preview.as_ref()) {
            return Ok(None);
        }
        let number = next_id(now_s, group.picture.take().as_deref());
        let picture = full.map(|full| Picture {
            id: number,
            full,
            preview,
        });
        let change = picture_change(id.jid(), author, number, picture.is_some());
        group.picture = picture.map(Box::new);
        let members: Vec<AccountId> = group.members.iter().map(|m| m.account).collect();
        let node = self.notification(id.jid(), "picture", vec![change]);
        for member in members {
            for device in self.companions_of(member) {
                if device != by {
                    self.deliver(device, group_chat(id), &node);
                }
            }
        }
        Ok(Some(number))
    }

    /// Sets or, without an image, removes the picture of an account and tells whoever may see it.
    /// Returns the number of the change; `None` for a picture that is too large.
    pub(crate) fn set_picture(
        &mut self,
        by: DeviceId,
        full: Option<Bytes>,
        preview: Option<Bytes>,
    ) -> Option<u64> {
        if too_large(full.as_ref()) || too_large(preview.as_ref()) {
            return None;
        }
        let now_s = self.now_s();
        let account = self.account_mut(by.account)?;
        let jid = account.jid(Addressing::Pn);
        let old = account.profile_mut().picture.take();
        let id = next_id(now_s, old.as_ref());
        let change = picture_change(jid.clone(), jid.clone(), id, full.is_some());
        account.profile_mut().picture = full.map(|full| Picture { id, full, preview });
        let node = self.notification(jid, "picture", vec![change]);
        // Unlike of other changes, the device that made this one hears of it too: clients wait for that.
        let others = self.audience(by, Some(Category::Picture));
        for device in others.into_iter().chain([by]) {
            self.deliver(device, account_chat(by.account), &node);
        }
        Some(id)
    }

    // ---- who hears of it -----------------------------------------------------------------

    /// The companions that hear of a change: the other ones of the account itself, and those of
    /// accounts that know it and may see it.
    pub(crate) fn audience(&self, by: DeviceId, category: Option<Category>) -> Vec<DeviceId> {
        let known_by = self
            .account(by.account)
            .map(|a| a.contacts.iter().copied().collect::<BTreeSet<_>>())
            .unwrap_or_default();
        let allowed = known_by.into_iter().filter(|viewer| match category {
            Some(category) => self.allows(by.account, *viewer, category, false),
            None => !self.has_blocked(by.account, *viewer),
        });
        let mut devices: Vec<DeviceId> = self
            .companions_of(by.account)
            .into_iter()
            .filter(|d| *d != by)
            .collect();
        devices.extend(allowed.flat_map(|viewer| self.companions_of(viewer)));
        devices
    }

    /// Sets the lifetime of messages in new chats and tells those who know the account.
    pub(crate) fn set_default_timer(&mut self, by: DeviceId, seconds: u64) {
        let now_s = self.now_s();
        let Some(account) = self.account_mut(by.account) else {
            return;
        };
        account.profile_mut().disappearing = Some((seconds, now_s));
        let jid = account.jid(Addressing::Pn);
        let mode = self.disappearing_node(by.account);
        let node = self.notification(jid, "disappearing_mode", vec![mode]);
        for device in self.audience(by, None) {
            self.deliver(device, account_chat(by.account), &node);
        }
    }

    /// Puts accounts into an address book or takes them out.
    pub(crate) fn change_address_book(
        &mut self,
        owner: AccountId,
        add: &[AccountId],
        remove: &[AccountId],
    ) {
        for account in add {
            if *account != owner {
                self.remember_contact(*account, owner);
            }
        }
        if let Some(account) = self.account_mut(owner) {
            let book = &mut account.profile_mut().address_book;
            for id in add {
                if *id != owner && book.len() < crate::core::profile::LISTED_MAX {
                    book.insert(*id);
                }
            }
            for id in remove {
                book.remove(id);
            }
        }
        self.tell_watchers(owner);
    }
}

/// The picture of a kind in a request to set it.
fn sent_picture(iq: &Node, kind: &str) -> Option<Bytes> {
    let of_kind = iq.get_children_by_tag("picture");
    let mut of_kind = of_kind.filter(|p| {
        let said = xml::attr(p, "type");
        said.as_deref().unwrap_or("image") == kind
    });
    let bytes = xml::bytes(of_kind.next()?)?;
    (!bytes.is_empty()).then(|| Bytes::copy_from_slice(bytes))
}

fn too_large(image: Option<&Bytes>) -> bool {
    image.is_some_and(|b| b.len() > PICTURE_BYTES_MAX)
}

/// Pictures are numbered by their time, and never alike.
fn next_id(now_s: u64, old: Option<&Picture>) -> u64 {
    now_s.max(old.map_or(0, |p| p.id) + 1)
}

/// What a notification says about a new or removed picture.
fn picture_change(of: Jid, by: Jid, id: u64, set: bool) -> Node {
    let change = NodeBuilder::new(if set { "set" } else { "delete" })
        .attr("jid", of)
        .attr("author", by);
    if set {
        change.attr("id", id).build()
    } else {
        change.build()
    }
}
