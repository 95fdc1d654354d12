//! Accounts and their devices as the server keeps them. Compact on purpose: there may be ten
//! thousand of them, and most do nothing most of the time.

use std::sync::{Arc, Mutex};

use wacore_binary::Jid;

use super::app_state::AppState;
use super::groups::GroupId;
use super::ids::{AccountId, Addressing, ConnId, PHONE};
use super::prekeys::KeyStore;
use super::presence::Watcher;
use super::profile::Profile;
use super::queue::Queue;
use super::signals::Signals;
use crate::phone::{KeyIndexList, Phone, Wants};

/// A companion device.
#[derive(Debug)]
pub struct Device {
    /// Its number within the account, from 1.
    pub number: u16,
    /// Noise static public key: what it logs in with.
    pub noise_key: [u8; 32],
    /// The `ADVSignedDeviceIdentity` it returned at pairing, served in bundles.
    pub identity: Box<[u8]>,
    /// Its position in the account's signed key index list.
    pub key_index: u32,
    /// Its public keys.
    pub keys: KeyStore,
    /// What it has not acknowledged.
    pub queue: Queue,
    /// Its connection, if it has one.
    pub conn: Option<ConnId>,
    /// Whether the phone still has to send it the app-state key.
    pub key_share_due: bool,
    /// What the phone still has to send it of the past.
    pub history_due: Option<Wants>,
    /// Whether it was told that its one-time keys run low, and has not uploaded since.
    pub told_keys_low: bool,
}

/// An account: a phone and its companions.
#[derive(Debug)]
pub struct Account {
    /// Digits of the phone number.
    pub number: u64,
    /// Digits of the LID.
    pub lid: u64,
    /// Profile name.
    pub name: Box<str>,
    /// The phone double.
    pub phone: Arc<Mutex<Phone>>,
    /// What the phone has yet to look at.
    pub phone_queue: Queue,
    /// Whether a worker is already told to look.
    pub phone_scheduled: bool,
    /// The companions, by number.
    pub devices: Vec<Device>,
    /// Number of the next companion; numbers are not reused.
    pub next_device: u16,
    /// The signed list of key indexes, renewed when the devices change.
    pub key_index_list: Option<KeyIndexList>,
    /// Groups it is in.
    pub groups: Vec<GroupId>,
    /// Who wants to know when it comes and goes.
    pub watchers: Vec<Watcher>,
    /// Accounts that asked for its device list, and hear when it changes.
    pub contacts: Vec<AccountId>,
    /// When it was last available, in seconds; 0 is never.
    pub last_seen_s: u64,
    /// Whether the user has the phone in hand.
    pub phone_available: bool,
    /// What the phone's user noticed besides messages.
    pub signals: Option<Box<Signals>>,
    /// Settings that most accounts never touch.
    pub profile: Option<Box<Profile>>,
    /// App-state collections, once something was stored.
    pub app_state: Option<Box<AppState>>,
}

impl Account {
    /// The companion `number`.
    #[must_use]
    pub fn device(&self, number: u16) -> Option<&Device> {
        self.devices.iter().find(|d| d.number == number)
    }

    /// The companion `number`, to change it.
    pub fn device_mut(&mut self, number: u16) -> Option<&mut Device> {
        self.devices.iter_mut().find(|d| d.number == number)
    }

    /// Whether it has the device; the phone always exists.
    #[must_use]
    pub fn has(&self, device: u16) -> bool {
        device == PHONE || self.device(device).is_some()
    }

    /// The address of the account.
    #[must_use]
    pub fn jid(&self, addressing: Addressing) -> Jid {
        match addressing {
            Addressing::Pn => Jid::pn(self.number.to_string()),
            Addressing::Lid => Jid::lid(self.lid.to_string()),
        }
    }

    /// The address of one of its devices.
    #[must_use]
    pub fn device_jid(&self, addressing: Addressing, device: u16) -> Jid {
        self.jid(addressing).with_device(device)
    }

    /// Numbers of all devices, the phone first.
    pub fn device_numbers(&self) -> impl Iterator<Item = u16> + '_ {
        std::iter::once(PHONE).chain(self.devices.iter().map(|d| d.number))
    }

    /// The settings, made when first needed.
    pub fn profile_mut(&mut self) -> &mut Profile {
        self.profile.get_or_insert_default()
    }
}
