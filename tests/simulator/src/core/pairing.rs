//! Connections without an account: QR references, what a phone does after scanning one, and the
//! restart that ends it. The phone's signatures are made by the phone double.
//!
//! Source: protocol notes, section 5.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp as wa;

use super::account::Device;
use super::conn::Phase;
use super::ids::{AccountId, Addressing, ConnId, DeviceId, PHONE, server_jid};
pub use super::pair_code::CodeFlows;
use super::prekeys::KeyStore;
use super::queue::Queue;
use super::server::{Effect, Server, Timer, iq_error, iq_result};
use super::xml;
use crate::phone::{PairError, QrText, Wants};

/// References offered at a time. Source: WhatsApp; the client shows them one after the other.
const REFS: usize = 6;
/// How long the restart waits after the client's signature arrived. Less runs into a race of the
/// client. Source: protocol notes, pitfall 10.
const RESTART_AFTER: Duration = Duration::from_millis(100);
/// How long a client shows its code before a phone links it unseen.
const UNSEEN_AFTER: Duration = Duration::from_millis(50);
/// A placeholder user name with at least this many digits is taken as the phone number to pair as.
const HINT_FROM: u64 = 1_000_000;

/// A connection that wants to be paired.
#[derive(Debug, Default)]
pub struct Pairing {
    /// The references its QR codes may carry.
    pub refs: Vec<String>,
    /// The name from its registration payload.
    pub name: Option<Box<str>>,
    /// Its identity key, if it registered with one.
    pub identity: Option<[u8; 32]>,
    /// The number its placeholder login named, if that can be one.
    pub hint: Option<u64>,
    /// The link that waits for the client's signature.
    pub pending: Option<PendingLink>,
    /// What it wants of the past.
    pub wants: Wants,
    /// Whether it is paired and only waits for its restart.
    pub done: bool,
}

/// A link that the phone has signed and the client has not.
#[derive(Debug, Clone)]
pub struct PendingLink {
    /// Who the client will be.
    pub device: DeviceId,
    /// Its key index.
    pub key_index: u32,
    /// The id of the `pair-success` stanza.
    pub iq: String,
}

/// Why a phone could not link a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The phone refused.
    #[error("link device")]
    Phone(#[from] PairError),
    /// No open connection shows this code.
    #[error("link device: no connection waits with this code")]
    UnknownCode,
    /// The number is not one.
    #[error("link device: {0:?} is not a phone number")]
    Number(String),
    /// The simulator has as many accounts as it may.
    #[error("link device: the simulator is full")]
    Full,
    /// The connection is being linked already.
    #[error("link device: the code was used already")]
    Used,
    /// The phone double is unusable after a panic.
    #[error("link device: the phone is broken")]
    Broken,
}

/// Who a freshly linked client is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Linked {
    /// Digits of the phone number.
    pub number: String,
    /// Address of the device, by phone number.
    pub jid: String,
    /// Address of the device, by LID.
    pub lid: String,
}

impl Server {
    /// Opens a pairing connection and offers its references.
    pub(crate) fn start_pairing(
        &mut self,
        conn: ConnId,
        noise_key: [u8; 32],
        payload: &wa::ClientPayload,
    ) {
        let refs: Vec<String> = (0..REFS)
            .map(|_| {
                let bytes: [u8; 33] = self.rng.random();
                format!("2@{}", STANDARD.encode(bytes))
            })
            .collect();
        for reference in &refs {
            self.refs.insert(reference.clone(), conn);
        }
        let nodes = refs
            .iter()
            .map(|r| NodeBuilder::new("ref").bytes(r.as_bytes().to_vec()).build())
            .collect::<Vec<_>>();
        let pairing = Pairing {
            refs,
            name: payload
                .push_name
                .as_deref()
                .filter(|n| !n.is_empty())
                .map(Into::into),
            identity: payload
                .device_pairing_data
                .as_option()
                .and_then(|d| d.e_ident.as_deref()?.try_into().ok()),
            hint: payload.username.filter(|n| *n >= HINT_FROM),
            pending: None,
            wants: Wants::of(
                payload
                    .device_pairing_data
                    .as_option()
                    .and_then(|d| d.device_props.as_deref()),
            ),
            done: false,
        };
        self.attach(conn, noise_key, Phase::Pairing(Box::new(pairing)));
        let offer = self.server_iq([NodeBuilder::new("pair-device").children(nodes).build()]);
        self.emit(conn, &offer);
        if self.options.pair_unseen {
            self.effect(Effect::Wait(UNSEEN_AFTER, Timer::PairUnseen(conn)));
        }
    }

    /// A phone links a client without the secret that its QR code holds: the proof of having seen the
    /// code is then one over nothing, and a client that checks it refuses.
    pub(crate) fn pair_unseen(&mut self, conn: ConnId) {
        let Some(Phase::Pairing(pairing)) = self.conns.get(&conn).map(|c| &c.phase) else {
            return;
        };
        let Some(identity) = pairing.identity else {
            return;
        };
        let linked = self.choose_account(conn, None, None).and_then(|account| {
            // Whoever has an account has a name.
            if let Some(unnamed) = self.account(account).filter(|a| a.name.is_empty()) {
                let name = format!("User {}", unnamed.number);
                let phone = DeviceId {
                    account,
                    device: PHONE,
                };
                self.rename(phone, &name);
            }
            self.link(conn, account, &identity, &[0; 32])
        });
        if let Err(e) = linked {
            tracing::warn!(error = %e, "client was not linked unseen");
        }
    }

    fn server_iq(&mut self, children: [Node; 1]) -> Node {
        NodeBuilder::new("iq")
            .attr("from", server_jid())
            .attr("type", "set")
            .attr("xmlns", "md")
            .attr("id", self.stanza_id())
            .attr("t", self.now_s())
            .children(children)
            .build()
    }

    /// A phone scans a QR code. The account is that of `number`, else that of the push name (`name`,
    /// else the one from the registration), else a new one.
    ///
    /// # Errors
    /// When the text is no QR code of an open connection, or the phone refuses.
    pub fn scan_qr(
        &mut self,
        text: &str,
        number: Option<&str>,
        name: Option<&str>,
    ) -> Result<Linked, Error> {
        let qr = QrText::parse(text)?;
        let conn = *self.refs.get(&qr.reference).ok_or(Error::UnknownCode)?;
        let number = number
            .map(|n| super::ids::parse_number(n).ok_or_else(|| Error::Number(n.to_owned())))
            .transpose()?;
        let account = self.choose_account(conn, number, name)?;
        self.link(conn, account, &qr.identity, &qr.adv_secret)
    }

    fn choose_account(
        &mut self,
        conn: ConnId,
        number: Option<u64>,
        name: Option<&str>,
    ) -> Result<AccountId, Error> {
        let Some(Phase::Pairing(pairing)) = self.conns.get(&conn).map(|c| &c.phase) else {
            return Err(Error::UnknownCode);
        };
        let name: Box<str> = name
            .map(Into::into)
            .or_else(|| pairing.name.clone())
            .unwrap_or_default();
        let hint = pairing.hint;
        let known = if number.is_none() {
            self.by_name.get(&name).copied()
        } else {
            None
        };
        if let Some(account) = known {
            return Ok(account);
        }
        let number = number.or(hint).unwrap_or_else(|| self.free_number());
        self.account_with_number(number, &name).ok_or(Error::Full)
    }

    /// The phone of `account` signs the client's identity, and the client is told who it is.
    pub(crate) fn link(
        &mut self,
        conn: ConnId,
        account: AccountId,
        identity: &[u8; 32],
        adv_secret: &[u8; 32],
    ) -> Result<Linked, Error> {
        let now_s = self.now_s();
        let lid_migrated = self.options.lid_migrated;
        match self.conns.get(&conn).map(|c| &c.phase) {
            Some(Phase::Pairing(p)) if p.pending.is_none() && !p.done => {}
            Some(_) => return Err(Error::Used),
            None => return Err(Error::UnknownCode),
        }
        let a = self.account_mut(account).ok_or(Error::UnknownCode)?;
        let number = a.next_device;
        let signed = a
            .phone
            .lock()
            .map_err(|_| Error::Broken)?
            .link_device(number, identity, adv_secret, now_s)?;
        a.next_device += 1;
        let jid = a.device_jid(Addressing::Pn, number);
        let lid = a.device_jid(Addressing::Lid, number);
        let linked = Linked {
            number: a.number.to_string(),
            jid: jid.to_string(),
            lid: lid.to_string(),
        };
        let mut children = vec![
            NodeBuilder::new("device-identity")
                .bytes(signed.device_identity)
                .build(),
            NodeBuilder::new("device")
                .attr("jid", jid)
                .attr("lid", lid)
                .build(),
            NodeBuilder::new("platform").attr("name", "android").build(),
        ];
        if !a.name.is_empty() {
            children.push(NodeBuilder::new("biz").attr("name", &*a.name).build());
        }
        if lid_migrated {
            children.push(
                NodeBuilder::new("client-props")
                    .bytes(migrated_props())
                    .build(),
            );
        }
        let success = self.server_iq([NodeBuilder::new("pair-success").children(children).build()]);
        let iq = xml::attr(&success, "id").unwrap_or_default().into_owned();
        let device = DeviceId {
            account,
            device: number,
        };
        if let Some(Phase::Pairing(p)) = self.conns.get_mut(&conn).map(|c| &mut c.phase) {
            p.pending = Some(PendingLink {
                device,
                key_index: signed.key_index,
                iq,
            });
        }
        self.emit(conn, &success);
        Ok(linked)
    }

    /// Stanzas of an unpaired client.
    pub(crate) fn pairing_stanza(&mut self, conn: ConnId, node: &Node) {
        if node.tag != "iq" {
            // Clients send `ib` and acks here; neither has an effect.
            return;
        }
        match xml::attr(node, "type").as_deref() {
            Some("result") => {
                if let Some(sign) = node.get_optional_child("pair-device-sign") {
                    self.pairing_signed(conn, node, sign);
                }
            }
            Some("error") => self.abandon_link(conn),
            _ if node.get_optional_child("link_code_companion_reg").is_some() => {
                self.code_iq(conn, node);
            }
            _ if xml::attr(node, "xmlns").as_deref() == Some("w:p") => {
                self.emit(conn, &iq_result(node, Vec::new()));
            }
            _ => self.emit(conn, &iq_error(node, 501, "feature-not-implemented")),
        }
    }

    fn pairing_signed(&mut self, conn: ConnId, iq: &Node, sign: &Node) {
        let Some(c) = self.conns.get(&conn) else {
            return;
        };
        let Phase::Pairing(pairing) = &c.phase else {
            return;
        };
        let noise_key = c.noise_key;
        let wants = pairing.wants;
        let Some(pending) = pairing.pending.clone() else {
            return;
        };
        if xml::attr(iq, "id").as_deref() != Some(&*pending.iq) {
            return;
        }
        let identity = xml::child_bytes(sign, "device-identity").unwrap_or_default();
        let number = pending.device.device;
        let accepted = self.account(pending.device.account).and_then(|a| {
            let mut phone = a.phone.lock().ok()?;
            phone
                .finish_device(number, identity)
                .inspect_err(|e| {
                    tracing::warn!(error = %e, "companion identity refused");
                })
                .ok()
        });
        if accepted.is_none() {
            self.abandon_link(conn);
            self.stream_error(conn, 500);
            return;
        }
        let device = Device {
            number,
            noise_key,
            identity: identity.into(),
            key_index: pending.key_index,
            keys: KeyStore::default(),
            queue: Queue::default(),
            conn: None,
            key_share_due: true,
            history_due: Some(wants),
            told_keys_low: false,
        };
        if let Some(account) = self.account_mut(pending.device.account) {
            account.devices.push(device);
            account.key_index_list = None;
        }
        if let Some(Phase::Pairing(p)) = self.conns.get_mut(&conn).map(|c| &mut c.phase) {
            p.pending = None;
            p.done = true;
        }
        self.journal
            .event(self.clock.now_ms(), Some(pending.device), "paired");
        self.devices_changed(pending.device, "add");
        self.effect(Effect::Wait(RESTART_AFTER, Timer::Restart(conn)));
    }

    /// The client gave up: the phone forgets the link.
    pub(crate) fn abandon_link(&mut self, conn: ConnId) {
        let Some(Phase::Pairing(p)) = self.conns.get_mut(&conn).map(|c| &mut c.phase) else {
            return;
        };
        if let Some(pending) = p.pending.take() {
            self.unlink_on_phone(pending.device);
        }
    }

    pub(crate) fn unlink_on_phone(&mut self, device: DeviceId) {
        if let Some(account) = self.account_mut(device.account) {
            if let Ok(mut phone) = account.phone.lock() {
                phone.unlink_device(device.device);
            }
            account.key_index_list = None;
        }
    }

    /// Tells a freshly paired client to reconnect.
    pub(crate) fn restart(&mut self, conn: ConnId) {
        if self.conns.contains_key(&conn) {
            self.stream_error(conn, 515);
        }
    }
}

/// The properties that move a client's chats to LIDs.
fn migrated_props() -> Vec<u8> {
    use buffa::Message as _;
    wa::ClientPairingProps {
        is_chat_db_lid_migrated: Some(true),
        ..Default::default()
    }
    .encode_to_vec()
}
