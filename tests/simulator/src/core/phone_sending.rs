//! What a phone sends by itself: the stanza around its ciphertexts. Encryption needs keys of devices
//! the phone has no session with, so it happens in steps: [`Server::plan_send`] says to whom,
//! [`Plan::missing`] asks the phone, [`Server::bundles_for`] hands out keys, [`Plan::seal`] encrypts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rand_chacha::ChaCha20Rng;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::whatsapp as wa;

use super::groups::GroupId;
use super::ids::{AccountId, Addressing, DeviceId, PHONE, parse_number};
use super::phone_stanzas::enc_node;
use super::phones::to_phone;
use super::server::Server;
use crate::phone::{self, Bundle, ChatName, DeviceAddress, Phone};

/// Why a phone did not send.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No account has the number.
    #[error("send from phone: no account has the number {0:?}")]
    Sender(String),
    /// The receiver does not exist.
    #[error("send from phone: nobody is at {0:?}")]
    Receiver(String),
    /// The sender is not in the group.
    #[error("send from phone: not a member of {0:?}")]
    Member(String),
    /// The phone could not encrypt.
    #[error("send from phone")]
    Phone(#[from] phone::Error),
    /// The phone double is unusable after a panic.
    #[error("send from phone: the phone is broken")]
    Broken,
}

/// A message about to be sent by a phone.
#[derive(Debug)]
pub struct Plan {
    /// Who sends.
    pub account: AccountId,
    /// The sending phone.
    pub phone: Arc<Mutex<Phone>>,
    /// The stanza's id.
    pub id: String,
    /// The chat's address.
    to: Jid,
    group: bool,
    addressing: Addressing,
    targets: Vec<Target>,
    own_number: u64,
    /// Where the message is kept, unless phones are deaf.
    chat: Option<ChatName>,
    now_s: u64,
    /// Randomness for this message.
    pub rng: ChaCha20Rng,
}

#[derive(Debug, Clone)]
struct Target {
    address: DeviceAddress,
    jid: Jid,
}

impl Server {
    /// Works out whom a message of the phone with `number` to `to` goes to.
    ///
    /// # Errors
    /// When sender or receiver do not exist.
    pub fn plan_send(&mut self, number: &str, to: &str) -> Result<Plan, SendError> {
        let account = self
            .find_number(number)
            .ok_or_else(|| SendError::Sender(number.to_owned()))?;
        let nobody = || SendError::Receiver(to.to_owned());
        let jid: Jid = match parse_number(to) {
            Some(number) => Jid::pn(number.to_string()),
            None => to.parse().map_err(|_| nobody())?,
        };
        let (to_jid, addressing, group, devices) = match GroupId::parse(&jid) {
            Some(id) => {
                let g = self.groups.get(id).ok_or_else(nobody)?;
                if !g.may_write(account) {
                    return Err(SendError::Member(to.to_owned()));
                }
                let members: Vec<AccountId> = g.members.iter().map(|m| m.account).collect();
                (jid, g.addressing, true, self.devices_of(&members))
            }
            None => {
                let chat = self.resolve(&jid).ok_or_else(nobody)?;
                let mode = self.phone_addressing();
                let address = self
                    .account(chat.account)
                    .map(|a| a.jid(mode))
                    .ok_or_else(nobody)?;
                (address, mode, false, self.fan_out(account, chat))
            }
        };
        let id = format!("3EB0{:016X}", self.stanza_number());
        let rng = self.seeds.rng("phone sends", self.stanza_number());
        let named = self.named(&to_jid.to_string());
        let chat = named.filter(|_| self.options.phones_listen);
        let chat = chat.map(|n| ChatName {
            shown: n.shown,
            lid: n.lid,
            name: None,
        });
        let now_s = self.now_s();
        let a = self.account(account).ok_or_else(nobody)?;
        Ok(Plan {
            account,
            phone: Arc::clone(&a.phone),
            id,
            to: to_jid,
            group,
            addressing,
            targets: self.targets(account, &devices, addressing),
            own_number: a.number,
            chat,
            now_s,
            rng,
        })
    }

    fn targets(&self, account: AccountId, devices: &[DeviceId], mode: Addressing) -> Vec<Target> {
        let own = DeviceId {
            account,
            device: PHONE,
        };
        let others = devices.iter().filter(|d| **d != own);
        others
            .filter_map(|d| {
                let a = self.account(d.account)?;
                Some(Target {
                    address: DeviceAddress::new(a.number, d.device),
                    jid: a.device_jid(mode, d.device),
                })
            })
            .collect()
    }

    /// Bundles of those devices that have one.
    pub fn bundles_for(&mut self, devices: &[DeviceAddress]) -> HashMap<DeviceAddress, Bundle> {
        let mut bundles = HashMap::new();
        for device in devices {
            let Some(account) = self.by_number.get(&device.number).copied() else {
                continue;
            };
            let id = DeviceId {
                account,
                device: device.device,
            };
            if let Some((bundle, _)) = self.take_bundle(id) {
                bundles.insert(*device, to_phone(&bundle));
                self.warn_if_low(id);
            }
        }
        bundles
    }
}

impl Plan {
    /// The devices whose bundle the phone needs.
    ///
    /// # Errors
    /// When the phone double is broken.
    pub fn missing(&self) -> Result<Vec<DeviceAddress>, SendError> {
        let phone = self.phone.lock().map_err(|_| SendError::Broken)?;
        let addresses: Vec<DeviceAddress> = self.targets.iter().map(|t| t.address).collect();
        if self.group {
            return Ok(phone.group_needs_bundles(&self.to.to_string(), &addresses));
        }
        Ok(addresses
            .into_iter()
            .filter(|a| !phone.has_session(*a))
            .collect())
    }

    /// Encrypts the message and returns its stanza. `media` is the kind of file it refers to.
    ///
    /// # Errors
    /// When the phone cannot encrypt.
    pub fn seal(
        &mut self,
        message: &wa::Message,
        media: Option<&'static str>,
        bundles: &HashMap<DeviceAddress, Bundle>,
    ) -> Result<Node, SendError> {
        let phone = Arc::clone(&self.phone);
        let mut phone = phone.lock().map_err(|_| SendError::Broken)?;
        phone.remember_sent(&self.id, message);
        if let Some(chat) = &self.chat {
            phone.keep_sent(chat, &self.id, self.now_s, message);
        }
        let mut children = Vec::new();
        let mut participants = Vec::new();
        if self.group {
            let members: Vec<DeviceAddress> = self.targets.iter().map(|t| t.address).collect();
            let group = self.to.to_string();
            let sealed = phone.encrypt_group(&group, message, &members, bundles, &mut self.rng)?;
            for (device, enc) in &sealed.distribution {
                participants.extend(self.participant(*device, enc, None));
            }
            children.push(enc_node(&sealed.message, media));
        } else {
            let copy = phone::device_sent(&self.to.to_string(), message);
            for target in self.targets.clone() {
                let own = target.address.number == self.own_number;
                let content = if own { &copy } else { message };
                let bundle = bundles.get(&target.address);
                match phone.encrypt(target.address, bundle, content, &mut self.rng) {
                    Ok(enc) => participants.extend(self.participant(target.address, &enc, media)),
                    // A device that has not uploaded keys yet cannot be reached, as in reality.
                    Err(phone::Error::NoSession(_)) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
        if !participants.is_empty() {
            children.insert(
                0,
                NodeBuilder::new("participants")
                    .children(participants)
                    .build(),
            );
        }
        let mut stanza = NodeBuilder::new("message")
            .attr("to", self.to.clone())
            .attr("id", self.id.as_str())
            .attr("type", if media.is_some() { "media" } else { "text" });
        if self.group {
            stanza = stanza.attr("addressing_mode", self.addressing.as_str());
        }
        Ok(stanza.children(children).build())
    }

    fn participant(
        &self,
        device: DeviceAddress,
        enc: &phone::Enc,
        media: Option<&'static str>,
    ) -> Option<Node> {
        let target = self.targets.iter().find(|t| t.address == device)?;
        Some(
            NodeBuilder::new("to")
                .attr("jid", target.jid.clone())
                .children([enc_node(enc, media)])
                .build(),
        )
    }
}
