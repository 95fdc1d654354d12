//! How far own messages came, and with whom.

use switchboard_vocab::events::Event;
use switchboard_vocab::events::messages::{Event as MessageEvent, StatusChange};
use switchboard_vocab::messages::{DeliveryStatus, Message, Progress as Row};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, Timestamp, UserId};
use switchboard_whatsapp::{Receipt, ReceiptKind};

use super::rows::{self, Fate};
use super::writer::Write;
use super::{Acked, Error};
use crate::session::kinds;

/// How far a message came, and who says so.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) status: DeliveryStatus,
    pub(super) recipient: Option<UserId>,
    pub(super) at: Timestamp,
    pub(super) error: Option<u16>,
}

impl Write<'_, '_> {
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
        let own = candidates.iter().find(|stored| stored.message.from_me);
        let Some(mut stored) = own.cloned() else {
            let reader = progress.recipient.as_ref();
            let by_me = reader.is_some_and(|user| self.is_me(user));
            if candidates.is_empty() && !by_me {
                return self.tell_unknown(id, chat, progress);
            }
            // Another device of the account read somebody else's message. The receipt may name the account as its chat.
            if progress.status >= DeliveryStatus::Read {
                let read = match self.find_in(chat, None, id).await? {
                    None if by_me => candidates.into_iter().next(),
                    found => found,
                };
                if let Some(read) = read {
                    self.read_up_to(&read.message, progress.at).await?;
                }
            }
            return Ok(());
        };
        let original = stored.clone();
        let before = original.message.clone();
        self.proved(&mut stored, progress.at).await?;
        let is_news = self.reached(&before, &progress).await?;
        let refused = progress.status == DeliveryStatus::Failed
            && stored.message.status == DeliveryStatus::Pending;
        let moves = progress.status > stored.message.status || refused;
        if moves {
            stored.message.status = progress.status;
            if let (true, Some(code)) = (refused, progress.error) {
                stored.fate = Some(Fate::Refused {
                    error: rejected(code),
                });
            }
        }
        if stored != original {
            self.rewrite(&before, &stored).await?;
        }
        if moves || (is_news && Self::is_for_many(&before)) {
            self.tell(&stored.message, progress)?;
        }
        Ok(())
    }

    /// Remembers how far a message came with one person; `true` when that is news.
    async fn reached(&mut self, message: &Message, progress: &Progress) -> Result<bool, Error> {
        let Some(user) = &progress.recipient else {
            return Ok(false);
        };
        if progress.status < DeliveryStatus::Delivered || self.is_me(user) {
            return Ok(false);
        }
        let (user, user_alt) = self.canonical(user).await?;
        let key = rows::progress_key(message.number, &user);
        let row = self.txn.get(kinds::PROGRESS, &key).await?;
        let before: Option<Row> = row.map(|row| rows::decode("progress", &row)).transpose()?;
        let mut after = before.clone().unwrap_or(Row {
            user,
            user_alt: None,
            delivered_at: None,
            read_at: None,
            played_at: None,
        });
        after.user_alt = user_alt;
        let at = Some(progress.at);
        after.delivered_at = after.delivered_at.or(at);
        if progress.status >= DeliveryStatus::Read {
            after.read_at = after.read_at.or(at);
        }
        if progress.status >= DeliveryStatus::Played {
            after.played_at = after.played_at.or(at);
        }
        if before.as_ref() == Some(&after) {
            return Ok(false);
        }
        let row = rows::encode("progress", &after)?;
        self.txn.put(kinds::PROGRESS, key, row);
        Ok(true)
    }

    pub(super) fn tell(&mut self, message: &Message, progress: Progress) -> Result<(), Error> {
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
        let event = MessageEvent::StatusChanged(change);
        self.emit(progress.at, Event::Messages(event))
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
        let event = MessageEvent::StatusChanged(change);
        self.emit(progress.at, Event::Messages(event))
    }
}

fn rejected(code: u16) -> OpError {
    OpError::new(
        ErrorCode::Rejected,
        format!("whatsapp refused the message with code {code}"),
    )
}
