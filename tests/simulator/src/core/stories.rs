//! Stories: messages to `status@broadcast` and receipts for them. The sender names its audience in
//! every message; what is encrypted for one device only, such as a reaction, goes to that device.
//!
//! Source: whatsapp-rust 0.7.0 and wacore 0.7.0, `send/status.rs`.

use std::collections::{BTreeSet, HashMap};

use wacore_binary::{Jid, Node};

use super::ids::{AccountId, Addressing, DeviceId};
use super::messages::{Routed, encs_of, nack, participants_of};
use super::server::Server;
use super::xml;

/// The chat key of all stories.
pub(crate) const STORIES_CHAT: u64 = u64::MAX;
/// Most accounts that see one story.
const AUDIENCE_MAX: usize = 5000;

impl Server {
    /// A story, its revocation, or a reaction to one.
    pub(crate) fn story_message(
        &mut self,
        from: DeviceId,
        to: &Jid,
        node: &Node,
    ) -> Result<Routed, u16> {
        let shared = encs_of(node);
        let only = xml::attr_jid(node, "participant").and_then(|j| self.resolve(&j));
        let mut accounts: BTreeSet<AccountId> = BTreeSet::new();
        let mut own_encs: HashMap<DeviceId, Vec<&Node>> = HashMap::new();
        for participant in participants_of(node) {
            let named = xml::attr_jid(participant, "jid");
            let Some(target) = named.and_then(|j| self.resolve(&j)) else {
                continue;
            };
            accounts.insert(target.account);
            let encs = participant.get_children_by_tag("enc");
            own_encs.entry(target).or_default().extend(encs);
        }
        if accounts.len() > AUDIENCE_MAX || (accounts.is_empty() && only.is_none()) {
            return Err(nack::BAD);
        }
        let targets: Vec<DeviceId> = match only {
            // Sent again for the one device that asked.
            Some(device) => vec![device],
            None if shared.is_empty() => own_encs.keys().copied().collect(),
            None => {
                accounts.insert(from.account);
                self.devices_of(&accounts.into_iter().collect::<Vec<_>>())
            }
        };
        let base = self.group_head(from, to, Addressing::Lid, node);
        for target in targets {
            if target == from
                || !self.has_device(target)
                || self.has_blocked(target.account, from.account)
            {
                continue;
            }
            // The sender key has to stand before what is encrypted with it.
            let mut encs = own_encs.get(&target).cloned().unwrap_or_default();
            encs.extend(shared.iter().copied());
            if encs.is_empty() {
                continue;
            }
            let mut stanza = base.clone();
            self.add_content(&mut stanza, node, &encs);
            self.deliver(target, STORIES_CHAT, &stanza);
        }
        Ok(Routed::Delivered)
    }
}
