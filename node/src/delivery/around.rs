//! What is around an event for its payloads, read from the session's store when they are made.
//!
//! Owns which dialect is shown what: a lookup that no payload shows is not made.

use std::borrow::Cow;

use switchboard_dialect_kit::HistoryPage;
use switchboard_vocab::chats::Chat;
use switchboard_vocab::content::Body;
use switchboard_vocab::events::messages::StatusChange;
use switchboard_vocab::events::{Envelope, Event, messages, sessions};
use switchboard_vocab::messages::Message;
use switchboard_vocab::{DialectName, OpError};

use super::session::Webhook;
use crate::ports::SessionDelivery;

/// An event and what is around it, as it is now.
pub(super) struct Around<'a> {
    /// The event, with the message as it travelled where the dialect shows that.
    pub(super) event: Cow<'a, Envelope>,
    /// The message that a status is about.
    pub(super) message: Option<Message>,
    /// The conversation of a message of somebody else.
    pub(super) chat: Option<Chat>,
    /// A page of what a part of the history brought.
    pub(super) history: Option<HistoryPage>,
    /// Where the next page begins.
    pub(super) next: Option<u64>,
}

impl<'a> Around<'a> {
    /// Reads what the webhook's dialect shows. What cannot be read is left out.
    pub(super) async fn of(
        session: &SessionDelivery,
        webhook: &Webhook,
        event: &'a Envelope,
        place: u64,
    ) -> Self {
        let mut around = Self {
            event: Cow::Borrowed(event),
            message: None,
            chat: None,
            history: None,
            next: None,
        };
        let dialect = webhook.subscription.dialect;
        if let Err(error) = around.read(session, dialect, place).await {
            let session = &session.scope.session;
            tracing::warn!(%session, error = ?error.internal, "read what is around an event for a webhook; it is sent without");
        }
        around
    }

    async fn read(
        &mut self,
        session: &SessionDelivery,
        dialect: DialectName,
        place: u64,
    ) -> Result<(), OpError> {
        let files = &session.files;
        match &self.event.event {
            Event::Messages(
                messages::Event::Received(message) | messages::Event::Sent(message),
            ) => {
                let (number, chat) = (message.number, message.chat.clone());
                let is_received = !message.from_me;
                if shows_raw(dialect, message) && message.proto_json.is_none() {
                    let raw = files.raw(number).await?;
                    self.put_raw(raw);
                }
                if dialect == DialectName::Wwebjs && is_received {
                    self.chat = files.chat(&chat).await?;
                }
            }
            Event::Messages(messages::Event::StatusChanged(StatusChange {
                number: Some(number),
                ..
            })) if dialect == DialectName::Wwebjs => {
                self.message = files.message(*number).await?;
            }
            Event::Sessions(sessions::Event::HistoryTaken(part))
                if dialect == DialectName::Wuzapi =>
            {
                let (page, next) = files.history(part, place).await?;
                (self.history, self.next) = (Some(page), next);
            }
            Event::Messages(_)
            | Event::Sessions(_)
            | Event::Presence(_)
            | Event::Chats(_)
            | Event::Contacts(_) => {}
        }
        Ok(())
    }

    fn put_raw(&mut self, raw: Option<String>) {
        if let Event::Messages(
            messages::Event::Received(message) | messages::Event::Sent(message),
        ) = &mut self.event.to_mut().event
        {
            message.proto_json = raw;
        }
    }
}

/// Whether the dialect shows of the message what only its protobuf tells: all of it, or whose message a reaction is to.
const fn shows_raw(dialect: DialectName, message: &Message) -> bool {
    match dialect {
        DialectName::Wuzapi => true,
        DialectName::Wwebjs => matches!(message.body, Body::Reaction { .. }),
        DialectName::Whapi | DialectName::Wapi | DialectName::Chatapi => false,
    }
}
