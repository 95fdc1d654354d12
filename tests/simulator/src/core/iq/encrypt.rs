//! `encrypt`: uploads of public keys, what is left of them, and bundles for others.
//!
//! Source: protocol notes, sections 4, 7 and 12.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Answer;
use crate::core::ids::{DeviceId, PHONE, server_jid};
use crate::core::prekeys::{Bundle, OneTimeKey, SignedKey};
use crate::core::server::Server;
use crate::core::xml;

/// With fewer one-time keys than this a device is told to upload more.
/// Source: protocol notes, section 4, row 12.
const LOW_KEYS: usize = 5;
/// Most bundles in one request.
const BUNDLES_MAX: usize = 10_000;

impl Server {
    pub(super) fn iq_encrypt(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        if setting {
            return self.store_keys(from, iq);
        }
        if let Some(key) = iq
            .get_optional_child("key")
            .or_else(|| iq.get_optional_child("key_fetch"))
        {
            return self.bundles(key);
        }
        let Some(keys) = self.device(from).map(|d| &d.keys) else {
            return Answer::NOT_FOUND;
        };
        if iq.get_optional_child("count").is_some() {
            let count = NodeBuilder::new("count")
                .attr("value", keys.available() as u64)
                .build();
            return Answer::one(count);
        }
        if iq.get_optional_child("digest").is_some() {
            return keys.digest().map_or(Answer::NOT_FOUND, Answer::one);
        }
        Answer::UNKNOWN
    }

    fn store_keys(&mut self, from: DeviceId, iq: &Node) -> Answer {
        let Some(device) = self.device_mut(from) else {
            return Answer::NOT_FOUND;
        };
        if let Some(rotate) = iq.get_optional_child("rotate") {
            let Some(signed) = rotate.get_optional_child("skey").and_then(SignedKey::read) else {
                return Answer::BAD;
            };
            device.keys.rotate(signed);
            return Answer::done();
        }
        match device.keys.upload(iq) {
            Ok(()) => {
                device.told_keys_low = false;
                Answer::done()
            }
            Err(e) => {
                tracing::warn!(error = %e, "prekey upload refused");
                Answer::Error(406, "not-acceptable")
            }
        }
    }

    /// A device has keys now: its phone can reach it.
    pub(super) fn keys_arrived(&mut self, from: DeviceId) {
        let due = self
            .device(from)
            .is_some_and(|d| d.key_share_due && d.keys.is_ready());
        if due {
            self.schedule_phone(from.account);
        }
    }

    fn bundles(&mut self, request: &Node) -> Answer {
        let users: Vec<&Node> = request
            .get_children_by_tag("user")
            .take(BUNDLES_MAX)
            .collect();
        let mut answers = Vec::with_capacity(users.len());
        for user in users {
            let Some(jid) = xml::attr_jid(user, "jid") else {
                return Answer::BAD;
            };
            answers.push(self.bundle_node(jid));
        }
        Answer::one(NodeBuilder::new("list").children(answers).build())
    }

    fn bundle_node(&mut self, jid: Jid) -> Node {
        let user = NodeBuilder::new("user").attr("t", self.now_s());
        let bundle = self.resolve(&jid).and_then(|id| self.take_bundle(id));
        match bundle {
            Some((bundle, identity)) => {
                let mut children = bundle.nodes();
                if let Some(identity) = identity {
                    children.push(NodeBuilder::new("device-identity").bytes(identity).build());
                }
                user.attr("jid", jid).children(children).build()
            }
            None => {
                let error = NodeBuilder::new("error")
                    .attr("code", 406_u16)
                    .attr("text", "gone");
                user.attr("jid", jid).children([error.build()]).build()
            }
        }
    }

    /// A bundle of a device, with the identity container that companions have.
    pub(crate) fn take_bundle(&mut self, id: DeviceId) -> Option<(Bundle, Option<Vec<u8>>)> {
        if id.device == PHONE {
            let mut phone = self.account(id.account)?.phone.lock().ok()?;
            let bundle = phone.bundle(true).ok()?;
            return Some((from_phone(&bundle), None));
        }
        let device = self.device_mut(id)?;
        let bundle = device.keys.take_bundle()?;
        Some((bundle, Some(device.identity.to_vec())))
    }

    /// Bundles were handed out: whoever ran low is told so, once until its next upload.
    pub(super) fn keys_were_taken(&mut self, iq: &Node) {
        let Some(request) = iq.get_optional_child("key") else {
            return;
        };
        for user in request.get_children_by_tag("user") {
            let Some(id) = xml::attr_jid(user, "jid").and_then(|j| self.resolve(&j)) else {
                continue;
            };
            self.warn_if_low(id);
        }
    }

    pub(crate) fn warn_if_low(&mut self, id: DeviceId) {
        let Some(device) = self.device_mut(id) else {
            return;
        };
        let left = device.keys.available();
        if device.told_keys_low || !device.keys.is_ready() || left >= LOW_KEYS {
            return;
        }
        device.told_keys_low = true;
        let count = NodeBuilder::new("count").attr("value", left as u64).build();
        self.notify_from(id, server_jid(), "encrypt", vec![count]);
    }
}

fn from_phone(bundle: &crate::phone::Bundle) -> Bundle {
    Bundle {
        registration: bundle.registration_id.to_be_bytes(),
        identity: bundle.identity,
        signed: SignedKey {
            id: short(bundle.signed_prekey.id),
            public: bundle.signed_prekey.public,
            signature: bundle.signed_prekey.signature,
        },
        one_time: bundle.prekey.map(|(id, public)| OneTimeKey {
            id: short(id),
            public,
        }),
    }
}

/// A prekey number as it stands on the wire.
fn short(id: u32) -> [u8; 3] {
    let [_, a, b, c] = id.to_be_bytes();
    [a, b, c]
}

/// A prekey number from the wire.
pub(crate) fn long(id: [u8; 3]) -> u32 {
    let [a, b, c] = id;
    u32::from_be_bytes([0, a, b, c])
}
