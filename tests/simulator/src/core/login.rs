//! From a finished handshake to a logged-in device, one live socket for each, and its offline queue.
//!
//! Source: protocol notes, sections 4 and 12.

use std::time::Duration;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp as wa;

use super::conn::{Conn, Drain, Phase, Stage};
use super::handshake::Pattern;
use super::ids::{Addressing, ConnId, DeviceId, PHONE};
use super::queue::{Class, Entry, QUEUED_STANZAS_MAX};
use super::server::{Effect, Server, Timer};
use super::xml;
use crate::faults::Refusal;

/// Stanzas sent before the client asks for the rest. Source: protocol notes, section 4.
const PRIMER: u64 = 5;
/// A client that has not asked after this long gets everything. `whatsapp-rust` asks 100 ms after the
/// last batch began to arrive; Baileys never asks twice, and `whatsapp-rust` 0.5 not even once.
const ASK_AGAIN_WITHIN: Duration = Duration::from_millis(400);
/// A login that finds an older socket of its device waits this long before it replaces it: a client
/// that closed one connection and opened the next is no conflict, even if the news of the close are
/// read later than the login.
const CLOSING_GRACE: Duration = Duration::from_millis(50);
/// The failure of a login whose key does not belong to the device. Source: protocol notes, section 3.
const LOGGED_OUT: u16 = 401;

impl Server {
    /// A handshake is complete: decides what the connection is.
    pub fn open(
        &mut self,
        conn: ConnId,
        noise_key: [u8; 32],
        payload: &wa::ClientPayload,
        pattern: Pattern,
    ) {
        let played = match pattern {
            Pattern::Xx => "handshake XX",
            Pattern::Ik => "handshake IK",
            Pattern::XxFallback => "handshake XXfallback",
        };
        let device = payload
            .device
            .and_then(|d| u16::try_from(d).ok())
            .unwrap_or(PHONE);
        self.journal.event(self.clock.now_ms(), None, played);
        match payload.username {
            // Device 0 is a phone and never connects here: a login as it is the placeholder of a
            // client that is not paired yet.
            Some(number) if device != PHONE => self.login(conn, noise_key, number, device),
            _ => match self.faults.login(None) {
                Some(refusal) => self.refuse(conn, noise_key, refusal),
                None => self.start_pairing(conn, noise_key, payload),
            },
        }
    }

    pub(crate) fn attach(&mut self, conn: ConnId, noise_key: [u8; 32], phase: Phase) {
        let c = Conn { noise_key, phase };
        self.journal.opened(self.clock.now_ms(), c.device());
        self.conns.insert(conn, c);
    }

    fn refuse(&mut self, conn: ConnId, noise_key: [u8; 32], refusal: Refusal) {
        self.attach(conn, noise_key, Phase::Pairing(Box::default()));
        match refusal {
            Refusal::Refuse => self.close(conn),
            Refusal::TooManyRequests => self.stream_error(conn, 429),
            Refusal::Failure(reason) => self.fail(conn, reason),
        }
    }

    fn fail(&mut self, conn: ConnId, reason: u16) {
        let failure = NodeBuilder::new("failure")
            .attr("reason", reason)
            .attr("location", "sim")
            .build();
        self.emit(conn, &failure);
        self.close(conn);
    }

    fn login(&mut self, conn: ConnId, noise_key: [u8; 32], number: u64, device: u16) {
        let known = self
            .by_number
            .get(&number)
            .map(|account| DeviceId {
                account: *account,
                device,
            })
            .filter(|id| self.device(*id).is_some_and(|d| d.noise_key == noise_key));
        let Some(id) = known else {
            self.refuse(conn, noise_key, Refusal::Failure(LOGGED_OUT));
            return;
        };
        if let Some(refusal) = self.faults.login(Some(id)) {
            self.refuse(conn, noise_key, refusal);
            return;
        }
        let older = self.device(id).and_then(|d| d.conn);
        if older.is_some_and(|older| self.conns.contains_key(&older)) {
            self.entering.insert(conn, (id, noise_key));
            self.effect(Effect::Wait(CLOSING_GRACE, Timer::Enter(conn)));
        } else {
            self.enter(conn, id, noise_key);
        }
    }

    /// The older socket of a device had its time to turn out to be closed.
    pub(crate) fn enter_late(&mut self, conn: ConnId) {
        let Some((id, noise_key)) = self.entering.remove(&conn) else {
            return;
        };
        if self.device(id).is_some_and(|d| d.noise_key == noise_key) {
            self.enter(conn, id, noise_key);
        } else {
            self.refuse(conn, noise_key, Refusal::Failure(LOGGED_OUT));
        }
    }

    fn enter(&mut self, conn: ConnId, id: DeviceId, noise_key: [u8; 32]) {
        let phase = Phase::Login {
            device: id,
            stage: Stage::Passive,
            available: false,
        };
        self.attach(conn, noise_key, phase);
        let older = self.device_mut(id).and_then(|d| d.conn.replace(conn));
        if let Some(older) = older {
            self.replace(older, id);
        }
        let Some(account) = self.account(id.account) else {
            return;
        };
        let success = NodeBuilder::new("success")
            .attr("t", self.now_s())
            .attr("props", "27")
            .attr("companion_enc_static", "")
            .attr("abprops", "2000")
            .attr("status", "active")
            .attr("creation", FOUNDED_S)
            .attr("location", "sim")
            .attr("lid", account.device_jid(Addressing::Lid, id.device))
            .build();
        self.emit(conn, &success);
    }

    /// An older socket of the device gives way to a newer one.
    fn replace(&mut self, older: ConnId, device: DeviceId) {
        if !self.conns.contains_key(&older) {
            return;
        }
        let conflict = NodeBuilder::new("conflict")
            .attr("type", "replaced")
            .build();
        let error = NodeBuilder::new("stream:error")
            .children([conflict])
            .build();
        self.emit(older, &error);
        self.journal.conflict(self.clock.now_ms(), device);
        self.close(older);
    }

    // ---- stages --------------------------------------------------------------------------

    pub(crate) fn stage(&self, conn: ConnId) -> Option<Stage> {
        match self.conns.get(&conn)?.phase {
            Phase::Login { stage, .. } => Some(stage),
            Phase::Pairing(_) => None,
        }
    }

    fn set_stage(&mut self, conn: ConnId, new: Stage) {
        if let Some(Phase::Login { stage, .. }) = self.conns.get_mut(&conn).map(|c| &mut c.phase) {
            *stage = new;
        }
    }

    /// The connection of `device` if it takes live stanzas.
    pub(crate) fn live(&self, device: DeviceId) -> Option<ConnId> {
        let conn = self.device(device)?.conn?;
        (self.stage(conn) == Some(Stage::Active)).then_some(conn)
    }

    /// `<active/>` was answered: announces the offline queue and begins it.
    pub(crate) fn activate(&mut self, conn: ConnId, id: DeviceId) {
        if self.stage(conn) != Some(Stage::Passive) {
            return;
        }
        let Some(queue) = self.device(id).map(|d| &d.queue) else {
            return;
        };
        let preview = NodeBuilder::new("offline_preview")
            .attr("count", queue.len() as u64)
            .attr("message", queue.count(Class::Message) as u64)
            .attr("notification", queue.count(Class::Notification) as u64)
            .attr("receipt", queue.count(Class::Receipt) as u64)
            .attr("appdata", 0_u32)
            .build();
        self.emit(conn, &NodeBuilder::new("ib").children([preview]).build());
        self.set_stage(
            conn,
            Stage::Draining(Drain {
                next: 0,
                sent: 0,
                round: 0,
            }),
        );
        self.drain(conn, id, PRIMER);
        self.expect_request(conn);
    }

    /// Sends the rest of the queue, if there is any, unless the client asks for it in time.
    fn expect_request(&mut self, conn: ConnId) {
        if let Some(Stage::Draining(drain)) = self.stage(conn) {
            self.effect(Effect::Wait(
                ASK_AGAIN_WITHIN,
                Timer::DrainRest(conn, drain.round),
            ));
        }
    }

    /// What a logged-in client says in `<ib>`.
    pub(crate) fn client_ib(&mut self, conn: ConnId, id: DeviceId, node: &Node) {
        let Some(request) = node.get_optional_child("offline_batch") else {
            return;
        };
        let Some(Stage::Draining(mut drain)) = self.stage(conn) else {
            return;
        };
        drain.round += 1;
        self.set_stage(conn, Stage::Draining(drain));
        self.drain(conn, id, xml::attr_u64(request, "count").unwrap_or(PRIMER));
        self.expect_request(conn);
    }

    /// The client did not ask again in time.
    pub(crate) fn drain_rest(&mut self, conn: ConnId, round: u32) {
        let Some(id) = self.conns.get(&conn).and_then(Conn::device) else {
            return;
        };
        if matches!(self.stage(conn), Some(Stage::Draining(d)) if d.round == round) {
            self.drain(conn, id, QUEUED_STANZAS_MAX as u64);
        }
    }

    /// Sends up to `count` stanzas of the offline queue, and its end if that is all of it.
    fn drain(&mut self, conn: ConnId, id: DeviceId, count: u64) {
        let Some(Stage::Draining(mut drain)) = self.stage(conn) else {
            return;
        };
        for _ in 0..count {
            let Some(entry) = self
                .device(id)
                .and_then(|d| d.queue.at_or_after(drain.next))
                .cloned()
            else {
                break;
            };
            drain.next = entry.sequence + 1;
            drain.sent += 1;
            self.send_offline(conn, &entry);
        }
        let more = self
            .device(id)
            .is_some_and(|d| d.queue.at_or_after(drain.next).is_some());
        if more {
            self.set_stage(conn, Stage::Draining(drain));
            return;
        }
        let end = NodeBuilder::new("offline")
            .attr("count", drain.sent)
            .build();
        self.emit(conn, &NodeBuilder::new("ib").children([end]).build());
        self.set_stage(conn, Stage::Active);
        self.journal.event(self.clock.now_ms(), Some(id), "active");
    }

    fn send_offline(&mut self, conn: ConnId, entry: &Entry) {
        if let Ok(mut node) = xml::decode(&entry.bytes) {
            node.attrs.insert("offline", "0");
            self.emit(conn, &node);
        }
    }

    /// Queues a stanza for a device and sends it if the device takes live stanzas.
    pub(crate) fn deliver(&mut self, to: DeviceId, chat: u64, node: &Node) {
        let Some(class) = Class::of(&node.tag) else {
            return;
        };
        let id = xml::attr(node, "id").unwrap_or_default();
        let Some(bytes) = xml::encode(node) else {
            return;
        };
        let live = self.live(to);
        let copy = live.map(|_| bytes::Bytes::copy_from_slice(&bytes));
        let lost = if to.device == PHONE {
            self.queue_for_phone(to.account, class, chat, &id, bytes)
        } else {
            let Some(device) = self.device_mut(to) else {
                return;
            };
            device.queue.push(class, chat, &id, bytes).1
        };
        if lost > 0 {
            self.journal.lost(self.clock.now_ms(), to, lost);
        }
        if let (Some(conn), Some(bytes)) = (live, copy) {
            self.emit_encoded(conn, &crate::journal::kind_of(node), &bytes);
        }
    }

    /// A client acknowledged a stanza with `<ack>`.
    pub(crate) fn client_ack(&mut self, device: DeviceId, node: &Node) {
        let class = xml::attr(node, "class");
        let Some(class) = class.as_deref().and_then(Class::of) else {
            return;
        };
        let chat = self.chat_key(xml::attr_jid(node, "to").as_ref());
        if let Some(id) = xml::attr(node, "id")
            && let Some(d) = self.device_mut(device)
        {
            d.queue.acknowledge(class, chat, &id);
        }
    }

    /// Ends a device's membership: tells it, closes it and removes it.
    pub(crate) fn remove_device(&mut self, id: DeviceId) -> bool {
        let Some(account) = self.account_mut(id.account) else {
            return false;
        };
        let Some(position) = account.devices.iter().position(|d| d.number == id.device) else {
            return false;
        };
        let conn = account.devices.remove(position).conn;
        self.unlink_on_phone(id);
        if let Some(conn) = conn {
            let conflict = NodeBuilder::new("conflict")
                .attr("type", "device_removed")
                .build();
            let error = NodeBuilder::new("stream:error")
                .attr("code", LOGGED_OUT)
                .children([conflict])
                .build();
            self.emit(conn, &error);
            self.close(conn);
        }
        self.journal
            .event(self.clock.now_ms(), Some(id), "device removed");
        self.devices_changed(id, "remove");
        true
    }
}

/// When all simulated accounts claim to have been made, in seconds.
const FOUNDED_S: u64 = 1_600_000_000;
