//! Pairing by a code that the user types on the phone. The exchange itself is the phone double's;
//! this carries it between the companion's stanzas and the person with the code.
//!
//! Source: protocol notes, section 5.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::channel::oneshot;
use rand::RngExt;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::ids::{AccountId, ConnId, server_jid};
use super::pairing::{Error, Linked};
use super::server::{Effect, Server, Timer, iq_error, iq_result};
use super::xml;
use crate::phone::{CODE_VALIDITY_SECS, CodePairing, Phone, PrimaryHello};

/// How often a code may be typed for one `companion_hello`. Source: protocol notes, section 5.
const ATTEMPTS_MAX: u8 = 3;
/// The stanza and its stage attribute's name.
const REG: &str = "link_code_companion_reg";

/// Where the outcome of typing a code goes.
pub type Outcome = oneshot::Sender<Result<Linked, Error>>;

/// A companion that shows a code.
#[derive(Debug)]
struct Flow {
    account: AccountId,
    reference: Vec<u8>,
    /// Absent while a worker derives keys with it.
    pairing: Option<CodePairing>,
    attempts: u8,
    outcome: Option<Outcome>,
}

/// All companions that show a code.
#[derive(Debug, Default)]
pub struct CodeFlows {
    flows: HashMap<ConnId, Flow>,
}

impl CodeFlows {
    /// The connection is gone, or its code is too old.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.flows.remove(&conn);
    }
}

/// The slow part of typing a code, to be done outside of the server.
#[derive(Debug)]
pub struct CodeWork {
    /// The companion's connection.
    pub conn: ConnId,
    /// The state of the exchange.
    pub pairing: CodePairing,
    /// The phone on which the code is typed.
    pub phone: Arc<Mutex<Phone>>,
}

impl Server {
    /// Stanzas of the code flow.
    pub(crate) fn code_iq(&mut self, conn: ConnId, iq: &Node) {
        let Some(reg) = iq.get_optional_child(REG) else {
            return;
        };
        match xml::attr(reg, "stage").as_deref() {
            Some("companion_hello") => self.companion_hello(conn, iq, reg),
            Some("companion_finish") => self.companion_finish(conn, iq, reg),
            _ => self.emit(conn, &iq_error(iq, 400, "bad-request")),
        }
    }

    fn companion_hello(&mut self, conn: ConnId, iq: &Node, reg: &Node) {
        let number = xml::attr_jid(reg, "jid").and_then(|j| j.user_base().parse().ok());
        let wrapped = xml::child_bytes(reg, "link_code_pairing_wrapped_companion_ephemeral_pub");
        let pairing = wrapped.and_then(|w| CodePairing::from_companion_hello(w, self.now_s()).ok());
        let (Some(number), Some(pairing)) = (number, pairing) else {
            self.emit(conn, &iq_error(iq, 400, "bad-request"));
            return;
        };
        let Some(account) = self.account_with_number(number, "") else {
            self.emit(conn, &iq_error(iq, 503, "service-unavailable"));
            return;
        };
        let random: [u8; 16] = self.rng.random();
        let reference = format!("3@{}", hex::encode(random)).into_bytes();
        let reply = NodeBuilder::new(REG)
            .attr("stage", "companion_hello")
            .children([NodeBuilder::new("link_code_pairing_ref")
                .bytes(reference.clone())
                .build()])
            .build();
        let flow = Flow {
            account,
            reference,
            pairing: Some(pairing),
            attempts: 0,
            outcome: None,
        };
        self.codes.flows.insert(conn, flow);
        self.emit(conn, &iq_result(iq, vec![reply]));
        let validity = std::time::Duration::from_secs(CODE_VALIDITY_SECS);
        self.effect(Effect::Wait(validity, Timer::CodeExpired(conn)));
    }

    /// The user begins to type a code on the phone with `number`. The work is to be done elsewhere
    /// and its result handed to [`Self::code_typed`]; the outcome arrives on the channel.
    ///
    /// # Errors
    /// When no companion waits for a code of that number.
    pub fn type_code(&mut self, number: &str, outcome: Outcome) -> Result<CodeWork, Error> {
        let digits = super::ids::parse_number(number);
        let digits = digits.ok_or_else(|| Error::Number(number.to_owned()))?;
        let account = *self.by_number.get(&digits).ok_or(Error::UnknownCode)?;
        // Of several companions the latest, as the phone shows only that one.
        let conn = self
            .codes
            .flows
            .iter()
            .filter(|(_, f)| f.account == account && f.attempts < ATTEMPTS_MAX)
            .map(|(conn, _)| *conn)
            .max()
            .ok_or(Error::UnknownCode)?;
        let phone = self
            .account(account)
            .map(|a| Arc::clone(&a.phone))
            .ok_or(Error::UnknownCode)?;
        let flow = self.codes.flows.get_mut(&conn).ok_or(Error::UnknownCode)?;
        let pairing = flow.pairing.take().ok_or(Error::Used)?;
        flow.attempts += 1;
        flow.outcome = Some(outcome);
        Ok(CodeWork {
            conn,
            pairing,
            phone,
        })
    }

    /// The keys of a typed code were derived, or the phone refused it.
    pub fn code_typed(
        &mut self,
        conn: ConnId,
        pairing: CodePairing,
        hello: Result<PrimaryHello, crate::phone::PairError>,
    ) {
        let Some(flow) = self.codes.flows.get_mut(&conn) else {
            return;
        };
        flow.pairing = Some(pairing);
        let hello = match hello {
            Ok(hello) => hello,
            Err(e) => {
                settle(flow.outcome.take(), Err(e.into()));
                return;
            }
        };
        let reg = NodeBuilder::new(REG)
            .attr("stage", "primary_hello")
            .children([
                NodeBuilder::new("link_code_pairing_wrapped_primary_ephemeral_pub")
                    .bytes(hello.wrapped_key.to_vec())
                    .build(),
                NodeBuilder::new("primary_identity_pub")
                    .bytes(hello.identity.to_vec())
                    .build(),
                NodeBuilder::new("link_code_pairing_ref")
                    .bytes(flow.reference.clone())
                    .build(),
            ])
            .build();
        let notification = NodeBuilder::new("notification")
            .attr("from", server_jid())
            .attr("type", REG)
            .attr("id", self.stanza_id())
            .attr("t", self.now_s())
            .children([reg])
            .build();
        self.emit(conn, &notification);
    }

    fn companion_finish(&mut self, conn: ConnId, iq: &Node, reg: &Node) {
        let identity = xml::child_array::<32>(reg, "companion_identity_public");
        let bundle = xml::child_bytes(reg, "link_code_pairing_wrapped_key_bundle");
        let reference = xml::child_bytes(reg, "link_code_pairing_ref");
        let Some(flow) = self.codes.flows.get_mut(&conn) else {
            self.emit(conn, &iq_error(iq, 404, "item-not-found"));
            return;
        };
        let (Some(identity), Some(bundle), true) =
            (identity, bundle, reference == Some(&*flow.reference))
        else {
            self.emit(conn, &iq_error(iq, 400, "bad-request"));
            return;
        };
        let account = flow.account;
        let outcome = flow.outcome.take();
        let phone = self.account(account).map(|a| Arc::clone(&a.phone));
        let opened = match (
            self.codes.flows.get(&conn).and_then(|f| f.pairing.as_ref()),
            phone,
        ) {
            (Some(pairing), Some(phone)) => match phone.lock() {
                Ok(phone) => pairing
                    .on_companion_finish(&phone, bundle, &identity)
                    .map_err(Error::from),
                Err(_) => Err(Error::Broken),
            },
            _ => Err(Error::Used),
        };
        self.emit(conn, &iq_result(iq, Vec::new()));
        let result = opened.and_then(|c| self.link(conn, account, &c.identity, &c.adv_secret));
        if result.is_ok() {
            self.codes.forget(conn);
        }
        settle(outcome, result);
    }
}

fn settle(outcome: Option<Outcome>, result: Result<Linked, Error>) {
    if let Some(outcome) = outcome
        && outcome.send(result).is_err()
    {
        tracing::debug!("nobody waits for the outcome of a pairing code");
    }
}
