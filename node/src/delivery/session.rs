//! The webhooks of one session: starts and ends a worker for each as they come and go.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use switchboard_vocab::OpError;
use switchboard_vocab::webhooks::{EventClass, Subscription, Webhooks};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Shared, worker};
use crate::ports::{Hints, SessionDelivery, WEBHOOK_SINK_PREFIX, WebhookBook};

/// Most presence and typing calls of one session under way; the next one is dropped.
const HINT_CALLS_MAX: usize = 8;

/// A webhook with the name of its sink and the classes it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Webhook {
    /// Names its position in the outbox.
    pub(super) sink: String,
    /// The webhook; its events are those it gets, whether it or its dialect's webhooks as a whole chose them. `None` when
    /// nobody chose, which a dialect may read as it likes.
    pub(super) subscription: Subscription,
}

impl Webhook {
    /// Whether it gets events of this class.
    pub(super) fn wants(&self, class: EventClass) -> bool {
        let chosen = self.subscription.events.as_ref();
        chosen.is_none_or(|classes| classes.contains(&class))
    }
}

/// Every webhook of a session.
fn webhooks(book: &WebhookBook) -> Vec<Webhook> {
    let of_dialect = |webhooks: &Webhooks| {
        let make = |subscription: &Subscription| {
            let subscription = Subscription {
                events: webhooks.chosen(subscription).cloned(),
                ..subscription.clone()
            };
            Webhook {
                sink: sink_of(&subscription),
                subscription,
            }
        };
        webhooks.subscriptions.iter().map(make).collect::<Vec<_>>()
    };
    book.values().flat_map(of_dialect).collect()
}

/// The address is a webhook's identity, so a changed filter or header keeps its position.
fn sink_of(subscription: &Subscription) -> String {
    let digest = hex::encode(Sha256::digest(subscription.url.as_bytes()));
    format!("{WEBHOOK_SINK_PREFIX}{}.{digest}", subscription.dialect)
}

/// Makes the sinks of new webhooks at the end of the outbox and forgets those that are gone.
pub(super) async fn make_sinks(session: &SessionDelivery) -> Result<(), OpError> {
    let wanted = webhooks(&session.webhooks.borrow().clone());
    let known = session.outbox.sinks().await?;
    let last = *session.outbox.last().borrow();
    for webhook in wanted
        .iter()
        .filter(|webhook| !known.contains_key(&webhook.sink))
    {
        session.outbox.pass(&webhook.sink, last).await?;
    }
    let gone = known.keys().filter(|sink| {
        sink.starts_with(WEBHOOK_SINK_PREFIX)
            && !wanted.iter().any(|webhook| webhook.sink == **sink)
    });
    for sink in gone {
        session.outbox.forget(sink).await?;
    }
    Ok(())
}

/// A worker under way, and what it was started for.
#[derive(Debug)]
struct Working {
    webhook: Webhook,
    stop: CancellationToken,
}

/// Delivers a session's events until it is told to stop.
pub(super) async fn deliver(
    shared: Arc<Shared>,
    mut session: SessionDelivery,
    mut hints: Hints,
    stop: CancellationToken,
) {
    let mut workers = JoinSet::new();
    let mut working: HashMap<String, Working> = HashMap::new();
    let mut hint_calls = JoinSet::new();
    let mut hints_open = true;
    session.webhooks.mark_changed();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            changed = session.webhooks.changed() => {
                if changed.is_err() {
                    break;
                }
                if let Err(error) = make_sinks(&session).await {
                    tracing::warn!(session = %session.scope.session, error = ?error.internal, "make the sinks of webhooks");
                }
                let wanted = webhooks(&session.webhooks.borrow_and_update().clone());
                adapt(&shared, &session, wanted, &mut working, &mut workers);
            }
            hint = hints.recv(), if hints_open => match hint {
                None => hints_open = false,
                Some(hint) => {
                    for webhook in working.values().filter(|w| w.webhook.wants(hint.event.class())) {
                        if hint_calls.len() < HINT_CALLS_MAX {
                            let (shared, session) = (Arc::clone(&shared), session.clone());
                            let (webhook, hint) = (webhook.webhook.clone(), hint.clone());
                            hint_calls.spawn(async move { worker::call_once(&shared, &session, &webhook, &hint).await });
                        }
                    }
                }
            },
            Some(_) = hint_calls.join_next() => {}
            Some(_) = workers.join_next() => {}
        }
    }
    for work in working.values() {
        work.stop.cancel();
    }
    // Whoever waits for us has a limit and aborts; dropping the sets then ends their tasks.
    while workers.join_next().await.is_some() {}
}

/// Ends workers of webhooks that are gone or changed, and starts those that are missing.
fn adapt(
    shared: &Arc<Shared>,
    session: &SessionDelivery,
    wanted: Vec<Webhook>,
    working: &mut HashMap<String, Working>,
    workers: &mut JoinSet<()>,
) {
    working.retain(|_, work| {
        let stays = wanted.contains(&work.webhook);
        if !stays {
            work.stop.cancel();
        }
        stays
    });
    for webhook in wanted {
        if working.contains_key(&webhook.sink) {
            continue;
        }
        let stop = CancellationToken::new();
        let work = worker::run(
            Arc::clone(shared),
            session.clone(),
            webhook.clone(),
            stop.clone(),
        );
        workers.spawn(work);
        working.insert(webhook.sink.clone(), Working { webhook, stop });
    }
}

#[cfg(test)]
mod tests {
    use switchboard_vocab::DialectName;

    use super::*;

    #[test]
    fn a_webhook_without_a_choice_gets_what_its_dialect_chose() {
        let subscription = |events| Subscription {
            dialect: DialectName::Chatapi,
            url: "http://hooks.test/".to_owned(),
            events,
            headers: Default::default(),
            options: Default::default(),
        };
        let effective = |own: Option<EventClass>, chosen: Option<EventClass>| {
            let subscriptions = vec![subscription(own.map(|class| [class].into()))];
            let events = chosen.map(|class| [class].into());
            let book = WebhookBook::from([(
                DialectName::Chatapi,
                Webhooks {
                    subscriptions,
                    events,
                },
            )]);
            let events = webhooks(&book).remove(0).subscription.events;
            events.map(Vec::from_iter)
        };
        let (sent, received) = (EventClass::Sent, EventClass::Received);
        assert_eq!(effective(None, None), None);
        assert_eq!(effective(None, Some(sent)), Some(vec![sent]));
        assert_eq!(effective(Some(received), Some(sent)), Some(vec![received]));
    }
}
