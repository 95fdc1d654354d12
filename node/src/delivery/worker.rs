//! One webhook of one session: reads the outbox in order, calls, retries, remembers how far it got.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use switchboard_dialect_kit::{Dialect, EventCx, Payload};
use switchboard_vocab::content::{Body, MediaBody};
use switchboard_vocab::envelope::CHUNK_LEN_MAX;
use switchboard_vocab::events::{Envelope, Event, messages};
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{MediaId, OpError};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::around::Around;
use super::post::Outcome;
use super::session::Webhook;
use crate::ports::SessionDelivery;

/// Events read from the outbox at once.
const READ_AHEAD: usize = 64;
/// Events delivered between two durable notes of the position; that many may be delivered again after a crash.
const NOTE_EVERY: u64 = 16;
/// How long a position waits for its note when no more events come.
const NOTE_AFTER: Duration = Duration::from_millis(500);
/// Largest file put into a payload, in bytes. Source: whatsapp-web.js's wrapper allows attachments of 10,000,000.
const PAYLOAD_MEDIA_MAX: u64 = 10_000_000;
/// Wait after the outbox could not be read.
const OUTBOX_RETRY: Duration = Duration::from_secs(1);

/// Delivers until told to stop. A call under way is finished first; whoever waits for us has a limit and aborts.
pub(super) async fn run(
    shared: Arc<Shared>,
    session: SessionDelivery,
    webhook: Webhook,
    stop: CancellationToken,
) {
    let mut worker = Worker {
        shared,
        session,
        webhook,
        stop,
        position: 0,
        noted: 0,
    };
    while !worker.stop.is_cancelled() {
        if let Err(error) = worker.step().await {
            let session = &worker.session.scope.session;
            tracing::warn!(%session, error = ?error.internal, "read the outbox for a webhook");
            worker.pause(OUTBOX_RETRY).await;
        }
    }
    if let Err(error) = worker.note().await {
        let session = &worker.session.scope.session;
        tracing::debug!(%session, error = ?error.internal, "note a webhook's position; some events will come again");
    }
}

/// Calls a webhook once for a hint; whatever happens, it is over.
pub(super) async fn call_once(
    shared: &Shared,
    session: &SessionDelivery,
    webhook: &Webhook,
    hint: &Envelope,
) {
    let around = Around::of(session, webhook, hint, 0).await;
    for payload in payloads(shared, session, webhook, &around).await {
        let Ok(_permit) = shared.calls.acquire().await else {
            return;
        };
        let outcome = shared
            .poster
            .call(&webhook.subscription, &payload, hint)
            .await;
        count(webhook, &outcome);
    }
}

struct Worker {
    shared: Arc<Shared>,
    session: SessionDelivery,
    webhook: Webhook,
    stop: CancellationToken,
    /// The last event this webhook has passed.
    position: u64,
    /// The position that is durable.
    noted: u64,
}

impl Worker {
    /// Delivers what is there, or waits for more.
    async fn step(&mut self) -> Result<(), OpError> {
        if self.noted == 0 {
            let sinks = self.session.outbox.sinks().await?;
            self.noted = sinks.get(&self.webhook.sink).copied().unwrap_or(0);
            self.position = self.position.max(self.noted);
        }
        let mut last = self.session.outbox.last();
        let batch = self.session.outbox.read(self.position, READ_AHEAD).await?;
        if batch.is_empty() {
            let position = self.position;
            let is_noted = position <= self.noted;
            let more = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                more = last.wait_for(|last| *last > position) => Some(more.map(drop)),
                () = tokio::time::sleep(NOTE_AFTER), if !is_noted => None,
            };
            return match more {
                Some(Ok(())) => Ok(()),
                Some(Err(_)) => Err(OpError::internal("the session's outbox has closed")),
                None => self.note().await,
            };
        }
        for event in batch {
            if self.webhook.wants(event.event.class()) && !self.deliver(&event).await {
                return Ok(());
            }
            self.position = event.sequence;
            if self.position - self.noted >= NOTE_EVERY {
                self.note().await?;
            }
        }
        Ok(())
    }

    async fn note(&mut self) -> Result<(), OpError> {
        if self.position > self.noted {
            self.session
                .outbox
                .pass(&self.webhook.sink, self.position)
                .await?;
            self.noted = self.position;
        }
        Ok(())
    }

    /// Waits, unless told to stop.
    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Calls until the receiver has taken every payload of the event, or it is time to give up. `false` when told to stop
    /// in between: the event is then delivered again later.
    async fn deliver(&self, event: &Envelope) -> bool {
        let mut place = Some(0);
        while let Some(from) = place {
            let around = Around::of(&self.session, &self.webhook, event, from).await;
            for payload in payloads(&self.shared, &self.session, &self.webhook, &around).await {
                if !self.call(&payload, event).await {
                    return false;
                }
            }
            place = around.next;
            if place.is_some() && self.stop.is_cancelled() {
                return false;
            }
        }
        true
    }

    /// Calls until the receiver has taken the payload, or it is time to give up. `false` when told to stop in between.
    async fn call(&self, payload: &Payload, event: &Envelope) -> bool {
        let mut tries = 0;
        loop {
            let outcome = {
                let Ok(_permit) = self.shared.calls.acquire().await else {
                    return false;
                };
                self.shared
                    .poster
                    .call(&self.webhook.subscription, payload, event)
                    .await
            };
            count(&self.webhook, &outcome);
            tries += 1;
            let why = match outcome {
                Outcome::Taken => return true,
                Outcome::Never(why) => why,
                Outcome::Again(why) => match self.shared.retry.wait_after(tries) {
                    Some(wait) => {
                        self.pause(wait).await;
                        if self.stop.is_cancelled() {
                            return false;
                        }
                        continue;
                    }
                    None => why,
                },
            };
            let session = &self.session.scope.session;
            let dialect = self.webhook.subscription.dialect;
            tracing::warn!(%session, %dialect, event = %event.id, tries, why, "a webhook call was given up");
            metrics::counter!("switchboard_webhooks_given_up_total", "dialect" => dialect.as_str())
                .increment(1);
            return true;
        }
    }
}

fn count(webhook: &Webhook, outcome: &Outcome) {
    let word = match outcome {
        Outcome::Taken => "taken",
        Outcome::Again(_) => "again",
        Outcome::Never(_) => "never",
    };
    let dialect = webhook.subscription.dialect.as_str();
    metrics::counter!("switchboard_webhook_calls_total", "dialect" => dialect, "outcome" => word)
        .increment(1);
}

/// The dialect's payloads for an event, with the message's file where the dialect wants it.
async fn payloads(
    shared: &Shared,
    session: &SessionDelivery,
    webhook: &Webhook,
    around: &Around<'_>,
) -> Vec<Payload> {
    let event = around.event.as_ref();
    let subscription = &webhook.subscription;
    let Some(dialect) = shared.dialects.get(&subscription.dialect) else {
        tracing::warn!(dialect = %subscription.dialect, "a webhook names a dialect this node does not have");
        return Vec::new();
    };
    let media = load_media(shared, session, dialect, webhook, event).await;
    let identity = session.status.borrow().identity.clone();
    let cx = EventCx {
        session: &session.scope.session,
        identity: identity.as_ref(),
        now: crate::clock::now(),
        links: &shared.links,
        media: media.as_ref().map(|(meta, bytes)| (meta, bytes)),
        message: around.message.as_ref(),
        chat: around.chat.as_ref(),
        history: around.history.as_ref(),
    };
    (dialect.events)(event, subscription, &cx)
}

async fn load_media(
    shared: &Shared,
    session: &SessionDelivery,
    dialect: &Dialect,
    webhook: &Webhook,
    event: &Envelope,
) -> Option<(StoredMedia, Bytes)> {
    let media = media_of(event)?;
    if !(dialect.wants_media)(event, &webhook.subscription) {
        return None;
    }
    let loaded = load(shared, session, media).await;
    loaded
        .inspect_err(|error| {
            let session = &session.scope.session;
            tracing::warn!(%session, %media, why = error.public, "load a file for a webhook; it is sent without");
        })
        .ok()
        .flatten()
}

fn media_of(event: &Envelope) -> Option<&MediaId> {
    let (Event::Messages(messages::Event::Received(message))
    | Event::Messages(messages::Event::Sent(message))) = &event.event
    else {
        return None;
    };
    media_of_body(&message.body).map(|media| &media.id)
}

/// The file of a message.
const fn media_of_body(body: &Body) -> Option<&MediaBody> {
    if let Body::Media(media) = body {
        Some(media)
    } else {
        None
    }
}

/// The file's bytes; `None` when it is too large for a payload.
async fn load(
    shared: &Shared,
    session: &SessionDelivery,
    media: &MediaId,
) -> Result<Option<(StoredMedia, Bytes)>, OpError> {
    let meta = session.files.open(media).await?;
    if meta.size > PAYLOAD_MEDIA_MAX {
        return Ok(None);
    }
    let piece_len = u32::try_from(CHUNK_LEN_MAX).unwrap_or(u32::MAX);
    let mut bytes = BytesMut::new();
    loop {
        let offset = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let piece = shared
            .media
            .read(&session.scope, media, offset, piece_len)
            .await?;
        if piece.is_empty() {
            return Ok(Some((meta, bytes.freeze())));
        }
        if offset > PAYLOAD_MEDIA_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
}
