//! The steps of one import: begin, frames, finish, abort.

use std::sync::Arc;
use std::time::Duration;

use switchboard_keystore::{Epoch as StoreEpoch, Error as StoreError, Namespace};
use switchboard_vocab::{Epoch, NodeId, SessionRef};

use super::arrivals::{Arrival, Done, Entered, Progress};
use super::{Answer, Receiving};
use crate::transfer::namespace;
use crate::transfer::wire::{Report, TransferId};

/// How long a finished copy may wait until this node's ownership has taken note of it.
const STAGED_WAIT: Duration = Duration::from_secs(5);

/// Why a call is refused, for the other node's log.
pub(super) struct Refusal(pub(super) String);

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self(format!("its key store: {error}"))
    }
}

impl Receiving {
    pub(super) async fn begin(
        &self,
        from: NodeId,
        session: SessionRef,
        transfer: TransferId,
        next: Epoch,
    ) -> Result<Answer, Refusal> {
        if self.arrivals.done(&transfer).is_some() {
            return Ok(Answer::Taken);
        }
        self.admit()?;
        let ns = namespace(&session).map_err(Refusal)?;
        self.fresh(&ns, next).await?;
        let arrival = Arrival::new(session, from, transfer, next);
        // Frames wait until what was under way before is discarded: both are one place in the store.
        let _first = arrival.progress.lock().await;
        match self.arrivals.enter(&arrival) {
            Entered::New(None) | Entered::Again => Ok(Answer::Taken),
            Entered::New(Some(old)) => {
                self.end(&old).await;
                Ok(Answer::Taken)
            }
            Entered::Busy => Ok(Answer::Busy),
            Entered::Behind(other) => Err(Refusal(format!(
                "it takes the session from {} for epoch {} already",
                other.from, other.next
            ))),
        }
    }

    /// Refuses an epoch that this node has seen used, or has a finished copy for: a call that comes late must not take the
    /// place of a copy whose source may be gone.
    async fn fresh(&self, ns: &Namespace, next: Epoch) -> Result<(), Refusal> {
        let store = &self.transfer.store;
        let known = match store.epoch(ns).await {
            // What is damaged here may be replaced; the store still compares what it can read.
            Err(StoreError::Damaged { .. }) => None,
            known => known?,
        };
        let staged = store.staged().await?;
        let staged = staged.iter().find(|staged| staged.namespace == *ns);
        let highest = known.max(staged.map(|staged| staged.epoch));
        match highest {
            Some(StoreEpoch(seen)) if seen >= next.0 => Err(Refusal(format!(
                "epoch {next} is stale: it knows epoch {seen}"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) async fn frame(
        &self,
        session: &SessionRef,
        transfer: &TransferId,
        sequence: u32,
        frame: &[u8],
    ) -> Result<Answer, Refusal> {
        if self.arrivals.done(transfer).is_some() {
            return Ok(Answer::Taken);
        }
        let arrival = self.under_way(session, transfer)?;
        arrival.touch();
        let mut progress = arrival.progress.lock().await;
        if progress.over {
            return Err(over());
        }
        if sequence < progress.taken {
            return Ok(Answer::Taken);
        }
        let written = self.write(&arrival, &mut progress, sequence, frame).await;
        arrival.touch();
        if written.is_err() {
            self.discard(&arrival, &mut progress).await;
        }
        written.map(|()| Answer::Taken)
    }

    async fn write(
        &self,
        arrival: &Arrival,
        progress: &mut Progress,
        sequence: u32,
        frame: &[u8],
    ) -> Result<(), Refusal> {
        if sequence != progress.taken {
            return Err(Refusal(format!(
                "frame {sequence} came instead of frame {}",
                progress.taken
            )));
        }
        self.admit()?;
        let import = match &mut progress.import {
            Some(import) => import,
            none => {
                let ns = namespace(&arrival.session).map_err(Refusal)?;
                let transfer = &self.transfer;
                let key = transfer
                    .keys
                    .transfer(&arrival.session, arrival.next, &arrival.transfer);
                let import = transfer.store.import(&ns, StoreEpoch(arrival.next.0), &key);
                none.insert(import.await?)
            }
        };
        // Counted before it is written: a task that ends in between leaves something to discard.
        progress.taken = progress.taken.saturating_add(1);
        Ok(import.write(frame).await?)
    }

    pub(super) async fn finish(
        &self,
        session: &SessionRef,
        transfer: &TransferId,
        theirs: Report,
    ) -> Result<Answer, Refusal> {
        if let Some(done) = self.arrivals.done(transfer) {
            return Ok(Answer::Staged {
                report: done.report,
            });
        }
        let arrival = self.under_way(session, transfer)?;
        arrival.touch();
        let mut progress = arrival.progress.lock().await;
        if let Some(done) = self.arrivals.done(transfer) {
            // It was the same call, repeated while the first was under way.
            return Ok(Answer::Staged {
                report: done.report,
            });
        }
        if progress.over {
            return Err(over());
        }
        let finished = self.complete(&arrival, &mut progress, &theirs).await;
        match finished {
            Ok(report) => {
                progress.over = true;
                self.arrivals.leave(&arrival);
                Ok(Answer::Staged { report })
            }
            Err(refusal) => {
                self.discard(&arrival, &mut progress).await;
                Err(refusal)
            }
        }
    }

    async fn complete(
        &self,
        arrival: &Arrival,
        progress: &mut Progress,
        theirs: &Report,
    ) -> Result<Report, Refusal> {
        self.leased()?;
        let import = progress.import.take();
        let import = import.ok_or_else(|| Refusal("no frame has come".to_owned()))?;
        let report = Report::from(import.finish().await?);
        if report != *theirs {
            return Err(Refusal(format!(
                "the copy differs: {report:?} here, {theirs:?} there"
            )));
        }
        let told = (arrival.session.clone(), arrival.next);
        match self.staged.send_timeout(told, STAGED_WAIT).await {
            Ok(()) => {}
            Err(_) => return Err(Refusal("it is busy or stopping".to_owned())),
        }
        self.arrivals.remember(Done {
            session: arrival.session.clone(),
            transfer: arrival.transfer.clone(),
            next: arrival.next,
            report: report.clone(),
        });
        Ok(report)
    }

    pub(super) async fn abort(
        &self,
        session: &SessionRef,
        transfer: &TransferId,
    ) -> Result<Answer, Refusal> {
        if let Some(arrival) = self.arrivals.find(session, transfer) {
            self.end(&arrival).await;
        }
        // It may have been finished while this call waited for it.
        if let Some(done) = self.arrivals.done(transfer) {
            self.arrivals.forget(transfer);
            let ns = namespace(&done.session).map_err(Refusal)?;
            let staged = self.transfer.store.staged().await?;
            let epoch = StoreEpoch(done.next.0);
            if staged
                .iter()
                .any(|staged| staged.namespace == ns && staged.epoch == epoch)
            {
                self.transfer.store.discard_staging(&ns).await?;
            }
        }
        Ok(Answer::Taken)
    }

    fn under_way(
        &self,
        session: &SessionRef,
        transfer: &TransferId,
    ) -> Result<Arc<Arrival>, Refusal> {
        let found = self.arrivals.find(session, transfer);
        found.ok_or_else(|| Refusal("it does not know the transfer (any more)".to_owned()))
    }

    /// Ends an import that is not finished, once nobody works on it.
    async fn end(&self, arrival: &Arrival) {
        let mut progress = arrival.progress.lock().await;
        if !progress.over {
            self.discard(arrival, &mut progress).await;
        }
    }

    async fn discard(&self, arrival: &Arrival, progress: &mut Progress) {
        progress.over = true;
        progress.import = None;
        self.arrivals.leave(arrival);
        // Nothing is in the store before the first frame.
        if progress.taken == 0 {
            return;
        }
        let discarded = match namespace(&arrival.session) {
            Ok(ns) => self
                .transfer
                .store
                .discard_staging(&ns)
                .await
                .map_err(|e| e.to_string()),
            Err(error) => Err(error),
        };
        if let Err(cause) = discarded {
            tracing::warn!(session = %arrival.session, cause, "an unfinished copy was not discarded");
        }
    }

    /// Gives up what the sender seems to have given up.
    pub(super) async fn sweep(&self) {
        for arrival in self.arrivals.idle() {
            tracing::warn!(session = %arrival.session, from = %arrival.from, "a session on its way here came no further");
            self.end(&arrival).await;
        }
    }

    pub(super) async fn give_up_all(&self) {
        for arrival in self.arrivals.all() {
            self.end(&arrival).await;
        }
    }
}

fn over() -> Refusal {
    Refusal("the transfer was given up".to_owned())
}
