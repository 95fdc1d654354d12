//! Events of the library as signals to the node.

use std::sync::Arc;
use std::time::Duration;

use switchboard_vocab::events::presence::{ChatState, ChatStateChange, PresenceChange};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId, Timestamp};
use wacore::types::events::{
    ChatPresenceUpdate, Event, MessageBatch, PairSuccess, PresenceUpdate, ServerAck,
};
use wacore::types::message::MessageSource;
use wacore::types::presence::{ChatPresence, ChatPresenceMedia, ReceiptType};
use whatsapp_rust::Client;

use super::Session;
use super::live::Live;
use crate::api::{Fact, Receipt, ReceiptKind, Signal};
use crate::history::Reader;
use crate::{addresses, clock, facts, identity, intake, own, people};

/// How often facts are offered to a node that does not take them.
const LEARN_TRIES_MAX: u32 = 10;
/// Pause between two offers.
const LEARN_PAUSE: Duration = Duration::from_secs(1);

impl Session {
    /// Tells the node what the library says, for ever.
    pub(super) async fn pump(&self, live: &Arc<Live>) {
        loop {
            self.learn(live).await;
            let event = live.events.next().await;
            self.hear(live, event).await;
        }
    }

    /// Takes one event out of the queue: facts wait for [`Self::learn`], everything else is told.
    pub(super) async fn hear(&self, live: &Arc<Live>, event: Arc<Event>) {
        if facts::are_told_by(&event) {
            live.unlearnt().push(event);
        } else {
            Box::pin(self.tell(live, &event)).await;
        }
    }

    /// Hands the phone's history to the node, for ever. A part that a lost connection interrupts is handed over again.
    pub(super) async fn pump_history(&self, live: &Arc<Live>) {
        loop {
            let event = live.events.history().await;
            if let Event::HistorySync(part) = &*event {
                let reader = Reader {
                    client: &live.client,
                    backend: &live.backend,
                    intake: &self.intake,
                };
                Box::pin(reader.take(part)).await;
            }
            live.events.history_is_taken();
        }
    }

    /// Tells the node the whole block list whenever another device changed it, for ever. The library has no event for it.
    pub(super) async fn pump_blocklist(&self, live: &Live) {
        loop {
            live.events.block_list_changed().await;
            match Box::pin(people::blocked(&live.client)).await {
                Ok(users) => self.teach(vec![Fact::Blocked(users)]).await,
                Err(error) => {
                    tracing::warn!(session = %self.namespace, %error, "the changed block list could not be read");
                }
            }
        }
    }

    /// Makes the facts that wait durable, in their order. What a lost connection interrupts is learnt with the next one.
    pub(super) async fn learn(&self, live: &Live) {
        loop {
            let events = {
                let mut unlearnt = live.unlearnt();
                if unlearnt.is_empty() {
                    unlearnt.extend(live.events.take_facts());
                }
                unlearnt.clone()
            };
            if events.is_empty() {
                return;
            }
            let mut all = Vec::with_capacity(events.len());
            for event in &events {
                if matches!(**event, Event::SelfPushNameUpdated(_)) {
                    self.refresh_identity(&live.client);
                }
                all.extend(Box::pin(facts::of(&live.client, event)).await);
            }
            if !all.is_empty() {
                self.teach(all).await;
            }
            live.unlearnt().clear();
        }
    }

    async fn teach(&self, facts: Vec<Fact>) {
        for attempt in 1..=LEARN_TRIES_MAX {
            match self.intake.learn(facts.clone()).await {
                Ok(()) => return,
                Err(error) if attempt == LEARN_TRIES_MAX => {
                    let count = facts.len();
                    tracing::warn!(session = %self.namespace, count, %error, "facts of chats and people were lost");
                }
                Err(_) => tokio::time::sleep(LEARN_PAUSE).await,
            }
        }
    }

    /// Tells the node one event. State changes wait for it, hints do not.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enum grows, and what is new means nothing to us"
    )]
    async fn tell(&self, live: &Arc<Live>, event: &Event) {
        let client = &live.client;
        match event {
            Event::Presence(update) => self.hint(presence(client, update).await),
            Event::ChatPresence(update) => self.hint(chat_state(client, update).await),
            Event::ServerAck(ack) => self.say(acked(client, ack).await).await,
            Event::Receipt(receipt) => self.say(read_receipt(client, receipt).await).await,
            Event::Messages(batch) => self.take_unhooked(live, batch).await,
            Event::PairSuccess(paired) => self.say(self.paired(live, paired).await).await,
            Event::OfflineSyncPreview(_) => self.say(self.who(client).map(Signal::Syncing)).await,
            Event::Connected(_) => self.connected(client).await,
            other => self.say(pairing(other)).await,
        }
    }

    async fn connected(&self, client: &Client) {
        if self.choices.offline
            && let Err(error) = own::set_online(client, false).await
        {
            tracing::warn!(session = %self.namespace, %error, "the account could not be shown as offline");
        }
        self.say(self.who(client).map(Signal::Connected)).await;
    }

    async fn say(&self, signal: Option<Signal>) {
        if let Some(signal) = signal {
            // A node that listens no more is about to drop the session.
            let _ = self.signals.send(signal).await;
        }
    }

    fn hint(&self, signal: Option<Signal>) {
        if let Some(signal) = signal {
            let _ = self.signals.try_send(signal);
        }
    }

    fn who(&self, client: &Client) -> Option<Identity> {
        self.refresh_identity(client);
        self.state().identity.clone()
    }

    async fn paired(&self, live: &Live, paired: &PairSuccess) -> Option<Signal> {
        let name = live.client.push_name();
        let who = identity::of_pairing(paired, &name)?;
        if let Some(platform) = &who.platform
            && let Err(error) = live.backend.keep_platform(platform).await
        {
            tracing::warn!(session = %self.namespace, %error, "the phone's platform was not kept");
        }
        self.state().identity = Some(who.clone());
        Some(Signal::Paired(who))
    }

    /// Channel posts and messages the phone recovered never come by the hook.
    async fn take_unhooked(&self, live: &Live, batch: &MessageBatch) {
        let batch = intake::convert(&live.client, &live.backend, &batch.messages).await;
        let count = batch.len();
        if count > 0
            && let Err(error) = self.intake.take(batch).await
        {
            tracing::warn!(session = %self.namespace, count, %error, "messages outside the durable intake were lost");
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum grows, and what is new means nothing to us"
)]
fn pairing(event: &Event) -> Option<Signal> {
    let expires_at = |after| clock::now().plus(after);
    Some(match event {
        Event::PairingQrCode(qr) => Signal::Challenge(Challenge::Qr {
            text: qr.code.clone(),
            expires_at: expires_at(qr.timeout),
        }),
        Event::PairingCode(code) => Signal::Challenge(Challenge::Code {
            code: code.code.clone(),
            expires_at: expires_at(code.timeout),
        }),
        Event::PairPasskeyRequest(request) => Signal::Challenge(Challenge::Passkey {
            request_json: request.request_options_json.clone(),
        }),
        Event::PairPasskeyError(error) => Signal::PairingFailed(error.error.clone()),
        Event::PairError(error) => Signal::PairingFailed(error.error.clone()),
        Event::PairingCodeError(error) => Signal::PairingFailed(error.error.clone()),
        Event::PairingCodeRefresh(_) => {
            Signal::PairingFailed("the pairing code is no longer good: ask for another".to_owned())
        }
        Event::QrScannedWithoutMultidevice(_) => {
            Signal::PairingFailed("the phone that scanned cannot link devices".to_owned())
        }
        _ => return None,
    })
}

fn at(time: chrono::DateTime<chrono::Utc>) -> Timestamp {
    Timestamp::from_millis(u64::try_from(time.timestamp_millis()).unwrap_or(0))
}

async fn chat_of(client: &Client, source: &MessageSource) -> Option<ChatId> {
    match addresses::chat(&source.chat)? {
        ChatId::User(_) => {
            let person = addresses::person(client, &source.chat, None).await?;
            Some(ChatId::User(person.main))
        }
        chat @ (ChatId::Group(_) | ChatId::Newsletter(_) | ChatId::Broadcast(_)) => Some(chat),
    }
}

async fn acked(client: &Client, ack: &ServerAck) -> Option<Signal> {
    if ack.class.as_deref() != Some("message") {
        return None;
    }
    let source = MessageSource {
        chat: ack.from.clone()?,
        ..MessageSource::default()
    };
    Some(Signal::Acked {
        id: MessageId::parse(&ack.id).ok()?,
        chat: chat_of(client, &source).await?,
        // A code that is no number is still a refusal.
        error: ack.error.as_deref().map(|code| code.parse().unwrap_or(0)),
        at: ack.timestamp.map_or_else(clock::now, at),
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum grows, and what is new means nothing to us"
)]
async fn read_receipt(client: &Client, receipt: &wacore::types::events::Receipt) -> Option<Signal> {
    let kind = match receipt.r#type {
        ReceiptType::Delivered | ReceiptType::Inactive => ReceiptKind::Delivered,
        ReceiptType::Read | ReceiptType::ReadSelf => ReceiptKind::Read,
        ReceiptType::Played | ReceiptType::PlayedSelf => ReceiptKind::Played,
        // Retries, and what is not about delivery.
        _ => return None,
    };
    let source = &receipt.source;
    // Another device of the account has a message: nobody asks. What it read of others' messages is read.
    if source.is_from_me && kind == ReceiptKind::Delivered {
        return None;
    }
    let user = addresses::person(client, &source.sender, source.sender_alt.as_ref()).await?;
    Some(Signal::Receipt(Receipt {
        chat: chat_of(client, source).await?,
        user: user.main,
        ids: receipt
            .message_ids
            .iter()
            .filter_map(|id| MessageId::parse(id).ok())
            .collect(),
        kind,
        at: at(receipt.timestamp),
    }))
}

async fn presence(client: &Client, update: &PresenceUpdate) -> Option<Signal> {
    let user = addresses::person(client, &update.from, None).await?;
    Some(Signal::Presence(PresenceChange {
        user: user.main,
        online: !update.unavailable,
        last_seen: update.last_seen.map(at),
    }))
}

async fn chat_state(client: &Client, update: &ChatPresenceUpdate) -> Option<Signal> {
    let source = &update.source;
    let user = addresses::person(client, &source.sender, source.sender_alt.as_ref()).await?;
    let state = match (update.state, update.media) {
        (ChatPresence::Composing, ChatPresenceMedia::Audio) => ChatState::Recording,
        (ChatPresence::Composing, ChatPresenceMedia::Text) => ChatState::Composing,
        (ChatPresence::Paused, _) => ChatState::Paused,
    };
    Some(Signal::ChatState(ChatStateChange {
        chat: chat_of(client, source).await?,
        user: user.main,
        state,
    }))
}
