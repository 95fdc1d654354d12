//! What every implementation of the three traits must do, as test cases.
//!
//! One set for all implementations; behind the feature `conformance`, so that a crate that brings another
//! [`crate::in_process::Storage`] can run it too. Must not know which implementation it runs on. Panics like any test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "test code that other crates can call"
)]

mod kv;
mod log;
mod restart;
mod rpc;
mod watch;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::task::JoinSet;

use crate::{Bus, Limits, Names};

pub use restart::{Before, after_restart, before_restart};

/// The time that one case may take, so that a hanging one fails by its name.
const CASE_DEADLINE: Duration = Duration::from_secs(60);
/// A wait that is never meant to end by itself.
const LONG: Duration = Duration::from_secs(40);
/// Cases that run at once.
const CASES_AT_ONCE: usize = 8;

/// Two ways to one bus, and names that no other case uses.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// One user of the bus.
    pub bus: Bus,
    /// Another one: over NATS a second connection, best to another server.
    pub peer: Bus,
    names: Names,
}

impl Fixture {
    /// A fixture with fresh names. Both buses must have been opened with [`limits`].
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn new(bus: Bus, peer: Bus) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let cluster = format!("case-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self {
            bus,
            peer,
            names: Names::new(&cluster).unwrap(),
        }
    }

    /// The same users under another cluster id.
    fn other_cluster(&self) -> Self {
        Self::new(self.bus.clone(), self.peer.clone())
    }
}

/// The limits that the cases count on: small queues, so that they can be filled.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        serve_queue_max: 4,
        value_bytes_max: 1024,
        ..Limits::default()
    }
}

type Case = (&'static str, fn(Fixture) -> BoxFuture<'static, ()>);

macro_rules! cases {
    ($($area:ident::{$($case:ident),* $(,)?})*) => {
        &[$($((
            concat!(stringify!($area), "::", stringify!($case)),
            |fixture| Box::pin($area::$case(fixture)),
        ),)*)*]
    };
}

const CASES: &[Case] = cases! {
    rpc::{
        a_reply_reaches_its_requester,
        empty_and_largest_payloads_pass,
        nobody_serves,
        another_subject_is_not_served,
        a_dropped_stream_serves_no_more,
        a_late_reply_is_a_timeout,
        a_dropped_request_is_abandoned_at_once,
        a_too_large_request_is_not_sent,
        a_too_large_reply_is_told_to_both,
        requests_are_answered_in_any_order,
        a_full_queue_refuses,
        a_stopped_stream_yields_what_waits,
        waiting_requests_of_a_dropped_stream_were_not_executed,
        two_servers_share_the_requests,
        clusters_do_not_mix,
    }
    kv::{
        what_was_written_is_read,
        create_refuses_an_existing_key,
        update_demands_the_last_revision,
        update_never_creates,
        delete_demands_the_last_revision,
        a_deleted_key_can_be_created_again,
        a_deletion_is_a_change,
        revisions_rise_over_all_keys,
        one_of_many_creates_wins,
        one_of_many_updates_wins,
        an_empty_value_is_a_value,
        any_bytes_are_a_value,
        a_too_large_value_is_refused,
        clusters_do_not_mix,
    }
    watch::{
        an_empty_bucket_is_current_at_once,
        what_exists_comes_before_current,
        changes_follow_in_order,
        deleted_keys_are_not_listed,
        only_the_prefix_is_watched,
        a_prefix_without_keys_is_current_at_once,
        an_idle_watcher_gets_the_last_value,
        a_listing_under_writes_ends_in_the_final_state,
        any_text_is_a_key,
    }
    log::{
        events_come_in_order_with_their_ids,
        an_id_is_appended_once,
        append_demands_the_last_sequence_of_the_subject,
        a_retried_append_finds_itself,
        one_of_many_appends_wins,
        last_is_per_subject,
        a_consumer_sees_its_filter_only,
        an_acknowledged_event_does_not_come_again,
        a_refused_event_comes_again,
        a_refused_event_comes_again_later,
        a_forgotten_event_comes_again,
        an_event_is_given_up_after_its_deliveries,
        unacknowledged_events_are_limited,
        fetch_without_events_is_empty,
        fetch_wakes_when_an_event_comes,
        fetch_returns_at_most_max,
        two_handles_share_the_events,
        consumers_are_independent,
        a_consumer_keeps_its_filter,
        a_removed_consumer_starts_anew,
        purge_takes_what_matches_up_to_and_including,
        sequences_are_not_used_again,
        a_subject_is_read_in_order,
        a_read_is_limited,
        a_read_passes_over_what_is_gone,
        a_full_stream_drops_the_oldest,
        a_full_stream_that_keeps_refuses,
        old_events_go,
        opening_again_adopts_the_retention,
        a_stream_keeps_its_subjects,
        streams_do_not_overlap,
        an_unknown_stream_is_an_error,
        bad_events_are_refused,
        the_event_subjects_of_the_contract_work,
    }
};

/// Runs every case on the buses that `fixture` makes; the fixtures may share one server.
///
/// # Panics
/// With the names and messages of the cases that failed.
pub async fn run<F: Future<Output = Fixture>>(fixture: impl Fn() -> F) {
    let mut waiting = CASES.iter();
    let mut running = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        while running.len() < CASES_AT_ONCE {
            let Some((name, case)) = waiting.next() else {
                break;
            };
            let work = case(fixture().await);
            running.spawn(async move { (*name, guarded(work).await) });
        }
        match running.join_next().await {
            Some(Ok((_, Ok(())))) => {}
            Some(Ok((name, Err(why)))) => failed.push(format!("{name}: {why}")),
            Some(Err(error)) => failed.push(error.to_string()),
            None => break,
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{}",
        failed.len(),
        CASES.len(),
        failed.join("\n")
    );
}

/// Turns a panic or a hang of a case into a message.
async fn guarded(work: BoxFuture<'static, ()>) -> Result<(), String> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match tokio::time::timeout(CASE_DEADLINE, task.join_next()).await {
        Err(_) => Err(format!("not finished within {CASE_DEADLINE:?}")),
        Ok(Some(Err(error))) => match error.try_into_panic() {
            Ok(panic) => Err(panic_text(panic.as_ref())),
            Err(error) => Err(error.to_string()),
        },
        Ok(Some(Ok(())) | None) => Ok(()),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Repeats `look` until it finds something; the case's deadline ends it.
async fn eventually<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    loop {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
