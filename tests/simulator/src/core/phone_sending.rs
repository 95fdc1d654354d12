//! What a phone sends by itself: the stanza around its ciphertexts. Encryption needs keys of devices
//! the phone has no session with, so it happens in steps: [`Server::plan_send`] says to whom,
//! [`Plan::missing`] asks the phone, [`Server::bundles_for`] hands out keys, [`Plan::seal`] encrypts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rand_chacha::ChaCha20Rng;
use wacore::send::{
    media_type_from_message, stanza_type_from_message, status_carries_privacy_meta,
};
use wacore::types::message::EditAttribute;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};
use waproto::whatsapp as wa;

use super::damage::unavailable;
use super::groups::GroupId;
use super::ids::{AccountId, Addressing, DeviceId, PHONE, parse_number};
use super::phone_stanzas::enc_node;
use super::phones::to_phone;
use super::server::Server;
use crate::phone::{self, Bundle, ChatName, Destination, DeviceAddress, Phone};

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
    /// Nobody would see the story.
    #[error("send from phone: nobody is in the audience of the story")]
    Audience,
    /// There is no message to send.
    #[error("send from phone")]
    Compose(#[from] phone::ComposeError),
    /// The service refused the message.
    #[error("send from phone: refused with code {0}")]
    Nack(u16),
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
    /// Whether sender keys are used.
    group: bool,
    /// Who sees a story.
    audience: Vec<Jid>,
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
    /// Works out whom a message of the phone with `number` to `to` goes to. A story is for the numbers
    /// in `audience`, or without any for whom the account's setting names.
    ///
    /// # Errors
    /// When sender or receiver do not exist, or nobody would see the story.
    pub fn plan_send(
        &mut self,
        number: &str,
        to: &str,
        audience: &[String],
    ) -> Result<Plan, SendError> {
        let account = self
            .find_number(number)
            .ok_or_else(|| SendError::Sender(number.to_owned()))?;
        let nobody = || SendError::Receiver(to.to_owned());
        let jid: Jid = match parse_number(to) {
            Some(number) => Jid::pn(number.to_string()),
            None => to.parse().map_err(|_| nobody())?,
        };
        let mut seen_by = Vec::new();
        let (to_jid, addressing, group, devices) = if let Some(id) = GroupId::parse(&jid) {
            let g = self.groups.get(id).ok_or_else(nobody)?;
            if !g.may_write(account) {
                return Err(SendError::Member(to.to_owned()));
            }
            let members: Vec<AccountId> = g.members.iter().map(|m| m.account).collect();
            (jid, g.addressing, true, self.devices_of(&members))
        } else if jid.is_status_broadcast() {
            let mut accounts = self.story_audience(account, audience)?;
            seen_by.clone_from(&accounts);
            accounts.push(account);
            (jid, Addressing::Lid, true, self.devices_of(&accounts))
        } else {
            let chat = self.resolve(&jid).ok_or_else(nobody)?;
            let mode = self.phone_addressing();
            let address = self.account(chat.account).map(|a| a.jid(mode));
            let devices = self.fan_out(account, chat);
            (address.ok_or_else(nobody)?, mode, false, devices)
        };
        let id = format!("3EB0{:016X}", self.stanza_number());
        let rng = self.seeds.rng("phone sends", self.stanza_number());
        let seen_by = seen_by.into_iter().filter_map(|id| self.account(id));
        let named = self.named(&to_jid.to_string());
        let chat = named.filter(|_| self.options.phones_listen);
        let chat = chat.map(|n| ChatName {
            shown: n.shown,
            lid: n.lid,
            name: self.group_name(&to_jid),
        });
        let a = self.account(account).ok_or_else(nobody)?;
        Ok(Plan {
            account,
            phone: Arc::clone(&a.phone),
            id,
            to: to_jid,
            group,
            audience: seen_by.map(|a| a.jid(addressing)).collect(),
            addressing,
            targets: self.targets(account, &devices, addressing),
            own_number: a.number,
            chat,
            now_s: self.now_s(),
            rng,
        })
    }

    fn story_audience(
        &self,
        author: AccountId,
        numbers: &[String],
    ) -> Result<Vec<AccountId>, SendError> {
        let mut accounts = Vec::new();
        for number in numbers {
            let found = self.find_number(number);
            accounts.push(found.ok_or_else(|| SendError::Receiver(number.clone()))?);
        }
        if numbers.is_empty() {
            accounts = self.default_audience(author);
        }
        accounts.retain(|a| *a != author && !self.has_blocked(author, *a));
        if accounts.is_empty() {
            return Err(SendError::Audience);
        }
        Ok(accounts)
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

    /// Where the message goes, as the phone needs it to compose.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination {
            chat: self.to.to_string(),
            group: self.group,
            by_lid: self.addressing == Addressing::Lid,
            now_s: self.now_s,
        }
    }

    /// The message goes to the same devices, but belongs to the stories.
    pub fn about_story(&mut self) {
        self.to = Jid::status_broadcast();
        self.addressing = Addressing::Lid;
    }

    /// Encrypts the message and returns its stanza.
    ///
    /// # Errors
    /// When the phone cannot encrypt.
    pub fn seal(
        &mut self,
        message: &wa::Message,
        bundles: &HashMap<DeviceAddress, Bundle>,
    ) -> Result<Node, SendError> {
        let phone = Arc::clone(&self.phone);
        let mut phone = phone.lock().map_err(|_| SendError::Broken)?;
        phone.remember_sent(&self.id, message);
        if let Some(chat) = &self.chat {
            phone.keep_sent(chat, &self.id, self.now_s, message);
        }
        let person = phone.person();
        phone.remember(&self.id, &self.to.to_string(), person, message);
        let media = media_type_from_message(message);
        let once = phone::is_view_once(message);
        let mut children = Vec::new();
        let mut participants = Vec::new();
        if self.group {
            let targets = self.targets.iter().map(|t| t.address);
            let members: Vec<DeviceAddress> =
                targets.filter(|t| !once || t.device == PHONE).collect();
            let group = self.to.to_string();
            let sealed = phone.encrypt_group(&group, message, &members, bundles, &mut self.rng)?;
            for (device, enc) in &sealed.distribution {
                participants.extend(self.participant(*device, enc, None));
            }
            // The audience of a story is named even where it has the key already.
            let named = self.audience.iter().cloned();
            participants.extend(named.map(|jid| NodeBuilder::new("to").attr("jid", jid).build()));
            children.push(enc_node(&sealed.message, media));
        } else {
            let copy = phone::device_sent(&self.to.to_string(), message);
            for target in self.targets.clone() {
                if once && target.address.device != PHONE {
                    continue;
                }
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
        if once {
            participants.extend(self.told_only());
        }
        if !participants.is_empty() {
            let participants = NodeBuilder::new("participants").children(participants);
            children.insert(0, participants.build());
        }
        children.extend(self.meta(message));
        let mut stanza = NodeBuilder::new("message")
            .attr("to", self.to.clone())
            .attr("id", self.id.as_str())
            .attr("type", stanza_type_from_message(message));
        if let Some(edit) = EditAttribute::infer_from_message(message) {
            stanza = stanza.attr("edit", edit.to_string_val());
        }
        if self.group {
            stanza = stanza.attr("addressing_mode", self.addressing.as_str());
        }
        Ok(stanza.children(children).build())
    }

    /// The companions, which do not get what may be looked at once only: they are told that there is something.
    fn told_only(&self) -> impl Iterator<Item = Node> {
        let companions = self.targets.iter().filter(|t| t.address.device != PHONE);
        companions.map(|t| {
            NodeBuilder::new("to")
                .attr("jid", t.jid.clone())
                .children([unavailable(true)])
                .build()
        })
    }

    /// What the stanza says about its content. Source: WhatsApp Web, as in wacore 0.7.0.
    fn meta(&self, message: &wa::Message) -> Option<Node> {
        let meta = NodeBuilder::new("meta");
        if !self.audience.is_empty() && status_carries_privacy_meta(message) {
            return Some(meta.attr("status_setting", "contacts").build());
        }
        if message.poll_update_message.is_set() {
            return Some(meta.attr("polltype", "vote").build());
        }
        if stanza_type_from_message(message) == "poll" {
            return Some(meta.attr("polltype", "creation").build());
        }
        if message.enc_event_response_message.is_set() {
            return Some(meta.attr("event_type", "response").build());
        }
        message
            .event_message
            .is_set()
            .then(|| meta.attr("event_type", "creation").build())
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
