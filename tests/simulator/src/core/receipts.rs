//! Receipts: they empty the queue of the device that sends them and travel to the author of the
//! message, retry receipts verbatim and to the one device that can answer.
//!
//! Source: protocol notes, section 6.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::ids::{Addressing, ConnId, DeviceId, PHONE};
use super::messages::account_chat;
use super::phones::reads;
use super::privacy::{Category, Value};
use super::queue::Class;
use super::reupload;
use super::server::Server;
use super::xml;

/// Receipts that tell only the own devices.
const SELF_TYPES: [&str; 2] = ["read-self", "played-self"];
/// Receipts that only the addressed device can use.
const EXACT_TYPES: [&str; 5] = [
    "retry",
    "enc_rekey_retry",
    "sender",
    "peer_msg",
    "server-error",
];

impl Server {
    /// A client sends a receipt.
    pub(crate) fn receipt(&mut self, conn: ConnId, from: DeviceId, node: &Node) {
        let mut ack = NodeBuilder::new("ack").attr("class", "receipt");
        for (key, source) in [
            ("id", "id"),
            ("from", "to"),
            ("type", "type"),
            ("participant", "participant"),
        ] {
            if let Some(value) = node.attrs.get(source) {
                ack = ack.attr(key, value.clone());
            }
        }
        let to = xml::attr_jid(node, "to");
        let chat = self.chat_key(to.as_ref());
        if let Some(device) = self.device_mut(from) {
            for id in xml::listed_ids(node) {
                device.queue.acknowledge(Class::Message, chat, &id);
            }
        }
        self.emit(conn, &ack.build());
        self.route_receipt(from, node);
    }

    /// Forwards a receipt of a client or of the phone double.
    pub(crate) fn route_receipt(&mut self, from: DeviceId, node: &Node) {
        let Some(to) = xml::attr_jid(node, "to") else {
            return;
        };
        let kind = xml::attr(node, "type");
        let kind = kind.as_deref().unwrap_or_default();
        if reads(node) {
            self.tell_phone_of_reading(from, &to, node);
        }
        if kind == reupload::REQUEST {
            // For the own phone, whatever device the address names.
            let phone = DeviceId {
                account: from.account,
                device: PHONE,
            };
            self.direct_receipt(from, &to, phone, kind, node);
        } else if SELF_TYPES.contains(&kind) {
            self.tell_own_devices(from, &to, node);
        } else if to.is_group() || to.is_status_broadcast() {
            self.group_receipt(from, &to, kind, node);
        } else if let Some(target) = self.resolve(&to) {
            self.direct_receipt(from, &to, target, kind, node);
        }
    }

    fn direct_receipt(
        &mut self,
        from: DeviceId,
        to: &Jid,
        target: DeviceId,
        kind: &str,
        node: &Node,
    ) {
        let mode = Addressing::of(to).unwrap_or(Addressing::Pn);
        let Some(sender) = self.account(from.account) else {
            return;
        };
        let mut stanza = self.forwarded(node);
        stanza
            .attrs
            .insert("from", sender.device_jid(mode, from.device));
        xml::copy_attr(node, &mut stanza, "recipient");
        if kind == "read" && !self.tells_what_was_read(from, target) {
            return;
        }
        for device in self.receipt_targets(from, target, kind) {
            self.deliver(device, account_chat(from.account), &stanza);
        }
        if target.account != from.account {
            self.signal_receipt(target.account, from.account, node);
        }
    }

    /// Whether both sides of a chat let each other know what they read.
    fn tells_what_was_read(&self, reader: DeviceId, author: DeviceId) -> bool {
        let off = |account| self.privacy_value(account, Category::ReadReceipts) == Value::Nobody;
        !off(reader.account) && !off(author.account)
    }

    fn group_receipt(&mut self, from: DeviceId, to: &Jid, kind: &str, node: &Node) {
        let Some(chat) = self.chat_key(Some(to)) else {
            return;
        };
        let author = xml::attr_jid(node, "participant");
        let Some((author, target)) = author.and_then(|a| Some((a.clone(), self.resolve(&a)?)))
        else {
            return;
        };
        if to.is_status_broadcast() && kind == "read" && !self.tells_what_was_read(from, target) {
            return;
        }
        let mode = Addressing::of(&author).unwrap_or(Addressing::Pn);
        let Some(sender) = self.account(from.account) else {
            return;
        };
        let mut stanza = self.forwarded(node);
        stanza.attrs.insert("from", to.clone());
        stanza
            .attrs
            .insert("participant", sender.device_jid(mode, from.device));
        for device in self.receipt_targets(from, target, kind) {
            self.deliver(device, chat, &stanza);
        }
        if target.account != from.account {
            self.signal_receipt(target.account, from.account, node);
        }
    }

    /// Read on one device: the others of the account learn of it, the author does not.
    fn tell_own_devices(&mut self, from: DeviceId, chat: &Jid, node: &Node) {
        let Some(own) = self.account(from.account) else {
            return;
        };
        let mode = Addressing::of(chat).unwrap_or(Addressing::Pn);
        let mut stanza = self.forwarded(node);
        stanza
            .attrs
            .insert("from", own.device_jid(mode, from.device));
        stanza.attrs.insert("recipient", chat.clone());
        xml::copy_attr(node, &mut stanza, "participant");
        for device in self.companions_of(from.account) {
            if device != from {
                self.deliver(device, account_chat(from.account), &stanza);
            }
        }
    }

    fn receipt_targets(&self, from: DeviceId, target: DeviceId, kind: &str) -> Vec<DeviceId> {
        if EXACT_TYPES.contains(&kind) || target.account == from.account {
            let exact = (target != from && self.has_device(target)).then_some(target);
            return exact.into_iter().collect();
        }
        self.companions_of(target.account)
    }

    /// The parts of a receipt that stay as they are.
    fn forwarded(&self, node: &Node) -> Node {
        let mut stanza = NodeBuilder::new("receipt").attr("t", self.now_s()).build();
        for key in ["id", "type", "t", "context"] {
            xml::copy_attr(node, &mut stanza, key);
        }
        stanza.content.clone_from(&node.content);
        stanza
    }
}
