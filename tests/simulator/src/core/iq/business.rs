//! `w:biz`: business cards, and what `usync` says about businesses.
//!
//! Source: wacore 0.7.0, `iq/business.rs` and `stanza/business.rs`.

use buffa::Message as _;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp as wa;
use waproto::whatsapp::verified_name_certificate::Details;

use super::Answer;
use crate::core::account::Account;
use crate::core::ids::{AccountId, Addressing, DeviceId, PHONE};
use crate::core::messages::account_chat;
use crate::core::profile::Business;
use crate::core::server::Server;
use crate::core::xml;

/// The version of the answer.
const PROFILE_VERSION: u32 = 244;
/// Most cards in one request.
const PROFILES_MAX: usize = 64;
/// Who certifies the names of small businesses.
const ISSUER: &str = "smb:wa";

impl Server {
    pub(super) fn iq_business(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        let Some(request) = iq.get_optional_child("business_profile") else {
            return Answer::UNKNOWN;
        };
        if setting {
            return self.edit_business(from, request);
        }
        let profiles: Vec<Node> = request
            .get_children_by_tag("profile")
            .take(PROFILES_MAX)
            .filter_map(|p| {
                let jid = xml::attr_jid(p, "jid")?;
                let target = self.resolve(&jid)?.account;
                let card = self.business(target)?;
                Some(card_node(card).attr("jid", jid.to_non_ad()).build())
            })
            .collect();
        Answer::one(
            NodeBuilder::new("business_profile")
                .attr("v", PROFILE_VERSION)
                .children(profiles)
                .build(),
        )
    }

    /// A business changes its own card. Children that are there replace what was there.
    fn edit_business(&mut self, from: DeviceId, request: &Node) -> Answer {
        let Some(mut card) = self.business(from.account).cloned() else {
            return Answer::FORBIDDEN;
        };
        let text = |tag: &str| {
            let bytes = xml::child_bytes(request, tag)?;
            std::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
        };
        if let Some(description) = text("description") {
            card.description = description;
        }
        if let Some(address) = text("address") {
            card.address = Some(address).filter(|a| !a.is_empty());
        }
        if let Some(email) = text("email") {
            card.email = Some(email).filter(|e| !e.is_empty());
        }
        let websites: Vec<String> = request
            .get_children_by_tag("website")
            .filter_map(|w| std::str::from_utf8(xml::bytes(w)?).ok())
            .map(ToOwned::to_owned)
            .collect();
        if !websites.is_empty() {
            card.websites = websites;
        }
        if !card.is_valid() {
            return Answer::BAD;
        }
        self.set_business(from.account, Some(card));
        Answer::done()
    }

    /// The business card of an account, if it is a business.
    pub(crate) fn business(&self, account: AccountId) -> Option<&Business> {
        self.account(account)?
            .profile
            .as_deref()?
            .business
            .as_deref()
    }

    /// Makes an account a business, changes its card or makes it an ordinary account again, and
    /// tells those who know it.
    pub(crate) fn set_business(&mut self, account: AccountId, card: Option<Business>) {
        let Some(a) = self.account_mut(account) else {
            return;
        };
        let before = a.profile.as_deref().and_then(|p| p.business.as_ref());
        let before = before.map(|b| b.name.clone());
        let after = card.as_ref().map(|c| c.name.clone());
        a.profile_mut().business = card.map(Box::new);
        let Some(a) = self.account(account) else {
            return;
        };
        let jid = a.jid(Addressing::Pn);
        let change = match after {
            None => NodeBuilder::new("remove").attr("jid", jid.clone()).build(),
            Some(name) if before.as_ref() != Some(&name) => {
                let mut node = verified_name_node(a);
                node.attrs.insert("jid", jid.clone());
                node
            }
            Some(_) => NodeBuilder::new("profile").attr("jid", jid.clone()).build(),
        };
        let phone = DeviceId {
            account,
            device: PHONE,
        };
        let node = self.notification(jid, "business", vec![change]);
        for device in self.audience(phone, None) {
            self.deliver(device, account_chat(account), &node);
        }
    }

    /// What `usync` says about an account's business; nothing if it is none.
    pub(super) fn business_node(&self, account: AccountId) -> Option<Node> {
        self.business(account)?;
        let name = verified_name_node(self.account(account)?);
        Some(NodeBuilder::new("business").children([name]).build())
    }
}

/// `<verified_name>` with a certificate over the name. Clients do not check its signature, so the
/// simulator leaves it empty.
fn verified_name_node(account: &Account) -> Node {
    let card = account.profile.as_deref().and_then(|p| p.business.as_ref());
    let details = Details {
        serial: Some(account.lid),
        issuer: Some(ISSUER.to_owned()),
        verified_name: card.map(|c| c.name.clone()),
        ..Default::default()
    };
    let certificate = wa::VerifiedNameCertificate {
        details: Some(details.encode_to_vec()),
        ..Default::default()
    };
    NodeBuilder::new("verified_name")
        .attr("v", 1_u32)
        .attr("verified_level", "unknown")
        .bytes(certificate.encode_to_vec())
        .build()
}

fn card_node(card: &Business) -> NodeBuilder {
    let leaf = |tag: &'static str, text: &str| {
        NodeBuilder::new(tag)
            .bytes(text.as_bytes().to_vec())
            .build()
    };
    let mut children = vec![leaf("description", &card.description)];
    children.extend(card.address.as_deref().map(|a| leaf("address", a)));
    children.extend(card.email.as_deref().map(|e| leaf("email", e)));
    children.extend(card.websites.iter().map(|w| leaf("website", w)));
    if !card.categories.is_empty() {
        let categories = card.categories.iter().map(|c| {
            NodeBuilder::new("category")
                .attr("id", c.id.as_str())
                .bytes(c.name.as_bytes().to_vec())
                .build()
        });
        let categories: Vec<Node> = categories.collect();
        children.push(NodeBuilder::new("categories").children(categories).build());
    }
    children.extend(hours_node(card));
    NodeBuilder::new("profile").children(children)
}

fn hours_node(card: &Business) -> Option<Node> {
    if card.hours.is_empty() {
        return None;
    }
    let days = card.hours.iter().map(|h| {
        let mut day = NodeBuilder::new("business_hours_config")
            .attr("day_of_week", h.day.as_str())
            .attr("mode", h.mode.as_str());
        if let Some(open) = h.open {
            day = day.attr("open_time", open);
        }
        if let Some(close) = h.close {
            day = day.attr("close_time", close);
        }
        day.build()
    });
    let days: Vec<Node> = days.collect();
    let mut node = NodeBuilder::new("business_hours");
    if let Some(timezone) = &card.timezone {
        node = node.attr("timezone", timezone.as_str());
    }
    Some(node.children(days).build())
}
