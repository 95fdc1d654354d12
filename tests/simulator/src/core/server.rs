//! The state of the whole simulated service and its entry points. It is driven from outside: each
//! call takes one input and leaves [`Effect`]s to carry out. No sockets, no tasks, no waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::account::{Account, Device};
use super::conn::{Conn, Phase};
use super::damage::damaged;
use super::groups::Groups;
use super::ids::{AccountId, Addressing, ConnId, DeviceId, server_jid};
use super::newsletters::Newsletters;
use super::pairing::CodeFlows;
use super::queue::Queue;
use super::xml;
use crate::clock::SharedClock;
use crate::faults::Plan;
use crate::journal::{Direction, Journal, kind_of};
use crate::phone::Phone;
use crate::seeds::Seeds;

/// What clients have to send with uploads.
pub(crate) const MEDIA_AUTH: &str = "simulator";
/// Most accounts a simulator holds.
pub const ACCOUNTS_MAX: usize = 200_000;

/// What the shell has to do after a call, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Encrypt and send to a connection.
    Send {
        /// The connection.
        conn: ConnId,
        /// The encoded stanza.
        bytes: Bytes,
        /// How long this and everything behind it waits first, in milliseconds.
        delay_ms: u64,
    },
    /// Close a connection once everything before this was sent.
    Close(ConnId),
    /// Close a connection at once.
    Abort(ConnId),
    /// Call [`Server::fire`] after a while.
    Wait(Duration, Timer),
    /// The phone of an account has work: see [`Server::phone_work`].
    Phone(AccountId),
    /// Put a file on the media host.
    Store {
        /// The name: its hash, base64.
        token: String,
        /// The content.
        bytes: Bytes,
    },
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Link a waiting client, see [`Options::pair_unseen`].
    PairUnseen(ConnId),
    /// Tell a freshly paired client to reconnect.
    Restart(ConnId),
    /// Send the rest of an offline queue to a client that does not ask again.
    DrainRest(ConnId, u32),
    /// Ask a pairing-code client again whether its phone got anywhere.
    CodeExpired(ConnId),
    /// Complete a login that found an older socket of its device.
    Enter(ConnId),
}

/// What the behaviour depends on besides the seed.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether pairing announces `isChatDbLidMigrated`, so that clients address chats by LID.
    pub lid_migrated: bool,
    /// Whether the phones take and decrypt what is sent to them. Without it their copies are
    /// swallowed, which load runs want.
    pub phones_listen: bool,
    /// Whether a message names its sender by phone number and by LID. The service did not while it
    /// moved its clients to LIDs, and clients of that time lose sessions over it.
    pub both_addresses: bool,
    /// Whether a phone links every waiting client without having seen its QR code. Only clients that
    /// do not check the proof of having seen it accept that.
    pub pair_unseen: bool,
    /// How members of new groups address each other.
    pub group_addressing: Addressing,
    /// Host (and port) that media answers name.
    pub media_host: String,
}

/// The simulated service.
#[derive(Debug)]
pub struct Server {
    pub(crate) options: Options,
    pub(crate) seed: u64,
    pub(crate) seeds: Seeds,
    pub(crate) clock: SharedClock,
    pub(crate) accounts: Vec<Account>,
    pub(crate) by_number: HashMap<u64, AccountId>,
    pub(crate) by_lid: HashMap<u64, AccountId>,
    pub(crate) by_name: HashMap<Box<str>, AccountId>,
    pub(crate) conns: HashMap<ConnId, Conn>,
    /// Logins that wait for an older socket to close.
    pub(crate) entering: HashMap<ConnId, (DeviceId, [u8; 32])>,
    pub(crate) refs: HashMap<String, ConnId>,
    pub(crate) codes: CodeFlows,
    pub(crate) groups: Groups,
    pub(crate) newsletters: Newsletters,
    pub(crate) journal: Journal,
    pub(crate) faults: Plan,
    pub(crate) rng: ChaCha20Rng,
    effects: VecDeque<Effect>,
    next_conn: u64,
    next_stanza: u64,
    next_number: u64,
}

impl Server {
    /// An empty service.
    #[must_use]
    pub fn new(options: Options, seed: u64, clock: SharedClock) -> Self {
        let seeds = Seeds::new(seed);
        Self {
            options,
            seed,
            seeds,
            clock,
            accounts: Vec::new(),
            by_number: HashMap::new(),
            by_lid: HashMap::new(),
            by_name: HashMap::new(),
            conns: HashMap::new(),
            entering: HashMap::new(),
            refs: HashMap::new(),
            codes: CodeFlows::default(),
            groups: Groups::default(),
            newsletters: Newsletters::default(),
            journal: Journal::default(),
            faults: Plan::default(),
            rng: seeds.rng("server", 0),
            effects: VecDeque::new(),
            next_conn: 0,
            next_stanza: 0,
            next_number: 0,
        }
    }

    /// Takes the effects of the calls so far.
    pub fn take_effects(&mut self) -> impl Iterator<Item = Effect> + use<> {
        std::mem::take(&mut self.effects).into_iter()
    }

    /// A number for a new connection.
    pub fn new_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.clock.now_ms() / 1000
    }

    /// A number that was not used before in this run.
    pub(crate) const fn stanza_number(&mut self) -> u64 {
        self.next_stanza += 1;
        self.next_stanza
    }

    /// An id for a stanza that the server itself originates.
    pub(crate) fn stanza_id(&mut self) -> String {
        format!("SIM{:08X}", self.stanza_number())
    }

    // ---- accounts ------------------------------------------------------------------------

    pub(crate) fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0 as usize)
    }

    pub(crate) fn account_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.accounts.get_mut(id.0 as usize)
    }

    pub(crate) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.account(id.account)?.device(id.device)
    }

    pub(crate) fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.account_mut(id.account)?.device_mut(id.device)
    }

    /// The account and device that an address names, if there is such an account.
    pub(crate) fn resolve(&self, jid: &Jid) -> Option<DeviceId> {
        let digits = jid.user_base().parse().ok()?;
        let account = match Addressing::of(jid)? {
            Addressing::Pn => self.by_number.get(&digits)?,
            Addressing::Lid => self.by_lid.get(&digits)?,
        };
        Some(DeviceId {
            account: *account,
            device: jid.device,
        })
    }

    /// `<number>:<device>`, for people.
    pub(crate) fn device_name(&self, id: DeviceId) -> String {
        let number = self.account(id.account).map_or(0, |a| a.number);
        format!("{number}:{}", id.device)
    }

    /// The account with the number, made if it is new. `None` when the simulator is full.
    pub(crate) fn account_with_number(&mut self, number: u64, name: &str) -> Option<AccountId> {
        if let Some(id) = self.by_number.get(&number) {
            return Some(*id);
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return None;
        }
        let id = AccountId(u32::try_from(self.accounts.len()).ok()?);
        let lid = self.lid_for(number);
        self.by_number.insert(number, id);
        self.by_lid.insert(lid, id);
        if !name.is_empty() {
            self.by_name.entry(name.into()).or_insert(id);
        }
        self.accounts.push(Account {
            number,
            lid,
            name: name.into(),
            phone: Arc::new(Mutex::new(Phone::new(number, lid, name, self.seed))),
            phone_queue: Queue::default(),
            phone_scheduled: false,
            devices: Vec::new(),
            next_device: 1,
            key_index_list: None,
            groups: Vec::new(),
            watchers: Vec::new(),
            contacts: Vec::new(),
            last_seen_s: 0,
            phone_available: false,
            signals: None,
            profile: None,
            app_state: None,
        });
        Some(id)
    }

    /// A 15-digit LID that depends on seed and number and is not taken.
    fn lid_for(&self, number: u64) -> u64 {
        const SPAN: u64 = 900_000_000_000_000;
        let mut lid = SPAN / 9 + self.seeds.number("lid", number) % SPAN;
        while self.by_lid.contains_key(&lid) {
            lid += 1;
        }
        lid
    }

    /// A phone number that no account has.
    pub(crate) fn free_number(&mut self) -> u64 {
        /// Numbers of the range reserved for fiction: +1 555 01xx xxx and on.
        const FIRST: u64 = 15_550_100_000;
        loop {
            self.next_number += 1;
            let number = FIRST + self.next_number;
            if !self.by_number.contains_key(&number) {
                return number;
            }
        }
    }

    // ---- output --------------------------------------------------------------------------

    /// Sends a stanza on a connection, subject to faults, and records it.
    pub(crate) fn emit(&mut self, conn: ConnId, node: &Node) {
        if let Some(bytes) = xml::encode(node) {
            self.emit_encoded(conn, &kind_of(node), &bytes.into());
        }
    }

    pub(crate) fn emit_encoded(&mut self, conn: ConnId, kind: &str, bytes: &Bytes) {
        let Some(device) = self.conns.get(&conn).map(Conn::device) else {
            return;
        };
        let verdict = self.faults.stanza(device, Direction::Out, kind);
        if verdict.dropped {
            self.journal.dropped(device);
            return;
        }
        let bytes = if verdict.garbled || verdict.withheld.is_some() {
            &damaged(bytes, verdict)
        } else {
            bytes
        };
        let copies = if verdict.twice { 2 } else { 1 };
        for copy in 0..copies {
            self.journal
                .stanza(self.clock.now_ms(), device, Direction::Out, kind);
            let delay_ms = if copy == 0 { verdict.delay_ms } else { 0 };
            self.effects.push_back(Effect::Send {
                conn,
                bytes: bytes.clone(),
                delay_ms,
            });
        }
    }

    /// Sends a stream error and closes.
    pub(crate) fn stream_error(&mut self, conn: ConnId, code: u16) {
        let error = NodeBuilder::new("stream:error").attr("code", code).build();
        self.emit(conn, &error);
        self.close(conn);
    }

    /// Closes a connection after what was sent before, and forgets it.
    pub(crate) fn close(&mut self, conn: ConnId) {
        self.effects.push_back(Effect::Close(conn));
        self.closed(conn);
    }

    // ---- input ---------------------------------------------------------------------------

    /// Takes a decrypted stanza of a connection. A result other than zero is a delay: the stanza was
    /// not looked at, and is to be handed to [`Self::receive_late`] after so many milliseconds.
    pub fn receive(&mut self, conn: ConnId, bytes: &[u8]) -> u64 {
        let Some(device) = self.conns.get(&conn).map(Conn::device) else {
            return 0;
        };
        let Ok(node) = xml::decode(bytes) else {
            self.stream_error(conn, 400);
            return 0;
        };
        let kind = kind_of(&node);
        let verdict = self.faults.stanza(device, Direction::In, &kind);
        self.journal
            .stanza(self.clock.now_ms(), device, Direction::In, &kind);
        if verdict.dropped {
            self.journal.dropped(device);
            return 0;
        }
        if verdict.delay_ms > 0 {
            return verdict.delay_ms;
        }
        for _ in 0..if verdict.twice { 2 } else { 1 } {
            self.dispatch(conn, &node);
        }
        0
    }

    /// Takes a stanza that was delayed.
    pub fn receive_late(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Ok(node) = xml::decode(bytes) {
            self.dispatch(conn, &node);
        }
    }

    fn dispatch(&mut self, conn: ConnId, node: &Node) {
        match self.conns.get(&conn).map(|c| &c.phase) {
            Some(Phase::Pairing(_)) => self.pairing_stanza(conn, node),
            Some(Phase::Login { device, .. }) => {
                let device = *device;
                self.login_stanza(conn, device, node);
            }
            None => {}
        }
    }

    fn login_stanza(&mut self, conn: ConnId, device: DeviceId, node: &Node) {
        match node.tag.as_ref() {
            "iq" => self.iq(conn, device, node),
            "message" => self.message(conn, device, node),
            "receipt" => self.receipt(conn, device, node),
            "ack" => self.client_ack(device, node),
            "presence" => self.presence(conn, device, node),
            "chatstate" => self.chatstate(device, node),
            "ib" => self.client_ib(conn, device, node),
            "xmlstreamend" => self.close(conn),
            // Whatever else a client may send, such as `call`, has no effect here.
            _ => {}
        }
    }

    /// A connection is gone, whoever ended it. Safe to call again.
    pub fn closed(&mut self, conn: ConnId) {
        self.entering.remove(&conn);
        let Some(gone) = self.conns.remove(&conn) else {
            return;
        };
        let device = gone.device();
        self.journal.closed(self.clock.now_ms(), device);
        match gone.phase {
            Phase::Pairing(pairing) => {
                for reference in &pairing.refs {
                    self.refs.remove(reference);
                }
                self.codes.forget(conn);
                if let Some(pending) = pairing.pending {
                    self.unlink_on_phone(pending.device);
                }
            }
            Phase::Login {
                device, available, ..
            } => {
                if let Some(d) = self.device_mut(device)
                    && d.conn == Some(conn)
                {
                    d.conn = None;
                }
                if available {
                    self.went_away(device);
                }
            }
        }
    }

    /// A timer ran out.
    pub fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::PairUnseen(conn) => self.pair_unseen(conn),
            Timer::Restart(conn) => self.restart(conn),
            Timer::DrainRest(conn, round) => self.drain_rest(conn, round),
            Timer::CodeExpired(conn) => self.codes.forget(conn),
            Timer::Enter(conn) => self.enter_late(conn),
        }
    }
}

/// An empty `<iq type="result">` or one with children, as an answer to `request`.
pub(crate) fn iq_result(request: &Node, children: Vec<Node>) -> Node {
    let mut reply = NodeBuilder::new("iq")
        .attr("type", "result")
        .attr("from", answer_from(request));
    if let Some(id) = request.attrs.get("id") {
        reply = reply.attr("id", id.clone());
    }
    if !children.is_empty() {
        reply = reply.children(children);
    }
    reply.build()
}

/// An `<iq type="error">` as an answer to `request`.
pub(crate) fn iq_error(request: &Node, code: u16, text: &'static str) -> Node {
    let error = NodeBuilder::new("error")
        .attr("code", code)
        .attr("text", text)
        .build();
    let mut reply = iq_result(request, vec![error]);
    reply.attrs.insert("type", "error");
    reply
}

/// Whom the answer comes from: the address the request went to.
fn answer_from(request: &Node) -> Jid {
    xml::attr_jid(request, "to").unwrap_or_else(server_jid)
}
