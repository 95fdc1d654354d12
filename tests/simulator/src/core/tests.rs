//! The core driven by hand: what a connection gets, stanza by stanza, without a socket.

mod app_state;

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::whatsapp as wa;

use super::account::Device;
use super::handshake::Pattern;
use super::ids::{Addressing, ConnId, DeviceId};
use super::prekeys::KeyStore;
use super::queue::Queue;
use super::server::{Effect, Options, Server, Timer};
use super::xml;
use crate::clock::ManualClock;

const ALICE: u64 = 4_915_100_000_001;
const BOB: u64 = 4_915_100_000_002;

/// A server with what it did so far.
struct Double {
    server: Server,
    sent: Vec<(ConnId, Node)>,
    closed: Vec<ConnId>,
    timers: Vec<Timer>,
    /// Files put on the media host.
    stored: usize,
}

impl Double {
    fn new() -> Self {
        let options = Options {
            lid_migrated: true,
            phones_listen: false,
            both_addresses: true,
            pair_unseen: false,
            group_addressing: Addressing::Lid,
            media_host: "localhost".to_owned(),
        };
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let server = Server::new(options, 1, clock);
        Self {
            server,
            sent: Vec::new(),
            closed: Vec::new(),
            timers: Vec::new(),
            stored: 0,
        }
    }

    /// Gives an account a companion whose key is its number repeated.
    fn companion(&mut self, number: u64) -> DeviceId {
        let id = self.server.account_with_number(number, "").unwrap();
        let account = self.server.account_mut(id).unwrap();
        let device = account.next_device;
        account.next_device += 1;
        account.devices.push(Device {
            number: device,
            noise_key: noise_key(number, device),
            identity: Box::default(),
            key_index: u32::from(device),
            keys: KeyStore::default(),
            queue: Queue::default(),
            conn: None,
            key_share_due: false,
            history_due: None,
            told_keys_low: false,
        });
        DeviceId {
            account: id,
            device,
        }
    }

    fn open(&mut self, number: u64, device: u16, key: [u8; 32]) -> ConnId {
        let conn = self.server.new_conn();
        let payload = wa::ClientPayload {
            username: Some(number),
            device: Some(u32::from(device)),
            ..Default::default()
        };
        self.server.open(conn, key, &payload, Pattern::Ik);
        self.settle();
        conn
    }

    fn login(&mut self, number: u64, device: u16) -> ConnId {
        self.open(number, device, noise_key(number, device))
    }

    /// Logs in and finishes an empty offline queue.
    fn active(&mut self, number: u64, device: u16) -> ConnId {
        let conn = self.login(number, device);
        self.say(conn, &active());
        self.sent.clear();
        conn
    }

    fn say(&mut self, conn: ConnId, node: &Node) {
        let bytes = xml::encode(node).unwrap();
        assert_eq!(self.server.receive(conn, &bytes), 0);
        self.settle();
    }

    fn settle(&mut self) {
        for effect in self.server.take_effects() {
            match effect {
                Effect::Send { conn, bytes, .. } => {
                    self.sent.push((conn, xml::decode(&bytes).unwrap()));
                }
                Effect::Close(conn) | Effect::Abort(conn) => self.closed.push(conn),
                Effect::Wait(_, timer) => self.timers.push(timer),
                Effect::Phone(_) => {}
                Effect::Store { .. } => self.stored += 1,
            }
        }
    }

    /// Everything sent on a connection since the last look.
    fn take(&mut self, conn: ConnId) -> Vec<Node> {
        let (mine, others) = self.sent.drain(..).partition(|(c, _)| *c == conn);
        self.sent = others;
        let mine: Vec<(ConnId, Node)> = mine;
        mine.into_iter().map(|(_, node)| node).collect()
    }
}

fn noise_key(number: u64, device: u16) -> [u8; 32] {
    let mut key = [u8::try_from(device).unwrap(); 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn iq(xmlns: &'static str, kind: &'static str, child: Node) -> Node {
    NodeBuilder::new("iq")
        .attr("xmlns", xmlns)
        .attr("type", kind)
        .attr("id", "q1")
        .attr("to", "s.whatsapp.net")
        .children([child])
        .build()
}

fn active() -> Node {
    iq("passive", "set", NodeBuilder::new("active").build())
}

fn batch(count: u32) -> Node {
    let batch = NodeBuilder::new("offline_batch")
        .attr("count", count)
        .build();
    NodeBuilder::new("ib").children([batch]).build()
}

/// A message to all devices of `to`, each with the ciphertext `x`.
fn message(id: &str, to: u64, devices: &[u16]) -> Node {
    let participants: Vec<Node> = devices
        .iter()
        .map(|d| {
            let enc = NodeBuilder::new("enc")
                .attr("type", "msg")
                .bytes(b"x".to_vec())
                .build();
            NodeBuilder::new("to")
                .attr("jid", Jid::pn_device(to.to_string(), *d))
                .children([enc])
                .build()
        })
        .collect();
    NodeBuilder::new("message")
        .attr("to", Jid::pn(to.to_string()))
        .attr("id", id)
        .attr("type", "text")
        .children([NodeBuilder::new("participants")
            .children(participants)
            .build()])
        .build()
}

fn tags(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(crate::journal::kind_of).collect()
}

/// A double with Alice connected and `count` messages waiting for Bob.
fn backlog(count: usize) -> Double {
    let mut double = Double::new();
    double.companion(ALICE);
    double.companion(BOB);
    let alice = double.active(ALICE, 1);
    for n in 0..count {
        double.say(alice, &message(&format!("m{n}"), BOB, &[0, 1]));
    }
    double.sent.clear();
    double
}

fn ids(nodes: &[Node]) -> Vec<String> {
    let messages = nodes.iter().filter(|n| n.tag == "message");
    messages
        .map(|n| xml::attr(n, "id").unwrap().into_owned())
        .collect()
}

#[test]
fn nothing_is_pushed_before_the_client_is_active() {
    let mut double = backlog(2);
    let bob = double.login(BOB, 1);
    assert_eq!(tags(&double.take(bob)), ["success"]);
    double.say(bob, &iq("w:p", "get", NodeBuilder::new("ping").build()));
    assert_eq!(tags(&double.take(bob)), ["iq:result"]);
    double.say(bob, &active());
    let got = double.take(bob);
    let expected = [
        "iq:result",
        "ib:offline_preview",
        "message",
        "message",
        "ib:offline",
    ];
    assert_eq!(tags(&got), expected);
    assert!(
        got.iter()
            .filter(|n| n.tag == "message")
            .all(|n| n.attrs.contains_key("offline"))
    );
}

#[test]
fn a_client_that_asks_again_gets_batches_in_order() {
    let mut double = backlog(12);
    let bob = double.login(BOB, 1);
    double.say(bob, &active());
    assert_eq!(ids(&double.take(bob)), ["m0", "m1", "m2", "m3", "m4"]);
    double.say(bob, &batch(4));
    assert_eq!(tags(&double.take(bob)), ["message"; 4]);
    double.say(bob, &batch(4));
    let last = double.take(bob);
    assert_eq!(ids(&last), ["m9", "m10", "m11"]);
    assert_eq!(tags(&last).last().unwrap(), "ib:offline");
    // The timers of the earlier requests find nothing to do.
    for timer in std::mem::take(&mut double.timers) {
        double.server.fire(timer);
    }
    double.settle();
    assert!(double.take(bob).is_empty());
}

#[test]
fn a_client_that_never_asks_gets_the_rest_too() {
    let mut double = backlog(12);
    let bob = double.login(BOB, 1);
    double.say(bob, &active());
    assert_eq!(ids(&double.take(bob)).len(), 5);
    let timer = double.timers.pop().unwrap();
    double.server.fire(timer);
    double.settle();
    let rest = double.take(bob);
    assert_eq!(ids(&rest).len(), 7);
    assert_eq!(tags(&rest).last().unwrap(), "ib:offline");
}

#[test]
fn a_client_that_asks_once_gets_the_rest_unasked() {
    let mut double = backlog(250);
    let bob = double.login(BOB, 1);
    double.say(bob, &active());
    double.say(bob, &batch(100));
    assert_eq!(ids(&double.take(bob)).len(), 105);
    let timer = double.timers.pop().unwrap();
    double.server.fire(timer);
    double.settle();
    let rest = double.take(bob);
    assert_eq!(ids(&rest).len(), 145);
    let end = rest.last().unwrap().get_optional_child("offline").unwrap();
    assert_eq!(xml::attr(end, "count").unwrap(), "250");
}

#[test]
fn live_stanzas_wait_for_the_end_of_the_queue_and_come_once() {
    let mut double = backlog(6);
    let alice = double.server.device(DeviceId {
        account: super::ids::AccountId(0),
        device: 1,
    });
    let alice = alice.unwrap().conn.unwrap();
    let bob = double.login(BOB, 1);
    double.say(bob, &active());
    assert_eq!(ids(&double.take(bob)).len(), 5);
    double.say(alice, &message("late", BOB, &[1]));
    assert!(double.take(bob).is_empty());
    double.say(bob, &batch(200));
    assert_eq!(ids(&double.take(bob)), ["m5", "late"]);
}

#[test]
fn what_is_not_acknowledged_comes_again() {
    let mut double = backlog(4);
    let bob = double.login(BOB, 1);
    double.say(bob, &active());
    let from = xml::attr_jid(
        double
            .take(bob)
            .iter()
            .find(|n| n.tag == "message")
            .unwrap(),
        "from",
    )
    .unwrap();
    let item = NodeBuilder::new("item").attr("id", "m1").build();
    let receipt = NodeBuilder::new("receipt")
        .attr("id", "m0")
        .attr("to", from.clone())
        .children([NodeBuilder::new("list").children([item]).build()])
        .build();
    double.say(bob, &receipt);
    // A client that failed to decrypt and gives up acknowledges with an error.
    let nack = NodeBuilder::new("ack")
        .attr("class", "message")
        .attr("id", "m3")
        .attr("to", from)
        .attr("error", 487_u16)
        .build();
    double.say(bob, &nack);
    let again = double.login(BOB, 1);
    assert!(double.closed.is_empty() && double.take(again).is_empty());
    let timer = double.timers.pop().unwrap();
    double.server.fire(timer);
    double.settle();
    assert_eq!(double.closed, [bob]);
    assert_eq!(tags(&double.take(bob)).last().unwrap(), "stream:error");
    double.say(again, &active());
    assert_eq!(ids(&double.take(again)), ["m2"]);
}

#[test]
fn a_socket_that_closes_in_time_is_no_conflict() {
    let mut double = Double::new();
    let device = double.companion(ALICE);
    let first = double.active(ALICE, 1);
    let second = double.login(ALICE, 1);
    let third = double.login(ALICE, 1);
    double.server.closed(first);
    double.server.closed(third);
    for timer in std::mem::take(&mut double.timers) {
        double.server.fire(timer);
    }
    double.settle();
    assert_eq!(tags(&double.take(second)), ["success"]);
    assert!(double.take(third).is_empty() && double.closed.is_empty());
    assert_eq!(double.server.device(device).unwrap().conn, Some(second));
    let report = double.server.journal_report();
    assert_eq!(
        report.device(&format!("{ALICE}:1")).unwrap().conflicts_sent,
        0
    );
}

#[test]
fn a_foreign_key_is_refused_and_device_zero_is_a_pairing() {
    let mut double = Double::new();
    double.companion(ALICE);
    let stranger = double.open(ALICE, 1, [9; 32]);
    let failure = double.take(stranger);
    assert_eq!(xml::attr(&failure[0], "reason").unwrap(), "401");
    assert_eq!(double.closed, [stranger]);
    let unknown = double.open(BOB, 3, [9; 32]);
    assert_eq!(tags(&double.take(unknown)), ["failure"]);
    let placeholder = double.open(1, 0, [9; 32]);
    let offer = double.take(placeholder);
    assert!(offer[0].get_optional_child("pair-device").is_some());
}

#[test]
fn what_is_not_simulated_is_refused() {
    let mut double = Double::new();
    double.companion(ALICE);
    let alice = double.active(ALICE, 1);
    double.say(
        alice,
        &iq("w:nonsense", "get", NodeBuilder::new("query").build()),
    );
    let answer = double.take(alice);
    let error = answer[0].get_optional_child("error").unwrap();
    assert_eq!(xml::attr(error, "code").unwrap(), "501");
    let mut to_bot = message("m", BOB, &[1]);
    to_bot.attrs.insert("to", "123@bot");
    double.say(alice, &to_bot);
    assert_eq!(xml::attr(&double.take(alice)[0], "error").unwrap(), "501");
    double.say(alice, &message("m", BOB, &[1]));
    assert_eq!(xml::attr(&double.take(alice)[0], "error").unwrap(), "404");
}

#[test]
fn only_devices_of_the_chat_and_the_own_account_are_reached() {
    let mut double = Double::new();
    double.companion(ALICE);
    double.companion(BOB);
    let carol = double.companion(BOB + 1);
    let alice = double.active(ALICE, 1);
    let bob = double.active(BOB, 1);
    let other = double.active(BOB + 1, carol.device);
    let mut stanza = message("m", BOB, &[0, 1]);
    let smuggled = NodeBuilder::new("to")
        .attr("jid", Jid::pn_device((BOB + 1).to_string(), 1))
        .children([NodeBuilder::new("enc").attr("type", "msg").build()])
        .build();
    let mut participants = stanza.get_optional_child("participants").unwrap().clone();
    let mut list = participants.children().unwrap().to_vec();
    list.push(smuggled);
    participants.content = Some(wacore_binary::NodeContent::Nodes(list));
    stanza.content = Some(wacore_binary::NodeContent::Nodes(vec![participants]));
    double.say(alice, &stanza);
    assert_eq!(ids(&double.take(bob)), ["m"]);
    assert!(double.take(other).is_empty());
}

#[test]
fn usync_lists_the_phone_the_companions_and_the_signature() {
    let mut double = Double::new();
    double.companion(ALICE);
    double.companion(BOB);
    let alice = double.active(ALICE, 1);
    let query = NodeBuilder::new("query")
        .children([
            NodeBuilder::new("devices").build(),
            NodeBuilder::new("lid").build(),
        ])
        .build();
    let user = NodeBuilder::new("user")
        .attr("jid", Jid::pn(BOB.to_string()))
        .build();
    let list = NodeBuilder::new("list").children([user]).build();
    let usync = NodeBuilder::new("usync")
        .attr("sid", "s")
        .children([query, list])
        .build();
    double.say(alice, &iq("usync", "get", usync));
    let answer = double.take(alice);
    let user = answer[0]
        .get_optional_child_by_tag(&["usync", "list", "user"])
        .unwrap();
    let devices = user
        .get_optional_child_by_tag(&["devices", "device-list"])
        .unwrap();
    let numbers: Vec<_> = xml::children(devices)
        .iter()
        .map(|d| xml::attr_u64(d, "id").unwrap())
        .collect();
    assert_eq!(numbers, [0, 1]);
    let signed = user
        .get_optional_child_by_tag(&["devices", "key-index-list"])
        .unwrap();
    assert!(!xml::bytes(signed).unwrap().is_empty());
    let lid = xml::attr_jid(user.get_optional_child("lid").unwrap(), "val").unwrap();
    assert_eq!(double.server.resolve(&lid).unwrap().account.0, 1);
}
