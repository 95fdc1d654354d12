//! The phones' side of the service: what each has to look at, and the stanzas it answers with. The
//! slow part, cryptography, runs in [`run`] outside of the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::groups::GroupId;
use super::history;
use super::ids::{AccountId, Addressing, DeviceId, PHONE};
use super::iq_long;
use super::phone_sending::SendError;
use super::phone_stanzas::{self, Incoming};
use super::prekeys::Bundle;
use super::queue::{Class, Queue};
use super::reupload;
use super::server::{Effect, Server};
use super::xml;
use crate::phone::{self, Act, AppStateRead, DeviceAddress, Person, Phone, SyncNews, Wants};

/// The collection that the profile name stands in.
const PUSH_NAME_IN: &str = "critical_block";
/// Most stanzas that wait for one phone; of more, the oldest go unread.
pub const PHONE_QUEUE_MAX: usize = 4096;

/// A piece of work for a phone.
#[derive(Debug)]
pub enum Job {
    /// Send a new companion the app-state key.
    KeyShare {
        /// The companion.
        to: DeviceAddress,
        /// Its keys.
        bundle: Box<phone::Bundle>,
        /// Whether the profile name has to be written to the app state first.
        introduce: bool,
    },
    /// Send a new companion the past.
    History {
        /// The companion.
        to: DeviceAddress,
        /// What it wants.
        wants: Wants,
    },
    /// Read what companions wrote to these collections.
    AppState(Vec<(&'static str, SyncNews)>),
    /// Look at a stanza.
    Stanza(Box<Incoming>),
}

/// A phone with its next piece of work.
#[derive(Debug)]
pub struct Work {
    /// The account.
    pub account: AccountId,
    /// Its phone.
    pub phone: Arc<Mutex<Phone>>,
    /// What to do.
    pub job: Job,
    /// An id for a stanza of the phone's own.
    pub answer_id: String,
    /// Seconds since the Unix epoch.
    pub now_s: u64,
    /// Whether chats are addressed by LID.
    pub by_lid: bool,
    /// Randomness for it.
    pub rng: rand_chacha::ChaCha20Rng,
}

/// What came of a piece of work.
#[derive(Debug, Default)]
pub struct Done {
    /// Patches for the app state: collection, version they were made for, and content. They go first.
    pub patches: Vec<(&'static str, u64, Vec<u8>)>,
    /// Stanzas that the phone sends.
    pub stanzas: Vec<Node>,
    /// What it read in the app state.
    pub read: AppStateRead,
}

/// Does a piece of work.
pub fn run(phone: &mut Phone, work: &mut WorkParts<'_>) -> Done {
    let mut done = Done::default();
    match work.job {
        Job::KeyShare {
            to,
            bundle,
            introduce,
        } => {
            if *introduce {
                let name = phone.push_name().to_owned();
                let now_ms = i64::try_from(work.now_s.saturating_mul(1000)).unwrap_or(i64::MAX);
                let drafts = Act::SetPushName { name }.draft(&BTreeMap::new(), now_ms);
                if let Some(collection) = drafts.first().map(|d| d.collection) {
                    let (base, patch) = phone.write_app_state(collection, &drafts, work.rng);
                    done.patches.push((collection, base, patch));
                }
            }
            match phone.key_share(*to, Some(bundle), work.now_s, work.rng) {
                Ok(enc) => {
                    let stanza = phone_stanzas::peer_stanza(*to, work.answer_id, &enc);
                    done.stanzas.push(stanza);
                }
                Err(e) => tracing::warn!(error = %e, "phone could not share the app-state key"),
            }
        }
        Job::History { to, wants } => done.stanzas = history::send_all(phone, *to, wants, work),
        Job::AppState(news) => {
            done.read = phone.read_all_app_state(news);
        }
        Job::Stanza(incoming) => done.stanzas = phone_stanzas::read(phone, incoming, work),
    }
    done
}

/// What [`run`] needs besides the phone.
pub struct WorkParts<'a> {
    /// What to do.
    pub job: &'a Job,
    /// An id for a stanza of the phone's own.
    pub answer_id: &'a str,
    /// Seconds since the Unix epoch.
    pub now_s: u64,
    /// Randomness.
    pub rng: &'a mut rand_chacha::ChaCha20Rng,
    /// Fetches an encrypted file of the media host by its path.
    pub media: &'a dyn Fn(&str) -> Option<bytes::Bytes>,
    /// Puts an encrypted file on the media host, by its hash. Returns whether it was taken.
    pub store: &'a dyn Fn(&[u8; 32], bytes::Bytes) -> bool,
    /// Uploads an encrypted file of the media host again, by its hash. Returns where it is now, `None` if the
    /// host never had it.
    pub upload_again: &'a dyn Fn(&[u8; 32]) -> Option<String>,
    /// Whether chats are addressed by LID.
    pub by_lid: bool,
}

impl std::fmt::Debug for WorkParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkParts")
            .field("job", self.job)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Queues a stanza for a phone, if phones listen and this is something they read.
    pub(crate) fn queue_for_phone(
        &mut self,
        account: AccountId,
        class: Class,
        chat: u64,
        id: &str,
        bytes: Vec<u8>,
    ) -> usize {
        if !self.options.phones_listen || class == Class::Notification {
            return 0;
        }
        let Some(a) = self.account_mut(account) else {
            return 0;
        };
        let mut lost = a.phone_queue.push(class, chat, id, bytes).1;
        while a.phone_queue.len() > PHONE_QUEUE_MAX {
            a.phone_queue.pop();
            lost += 1;
        }
        self.schedule_phone(account);
        lost
    }

    /// Has someone look after the phone of an account.
    pub(crate) fn schedule_phone(&mut self, account: AccountId) {
        if let Some(a) = self.account_mut(account)
            && !a.phone_scheduled
        {
            a.phone_scheduled = true;
            self.effect(Effect::Phone(account));
        }
    }

    /// The next piece of work for the phone of an account; `None` until it is scheduled again.
    pub fn phone_work(&mut self, account: AccountId) -> Option<Work> {
        let job = self
            .next_key_share(account)
            .or_else(|| self.next_app_state(account))
            .or_else(|| self.next_history(account))
            .or_else(|| self.next_stanza(account));
        let stamp = self.stanza_number();
        let answer_id = format!("3EB0F{stamp:015X}");
        let rng = self.seeds.rng("phone work", stamp);
        let now_s = self.now_s();
        let by_lid = self.phone_addressing() == Addressing::Lid;
        let a = self.account_mut(account)?;
        match job {
            Some(job) => Some(Work {
                account,
                phone: Arc::clone(&a.phone),
                job,
                answer_id,
                now_s,
                by_lid,
                rng,
            }),
            None => {
                a.phone_scheduled = false;
                a.phone_queue = Queue::default();
                None
            }
        }
    }

    fn next_key_share(&mut self, account: AccountId) -> Option<Job> {
        let listens = self.options.phones_listen;
        let a = self.account_mut(account)?;
        let number = a.number;
        let written = a.app_state.as_ref().map_or(0, |s| s.version(PUSH_NAME_IN));
        let introduce = listens && written == 0 && !a.name.is_empty();
        let device = a
            .devices
            .iter_mut()
            .find(|d| d.key_share_due && d.keys.is_ready())?;
        device.key_share_due = false;
        let bundle = device.keys.take_bundle()?;
        let to = DeviceAddress::new(number, device.number);
        Some(Job::KeyShare {
            to,
            bundle: Box::new(to_phone(&bundle)),
            introduce,
        })
    }

    fn next_stanza(&mut self, account: AccountId) -> Option<Job> {
        loop {
            let entry = self.account_mut(account)?.phone_queue.pop()?;
            let Ok(node) = xml::decode(&entry.bytes) else {
                continue;
            };
            if let Some(incoming) = self.incoming(account, node) {
                return Some(Job::Stanza(Box::new(incoming)));
            }
        }
    }

    /// Names the author of a stanza as phones know it.
    fn incoming(&mut self, account: AccountId, node: Node) -> Option<Incoming> {
        let from = xml::attr_jid(&node, "from")?;
        let shared = from.is_group() || from.is_status_broadcast();
        let group = shared.then(|| from.to_string());
        let author = if group.is_some() {
            xml::attr_jid(&node, "participant")?
        } else {
            from.clone()
        };
        let device = self.resolve(&author)?;
        let kind = xml::attr(&node, "type");
        let retry = node.tag == "receipt" && kind.as_deref() == Some("retry");
        let asks_for_file = device.account == account && kind.as_deref() == Some(reupload::REQUEST);
        let read = device.account == account && reads(&node);
        if node.tag == "receipt" && !retry && !asks_for_file && !read {
            return None;
        }
        let bundle = if retry && node.get_optional_child("keys").is_none() {
            self.take_bundle(device).map(|(b, _)| to_phone(&b))
        } else {
            None
        };
        let user = self.account(device.account)?;
        let author = DeviceAddress::new(user.number, device.device);
        let person = Person {
            number: user.number,
            lid: user.lid,
        };
        let own = device.account == account;
        let (chat, chat_lid) = self.chat_of(&node, &from, own);
        let chat_name = self.group_name(&from);
        Some(Incoming {
            node,
            from,
            author,
            person,
            own,
            group,
            chat,
            chat_lid,
            chat_name,
            bundle,
        })
    }

    /// The chat a stanza belongs to, as phones show it, which is the address by number, or the group's; and
    /// the address by LID.
    fn chat_of(&self, node: &Node, from: &Jid, own: bool) -> (String, Option<String>) {
        if from.is_group() || from.is_status_broadcast() {
            return (from.to_string(), None);
        }
        let other = if own {
            xml::attr_jid(node, "recipient")
        } else {
            None
        };
        let other = other.as_ref().unwrap_or(from);
        let chat = self.resolve(other).and_then(|d| self.account(d.account));
        match chat {
            Some(a) => (
                a.jid(Addressing::Pn).to_string(),
                Some(a.jid(Addressing::Lid).to_string()),
            ),
            None => (other.to_string(), None),
        }
    }

    /// The name of a group.
    pub(super) fn group_name(&self, jid: &Jid) -> Option<String> {
        let group = self.groups.get(GroupId::parse(jid)?)?;
        Some(group.subject.body.to_string())
    }

    /// Lets the phone of an account know that one of its devices has read a chat.
    pub(super) fn tell_phone_of_reading(&mut self, by: DeviceId, chat: &Jid, receipt: &Node) {
        let Some(own) = self.account(by.account) else {
            return;
        };
        let mut node = NodeBuilder::new("receipt")
            .attr("from", own.device_jid(Addressing::Pn, by.device))
            .attr("recipient", chat.clone())
            .build();
        for key in ["id", "type"] {
            xml::copy_attr(receipt, &mut node, key);
        }
        let id = xml::attr(&node, "id").unwrap_or_default().into_owned();
        if let Some(bytes) = xml::encode(&node) {
            self.queue_for_phone(by.account, Class::Receipt, 0, &id, bytes);
        }
    }

    /// Takes what came of a phone's work.
    pub fn phone_did(&mut self, account: AccountId, done: &Done) {
        let from = DeviceId {
            account,
            device: PHONE,
        };
        for (collection, base, patch) in &done.patches {
            if let Err(e) = self.upload_app_state(from, collection, *base, patch) {
                tracing::warn!(error = %e, "app state of a phone was not taken");
            }
        }
        self.app_state_read(account, &done.read);
        self.phone_sends(account, &done.stanzas);
    }

    /// Routes a message of a phone.
    ///
    /// # Errors
    /// When the service refuses it.
    pub fn phone_message(&mut self, account: AccountId, stanza: &Node) -> Result<(), SendError> {
        let from = DeviceId {
            account,
            device: PHONE,
        };
        self.route_message(from, stanza)
            .map(drop)
            .map_err(SendError::Nack)
    }

    /// Routes what a phone sends.
    pub fn phone_sends(&mut self, account: AccountId, stanzas: &[Node]) {
        let from = DeviceId {
            account,
            device: PHONE,
        };
        for stanza in stanzas {
            match stanza.tag.as_ref() {
                "message" => {
                    if let Err(e) = self.phone_message(account, stanza) {
                        tracing::warn!(error = %e, "message of a phone was not delivered");
                    }
                }
                "receipt" => self.route_receipt(from, stanza),
                reupload::ANSWER => self.media_retried(account, stanza),
                _ => {}
            }
        }
    }

    /// The devices a message of the phone to `chat` is encrypted for, and how they are addressed.
    pub(crate) fn fan_out(&self, account: AccountId, chat: DeviceId) -> Vec<DeviceId> {
        let mut accounts = vec![chat.account];
        if chat.account != account {
            accounts.push(account);
        }
        let own_phone = DeviceId {
            account,
            device: PHONE,
        };
        self.devices_of(&accounts)
            .into_iter()
            .filter(|d| *d != own_phone)
            .collect()
    }

    /// How phones address chats: by LID once the account's chats moved there.
    pub(crate) const fn phone_addressing(&self) -> Addressing {
        if self.options.lid_migrated {
            Addressing::Lid
        } else {
            Addressing::Pn
        }
    }
}

/// Whether a receipt says that something was read.
pub(super) fn reads(node: &Node) -> bool {
    let kind = xml::attr(node, "type");
    let kind = kind.as_deref().unwrap_or_default();
    node.tag == "receipt" && matches!(kind, "read" | "read-self" | "played" | "played-self")
}

/// A bundle as phones take it.
pub(crate) fn to_phone(bundle: &Bundle) -> phone::Bundle {
    phone::Bundle {
        registration_id: u32::from_be_bytes(bundle.registration),
        identity: bundle.identity,
        signed_prekey: phone::SignedPrekey {
            id: iq_long(bundle.signed.id),
            public: bundle.signed.public,
            signature: bundle.signed.signature,
        },
        prekey: bundle.one_time.map(|k| (iq_long(k.id), k.public)),
    }
}
