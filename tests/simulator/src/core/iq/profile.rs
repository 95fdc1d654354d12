//! `status` ("about" texts) and `w:profile:picture`.
//!
//! Source: protocol notes, section 7.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{JidExt as _, Node};

use super::{Answer, target_or_self};
use crate::core::ids::{AccountId, Addressing, DeviceId};
use crate::core::messages::account_chat;
use crate::core::server::Server;
use crate::core::xml;

/// Longest "about" text, in bytes.
const ABOUT_BYTES_MAX: usize = 1024;
/// Largest picture, in bytes.
const PICTURE_BYTES_MAX: usize = 256 * 1024;

impl Server {
    pub(super) fn iq_status(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        let Some(status) = iq.get_optional_child("status") else {
            return Answer::BAD;
        };
        if !setting {
            return Answer::UNKNOWN;
        }
        let text = xml::bytes(status)
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or_default();
        if text.len() > ABOUT_BYTES_MAX {
            return Answer::BAD;
        }
        let now_s = self.now_s();
        let Some(account) = self.account_mut(from.account) else {
            return Answer::NOT_FOUND;
        };
        account.profile_mut().about = Some((text.into(), now_s));
        Answer::done()
    }

    pub(super) fn status_node(&self, account: AccountId) -> Node {
        let about = self
            .account(account)
            .and_then(|a| a.profile.as_deref()?.about.clone());
        match about {
            Some((text, at_s)) => NodeBuilder::new("status")
                .attr("t", at_s)
                .bytes(text.as_bytes().to_vec())
                .build(),
            None => NodeBuilder::new("status").attr("t", 0_u32).build(),
        }
    }

    /// The number of an account's picture, if it has one.
    pub(super) fn picture_id(&self, account: AccountId) -> Option<u64> {
        Some(
            self.account(account)?
                .profile
                .as_deref()?
                .picture
                .as_ref()?
                .0,
        )
    }

    /// The picture that the media host serves under this number.
    pub(crate) fn picture(&self, number: u64, id: u64) -> Option<Vec<u8>> {
        let account = self.account(*self.by_number.get(&number)?)?;
        let (current, bytes) = account.profile.as_deref()?.picture.as_ref()?;
        (*current == id).then(|| bytes.clone())
    }

    pub(super) fn iq_picture(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if xml::attr_jid(iq, "target").is_some_and(|j| j.is_group()) {
            // Pictures of groups are not simulated.
            return if setting {
                Answer::UNKNOWN
            } else {
                Answer::NOT_FOUND
            };
        }
        if setting {
            return self.set_picture(from, iq);
        }
        let Some(target) = target_or_self(self, from, iq) else {
            return Answer::NOT_FOUND;
        };
        let (Some(id), Some(account)) = (
            self.picture_id(target.account),
            self.account(target.account),
        ) else {
            return Answer::NOT_FOUND;
        };
        let path = format!("/pps/{}/{id}", account.number);
        let kind = iq
            .get_optional_child("picture")
            .and_then(|p| xml::attr(p, "type"));
        let picture = NodeBuilder::new("picture")
            .attr("id", id)
            .attr("type", kind.as_deref().unwrap_or("preview"))
            .attr("url", format!("https://{}{path}", self.options.media_host))
            .attr("direct_path", path);
        Answer::one(picture.build())
    }

    fn set_picture(&mut self, from: DeviceId, iq: &Node) -> Answer {
        let image = iq
            .get_optional_child("picture")
            .and_then(xml::bytes)
            .map(<[u8]>::to_vec);
        if image.as_ref().is_some_and(|b| b.len() > PICTURE_BYTES_MAX) {
            return Answer::Error(413, "too-large");
        }
        let now_s = self.now_s();
        let Some(account) = self.account_mut(from.account) else {
            return Answer::NOT_FOUND;
        };
        let jid = account.jid(Addressing::Pn);
        let old = account
            .profile
            .as_deref()
            .and_then(|p| p.picture.as_ref())
            .map_or(0, |p| p.0);
        let id = now_s.max(old + 1);
        let kept = image.filter(|b| !b.is_empty());
        let tag = if kept.is_some() { "set" } else { "delete" };
        account.profile_mut().picture = kept.map(|bytes| (id, bytes));
        let contacts = account.contacts.clone();
        let change = NodeBuilder::new(tag)
            .attr("jid", jid.clone())
            .attr("id", id)
            .build();
        let node = self.notification(jid, "picture", vec![change]);
        for contact in contacts {
            for device in self.companions_of(contact) {
                self.deliver(device, account_chat(from.account), &node);
            }
        }
        Answer::one(NodeBuilder::new("picture").attr("id", id).build())
    }
}
