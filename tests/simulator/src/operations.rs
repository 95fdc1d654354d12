//! The admin operations, once for the HTTP API and for tests in the same process.

mod app_state;
mod history;
pub(crate) mod phone_user;
mod sending;

use std::time::Duration;

use futures::channel::oneshot;
use serde::Serialize;

use crate::core::pairing::{self, Linked};
use crate::faults::Request;
use crate::phone::Record;
use crate::shell::hub::Hub;

pub use app_state::ACTS_MAX;
pub(crate) use app_state::{act, phone_state};
pub use history::{Generate, Given, PAST_MESSAGES_MAX, Past, PastChat, PastMessage};
pub(crate) use history::{expire_media, give_past};
pub(crate) use sending::phone_send;

/// How long a companion may take from the typed code to its answer.
/// Source: protocol notes, section 5.
const CODE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What it is about does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The simulator refuses, for the reason given.
    #[error("{0}")]
    Refused(String),
    /// Something else is going on there.
    #[error("{0}")]
    Busy(String),
    /// The request is malformed.
    #[error("{0}")]
    Bad(String),
    /// Nobody answered in time.
    #[error("{0}")]
    Timeout(String),
}

impl From<pairing::Error> for Error {
    fn from(error: pairing::Error) -> Self {
        let text = chain(&error);
        match error {
            pairing::Error::UnknownCode => Self::NotFound(text),
            pairing::Error::Number(_) => Self::Bad(text),
            pairing::Error::Used => Self::Busy(text),
            pairing::Error::Phone(_) | pairing::Error::Full | pairing::Error::Broken => {
                Self::Refused(text)
            }
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// How to reach a simulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// WebSocket URL for clients.
    pub ws_url: String,
    /// The server's Noise static public key, hex.
    pub server_key: String,
    /// Public key of the root of its certificate chain, hex.
    pub root_key: String,
    /// The certificate of the TLS side of the port, PEM, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

pub(crate) fn info(hub: &Hub) -> Info {
    let host = hub.with(|server| server.options.media_host.clone());
    Info {
        ws_url: format!("ws://{host}/ws/chat"),
        server_key: hex::encode(hub.keys.noise_public()),
        root_key: hex::encode(hub.keys.root_public),
        certificate: hub.identity.as_ref().map(|i| i.pem.clone()),
    }
}

pub(crate) fn scan_qr(
    hub: &Hub,
    text: &str,
    number: Option<&str>,
    name: Option<&str>,
) -> Result<Linked, Error> {
    hub.with(|server| server.scan_qr(text, number, name))
        .map_err(Into::into)
}

/// A phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhoneInfo {
    /// Digits of the phone number.
    pub number: String,
    /// Address by LID.
    pub lid: String,
}

pub(crate) fn add_phone(hub: &Hub, number: &str, name: &str) -> Result<PhoneInfo, Error> {
    let lid = hub.with(|server| server.add_phone(number, name))?;
    Ok(PhoneInfo {
        number: number.to_owned(),
        lid: format!("{lid}@lid"),
    })
}

pub(crate) async fn enter_code(hub: &Hub, number: &str, code: &str) -> Result<Linked, Error> {
    let (sender, outcome) = oneshot::channel();
    let mut work = hub.with(|server| server.type_code(number, sender))?;
    let now_s = hub.clock.now_ms() / 1000;
    let code = code.to_owned();
    let mut rng = hub.with(|server| {
        let number = server.stanza_number();
        server.seeds.rng("pairing code", number)
    });
    // The password derivation takes some 100 ms of processor time.
    let typed = tokio::task::spawn_blocking(move || {
        let hello = match work.phone.lock() {
            Ok(phone) => work.pairing.enter_code(&phone, &code, now_s, &mut rng),
            Err(_) => return None,
        };
        Some((work, hello))
    });
    let (work, hello) = typed
        .await
        .ok()
        .flatten()
        .ok_or_else(|| Error::Refused("enter code: the phone is broken".to_owned()))?;
    hub.with(|server| server.code_typed(work.conn, work.pairing, hello));
    match tokio::time::timeout(CODE_TIMEOUT, outcome).await {
        Ok(Ok(result)) => result.map_err(Into::into),
        Ok(Err(_)) => Err(Error::NotFound(
            "enter code: the companion is gone".to_owned(),
        )),
        Err(_) => Err(Error::Timeout(
            "enter code: the companion does not answer".to_owned(),
        )),
    }
}

pub(crate) fn unlink(hub: &Hub, number: &str, device: u16) -> Result<(), Error> {
    if hub.with(|server| server.unlink(number, device)) {
        Ok(())
    } else {
        Err(Error::NotFound(format!(
            "unlink device: {number} has no companion {device}"
        )))
    }
}

pub(crate) fn inject(hub: &Hub, request: Request) -> Result<usize, Error> {
    hub.with(|server| server.inject(request))
        .map_err(|e| match e {
            crate::faults::Error::Number(_) | crate::faults::Error::Receiver(_) => {
                Error::NotFound(e.to_string())
            }
            crate::faults::Error::TooMany => Error::Busy(e.to_string()),
            crate::faults::Error::Delay(_) | crate::faults::Error::DeviceWithoutNumber => {
                Error::Bad(e.to_string())
            }
        })
}

/// What a phone sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The message's id.
    pub id: String,
}

/// The stories that the phone with `number` has seen or sent from companions, after record `since`.
pub(crate) fn phone_stories(hub: &Hub, number: &str, since: u64) -> Result<Vec<Record>, Error> {
    let mut records = phone_inbox(hub, number, since)?;
    records.retain(|record| record.chat == STORIES);
    Ok(records)
}

/// The chat of stories.
const STORIES: &str = "status@broadcast";

/// What the phone with `number` has decrypted, after the record `since`.
pub(crate) fn phone_inbox(hub: &Hub, number: &str, since: u64) -> Result<Vec<Record>, Error> {
    let phone = hub.with(|server| server.phone_of(number));
    let phone =
        phone.ok_or_else(|| Error::NotFound(format!("read inbox: no account has {number:?}")))?;
    let phone = phone
        .lock()
        .map_err(|_| Error::Refused("read inbox: the phone is broken".to_owned()))?;
    Ok(phone.inbox().since(since).cloned().collect())
}
