//! History on its way from a phone to a companion: after linking, and when the companion asks.

use rand::RngExt as _;
use wacore_binary::Node;
use waproto::whatsapp as wa;

use super::ids::AccountId;
use super::media_path;
use super::phone_stanzas::{Incoming, peer_stanza};
use super::phones::{Job, WorkParts};
use super::server::Server;
use super::xml;
use crate::phone::{Asked, Chunk, DeviceAddress, Phone, Wants};

/// Sends a companion all pieces of the past.
pub(super) fn send_all(
    phone: &mut Phone,
    to: DeviceAddress,
    wants: &Wants,
    work: &mut WorkParts<'_>,
) -> Vec<Node> {
    let chunks = phone.history_chunks(wants, work.now_s, work.by_lid);
    let sent = chunks
        .iter()
        .map_while(|chunk| announce(phone, to, chunk, None, work));
    sent.collect()
}

/// Answers a companion that asks for data.
pub(super) fn answer(
    phone: &mut Phone,
    incoming: &Incoming,
    asked: &Asked,
    work: &mut WorkParts<'_>,
) -> Option<Node> {
    let request = xml::attr(&incoming.node, "id").unwrap_or_default();
    match asked {
        Asked::History(wanted) => {
            let chunk = phone.history_on_demand(wanted, work.by_lid)?;
            announce(phone, incoming.author, &chunk, Some(&request), work)
        }
        Asked::Placeholders(keys) => {
            let message = phone.resent_placeholders(keys, &request);
            peer_message(phone, incoming.author, &message, work)
        }
    }
}

/// Stores a piece and tells the companion where it is.
fn announce(
    phone: &mut Phone,
    to: DeviceAddress,
    chunk: &Chunk,
    request: Option<&str>,
    work: &mut WorkParts<'_>,
) -> Option<Node> {
    let sealed = chunk.seal(work.rng);
    if let Some(blob) = &sealed
        && !(work.store)(&blob.file_enc_sha256, blob.bytes.clone().into())
    {
        return None;
    }
    let stored = sealed
        .as_ref()
        .map(|blob| (blob, media_path(&blob.file_enc_sha256)));
    let message = chunk.announcement(stored, request);
    peer_message(phone, to, &message, work)
}

/// Encrypts a message for one own companion.
fn peer_message(
    phone: &mut Phone,
    to: DeviceAddress,
    message: &wa::Message,
    work: &mut WorkParts<'_>,
) -> Option<Node> {
    let id = format!("3EB0{:016X}", work.rng.random::<u64>());
    let enc = phone
        .encrypt(to, None, message, work.rng)
        .inspect_err(|e| tracing::warn!(error = %e, "phone could not write to a companion"))
        .ok()?;
    phone.remember_sent(&id, message);
    Some(peer_stanza(to, &id, &enc))
}

impl Server {
    /// A companion that has the key and not yet the past.
    pub(super) fn next_history(&mut self, account: AccountId) -> Option<Job> {
        let listens = self.options.phones_listen;
        let a = self.account_mut(account)?;
        let number = a.number;
        let mut devices = a.devices.iter_mut();
        let device = devices.find(|d| d.history_due.is_some() && !d.key_share_due)?;
        let wants = device.history_due.take()?;
        let to = DeviceAddress::new(number, device.number);
        listens.then_some(Job::History { to, wants })
    }
}
