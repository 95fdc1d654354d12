//! Routing of `<message>`: one stanza in, one for each device out, each with the addresses that its
//! receiver expects. Ciphertexts pass through untouched.
//!
//! Source: protocol notes, sections 6 and 12.

use std::collections::BTreeSet;

use wacore::messages::MessageUtils;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node, NodeContent};

use super::groups::GroupId;
use super::ids::{AccountId, Addressing, ConnId, DeviceId, PHONE};
use super::newsletters::NewsletterId;
use super::privacy::Category;
use super::server::Server;
use super::stories::STORIES_CHAT;
use super::xml;

/// Attributes that pass from sender to receiver.
const PASSED_ATTRS: [&str; 4] = ["edit", "category", "push_priority", "appdata"];
/// Children that concern the server alone, or are rebuilt for each receiver.
const KEPT_CHILDREN: [&str; 6] = [
    "participants",
    "enc",
    "device-identity",
    "tctoken",
    "cstoken",
    "privacy",
];
/// The chat key of everything that belongs to no chat.
const NO_CHAT: u64 = 0;
/// Sets the chat keys of groups apart from those of accounts.
const GROUP_CHAT: u64 = 1 << 63;

/// Answers of the server to a message that it does not deliver, in the `error` attribute of the ack.
pub(crate) mod nack {
    /// The chat does not exist.
    pub(crate) const NOT_FOUND: u16 = 404;
    /// The sender may not write there.
    pub(crate) const FORBIDDEN: u16 = 403;
    /// The receiver takes messages of contacts only, and the sender is none.
    /// Source: whatsapp-rust 0.7.0, for missing tokens of trusted contacts.
    pub(crate) const STRANGER: u16 = 463;
    /// The stanza is not one the server understands.
    pub(crate) const BAD: u16 = 400;
    /// This kind of chat is not simulated.
    pub(crate) const UNSUPPORTED: u16 = 501;
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Routed {
    /// Everyone has it.
    Delivered,
    /// Everyone whom the sender knew has it; the participant hash says who should.
    Stale(String),
    /// It has this number in its newsletter.
    Published(u64),
}

impl Routed {
    fn checked(stale: Option<String>) -> Self {
        stale.map_or(Self::Delivered, Self::Stale)
    }
}

impl Server {
    /// The key of the chat at `jid`, the same for both addresses of an account.
    pub(crate) fn chat_key(&self, jid: Option<&Jid>) -> Option<u64> {
        let jid = jid?;
        if jid.is_group() {
            return GroupId::parse(jid).map(group_chat);
        }
        if let Some(newsletter) = NewsletterId::parse(jid) {
            return Some(newsletter.chat());
        }
        if jid.is_status_broadcast() {
            return Some(STORIES_CHAT);
        }
        self.resolve(jid).map(|d| account_chat(d.account))
    }

    /// A client, or the phone double, sends a message.
    pub(crate) fn message(&mut self, conn: ConnId, from: DeviceId, node: &Node) {
        let chat = self.chat_key(xml::attr_jid(node, "to").as_ref());
        let outcome = match self.faults.nack(from, chat) {
            Some(code) => Err(code),
            None => self.route_message(from, node),
        };
        let mut ack = NodeBuilder::new("ack")
            .attr("class", "message")
            .attr("t", self.now_s());
        for (key, source) in [("id", "id"), ("from", "to"), ("participant", "participant")] {
            if let Some(value) = node.attrs.get(source) {
                ack = ack.attr(key, value.clone());
            }
        }
        match outcome {
            Ok(Routed::Stale(phash)) => ack = ack.attr("phash", phash),
            Ok(Routed::Published(number)) => ack = ack.attr("server_id", number),
            Ok(Routed::Delivered) => {}
            Err(code) => ack = ack.attr("error", code),
        }
        self.emit(conn, &ack.build());
    }

    /// Delivers a message.
    pub(crate) fn route_message(&mut self, from: DeviceId, node: &Node) -> Result<Routed, u16> {
        let to = xml::attr_jid(node, "to").ok_or(nack::BAD)?;
        if xml::attr(node, "id").is_none_or(|id| id.is_empty()) {
            return Err(nack::BAD);
        }
        if to.is_group() {
            return self.group_message(from, &to, node);
        }
        if let Some(newsletter) = NewsletterId::parse(&to) {
            return self
                .newsletter_message(from, newsletter, node)
                .map(Routed::Published);
        }
        if to.is_status_broadcast() {
            return self.story_message(from, &to, node);
        }
        if Addressing::of(&to).is_none() {
            return Err(nack::UNSUPPORTED);
        }
        let chat = self.resolve(&to).ok_or(nack::NOT_FOUND)?;
        if !self.may_write(from, chat, node) {
            return Err(nack::STRANGER);
        }
        if node.get_optional_child("participants").is_some() {
            return self.direct_message(from, &to, chat, node);
        }
        // A bare ciphertext is for the one device it is addressed to: a retry, or a peer message.
        if chat != from && self.reaches(from.account, chat.account) {
            let encs = encs_of(node);
            let stanza = self.message_for(
                from,
                chat,
                &to,
                xml::attr_jid(node, "recipient"),
                node,
                &encs,
            );
            self.deliver(chat, account_chat(from.account), &stanza);
        }
        Ok(Routed::Delivered)
    }

    fn direct_message(
        &mut self,
        from: DeviceId,
        to: &Jid,
        chat: DeviceId,
        node: &Node,
    ) -> Result<Routed, u16> {
        let blocked = !self.reaches(from.account, chat.account);
        let mut addressed = BTreeSet::new();
        for participant in participants_of(node) {
            let Some(jid) = xml::attr_jid(participant, "jid") else {
                continue;
            };
            let Some(target) = self.resolve(&jid) else {
                continue;
            };
            let own = target.account == from.account;
            if !own && target.account != chat.account {
                continue;
            }
            addressed.insert(target);
            if target == from || (blocked && !own) || !self.has_device(target) {
                continue;
            }
            let encs = encs_of(participant);
            let recipient = (own && chat.account != from.account).then(|| to.to_non_ad());
            let stanza = self.message_for(from, target, &jid, recipient, node, &encs);
            self.deliver(target, account_chat(from.account), &stanza);
        }
        let mode = Addressing::of(to).unwrap_or(Addressing::Pn);
        let accounts = BTreeSet::from([from.account, chat.account]);
        Ok(Routed::checked(
            self.stale_hash(from, &addressed, accounts, mode, node),
        ))
    }

    /// The message as `target` gets it. `address` is how the sender addressed it.
    fn message_for(
        &self,
        from: DeviceId,
        target: DeviceId,
        address: &Jid,
        recipient: Option<Jid>,
        node: &Node,
        encs: &[&Node],
    ) -> Node {
        let mode = Addressing::of(address).unwrap_or(Addressing::Pn);
        let mut stanza = self.message_head(from, node);
        let Some(sender) = self.account(from.account) else {
            return stanza;
        };
        stanza
            .attrs
            .insert("from", sender.device_jid(mode, from.device));
        if let Some(chat) = recipient {
            stanza.attrs.insert("recipient", chat);
        }
        if target.account != from.account && self.options.both_addresses {
            let (key, other) = match mode {
                Addressing::Lid => ("sender_pn", Addressing::Pn),
                Addressing::Pn => ("sender_lid", Addressing::Lid),
            };
            stanza.attrs.insert(key, sender.jid(other));
        }
        self.add_content(&mut stanza, node, encs);
        stanza
    }

    fn message_head(&self, from: DeviceId, node: &Node) -> Node {
        let mut stanza = NodeBuilder::new("message")
            .attr("t", self.now_s())
            .attr("type", xml::attr(node, "type").as_deref().unwrap_or("text"))
            .build();
        xml::copy_attr(node, &mut stanza, "id");
        for key in PASSED_ATTRS {
            xml::copy_attr(node, &mut stanza, key);
        }
        if let Some(account) = self.account(from.account)
            && !account.name.is_empty()
        {
            stanza.attrs.insert("notify", &*account.name);
        }
        stanza
    }

    pub(super) fn add_content(&self, stanza: &mut Node, node: &Node, encs: &[&Node]) {
        let mut content: Vec<Node> = encs.iter().map(|e| (*e).clone()).collect();
        if encs
            .iter()
            .any(|e| xml::attr(e, "type").as_deref() == Some("pkmsg"))
            && let Some(identity) = node.get_optional_child("device-identity")
        {
            content.push(identity.clone());
        }
        let rest = xml::children(node)
            .iter()
            .filter(|c| !KEPT_CHILDREN.contains(&c.tag.as_ref()));
        content.extend(rest.cloned());
        stanza.content = Some(NodeContent::Nodes(content));
    }

    // ---- groups --------------------------------------------------------------------------

    fn group_message(&mut self, from: DeviceId, to: &Jid, node: &Node) -> Result<Routed, u16> {
        let id = GroupId::parse(to).ok_or(nack::NOT_FOUND)?;
        let group = self.groups.get(id).ok_or(nack::NOT_FOUND)?;
        if !group.may_write(from.account) {
            return Err(nack::FORBIDDEN);
        }
        let mode = group.addressing;
        let members: Vec<AccountId> = group.members.iter().map(|m| m.account).collect();
        let only = xml::attr_jid(node, "participant").and_then(|j| self.resolve(&j));
        let devices = match only {
            // A retry in a group is for the device that asked.
            Some(device) => vec![device],
            None => self.devices_of(&members),
        };
        let base = self.group_head(from, to, mode, node);
        let shared = encs_of(node);
        let mut addressed = BTreeSet::new();
        let mut keys: std::collections::HashMap<DeviceId, Vec<&Node>> =
            std::collections::HashMap::new();
        for participant in participants_of(node) {
            let target = xml::attr_jid(participant, "jid").and_then(|j| self.resolve(&j));
            let Some(target) = target else { continue };
            addressed.insert(target);
            keys.entry(target).or_default().extend(encs_of(participant));
        }
        for target in devices {
            if target == from || !members.contains(&target.account) {
                continue;
            }
            // The sender key has to stand before what is encrypted with it.
            let mut encs = keys.get(&target).cloned().unwrap_or_default();
            if !encs.iter().any(|e| e.tag == "unavailable") {
                encs.extend(shared.iter().copied());
            }
            let mut stanza = base.clone();
            self.add_content(&mut stanza, node, &encs);
            self.deliver(target, group_chat(id), &stanza);
        }
        if only.is_some() {
            return Ok(Routed::Delivered);
        }
        Ok(Routed::checked(
            self.stale_group_hash(from, &members, mode, node),
        ))
    }

    pub(super) fn group_head(
        &self,
        from: DeviceId,
        to: &Jid,
        mode: Addressing,
        node: &Node,
    ) -> Node {
        let mut stanza = self.message_head(from, node);
        stanza.attrs.insert("from", to.clone());
        stanza.attrs.insert("addressing_mode", mode.as_str());
        if let Some(sender) = self.account(from.account) {
            stanza
                .attrs
                .insert("participant", sender.device_jid(mode, from.device));
            if self.options.both_addresses {
                let key = match mode {
                    Addressing::Lid => "participant_pn",
                    Addressing::Pn => "participant_lid",
                };
                stanza.attrs.insert(key, sender.jid(mode.other()));
            }
        }
        stanza
    }

    fn stale_group_hash(
        &self,
        from: DeviceId,
        members: &[AccountId],
        mode: Addressing,
        node: &Node,
    ) -> Option<String> {
        let sent = xml::attr(node, "phash")?;
        let ours = self.device_hash(from, members.iter().copied(), mode)?;
        let with_sender = self.full_hash(members.iter().copied(), mode)?;
        (*sent != *ours && *sent != *with_sender).then_some(ours)
    }

    fn stale_hash(
        &self,
        from: DeviceId,
        addressed: &BTreeSet<DeviceId>,
        accounts: BTreeSet<AccountId>,
        mode: Addressing,
        node: &Node,
    ) -> Option<String> {
        xml::attr(node, "phash")?;
        let expected: BTreeSet<DeviceId> = self
            .devices_of(&accounts.iter().copied().collect::<Vec<_>>())
            .into_iter()
            .filter(|d| *d != from)
            .collect();
        let missing = expected.iter().any(|d| !addressed.contains(d));
        let extra = addressed
            .iter()
            .any(|d| *d != from && !expected.contains(d));
        if missing || extra {
            self.device_hash(from, accounts, mode)
        } else {
            None
        }
    }

    /// The participant hash over the devices of `accounts` without `but`.
    fn device_hash(
        &self,
        but: DeviceId,
        accounts: impl IntoIterator<Item = AccountId>,
        mode: Addressing,
    ) -> Option<String> {
        let jids = self.hash_jids(accounts, mode, Some(but));
        MessageUtils::participant_list_hash(&jids).ok()
    }

    fn full_hash(
        &self,
        accounts: impl IntoIterator<Item = AccountId>,
        mode: Addressing,
    ) -> Option<String> {
        let jids = self.hash_jids(accounts, mode, None);
        MessageUtils::participant_list_hash(&jids).ok()
    }

    fn hash_jids(
        &self,
        accounts: impl IntoIterator<Item = AccountId>,
        mode: Addressing,
        but: Option<DeviceId>,
    ) -> Vec<Jid> {
        let mut jids = Vec::new();
        for account in accounts {
            let Some(a) = self.account(account) else {
                continue;
            };
            for device in a.device_numbers() {
                if Some(DeviceId { account, device }) != but {
                    jids.push(a.device_jid(mode, device));
                }
            }
        }
        jids
    }

    // ---- who is there --------------------------------------------------------------------

    pub(crate) fn has_device(&self, id: DeviceId) -> bool {
        self.account(id.account).is_some_and(|a| a.has(id.device))
    }

    /// All devices of the accounts, phones included.
    pub(crate) fn devices_of(&self, accounts: &[AccountId]) -> Vec<DeviceId> {
        let mut devices = Vec::new();
        for account in accounts {
            let Some(a) = self.account(*account) else {
                continue;
            };
            devices.extend(a.device_numbers().map(|device| DeviceId {
                account: *account,
                device,
            }));
        }
        devices
    }

    /// The companions of an account.
    pub(crate) fn companions_of(&self, account: AccountId) -> Vec<DeviceId> {
        self.devices_of(&[account])
            .into_iter()
            .filter(|d| d.device != PHONE)
            .collect()
    }

    /// Whether `to` takes messages of `from`: a blocked sender learns nothing of it.
    fn reaches(&self, from: AccountId, to: AccountId) -> bool {
        from == to || !self.has_blocked(to, from)
    }

    /// Whether the privacy settings of `chat` take messages of the sender. A blocked sender is not
    /// told, so it may.
    fn may_write(&self, from: DeviceId, chat: DeviceId, node: &Node) -> bool {
        let (sender, receiver) = (from.account, chat.account);
        let trusted = self.holds_token(receiver, sender, node);
        self.has_blocked(receiver, sender)
            || self.allows(receiver, sender, Category::Messages, trusted)
    }
}

/// The chat key of an account.
pub(crate) fn account_chat(account: AccountId) -> u64 {
    NO_CHAT + 1 + u64::from(account.0)
}

/// The chat key of a group.
pub(crate) fn group_chat(group: GroupId) -> u64 {
    GROUP_CHAT | group.0
}

/// The ciphertexts of a message or for a participant, or the sign that there is none for it.
pub(super) fn encs_of(node: &Node) -> Vec<&Node> {
    let children = xml::children(node).iter();
    children
        .filter(|c| c.tag == "enc" || c.tag == "unavailable")
        .collect()
}

pub(super) fn participants_of(node: &Node) -> impl Iterator<Item = &Node> {
    node.get_optional_child("participants")
        .map(xml::children)
        .unwrap_or_default()
        .iter()
        .filter(|c| c.tag == "to")
}
