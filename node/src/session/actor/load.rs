//! How a session comes to life: alone, with its rows checked, its journal open and its delivery started.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ractor::{ActorProcessingErr, ActorRef};
use switchboard_keystore::KeyStore;
use switchboard_vocab::OpError;
use switchboard_vocab::events::Envelope;
use switchboard_vocab::sessions::SessionStatus;
use switchboard_vocab::settings::Settings;
use switchboard_whatsapp::Fence;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Live, Message, gauge};
use crate::cluster::{Gate, GatedStore};
use crate::index::Tenancy;
use crate::placement::Verdict;
use crate::ports::{
    Files, HINT_SEQUENCE_MIN, HINTS_MAX, Hints, Outbox, SessionDelivery, SessionScope, WebhookBook,
};
use crate::session::account::AccountSlot;
use crate::session::context::{Session, Surroundings};
use crate::session::intake::{DOWNLOADS_MAX, Entrance, download};
use crate::session::journal::{self, Journal};
use crate::session::lanes::Lanes;
use crate::session::lifecycle::State;
use crate::session::presence::{Known, Showing};

/// Longest wait for the last life of a session to let go of journal and connection.
const LET_GO_MAX: Duration = Duration::from_secs(30);
/// What a session is started with.
pub(crate) struct Arguments {
    pub(crate) scope: SessionScope,
    pub(crate) surroundings: Surroundings,
    pub(crate) status: watch::Sender<SessionStatus>,
    /// Set once the status is what the store says.
    pub(crate) loaded: watch::Sender<bool>,
    /// Only one life of a session at a time; free once the last one has let go of journal and connection.
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) begin: Begin,
    /// Not the first life under this ownership: its data is asked for again.
    pub(crate) again: bool,
    /// The gate of the node's life under which this one begins; it keeps it to its end.
    pub(crate) gate: Arc<Gate>,
    /// Cut when this life must end at once.
    pub(crate) cut: CancellationToken,
}

/// How a session comes to life.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Runs if it ran before.
    AsBefore,
    /// Crashed too often: readable, with this reason, and off until somebody starts it.
    Parked(String),
}

/// Brings a session to life from what the store holds.
pub(super) async fn load(
    arguments: Arguments,
    myself: &ActorRef<Message>,
) -> Result<(Live, Begin), ActorProcessingErr> {
    let Arguments {
        scope,
        surroundings,
        status,
        tenancy,
        begin,
        again,
        gate,
        cut,
        ..
    } = arguments;

    let verdict = surroundings.ownership.owner(&scope.session);
    if !matches!(verdict, Verdict::Owned { epoch } if epoch == scope.epoch) {
        return Err(format!("session {} does not belong to this node", scope.session).into());
    }
    let alone = timeout(LET_GO_MAX, tenancy.lock_owned()).await;
    let tenancy = Arc::new(alone.map_err(|_| "an earlier life of the session has not ended")?);
    let _turn = surroundings.loading.acquire().await?;
    let store = own_store(&scope, &surroundings, &gate, again).await?;
    let (limits, guard) = (limits(&surroundings), Arc::clone(&tenancy));
    let opened = Journal::open(scope.clone(), Arc::clone(&store), limits, guard).await?;
    let (journal, restored) = opened;
    if let Some(search) = &surroundings.search {
        search.add(&journal);
    }
    let (hints, hint_receiver) = mpsc::channel(HINTS_MAX);
    let book = watch::Sender::new(Arc::new(restored.webhooks));
    let settings = watch::Sender::new(restored.settings);
    let session = assemble(
        &surroundings,
        scope,
        &journal,
        (&status, book, settings),
        hints,
        myself,
        (store, gate, cut),
    );
    if let Err(error) = start_delivery(&session, hint_receiver).await {
        journal.cancel();
        let cause = error.internal.unwrap_or(error.public);
        return Err(format!("start delivery: {cause}").into());
    }
    let mut jobs = JoinSet::new();
    let (ended, actor) = (journal.ended(), myself.clone());
    jobs.spawn(async move {
        ended.await;
        // A stopped actor has ended the journal itself.
        let _ = actor.send_message(Message::JournalLost);
    });
    let state = State::restored(restored.saved, crate::clock::now());
    gauge(state.phase, 1.0);
    let live = Live {
        session,
        node: surroundings.node,
        state,
        status,
        lanes: Lanes::default(),
        jobs,
        running: 0,
        run_count: 0,
        leaving: std::collections::BTreeMap::new(),
        link: None,
        links: JoinSet::new(),
        generation: 0,
        timer: None,
        tenancy,
        closing: None,
    };
    Ok((live, begin))
}

/// How much a session keeps.
fn limits(surroundings: &Surroundings) -> journal::Limits {
    journal::Limits {
        messages_max: surroundings.limits.messages_per_session_max,
        bytes_max: surroundings.limits.message_bytes_per_session_max,
        age_max: surroundings.limits.message_age_max,
        events_max: surroundings.limits.events_per_session_max,
        events_bytes_max: surroundings.limits.event_bytes_per_session_max,
        search: surroundings.search.is_some(),
    }
}

/// The one store that this life gets, with the session's rows in it: nothing is written past its gate.
async fn own_store(
    scope: &SessionScope,
    surroundings: &Surroundings,
    gate: &Arc<Gate>,
    again: bool,
) -> Result<Arc<dyn KeyStore>, ActorProcessingErr> {
    let renew = async || {
        let renewed = surroundings.data.renew(&scope.session, scope.epoch).await;
        renewed.map_err(|missing| missing.to_string())
    };
    if again {
        renew().await?;
    }
    let store = Arc::clone(&surroundings.store);
    let store = GatedStore::new(store, Arc::clone(gate), &surroundings.rules);
    if erase_earlier(scope, surroundings, &store).await? {
        renew().await?;
    }
    Ok(Arc::new(store))
}

fn assemble(
    surroundings: &Surroundings,
    scope: SessionScope,
    journal: &Arc<Journal>,
    (status, webhooks, settings): (
        &watch::Sender<SessionStatus>,
        watch::Sender<Arc<WebhookBook>>,
        watch::Sender<Settings>,
    ),
    hints: mpsc::Sender<Envelope>,
    myself: &ActorRef<Message>,
    (store, gate, cut): (Arc<dyn KeyStore>, Arc<Gate>, CancellationToken),
) -> Arc<Session> {
    let (downloads, wanted) = mpsc::channel(DOWNLOADS_MAX);
    let intake = Arc::new(Entrance {
        journal: Arc::clone(journal),
        settings: settings.subscribe(),
        downloads,
    });
    let session = Arc::new(Session {
        account: AccountSlot::new(
            Arc::clone(&surroundings.connect),
            scope.clone(),
            Arc::clone(&store),
            (intake, settings.subscribe()),
            Arc::clone(&gate) as Arc<dyn Fence>,
        ),
        scope,
        journal: Arc::clone(journal),
        ports: surroundings.ports.clone(),
        store,
        ownership: Arc::clone(&surroundings.ownership),
        gate,
        cut,
        rules: Arc::clone(&surroundings.rules),
        limiter: Arc::clone(&surroundings.limiter),
        status: status.subscribe(),
        webhooks,
        search: surroundings.search.clone(),
        settings,
        presence: Known::default(),
        showing: Showing::default(),
        hints,
        hint_sequence: AtomicU64::new(HINT_SEQUENCE_MIN),
        actor: myself.clone(),
    });
    // Ends with the session, which holds the sender.
    drop(crate::task::start(download(
        Arc::downgrade(&session),
        wanted,
    )));
    session
}

async fn start_delivery(session: &Arc<Session>, hints: Hints) -> Result<(), OpError> {
    let delivery = SessionDelivery {
        scope: session.scope.clone(),
        outbox: Arc::clone(&session.journal) as Arc<dyn Outbox>,
        webhooks: session.webhooks.subscribe(),
        status: session.status.clone(),
        files: Arc::clone(session) as Arc<dyn Files>,
    };
    session
        .ports
        .delivery
        .session_started(delivery, hints)
        .await
}

/// Rows and files of an earlier session of the same name must never become this one's; `true` when there were any.
async fn erase_earlier(
    scope: &SessionScope,
    surroundings: &Surroundings,
    store: &dyn KeyStore,
) -> Result<bool, ActorProcessingErr> {
    let namespace = journal::namespace(scope)?;
    let found = journal::uuid_in(store, &namespace).await?;
    let earlier = found.filter(|uuid| *uuid != *scope.uuid);
    let is_earlier = earlier.is_some();
    if let Some(earlier) = earlier {
        tracing::warn!(session = %scope.session, "an earlier session of this name left data, which is removed");
        let remains = switchboard_keystore::Remains::Nothing;
        store.drop_namespace(&namespace, remains).await?;
        let media = &surroundings.ports.media;
        let erased = media.erase(&scope.session, &earlier).await;
        erased.map_err(|e| format!("erase files: {}", e.internal.unwrap_or(e.public)))?;
    }
    Ok(is_earlier)
}
