//! Changes of the message log: taking in, recording sends, and how far they came.

use switchboard_vocab::content::Body;
use switchboard_vocab::events::Event;
use switchboard_vocab::events::messages::{Event as MessageEvent, StatusChange};
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, Outcome, Timestamp, UserId};
use switchboard_whatsapp::{Dispatched, Incoming, Receipt, ReceiptKind};

use super::rows::{self, Facts, Fate, MediaRow, StoredMessage};
use super::writer::Write;
use super::{Acked, Claim, Claimed, Error};
use crate::session::kinds;

/// Most messages that can carry one id. Writers choose their ids, so a stranger may repeat one; beyond this the
/// oldest is no longer found by its id.
const SAME_ID_MAX: usize = 8;
/// Most old messages one request removes beyond those it added, when the limit was lowered.
const TRIM_EXTRA_MAX: u64 = 64;

/// How far a message came, and who says so.
struct Progress {
    status: DeliveryStatus,
    recipient: Option<UserId>,
    at: Timestamp,
    error: Option<u16>,
}

impl Write<'_, '_> {
    pub(super) async fn take(&mut self, batch: Vec<Incoming>) -> Result<(), Error> {
        for Incoming {
            message,
            media_keys,
            proto,
        } in batch
        {
            if self.find_same(&message).await?.is_some() {
                // WhatsApp delivers again what it believes we do not have: the first time counts.
                continue;
            }
            let media = stored_media(&message.body);
            let event = if message.from_me {
                MessageEvent::Sent
            } else {
                MessageEvent::Received
            };
            let at = message.at;
            let message = self
                .add(
                    StoredMessage {
                        message,
                        fate: None,
                    },
                    media,
                    media_keys,
                )
                .await?;
            self.write_proto(message.number, proto.as_deref());
            self.emit(at, Event::Messages(event(message)))?;
        }
        Ok(())
    }

    pub(super) async fn claim(&mut self, claimed: Claimed) -> Result<Claim, Error> {
        let Claimed {
            mut message,
            media,
            audience,
        } = claimed;
        message.status = DeliveryStatus::Pending;
        let Some(known) = self.find_own(&message.id).await? else {
            let stored = StoredMessage {
                message,
                fate: Some(Fate::Attempted),
            };
            let message = self.add(stored, media, None).await?;
            if let Some(audience) = audience {
                let row = rows::encode("audience", &audience)?;
                let key = rows::number_key(message.number);
                self.txn.put(kinds::AUDIENCE, key, row);
            }
            return Ok(Claim::New(message));
        };
        match known.fate {
            Some(Fate::Refused { .. }) if known.message.chat == message.chat => {
                message.number = known.message.number;
                let stored = StoredMessage {
                    message,
                    fate: Some(Fate::Attempted),
                };
                self.write_message(&stored)?;
                self.write_facts(&stored.message);
                self.write_media(media, None, stored.message.number).await?;
                Ok(Claim::New(stored.message))
            }
            // A message of another device of the account has certainly left.
            fate => Ok(Claim::Known(
                known.message,
                fate.unwrap_or(Fate::Dispatched),
            )),
        }
    }

    pub(super) async fn dispatched(&mut self, dispatched: Dispatched) -> Result<Message, Error> {
        let Some(mut stored) = self.find_own(&dispatched.id).await? else {
            return Err(Error::Invalid(format!(
                "message {} is not in the log",
                dispatched.id
            )));
        };
        let announced = stored.fate == Some(Fate::Dispatched);
        stored.message.at = dispatched.at;
        self.write_proto(stored.message.number, dispatched.proto.as_deref());
        stored.fate = Some(Fate::Dispatched);
        self.write_message(&stored)?;
        self.write_facts(&stored.message);
        let media = stored_media(&stored.message.body);
        self.write_media(media, dispatched.media_keys, stored.message.number)
            .await?;
        if !announced {
            self.announce(&stored.message, dispatched.at)?;
        }
        Ok(stored.message)
    }

    pub(super) async fn not_sent(
        &mut self,
        id: &MessageId,
        error: OpError,
        at: Timestamp,
    ) -> Result<(), Error> {
        let Some(mut stored) = self.find_own(id).await? else {
            return Ok(());
        };
        if stored.fate != Some(Fate::Attempted) {
            // An acknowledgement came first and knows better.
            return Ok(());
        }
        if error.outcome == Outcome::MaybeExecuted {
            stored.fate = Some(Fate::Unknown { error });
            return self.write_message(&stored);
        }
        stored.fate = Some(Fate::Refused { error });
        stored.message.status = DeliveryStatus::Failed;
        self.write_message(&stored)?;
        let progress = Progress {
            status: DeliveryStatus::Failed,
            recipient: None,
            at,
            error: None,
        };
        self.tell(&stored.message, progress)
    }

    pub(super) async fn acked(&mut self, acked: Acked) -> Result<(), Error> {
        let status = if acked.error.is_some() {
            DeliveryStatus::Failed
        } else {
            DeliveryStatus::Server
        };
        let progress = Progress {
            status,
            recipient: None,
            at: acked.at,
            error: acked.error,
        };
        self.advance(&acked.id, &acked.chat, progress).await
    }

    pub(super) async fn receipt(&mut self, receipt: Receipt) -> Result<(), Error> {
        let status = match receipt.kind {
            ReceiptKind::Delivered => DeliveryStatus::Delivered,
            ReceiptKind::Read => DeliveryStatus::Read,
            ReceiptKind::Played => DeliveryStatus::Played,
        };
        for id in &receipt.ids {
            let recipient = Some(receipt.user.clone());
            let progress = Progress {
                status,
                recipient,
                at: receipt.at,
                error: None,
            };
            self.advance(id, &receipt.chat, progress).await?;
        }
        Ok(())
    }

    /// Moves an own message forward, never back.
    async fn advance(
        &mut self,
        id: &MessageId,
        chat: &ChatId,
        progress: Progress,
    ) -> Result<(), Error> {
        let candidates = self.with_id(id).await?;
        let Some(mut stored) = candidates
            .iter()
            .find(|stored| stored.message.from_me)
            .cloned()
        else {
            if candidates.is_empty() {
                return self.tell_unknown(id, chat, progress);
            }
            // Another device of the account read somebody else's message.
            return Ok(());
        };
        if stored
            .fate
            .as_ref()
            .is_some_and(|fate| *fate != Fate::Dispatched)
        {
            // WhatsApp has shown that it has the message, whatever we believed.
            stored.fate = Some(Fate::Dispatched);
            self.announce(&stored.message, progress.at)?;
        }
        let refused = progress.status == DeliveryStatus::Failed
            && stored.message.status == DeliveryStatus::Pending;
        if progress.status > stored.message.status || refused {
            stored.message.status = progress.status;
            if let (true, Some(code)) = (refused, progress.error) {
                stored.fate = Some(Fate::Refused {
                    error: rejected(code),
                });
            }
            self.write_message(&stored)?;
            self.tell(&stored.message, progress)?;
        } else {
            self.write_message(&stored)?;
        }
        Ok(())
    }

    fn announce(&mut self, message: &Message, at: Timestamp) -> Result<(), Error> {
        self.emit(at, Event::Messages(MessageEvent::Sent(message.clone())))
    }

    fn tell(&mut self, message: &Message, progress: Progress) -> Result<(), Error> {
        let change = StatusChange {
            chat: message.chat.clone(),
            chat_alt: message.chat_alt.clone(),
            id: message.id.clone(),
            number: Some(message.number),
            recipient: progress.recipient,
            status: progress.status,
            at: progress.at,
            error: progress.error,
        };
        self.emit(
            progress.at,
            Event::Messages(MessageEvent::StatusChanged(change)),
        )
    }

    fn tell_unknown(
        &mut self,
        id: &MessageId,
        chat: &ChatId,
        progress: Progress,
    ) -> Result<(), Error> {
        let change = StatusChange {
            chat: chat.clone(),
            chat_alt: None,
            id: id.clone(),
            number: None,
            recipient: progress.recipient,
            status: progress.status,
            at: progress.at,
            error: progress.error,
        };
        self.emit(
            progress.at,
            Event::Messages(MessageEvent::StatusChanged(change)),
        )
    }

    /// Gives the message the next number and writes it with its indexes.
    async fn add(
        &mut self,
        mut stored: StoredMessage,
        media: Option<StoredMedia>,
        keys: Option<Vec<u8>>,
    ) -> Result<Message, Error> {
        let head = &mut self.txn.memory.head;
        head.last_number += 1;
        let number = head.last_number;
        stored.message.number = number;
        self.write_message(&stored)?;
        let message = &stored.message;
        let mut same = self.numbers_with_id(&message.id).await?;
        same.push(number);
        let excess = same.len().saturating_sub(SAME_ID_MAX);
        self.write_numbers(&message.id, same.get(excess..).unwrap_or_default())?;
        self.write_facts(message);
        if let Some(alt) = &message.chat_alt {
            self.write_alias(&message.chat, &ChatId::User(alt.clone()))
                .await?;
        }
        self.write_media(media, keys, number).await?;
        self.trim_messages().await?;
        Ok(stored.message)
    }

    fn write_message(&mut self, stored: &StoredMessage) -> Result<(), Error> {
        let row = rows::encode_message(stored)?;
        self.txn
            .put(kinds::MESSAGE, rows::number_key(stored.message.number), row);
        Ok(())
    }

    /// Keeps the message as it travelled.
    fn write_proto(&mut self, number: u64, proto: Option<&[u8]>) {
        if let Some(proto) = proto {
            let row = rows::encode_bytes(proto);
            self.txn.put(kinds::PROTO, rows::number_key(number), row);
        }
    }

    /// What listings of a conversation filter by, under both its addresses.
    fn write_facts(&mut self, message: &Message) {
        let facts = Facts::of(message).encode();
        if let Some(alt) = &message.chat_alt {
            let key = rows::chat_key(&ChatId::User(alt.clone()), message.number);
            self.txn.put(kinds::BY_CHAT, key, facts.clone());
        }
        self.txn.put(
            kinds::BY_CHAT,
            rows::chat_key(&message.chat, message.number),
            facts,
        );
    }

    async fn write_media(
        &mut self,
        media: Option<StoredMedia>,
        keys: Option<Vec<u8>>,
        number: u64,
    ) -> Result<(), Error> {
        let Some(meta) = media else { return Ok(()) };
        let key = meta.id.as_str().as_bytes().to_vec();
        let known = self.txn.get(kinds::MEDIA, &key).await?;
        let known = known
            .map(|row| rows::decode::<MediaRow>("media", &row))
            .transpose()?;
        let keys = keys
            .map(hex::encode)
            .or_else(|| known.and_then(|row| row.keys));
        let row = rows::encode("media", &MediaRow { meta, keys, number })?;
        self.txn.put(kinds::MEDIA, key, row);
        Ok(())
    }

    /// Remembers both addresses of one person, so that a listing by either finds all messages.
    async fn write_alias(&mut self, chat: &ChatId, alt: &ChatId) -> Result<(), Error> {
        for (from, to) in [(chat, alt), (alt, chat)] {
            let key = from.to_string().into_bytes();
            let row = rows::encode("alias", to)?;
            if self.txn.get(kinds::ALIAS, &key).await?.as_ref() != Some(&row) {
                self.txn.put(kinds::ALIAS, key, row);
            }
        }
        Ok(())
    }

    async fn trim_messages(&mut self) -> Result<(), Error> {
        for _ in 0..=TRIM_EXTRA_MAX {
            let head = &self.txn.memory.head;
            if head.messages() <= self.limits.messages_max.max(1) {
                return Ok(());
            }
            let number = head.first_number;
            self.remove(number).await?;
            self.txn.memory.head.first_number = number + 1;
        }
        Ok(())
    }

    async fn remove(&mut self, number: u64) -> Result<(), Error> {
        let key = rows::number_key(number);
        let Some(row) = self.txn.get(kinds::MESSAGE, &key).await? else {
            return Ok(());
        };
        let message = rows::decode_message(&row)?.message;
        self.txn.delete(kinds::MESSAGE, key.clone());
        self.txn.delete(kinds::PROTO, key.clone());
        if message.from_me {
            self.txn.delete(kinds::AUDIENCE, key);
        }
        let mut same = self.numbers_with_id(&message.id).await?;
        same.retain(|other| *other != number);
        self.write_numbers(&message.id, &same)?;
        self.txn
            .delete(kinds::BY_CHAT, rows::chat_key(&message.chat, number));
        if let Some(alt) = message.chat_alt {
            self.txn
                .delete(kinds::BY_CHAT, rows::chat_key(&ChatId::User(alt), number));
        }
        if let Some(media) = stored_media(&message.body) {
            let key = media.id.as_str().as_bytes().to_vec();
            let row = self.txn.get(kinds::MEDIA, &key).await?;
            let row = row
                .map(|row| rows::decode::<MediaRow>("media", &row))
                .transpose()?;
            if row.is_some_and(|row| row.number == number) {
                self.txn.delete(kinds::MEDIA, key);
            }
        }
        Ok(())
    }

    async fn numbers_with_id(&mut self, id: &MessageId) -> Result<Vec<u64>, Error> {
        let row = self.txn.get(kinds::BY_ID, &rows::id_key(id)).await?;
        row.map_or_else(|| Ok(Vec::new()), |row| rows::decode("message id", &row))
    }

    fn write_numbers(&mut self, id: &MessageId, numbers: &[u64]) -> Result<(), Error> {
        if numbers.is_empty() {
            self.txn.delete(kinds::BY_ID, rows::id_key(id));
        } else {
            self.txn.put(
                kinds::BY_ID,
                rows::id_key(id),
                rows::encode("message id", &numbers)?,
            );
        }
        Ok(())
    }

    async fn with_id(&mut self, id: &MessageId) -> Result<Vec<StoredMessage>, Error> {
        let mut found = Vec::new();
        for number in self.numbers_with_id(id).await? {
            if let Some(row) = self
                .txn
                .get(kinds::MESSAGE, &rows::number_key(number))
                .await?
            {
                found.push(rows::decode_message(&row)?);
            }
        }
        Ok(found)
    }

    async fn find_own(&mut self, id: &MessageId) -> Result<Option<StoredMessage>, Error> {
        Ok(self
            .with_id(id)
            .await?
            .into_iter()
            .find(|stored| stored.message.from_me))
    }

    async fn find_same(&mut self, message: &Message) -> Result<Option<StoredMessage>, Error> {
        let candidates = self.with_id(&message.id).await?;
        Ok(candidates
            .into_iter()
            .find(|stored| same_writer(&stored.message, message)))
    }
}

/// Whether one person wrote both. The second address may be known in one of them only.
fn same_writer(a: &Message, b: &Message) -> bool {
    let names = |m: &Message| [Some(m.sender.clone()), m.sender_alt.clone()];
    let shared = names(a)
        .into_iter()
        .flatten()
        .any(|name| names(b).contains(&Some(name)));
    a.from_me == b.from_me && (a.from_me || shared)
}

/// The file of a message.
fn stored_media(body: &Body) -> Option<StoredMedia> {
    crate::session::media_of(body).map(crate::session::stored_media)
}

fn rejected(code: u16) -> OpError {
    OpError::new(
        ErrorCode::Rejected,
        format!("whatsapp refused the message with code {code}"),
    )
}
