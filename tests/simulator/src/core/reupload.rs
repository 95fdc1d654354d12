//! A companion asks its phone to upload a file again, which the media host does not have any more.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::ids::{AccountId, DeviceId, PHONE};
use super::phone_stanzas::Incoming;
use super::phones::WorkParts;
use super::server::Server;
use super::xml;
use crate::phone::{MediaRef, Phone, ReuploadError, SealedRetry, uploaded_again};

/// The `type` of the receipt that asks.
pub(super) const REQUEST: &str = "server-error";
/// The `type` of the notification that answers; also the tag under which a phone hands it to the server.
pub(super) const ANSWER: &str = "mediaretry";

/// Answers the request; `None` if it is none that phones answer, like that for a piece of history.
pub(super) fn answer(
    phone: &mut Phone,
    incoming: &Incoming,
    work: &mut WorkParts<'_>,
) -> Option<Node> {
    let rmr = incoming.node.get_optional_child("rmr")?;
    let id = xml::attr(&incoming.node, "id")?.into_owned();
    let child = match again(phone, incoming, rmr, &id, work) {
        Ok(sealed) => NodeBuilder::new("encrypt")
            .children([
                NodeBuilder::new("enc_p").bytes(sealed.bytes).build(),
                NodeBuilder::new("enc_iv").bytes(sealed.iv).build(),
            ])
            .build(),
        Err(e) => NodeBuilder::new("error").attr("code", e.code()).build(),
    };
    let answer = NodeBuilder::new(ANSWER)
        .attr("id", id)
        .attr("device", u32::from(incoming.author.device))
        .children([child, rmr.clone()]);
    Some(answer.build())
}

fn again(
    phone: &Phone,
    incoming: &Incoming,
    rmr: &Node,
    id: &str,
    work: &mut WorkParts<'_>,
) -> Result<SealedRetry, ReuploadError> {
    let chat = xml::attr(rmr, "jid").unwrap_or_default();
    let encrypted = incoming.node.get_optional_child("encrypt");
    let part = |tag| {
        encrypted
            .and_then(|e| xml::child_bytes(e, tag))
            .map(<[u8]>::to_vec)
    };
    let request = SealedRetry {
        bytes: part("enc_p").ok_or(ReuploadError::Decryption)?,
        iv: part("enc_iv").ok_or(ReuploadError::Decryption)?,
    };
    let file: MediaRef = phone.file_to_upload_again(&chat, id, &request)?;
    let path = (work.upload_again)(&file.file_enc_sha256).ok_or(ReuploadError::NotFound)?;
    uploaded_again(&file, id, path, work.rng).ok_or(ReuploadError::NotFound)
}

impl Server {
    /// Passes the answer of a phone on to its companion.
    pub(super) fn media_retried(&mut self, account: AccountId, answer: &Node) {
        let device = xml::attr_u64(answer, "device").and_then(|d| u16::try_from(d).ok());
        let (Some(device), Some(own)) = (device, self.account(account)) else {
            return;
        };
        let from = own.device_jid(super::ids::Addressing::Pn, PHONE);
        let mut node = self.notification(from, ANSWER, xml::children(answer).to_vec());
        xml::copy_attr(answer, &mut node, "id");
        self.deliver(DeviceId { account, device }, 0, &node);
    }
}
