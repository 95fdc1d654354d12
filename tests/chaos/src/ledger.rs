//! What was promised and what arrived: every text is written here before it is sent, and again wherever it turns up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

/// Most texts a run may have under way; a run that sends more is a load test.
const TEXTS_MAX: usize = 200_000;
/// Complaints of one kind that are spelled out; the rest is counted.
const SPELLED_MAX: usize = 8;

/// How a text went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The API said that it is sent, or the phone sent it: it must arrive.
    Accepted,
    /// The API refused it, or said nothing: it may arrive, once.
    Unknown,
}

/// A text on its way from a session's customer to a phone.
#[derive(Debug, Clone)]
struct Outgoing {
    promise: Promise,
    /// Ids of the messages with this text that the phone got.
    arrived: BTreeSet<String>,
}

/// A text on its way from a phone to a session's customer.
#[derive(Debug, Clone)]
struct Incoming {
    session: String,
    /// Ids of the events with this text that the webhook got.
    events: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Book {
    outgoing: BTreeMap<String, Outgoing>,
    incoming: BTreeMap<String, Incoming>,
    strangers: BTreeSet<String>,
    /// How often which answer came to a send.
    answers: BTreeMap<String, usize>,
}

/// The book of one run. Settled texts leave it.
#[derive(Debug, Default)]
pub struct Ledger {
    book: Mutex<Book>,
}

/// What is still owed, or was done twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Accepted sends that no phone has got.
    pub sends_missing: Vec<String>,
    /// Sends that a phone has got more than once.
    pub sends_doubled: Vec<String>,
    /// Messages of phones that no webhook call told of.
    pub events_missing: Vec<String>,
    /// Messages of phones with more than one event id.
    pub events_doubled: Vec<String>,
    /// Texts that nobody sent.
    pub strangers: Vec<String>,
}

impl Balance {
    /// Whether nothing is owed any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.sends_missing.is_empty() && self.events_missing.is_empty()
    }

    /// What is wrong with it, for people.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let kinds = [
            ("accepted sends never arrived", &self.sends_missing),
            ("sends arrived more than once", &self.sends_doubled),
            (
                "messages of phones never came to the webhook",
                &self.events_missing,
            ),
            (
                "messages of phones have more than one event id",
                &self.events_doubled,
            ),
            ("texts arrived that nobody sent", &self.strangers),
        ];
        let wrong = kinds.into_iter().filter(|(_, texts)| !texts.is_empty());
        wrong
            .map(|(what, texts)| {
                let spelled: Vec<_> = texts.iter().take(SPELLED_MAX).map(String::as_str).collect();
                format!("{} {what}: {}", texts.len(), spelled.join(", "))
            })
            .collect()
    }
}

impl Ledger {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A customer is about to send a text; false when the book is full.
    pub fn sending(&self, text: &str) -> bool {
        let mut book = self.book();
        if book.outgoing.len() >= TEXTS_MAX {
            return false;
        }
        let entry = Outgoing {
            promise: Promise::Unknown,
            arrived: BTreeSet::new(),
        };
        book.outgoing.insert(text.to_owned(), entry);
        true
    }

    /// The API's answer to it.
    pub fn answered(&self, text: &str, status: Option<StatusCode>) {
        let mut book = self.book();
        let accepted = status.is_some_and(|status| status.is_success());
        let name = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        *book.answers.entry(name).or_default() += 1;
        if let Some(entry) = book.outgoing.get_mut(text).filter(|_| accepted) {
            entry.promise = Promise::Accepted;
        }
    }

    /// A phone got a text in a message of that id.
    pub fn arrived(&self, text: &str, id: &str) {
        let mut book = self.book();
        match book.outgoing.get_mut(text) {
            Some(entry) => drop(entry.arrived.insert(id.to_owned())),
            None => drop(book.strangers.insert(text.to_owned())),
        }
    }

    /// A phone is about to send a text to a session; false when the book is full.
    pub fn phone_sends(&self, session: &str, text: &str) -> bool {
        let mut book = self.book();
        if book.incoming.len() >= TEXTS_MAX {
            return false;
        }
        let entry = Incoming {
            session: session.to_owned(),
            events: BTreeSet::new(),
        };
        book.incoming.insert(text.to_owned(), entry);
        true
    }

    /// The phone could not send it after all.
    pub fn phone_did_not_send(&self, text: &str) {
        self.book().incoming.remove(text);
    }

    /// A webhook call told of a text, in the event of that id.
    pub fn told(&self, text: &str, event: &str) {
        let mut book = self.book();
        match book.incoming.get_mut(text) {
            Some(entry) => drop(entry.events.insert(event.to_owned())),
            None => drop(book.strangers.insert(text.to_owned())),
        }
    }

    /// What is owed and what is double.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let book = self.book();
        let outgoing = |fits: fn(&Outgoing) -> bool| {
            book.outgoing
                .iter()
                .filter(|(_, e)| fits(e))
                .map(|(text, _)| text.clone())
                .collect()
        };
        let incoming = |fits: fn(&Incoming) -> bool| {
            let found = book.incoming.iter().filter(|(_, e)| fits(e));
            found
                .map(|(text, e)| format!("{text} ({})", e.session))
                .collect()
        };
        Balance {
            sends_missing: outgoing(|e| e.promise == Promise::Accepted && e.arrived.is_empty()),
            sends_doubled: outgoing(|e| e.arrived.len() > 1),
            events_missing: incoming(|e| e.events.is_empty()),
            events_doubled: incoming(|e| e.events.len() > 1),
            strangers: book.strangers.iter().cloned().collect(),
        }
    }

    /// Texts of phones to that session so far.
    #[must_use]
    pub fn sent_to(&self, session: &str) -> Vec<String> {
        let book = self.book();
        let found = book.incoming.iter().filter(|(_, e)| e.session == session);
        found.map(|(text, _)| text.clone()).collect()
    }

    /// The answers other than success that sends got.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, usize> {
        let mut answers = self.book().answers.clone();
        answers.retain(|answer, _| !answer.starts_with('2'));
        answers
    }

    /// How many texts went each way, and the answers to sends.
    #[must_use]
    pub fn summary(&self) -> String {
        let book = self.book();
        let accepted = book
            .outgoing
            .values()
            .filter(|e| e.promise == Promise::Accepted)
            .count();
        let answers: Vec<_> = book
            .answers
            .iter()
            .map(|(answer, n)| format!("{answer} x{n}"))
            .collect();
        format!(
            "{} in, {} of {} out accepted ({})",
            book.incoming.len(),
            accepted,
            book.outgoing.len(),
            answers.join(", ")
        )
    }
}

/// The receiver of webhooks: reads the texts and the events' ids out of what the wwebjs dialect calls.
pub fn receiver(ledger: Arc<Ledger>) -> Router {
    Router::new()
        .route("/hook/{session}", axum::routing::any(take))
        .with_state(ledger)
}

async fn take(State(ledger): State<Arc<Ledger>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let call: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if call["dataType"] != "message" || call["data"]["message"]["fromMe"] == true {
        return StatusCode::OK;
    }
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok());
    if let (Some(text), Some(id)) = (call["data"]["message"]["body"].as_str(), id) {
        ledger.told(text, id);
    }
    StatusCode::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_send_is_owed_until_it_arrives_and_is_double_when_it_does_twice() {
        let ledger = Ledger::default();
        assert!(ledger.sending("a"));
        assert!(ledger.sending("b"));
        ledger.answered("a", Some(StatusCode::OK));
        ledger.answered("b", Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(ledger.balance().sends_missing, ["a"]);
        ledger.arrived("a", "1");
        ledger.arrived("a", "1");
        assert_eq!(ledger.balance(), Balance::default());
        ledger.arrived("a", "2");
        ledger.arrived("b", "3");
        ledger.arrived("b", "4");
        assert_eq!(ledger.balance().sends_doubled, ["a", "b"]);
    }

    #[test]
    fn a_message_of_a_phone_is_told_under_one_event_id() {
        let ledger = Ledger::default();
        assert!(ledger.phone_sends("s", "x"));
        assert!(!ledger.balance().is_settled());
        ledger.told("x", "e1");
        ledger.told("x", "e1");
        assert_eq!(ledger.balance(), Balance::default());
        ledger.told("x", "e2");
        ledger.told("y", "e3");
        assert_eq!(ledger.balance().events_doubled, ["x (s)"]);
        assert_eq!(ledger.balance().strangers, ["y"]);
        assert_eq!(ledger.balance().complaints().len(), 2);
    }
}
