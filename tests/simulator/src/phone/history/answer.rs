//! What a phone answers when a companion asks it for data, and how it announces history.

use buffa::Message as _;
use wa::conversation::EndOfHistoryTransferType;
use wa::history_sync::HistorySyncType;
use wa::message::peer_data_operation_request_message::HistorySyncOnDemandRequest;
use wa::message::peer_data_operation_request_response_message::PeerDataOperationResult;
use wa::message::peer_data_operation_request_response_message::peer_data_operation_result::PlaceholderMessageResendResponse;
use wa::message::protocol_message::Type;
use waproto::whatsapp as wa;

use super::build::chunk;
use super::{Chunk, Logged};
use crate::phone::{BlobKind, Phone, SealedBlob, seal_blob};
use rand::{CryptoRng, Rng};

/// Most messages in one answer.
const ON_DEMAND_MAX: usize = 5000;
/// Messages in an answer if the companion does not say. Source: WhatsApp Web asks for 50.
const ON_DEMAND_USUAL: usize = 50;
/// Most placeholders in one request.
const PLACEHOLDERS_MAX: usize = 256;

/// What a companion asks its phone for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Messages of a chat before one that it has.
    History(Box<HistorySyncOnDemandRequest>),
    /// Messages that it could not decrypt.
    Placeholders(Vec<wa::MessageKey>),
}

/// What a message of an own companion asks for, if it is of the kind that phones answer.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other requests are not for this phone, whichever the client invents"
)]
#[must_use]
pub fn asked(message: &wa::Message) -> Option<Asked> {
    use wa::message::PeerDataOperationRequestType as Kind;
    let protocol = message.protocol_message.as_option()?;
    let request = protocol.peer_data_operation_request_message.as_option()?;
    match request.peer_data_operation_request_type? {
        Kind::HISTORY_SYNC_ON_DEMAND => {
            let request = request.history_sync_on_demand_request.as_option()?;
            Some(Asked::History(Box::new(request.clone())))
        }
        Kind::PLACEHOLDER_MESSAGE_RESEND => {
            let requests = request.placeholder_message_resend_request.iter();
            let keys = requests.filter_map(|r| r.message_key.as_option().cloned());
            Some(Asked::Placeholders(keys.take(PLACEHOLDERS_MAX).collect()))
        }
        _ => None,
    }
}

impl Chunk {
    /// Encrypts the piece for the media host, unless it goes into its announcement.
    pub fn seal<R: Rng + CryptoRng>(&self, rng: &mut R) -> Option<SealedBlob> {
        (!self.inline).then(|| seal_blob(BlobKind::History, &self.bytes, rng))
    }

    /// The message that announces the piece. `stored` is where it is, if not in here; `request` the id of the request
    /// that it answers.
    #[must_use]
    pub fn announcement(
        &self,
        stored: Option<(&SealedBlob, String)>,
        request: Option<&str>,
    ) -> wa::Message {
        use wa::message::HistorySyncType as Announced;
        let kind = match self.kind {
            HistorySyncType::INITIAL_BOOTSTRAP => Announced::INITIAL_BOOTSTRAP,
            HistorySyncType::INITIAL_STATUS_V3 => Announced::INITIAL_STATUS_V3,
            HistorySyncType::FULL => Announced::FULL,
            HistorySyncType::RECENT => Announced::RECENT,
            HistorySyncType::PUSH_NAME => Announced::PUSH_NAME,
            HistorySyncType::NON_BLOCKING_DATA => Announced::NON_BLOCKING_DATA,
            HistorySyncType::ON_DEMAND => Announced::ON_DEMAND,
        };
        let mut notification = wa::message::HistorySyncNotification {
            sync_type: Some(kind),
            chunk_order: Some(self.order),
            progress: Some(self.progress),
            oldest_msg_in_chunk_timestamp_sec: self.oldest_s.and_then(|s| i64::try_from(s).ok()),
            peer_data_request_session_id: request.map(str::to_owned),
            ..Default::default()
        };
        match stored {
            Some((blob, path)) => {
                notification.file_sha256 = Some(blob.file_sha256.to_vec());
                notification.file_length = Some(blob.file_length);
                notification.media_key = Some(blob.media_key.to_vec());
                notification.file_enc_sha256 = Some(blob.file_enc_sha256.to_vec());
                notification.direct_path = Some(path);
            }
            None => notification.initial_hist_bootstrap_inline_payload = Some(self.bytes.clone()),
        }
        let protocol = wa::message::ProtocolMessage {
            r#type: Some(Type::HISTORY_SYNC_NOTIFICATION),
            history_sync_notification: notification.into(),
            ..Default::default()
        };
        wa::Message {
            protocol_message: protocol.into(),
            ..Default::default()
        }
    }
}

impl Phone {
    /// The messages of a chat before the one that the companion names.
    #[must_use]
    pub fn history_on_demand(
        &self,
        request: &HistorySyncOnDemandRequest,
        by_lid: bool,
    ) -> Option<Chunk> {
        let id = request.chat_jid.as_deref()?;
        let chat = self.history.as_deref().and_then(|h| h.chat(id));
        let writer = self.history_writer(by_lid);
        let messages = chat.map(|(_, log)| &log.messages);
        let before_ms = request
            .oldest_msg_timestamp_ms
            .and_then(|ms| u64::try_from(ms).ok());
        let known = request.oldest_msg_id.as_deref();
        let earlier: Vec<&Logged> = messages.map_or_else(Vec::new, |messages| {
            let at = messages.iter().position(|m| Some(&*m.id) == known);
            let at = at.unwrap_or_else(|| {
                let before_s = before_ms.map_or(u64::MAX, |ms| ms / 1000);
                messages.partition_point(|m| m.at_s < before_s)
            });
            let shown = chat.map_or("", |(shown, _)| shown);
            let earlier = messages.iter().take(at);
            earlier.filter(|m| writer.shows(shown, m)).collect()
        });
        let wanted = request
            .on_demand_msg_count
            .and_then(|n| usize::try_from(n).ok());
        let wanted = wanted
            .filter(|n| *n > 0)
            .unwrap_or(ON_DEMAND_USUAL)
            .min(ON_DEMAND_MAX);
        let skip = earlier.len().saturating_sub(wanted);
        let found = earlier.get(skip..).unwrap_or_default();
        let end = if skip > 0 {
            EndOfHistoryTransferType::COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY
        } else {
            EndOfHistoryTransferType::COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY
        };
        let conversation = writer.on_demand(id, chat, found, end);
        let sync = wa::HistorySync {
            sync_type: HistorySyncType::ON_DEMAND,
            conversations: vec![conversation],
            chunk_order: Some(1),
            progress: Some(100),
            ..Default::default()
        };
        chunk(&sync, found.first().map(|m| m.at_s))
    }

    /// The answer to a companion that could not decrypt messages. What the phone does not have is left out. `request`
    /// is the id of the asking message.
    #[must_use]
    pub fn resent_placeholders(&self, keys: &[wa::MessageKey], request: &str) -> wa::Message {
        let history = self.history.as_deref();
        let results = keys.iter().filter_map(|key| {
            let id = key.id.as_deref()?;
            let chat = key.remote_jid.as_deref().unwrap_or_default();
            let info = history?.find(chat, id)?.1.decode()?;
            let response = PlaceholderMessageResendResponse {
                web_message_info_bytes: Some(info.encode_to_vec()),
            };
            Some(PeerDataOperationResult {
                placeholder_message_resend_response: response.into(),
                ..Default::default()
            })
        });
        let response = wa::message::PeerDataOperationRequestResponseMessage {
            peer_data_operation_request_type: Some(
                wa::message::PeerDataOperationRequestType::PLACEHOLDER_MESSAGE_RESEND,
            ),
            stanza_id: Some(request.to_owned()),
            peer_data_operation_result: results.collect(),
        };
        let protocol = wa::message::ProtocolMessage {
            r#type: Some(Type::PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE),
            peer_data_operation_request_response_message: response.into(),
            ..Default::default()
        };
        wa::Message {
            protocol_message: protocol.into(),
            ..Default::default()
        }
    }
}
