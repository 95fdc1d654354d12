//! Changes of the message log: taking in, and recording sends.

use switchboard_vocab::content::{Body, is_stories};
use switchboard_vocab::events::Event;
use switchboard_vocab::events::messages::Event as MessageEvent;
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::{ChatId, MessageId, OpError, Outcome, Timestamp, UserId};
use switchboard_whatsapp::{Dispatched, Incoming};

use super::log::With;
use super::progress::Progress;
use super::rows::{self, Fate, StoredMessage};
use super::writer::Write;
use super::{Claim, Claimed, Error, stored_media_of};
use crate::session::kinds;

impl Write<'_, '_> {
    pub(super) async fn take(&mut self, batch: Vec<Incoming>) -> Result<u64, Error> {
        let mut new = 0;
        for incoming in batch {
            new += u64::from(self.take_one(incoming).await?);
        }
        Ok(new)
    }

    /// Takes a message in; `false` when the log has it.
    pub(super) async fn take_one(&mut self, incoming: Incoming) -> Result<bool, Error> {
        let Incoming {
            mut message,
            media_keys,
            proto,
        } = incoming;
        self.complete(&mut message).await?;
        let media = stored_media_of(&message.body);
        if let Some(known) = self.find_same(&message).await? {
            let is_late = matches!(known.message.body, Body::Unreadable { .. })
                && !matches!(message.body, Body::Unreadable { .. });
            if !is_late {
                // WhatsApp delivers again what it believes we do not have: the first time counts.
                return Ok(false);
            }
            message.number = known.message.number;
            let before = known.message;
            let stored = StoredMessage {
                message,
                fate: known.fate,
                voted: known.voted,
            };
            self.rewrite(&before, &stored).await?;
            self.write_proto(before.number, proto.as_deref()).await?;
            self.write_media(media, media_keys, before.number).await?;
            self.tell_message(&stored.message, stored.message.at)?;
            self.apply(&stored.message).await?;
            return Ok(true);
        }
        let stored = StoredMessage {
            message,
            fate: None,
            voted: std::collections::BTreeMap::new(),
        };
        let with = With {
            media,
            keys: media_keys,
            proto: proto.as_deref(),
        };
        let message = self.add(stored, with).await?;
        self.happened(&message, message.at).await?;
        Ok(true)
    }

    /// The second addresses of conversation and writer, where they are known; and what the message itself tells of them.
    async fn complete(&mut self, message: &mut Message) -> Result<(), Error> {
        let at = message.at;
        if let ChatId::User(user) = &message.chat {
            let user = user.clone();
            match &message.chat_alt {
                Some(alt) => self.pair(&user, &alt.clone(), at).await?,
                None => message.chat_alt = self.other(&user).await?,
            }
        }
        let sender = message.sender.clone();
        match &message.sender_alt {
            Some(alt) => self.pair(&sender, &alt.clone(), at).await?,
            None if message.chat.as_user() == Some(&sender) => {
                message.sender_alt.clone_from(&message.chat_alt);
            }
            None => message.sender_alt = self.other(&sender).await?,
        }
        Ok(())
    }

    /// A message is in the log and has its effects, exactly once.
    async fn happened(&mut self, message: &Message, at: Timestamp) -> Result<(), Error> {
        self.tell_message(message, at)?;
        self.said(message).await?;
        if let (false, Some(name)) = (message.from_me, &message.push_name) {
            let name = name.clone();
            self.change_contact(&message.sender, message.at, |contact| {
                contact.push_name = Some(name);
            })
            .await?;
        }
        self.apply(message).await
    }

    /// Announces a message. Who deletes another one is told of with that one.
    fn tell_message(&mut self, message: &Message, at: Timestamp) -> Result<(), Error> {
        if matches!(message.body, Body::Revoked { .. }) {
            return Ok(());
        }
        let event = if message.from_me {
            MessageEvent::Sent
        } else {
            MessageEvent::Received
        };
        self.emit(at, Event::Messages(event(message.clone())))
    }

    pub(super) async fn claim(&mut self, claimed: Claimed) -> Result<Claim, Error> {
        let Claimed {
            mut message,
            media,
            audience,
        } = claimed;
        message.status = DeliveryStatus::Pending;
        let Some(known) = self.find_own(&message.id).await? else {
            self.complete(&mut message).await?;
            let stored = StoredMessage {
                message,
                fate: Some(Fate::Attempted),
                voted: std::collections::BTreeMap::new(),
            };
            let with = With {
                media,
                ..With::default()
            };
            let message = self.add(stored, with).await?;
            self.write_audience(message.number, audience)?;
            return Ok(Claim::New(message));
        };
        match known.fate {
            Some(Fate::Refused { .. }) if known.message.chat == message.chat => {
                message.number = known.message.number;
                self.complete(&mut message).await?;
                let stored = StoredMessage {
                    message,
                    fate: Some(Fate::Attempted),
                    voted: std::collections::BTreeMap::new(),
                };
                self.rewrite(&known.message, &stored).await?;
                let number = stored.message.number;
                self.write_media(media, None, number).await?;
                self.write_audience(number, audience)?;
                Ok(Claim::New(stored.message))
            }
            // A message of another device of the account has certainly left.
            fate => Ok(Claim::Known(
                known.message,
                fate.unwrap_or(Fate::Dispatched),
            )),
        }
    }

    fn write_audience(&mut self, number: u64, audience: Option<Vec<UserId>>) -> Result<(), Error> {
        if let Some(audience) = audience {
            let row = rows::encode("audience", &audience)?;
            self.txn.put(kinds::AUDIENCE, rows::number_key(number), row);
        }
        Ok(())
    }

    pub(super) async fn dispatched(&mut self, dispatched: Dispatched) -> Result<Message, Error> {
        let Some(mut stored) = self.find_own(&dispatched.id).await? else {
            return Err(Error::Invalid(format!(
                "message {} is not in the log",
                dispatched.id
            )));
        };
        let before = stored.message.clone();
        let announced = stored.fate == Some(Fate::Dispatched);
        // WhatsApp counts in seconds: within the same one the message keeps its place in every order.
        if dispatched.at.as_secs() != before.at.as_secs() {
            stored.message.at = dispatched.at;
        }
        stored.fate = Some(Fate::Dispatched);
        self.rewrite(&before, &stored).await?;
        let number = before.number;
        self.write_proto(number, dispatched.proto.as_deref())
            .await?;
        let media = stored_media_of(&stored.message.body);
        self.write_media(media, dispatched.media_keys, number)
            .await?;
        if !announced {
            self.happened(&stored.message, dispatched.at).await?;
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
        let before = stored.message.clone();
        if error.outcome == Outcome::MaybeExecuted {
            stored.fate = Some(Fate::Unknown { error });
            return self.rewrite(&before, &stored).await;
        }
        stored.fate = Some(Fate::Refused { error });
        stored.message.status = DeliveryStatus::Failed;
        self.rewrite(&before, &stored).await?;
        let progress = Progress {
            status: DeliveryStatus::Failed,
            recipient: None,
            at,
            error: None,
        };
        self.tell(&stored.message, progress)
    }

    /// WhatsApp has shown that it has an own message, whatever was believed of it.
    pub(super) async fn proved(
        &mut self,
        stored: &mut StoredMessage,
        at: Timestamp,
    ) -> Result<(), Error> {
        let is_doubted = stored
            .fate
            .as_ref()
            .is_some_and(|fate| *fate != Fate::Dispatched);
        if is_doubted {
            stored.fate = Some(Fate::Dispatched);
            self.happened(&stored.message.clone(), at).await?;
        }
        Ok(())
    }

    /// Whether every reader of a message is told of by one person.
    pub(super) fn is_for_many(message: &Message) -> bool {
        message.chat.is_group() || is_stories(&message.chat)
    }
}
