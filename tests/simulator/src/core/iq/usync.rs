//! `usync`: what is known about users, by number or address: devices, LID, status, picture.
//!
//! Source: protocol notes, sections 7 and 12.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Answer;
use crate::core::ids::{AccountId, Addressing, DeviceId, PHONE, parse_number};
use crate::core::privacy::Category;
use crate::core::server::Server;
use crate::core::xml;

/// Most users in one request.
const USERS_MAX: usize = 10_000;
/// Most accounts that hear about changes of one account's devices.
const CONTACTS_MAX: usize = 4096;

/// Fewest digits of a phone number. Source: ITU-T E.164 has none; the shortest in use have seven with
/// their country code.
const NUMBER_DIGITS_MIN: usize = 7;

/// A user as the request named it.
struct Asked {
    /// Who asks.
    by: AccountId,
    /// Whether the asker showed a token of the user.
    trusted: bool,
    /// The address, if it named one.
    jid: Option<Jid>,
    /// The number it asked about in `<contact>`, if any, as written.
    contact: Option<String>,
    account: Option<AccountId>,
}

impl Server {
    pub(super) fn iq_usync(&mut self, from: DeviceId, iq: &Node) -> Answer {
        let Some(usync) = iq.get_optional_child("usync") else {
            return Answer::BAD;
        };
        let Some(query) = usync.get_optional_child("query") else {
            return Answer::BAD;
        };
        let protocols: Vec<String> = xml::children(query)
            .iter()
            .map(|p| p.tag.to_string())
            .collect();
        let list = usync
            .get_optional_child("list")
            .map(xml::children)
            .unwrap_or_default();
        let mut users = Vec::new();
        let syncs_contacts = xml::attr(usync, "mode").is_some_and(|m| m != "query")
            && protocols.iter().any(|p| p == "contact");
        for user in list.iter().take(USERS_MAX) {
            let asked = self.asked(from.account, user);
            if let (Some(account), true) = (asked.account, protocols.iter().any(|p| p == "devices"))
            {
                self.remember_contact(account, from.account);
            }
            if let (Some(account), true) = (asked.account, syncs_contacts) {
                let gone = user.get_optional_child("contact").is_some_and(|c| {
                    matches!(xml::attr(c, "type").as_deref(), Some("delete" | "remove"))
                });
                let (add, remove): (&[_], &[_]) = if gone {
                    (&[], &[account])
                } else {
                    (&[account], &[])
                };
                self.change_address_book(from.account, add, remove);
            }
            users.extend(self.usync_user(&asked, &protocols));
        }
        let results: Vec<Node> = protocols.iter().filter_map(|p| known_protocol(p)).collect();
        let mut reply = NodeBuilder::new("usync").build();
        for key in ["sid", "mode", "context", "index", "last"] {
            xml::copy_attr(usync, &mut reply, key);
        }
        reply.content = Some(wacore_binary::NodeContent::Nodes(vec![
            NodeBuilder::new("result").children(results).build(),
            NodeBuilder::new("list").children(users).build(),
        ]));
        Answer::one(reply)
    }

    fn asked(&self, by: AccountId, user: &Node) -> Asked {
        let jid = xml::attr_jid(user, "jid").or_else(|| xml::attr_jid(user, "pn_jid"));
        let contact = xml::child_bytes(user, "contact")
            .and_then(|b| std::str::from_utf8(b).ok())
            .map(ToOwned::to_owned);
        let account = match (&jid, &contact) {
            (Some(jid), _) => self.resolve(jid).map(|d| d.account),
            (None, Some(number)) => {
                parse_number(number).and_then(|n| self.by_number.get(&n).copied())
            }
            (None, None) => None,
        };
        Asked {
            by,
            trusted: account.is_some_and(|a| self.holds_token(a, by, user)),
            jid,
            contact,
            account,
        }
    }

    pub(super) fn remember_contact(&mut self, account: AccountId, asker: AccountId) {
        if account == asker {
            return;
        }
        if let Some(a) = self.account_mut(account)
            && a.contacts.len() < CONTACTS_MAX
            && let Err(place) = a.contacts.binary_search(&asker)
        {
            a.contacts.insert(place, asker);
        }
    }

    fn usync_user(&mut self, asked: &Asked, protocols: &[String]) -> Option<Node> {
        let Some(account) = asked.account else {
            return unknown_user(asked, protocols);
        };
        let by_lid = asked.jid.as_ref().and_then(Addressing::of) == Some(Addressing::Lid);
        let now_s = self.now_s();
        let visible = |category| self.allows(account, asked.by, category, asked.trusted);
        let (about, picture) = (visible(Category::About), visible(Category::Picture));
        let mut children = Vec::new();
        for protocol in protocols {
            let node = match protocol.as_str() {
                "devices" => self.devices_node(account, now_s),
                // Only a number is mapped; a LID mapped to itself is logged as invalid by clients.
                "lid" if !by_lid => self.account(account).map(|a| {
                    NodeBuilder::new("lid")
                        .attr("val", a.jid(Addressing::Lid))
                        .build()
                }),
                "contact" => Some(contact_node("in", asked)),
                "status" => Some(self.status_node(account, about)),
                "picture" if picture => self
                    .picture_of(account)
                    .map(|p| NodeBuilder::new("picture").attr("id", p.id).build()),
                "business" => self.business_node(account),
                "disappearing_mode" => Some(self.disappearing_node(account)),
                _ => None,
            };
            children.extend(node);
        }
        let a = self.account(account)?;
        let jid = asked
            .jid
            .clone()
            .unwrap_or_else(|| a.jid(Addressing::Pn))
            .to_non_ad();
        let mut user = NodeBuilder::new("user").attr("jid", jid);
        if by_lid {
            user = user.attr("pn_jid", a.jid(Addressing::Pn));
        }
        Some(user.children(children).build())
    }

    /// `<devices>`: the phone, the companions and the phone's signature over them.
    fn devices_node(&mut self, account: AccountId, now_s: u64) -> Option<Node> {
        let a = self.account_mut(account)?;
        let phone = NodeBuilder::new("device").attr("id", PHONE).build();
        let companions = a.devices.iter().map(|d| {
            NodeBuilder::new("device")
                .attr("id", d.number)
                .attr("key-index", d.key_index)
                .build()
        });
        let devices: Vec<Node> = std::iter::once(phone).chain(companions).collect();
        let list = NodeBuilder::new("device-list").children(devices).build();
        let mut children = vec![list];
        children.extend(self.key_index_node(account, now_s));
        Some(NodeBuilder::new("devices").children(children).build())
    }

    /// `<key-index-list>` as signed by the phone.
    pub(crate) fn key_index_node(&mut self, account: AccountId, now_s: u64) -> Option<Node> {
        let a = self.account_mut(account)?;
        if a.key_index_list.is_none() {
            a.key_index_list = a.phone.lock().ok()?.key_index_list(now_s).ok();
        }
        let list = a.key_index_list.as_ref()?;
        Some(
            NodeBuilder::new("key-index-list")
                .attr("ts", list.timestamp)
                .bytes(list.bytes.clone())
                .build(),
        )
    }

    /// Tells the own companions and all who asked before that an account's devices changed.
    pub(crate) fn devices_changed(&mut self, changed: DeviceId, operation: &'static str) {
        let now_s = self.now_s();
        let Some(keys) = self.key_index_node(changed.account, now_s) else {
            return;
        };
        let Some(a) = self.account(changed.account) else {
            return;
        };
        let mut device = NodeBuilder::new("device")
            .attr("jid", a.device_jid(Addressing::Pn, changed.device))
            .attr("lid", a.device_jid(Addressing::Lid, changed.device));
        if let Some(d) = a.device(changed.device) {
            device = device.attr("key-index", d.key_index);
        }
        let change = NodeBuilder::new(operation)
            .children([device.build(), keys])
            .build();
        let (pn, lid) = (a.jid(Addressing::Pn), a.jid(Addressing::Lid));
        let mut accounts = a.contacts.clone();
        accounts.push(changed.account);
        for account in accounts {
            for target in self.companions_of(account) {
                if target == changed {
                    continue;
                }
                let mut node = self.notification(pn.clone(), "devices", vec![change.clone()]);
                node.attrs.insert("lid", lid.clone());
                self.deliver(
                    target,
                    super::super::messages::account_chat(changed.account),
                    &node,
                );
            }
        }
    }
}

fn contact_node(kind: &'static str, asked: &Asked) -> Node {
    let node = NodeBuilder::new("contact").attr("type", kind);
    match &asked.contact {
        Some(number) => node.string_content(number.as_str()).build(),
        None => node.build(),
    }
}

/// A number that nobody has: `<contact type="out">`, one that is none: `type="invalid"`, and nothing at
/// all where contacts were not asked.
fn unknown_user(asked: &Asked, protocols: &[String]) -> Option<Node> {
    if !protocols.iter().any(|p| p == "contact") {
        return None;
    }
    let digits = asked.contact.as_deref().and_then(parse_number);
    let digits = digits.filter(|n| n.to_string().len() >= NUMBER_DIGITS_MIN);
    let kind = if digits.is_some() || asked.jid.is_some() {
        "out"
    } else {
        "invalid"
    };
    let user = NodeBuilder::new("user").children([contact_node(kind, asked)]);
    let jid = asked
        .jid
        .clone()
        .or_else(|| digits.map(|n| Jid::pn(n.to_string())));
    Some(match jid {
        Some(jid) => user.attr("jid", jid).build(),
        None => user.build(),
    })
}

/// The state of a protocol in `<result>`: asked for and answered.
fn known_protocol(name: &str) -> Option<Node> {
    let tag = match name {
        "devices" => "devices",
        "lid" => "lid",
        "contact" => "contact",
        "status" => "status",
        "picture" => "picture",
        "disappearing_mode" => "disappearing_mode",
        "business" => "business",
        "username" => "username",
        _ => return None,
    };
    Some(NodeBuilder::new(tag).build())
}
