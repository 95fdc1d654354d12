//! The library's events: taken on its receive tasks without waiting, told to the node by the account's own loop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wacore::types::events::{AppStateSyncFailed, Event, EventHandler, EventInterest, EventKind};
use wacore_binary::OwnedNodeRef;

use crate::api::End;
use crate::backend::Backend;
use crate::owed::Owed;
use crate::raw::{self, News};
use crate::{facts, verdict};

/// Most hints (presence, typing) that wait; more are dropped.
const HINTS_MAX: usize = 256;
/// Most acks and receipts that wait; more are dropped, and a status then comes late or never.
const NOTES_MAX: usize = 8_192;

/// Most facts that wait; more are dropped, and the node knows less than the phone until the next full synchronisation.
const FACTS_MAX: usize = 65_536;
/// Most facts taken at once.
const FACTS_TAKEN_MAX: usize = 256;
/// Most bytes of the history that wait, compressed; more are dropped, and those messages stay on the phone.
const HISTORY_BYTES_MAX: usize = 128 << 20;

/// Whether an event may be lost, and how easily.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Nobody misses it.
    Hint,
    /// A message's status hangs on it.
    Note,
    /// The node's picture of chats and people hangs on it.
    Fact,
    /// The session's state hangs on it.
    State,
}

/// What the library said and the node has not heard yet.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    history_arrived: Notify,
    block_list_changed: Notify,
    /// Told when QR codes ran out or a verdict came.
    turned: Notify,
    /// WhatsApp answered at all in this connection.
    heard: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<(Weight, Arc<Event>)>,
    hints: usize,
    notes_dropped: u64,
    facts: usize,
    facts_dropped: u64,
    /// Parts of the history; the first one is being handed over.
    history: VecDeque<Arc<Event>>,
    history_bytes: usize,
    ending: Ending,
}

/// What is known of how the connection ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    /// The first event that settles it.
    pub(crate) verdict: Option<End>,
    /// The last one that only describes it.
    pub(crate) closed: Option<String>,
    /// The account was linked in this connection.
    pub(crate) is_paired: bool,
    /// QR codes ran out.
    pub(crate) is_exhausted: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets how the last connection ended.
    pub(crate) fn begin(&self) {
        self.lock().ending = Ending::default();
        self.heard.store(false, Ordering::Release);
    }

    /// How the connection ends, as far as is known.
    pub(crate) fn ending(&self) -> Ending {
        self.lock().ending.clone()
    }

    /// Whether WhatsApp said anything since [`Queue::begin`].
    pub(crate) fn heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }

    /// Resolves once QR codes ran out.
    pub(crate) async fn exhausted(&self) {
        self.until(|ending| ending.is_exhausted).await;
    }

    /// Resolves once something settles how the connection ends.
    pub(crate) async fn settled(&self) {
        self.until(|ending| ending.verdict.is_some()).await;
    }

    async fn until(&self, is_so: fn(&Ending) -> bool) {
        loop {
            let turned = self.turned.notified();
            if is_so(&self.lock().ending) {
                return;
            }
            turned.await;
        }
    }

    /// The next event; waits for one.
    pub(crate) async fn next(&self) -> Arc<Event> {
        loop {
            let arrived = self.arrived.notified();
            if let Some(event) = self.take() {
                return event;
            }
            arrived.await;
        }
    }

    /// The next event, if there is one.
    pub(crate) fn take(&self) -> Option<Arc<Event>> {
        let mut waiting = self.lock();
        let (weight, event) = waiting.events.pop_front()?;
        match weight {
            Weight::Hint => waiting.hints = waiting.hints.saturating_sub(1),
            Weight::Fact => waiting.facts = waiting.facts.saturating_sub(1),
            Weight::Note | Weight::State => {}
        }
        if waiting.events.is_empty() {
            waiting.events.shrink_to(0);
            let dropped = std::mem::take(&mut waiting.notes_dropped);
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "acks and receipts were dropped: the session did not take them in time"
                );
            }
            let dropped = std::mem::take(&mut waiting.facts_dropped);
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "facts of chats and people were dropped: the session did not take them in time"
                );
            }
        }
        Some(event)
    }

    /// The facts that stand next in line.
    pub(crate) fn take_facts(&self) -> Vec<Arc<Event>> {
        let mut taken = Vec::new();
        while taken.len() < FACTS_TAKEN_MAX {
            let is_fact = matches!(self.lock().events.front(), Some((Weight::Fact, _)));
            match is_fact.then(|| self.take()).flatten() {
                Some(event) => taken.push(event),
                None => break,
            }
        }
        taken
    }

    /// The part of the history that is to be handed over next; it stays until [`Queue::history_is_taken`].
    pub(crate) async fn history(&self) -> Arc<Event> {
        loop {
            let arrived = self.history_arrived.notified();
            if let Some(event) = self.lock().history.front() {
                return Arc::clone(event);
            }
            arrived.await;
        }
    }

    /// Forgets the first part of the history.
    pub(crate) fn history_is_taken(&self) {
        let mut waiting = self.lock();
        let taken = waiting.history.pop_front();
        let bytes = taken.as_deref().map_or(0, history_bytes);
        waiting.history_bytes = waiting.history_bytes.saturating_sub(bytes);
    }

    /// Resolves once for what another device did to the block list, were it one change or many.
    pub(crate) async fn block_list_changed(&self) {
        self.block_list_changed.notified().await;
    }

    fn put_history(&self, event: Arc<Event>) {
        let bytes = history_bytes(&event);
        let mut waiting = self.lock();
        if waiting.history_bytes + bytes > HISTORY_BYTES_MAX {
            drop(waiting);
            tracing::warn!(
                bytes,
                "a part of the history was dropped: the session did not take the others in time"
            );
            return;
        }
        waiting.history_bytes += bytes;
        waiting.history.push_back(event);
        drop(waiting);
        self.history_arrived.notify_one();
    }

    fn put(&self, event: Arc<Event>) {
        if matches!(*event, Event::HistorySync(_)) {
            self.put_history(event);
            return;
        }
        let weight = weight(&event);
        let mut waiting = self.lock();
        verdict::note(&event, &mut waiting.ending);
        if waiting.ending.is_exhausted || waiting.ending.verdict.is_some() {
            self.turned.notify_waiters();
        }
        match weight {
            Weight::Hint if waiting.hints >= HINTS_MAX => return,
            Weight::Hint => waiting.hints += 1,
            Weight::Note if waiting.events.len() >= NOTES_MAX => {
                waiting.notes_dropped += 1;
                return;
            }
            Weight::Fact if waiting.facts >= FACTS_MAX => {
                waiting.facts_dropped += 1;
                return;
            }
            Weight::Fact => waiting.facts += 1,
            Weight::Note | Weight::State => {}
        }
        waiting.events.push_back((weight, event));
        drop(waiting);
        self.heard.store(true, Ordering::Release);
        self.arrived.notify_one();
    }
}

/// What is listened to. Receipts and acks leave the library's fast path by it, so only what is used stands here.
const KINDS: [EventKind; 27] = [
    EventKind::PairingQrCode,
    EventKind::PairingQrCodesExhausted,
    EventKind::PairingCode,
    EventKind::PairingCodeRefresh,
    EventKind::PairingCodeError,
    EventKind::PairPasskeyRequest,
    EventKind::PairPasskeyError,
    EventKind::PairSuccess,
    EventKind::PairError,
    EventKind::QrScannedWithoutMultidevice,
    EventKind::OfflineSyncPreview,
    EventKind::Connected,
    EventKind::Disconnected,
    EventKind::LoggedOut,
    EventKind::StreamReplaced,
    EventKind::TemporaryBan,
    EventKind::ClientOutdated,
    EventKind::ConnectFailure,
    EventKind::StreamError,
    EventKind::HistorySync,
    EventKind::ServerAck,
    EventKind::Receipt,
    EventKind::Messages,
    EventKind::Presence,
    EventKind::ChatPresence,
    EventKind::RawNode,
    EventKind::AppStateSyncFailed,
];

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum grows, and what is new means nothing to us"
)]
fn weight(event: &Event) -> Weight {
    match event.kind() {
        EventKind::Presence | EventKind::ChatPresence => Weight::Hint,
        EventKind::ServerAck | EventKind::Receipt | EventKind::Messages => Weight::Note,
        _ if facts::are_told_by(event) => Weight::Fact,
        _ => Weight::State,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only one kind carries the history"
)]
fn history_bytes(event: &Event) -> usize {
    match event {
        Event::HistorySync(part) => part.compressed_bytes().len(),
        _ => 0,
    }
}

/// The library's side of a [`Queue`].
pub(crate) struct Handler {
    queue: Arc<Queue>,
    owed: Arc<Owed>,
    backend: Arc<Backend>,
}

impl Handler {
    pub(crate) fn new(queue: &Arc<Queue>, owed: &Arc<Owed>, backend: &Arc<Backend>) -> Self {
        Self {
            queue: Arc::clone(queue),
            owed: Arc::clone(owed),
            backend: Arc::clone(backend),
        }
    }

    /// Takes from a stanza what the library does not tell.
    fn look(&self, node: &OwnedNodeRef) {
        match raw::news(node) {
            Some(News::Story(receipt)) => self.queue.put(Arc::from(receipt)),
            Some(News::BlockList) => self.queue.block_list_changed.notify_one(),
            Some(News::Collections(told)) => {
                for (name, version) in told {
                    self.backend.note_told(name, version);
                    self.owed.told(name, version);
                }
            }
            None => {}
        }
    }

    fn note_unread(&self, failed: &AppStateSyncFailed) {
        if !failed.fatal.is_empty() {
            tracing::warn!(collections = ?failed.fatal, "whatsapp refuses to tell a part of the account's state");
        }
        for name in failed.skipped.iter().filter_map(|name| name.parse().ok()) {
            self.owed.skipped(name);
        }
    }
}

impl EventHandler for Handler {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others are for the queue"
    )]
    fn handle_event(&self, event: Arc<Event>) {
        match &*event {
            Event::RawNode(node) => return self.look(node),
            Event::AppStateSyncFailed(failed) => return self.note_unread(failed),
            _ => {}
        }
        // Messages that the hook made durable were told there.
        if event
            .as_messages()
            .is_some_and(|batch| batch.hook_committed)
        {
            return;
        }
        self.queue.put(event);
    }

    fn interest(&self) -> EventInterest {
        facts::KINDS
            .into_iter()
            .fold(EventInterest::of(&KINDS), EventInterest::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore::types::events::{Connected, PresenceUpdate, ServerAck};

    fn presence() -> Arc<Event> {
        let update = PresenceUpdate::builder()
            .from("77@lid".parse().unwrap())
            .unavailable(false)
            .build();
        Arc::new(Event::Presence(update))
    }

    fn ack() -> Arc<Event> {
        Arc::new(Event::ServerAck(
            ServerAck::builder().id("A".to_owned()).build(),
        ))
    }

    #[tokio::test]
    async fn hints_are_dropped_first_and_state_never() {
        let queue = Queue::default();
        for _ in 0..2 * HINTS_MAX {
            queue.put(presence());
        }
        for _ in 0..2 * NOTES_MAX {
            queue.put(ack());
        }
        queue.put(Arc::new(Event::Connected(Connected::builder().build())));
        let mut counts = [0; 4];
        while let Some(event) = queue.take() {
            let at = match weight(&event) {
                Weight::Hint => 0,
                Weight::Note => 1,
                Weight::State => 2,
                Weight::Fact => 3,
            };
            counts[at] += 1;
        }
        assert_eq!(counts, [HINTS_MAX, NOTES_MAX - HINTS_MAX, 1, 0]);
        queue.put(presence());
        assert!(matches!(*queue.next().await, Event::Presence(_)));
    }
}
