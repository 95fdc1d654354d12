//! Group encryption with sender keys: who has the phone's key, and when a new one is due.

use std::collections::{BTreeSet, HashMap};

use rand::{CryptoRng, Rng};
use wacore_libsignal::protocol::{
    SenderKeyName, create_sender_key_distribution_message, group_decrypt, group_encrypt,
};
use waproto::whatsapp as wa;

use super::cipher::{at_once, pad, unpad};
use super::{Bundle, DeviceAddress, Enc, EncKind, Error, Phone};

/// Most devices one group message is encrypted for. Source: 1024 members (WhatsApp) with five devices each.
pub const GROUP_MEMBERS_MAX: usize = 5 * 1024;

/// Groups whose key distribution a phone keeps in mind. In a forgotten group it starts a new key.
const OWN_GROUPS_MAX: usize = 256;

/// A message for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEnc {
    /// The sender key, for devices that did not have it: the `<participants>` of the stanza.
    pub distribution: Vec<(DeviceAddress, Enc)>,
    /// The message itself.
    pub message: Enc,
    /// Devices that should have got the key but have neither session nor bundle.
    pub skipped: Vec<DeviceAddress>,
}

/// Which devices have the phone's sender key, by group.
#[derive(Debug, Default)]
pub(super) struct OwnGroups(HashMap<Box<str>, BTreeSet<DeviceAddress>>);

impl OwnGroups {
    pub(super) fn heap_bytes(&self) -> usize {
        let entry = size_of::<(Box<str>, BTreeSet<DeviceAddress>)>();
        let devices = |set: &BTreeSet<DeviceAddress>| set.len() * size_of::<DeviceAddress>();
        self.0
            .iter()
            .map(|(group, set)| entry + group.len() + devices(set))
            .sum()
    }
}

/// The name of a device's sender key. Groups are compared as text, so callers use one spelling.
pub(super) fn sender_key_name(group: &str, device: DeviceAddress) -> SenderKeyName {
    SenderKeyName::from_parts(group, device.protocol().as_str())
}

impl Phone {
    /// The devices for which [`Self::encrypt_group`] needs a bundle: they lack the key and a session to send it by.
    #[must_use]
    pub fn group_needs_bundles(
        &self,
        group: &str,
        members: &[DeviceAddress],
    ) -> Vec<DeviceAddress> {
        let members = self.others(members);
        let known = self.holders(group, &members).unwrap_or_default();
        members
            .into_iter()
            .filter(|device| !known.contains(device) && !self.has_session(*device))
            .collect()
    }

    /// Encrypts a message for a group.
    ///
    /// `members` are all devices of all members; the phone itself may be among them and is left out. When a device
    /// that has the key is no longer a member, a new key is made. `group` is the group's jid, spelled as in stanzas:
    /// it is part of the distribution message.
    ///
    /// # Errors
    /// When there are too many members or a bundle is forged.
    pub fn encrypt_group<R: Rng + CryptoRng>(
        &mut self,
        group: &str,
        message: &wa::Message,
        members: &[DeviceAddress],
        bundles: &HashMap<DeviceAddress, Bundle>,
        rng: &mut R,
    ) -> Result<GroupEnc, Error> {
        if members.len() > GROUP_MEMBERS_MAX {
            return Err(Error::TooManyMembers(members.len()));
        }
        let members = self.others(members);
        let holders = self.holders(group, &members);
        if holders.is_none() {
            self.forget_group(group);
        }
        let mut holders = holders.unwrap_or_default();
        let carrier = self.distribution(group, rng)?;
        let mut distribution = Vec::new();
        let mut skipped = Vec::new();
        for device in members {
            if holders.contains(&device) {
                continue;
            }
            match self.encrypt(device, bundles.get(&device), &carrier, rng) {
                Ok(enc) => {
                    distribution.push((device, enc));
                    holders.insert(device);
                }
                Err(Error::NoSession(_)) => skipped.push(device),
                Err(error) => return Err(error),
            }
        }
        self.own_groups.0.insert(group.into(), holders);
        let plaintext = pad(message, rng);
        let name = sender_key_name(group, self.address());
        let encrypted = at_once(group_encrypt(&mut self.sender_keys, &name, &plaintext, rng))?
            .map_err(|source| Error::Signal {
                operation: "group encryption",
                device: self.address(),
                source,
            })?;
        let bytes = encrypted.serialized().to_vec();
        let message = Enc {
            kind: EncKind::SenderKey,
            bytes,
            count: None,
        };
        Ok(GroupEnc {
            distribution,
            message,
            skipped,
        })
    }

    /// Encrypts a group message again, for the one device that asked, with the sender key attached.
    ///
    /// # Errors
    /// As [`Self::resend`].
    pub fn resend_group<R: Rng + CryptoRng>(
        &mut self,
        group: &str,
        to: DeviceAddress,
        bundle: Option<&Bundle>,
        message: &wa::Message,
        count: u8,
        rng: &mut R,
    ) -> Result<Enc, Error> {
        let mut message = message.clone();
        message.sender_key_distribution_message = self
            .distribution(group, rng)?
            .sender_key_distribution_message;
        let enc = self.resend(to, bundle, &message, count, rng)?;
        if let Some(holders) = self.own_groups.0.get_mut(group) {
            holders.insert(to);
        }
        Ok(enc)
    }

    /// Decrypts a `skmsg`. The sender key must have come by [`Self::decrypt`] before.
    ///
    /// # Errors
    /// See [`Error::wants_retry`] and [`Error::is_duplicate`] for what to answer.
    pub fn decrypt_group(
        &mut self,
        group: &str,
        from: DeviceAddress,
        bytes: &[u8],
    ) -> Result<wa::Message, Error> {
        let name = sender_key_name(group, from);
        let plaintext =
            at_once(group_decrypt(bytes, &mut self.sender_keys, &name))?.map_err(|source| {
                Error::Signal {
                    operation: "group decryption",
                    device: from,
                    source,
                }
            })?;
        unpad(from, &plaintext)
    }

    /// Drops the phone's sender key of a group; the next message starts a new one. For leaving a group.
    pub fn forget_group(&mut self, group: &str) {
        self.own_groups.0.remove(group);
        self.sender_keys
            .remove(&sender_key_name(group, self.address()));
    }

    /// The members without the phone, each once, in order.
    fn others(&self, members: &[DeviceAddress]) -> BTreeSet<DeviceAddress> {
        members
            .iter()
            .copied()
            .filter(|device| *device != self.address())
            .collect()
    }

    /// Who has the phone's current key. `None` if a new key is due.
    fn holders(
        &self,
        group: &str,
        members: &BTreeSet<DeviceAddress>,
    ) -> Option<BTreeSet<DeviceAddress>> {
        if !self
            .sender_keys
            .contains(&sender_key_name(group, self.address()))
        {
            return None;
        }
        let holders = self.own_groups.0.get(group)?;
        holders.is_subset(members).then(|| holders.clone())
    }

    /// The message that hands out the phone's sender key, which is made if there is none.
    fn distribution<R: Rng + CryptoRng>(
        &mut self,
        group: &str,
        rng: &mut R,
    ) -> Result<wa::Message, Error> {
        if !self.own_groups.0.contains_key(group) {
            self.make_room_for_group();
            self.own_groups.0.insert(group.into(), BTreeSet::new());
        }
        let name = sender_key_name(group, self.address());
        let created = create_sender_key_distribution_message(&name, &mut self.sender_keys, rng);
        let created = at_once(created)?.map_err(|source| Error::Signal {
            operation: "sender key export",
            device: self.address(),
            source,
        })?;
        let carrier = wa::message::SenderKeyDistributionMessage {
            group_id: Some(group.to_owned()),
            axolotl_sender_key_distribution_message: Some(created.serialized().to_vec()),
        };
        Ok(wa::Message {
            sender_key_distribution_message: carrier.into(),
            ..Default::default()
        })
    }

    fn make_room_for_group(&mut self) {
        if self.own_groups.0.len() < OWN_GROUPS_MAX {
            return;
        }
        if let Some(oldest) = self.own_groups.0.keys().min().cloned() {
            self.forget_group(&oldest);
        }
    }
}
