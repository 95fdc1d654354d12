//! What comes in, on its way to the journal: files of the kinds that a customer wants are downloaded in the background.
//!
//! Owns the queue of these downloads. Must not hold a message up: WhatsApp waits for the journal only.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use switchboard_vocab::MediaId;
use switchboard_vocab::settings::Settings;
use switchboard_whatsapp::{Fact, History, Incoming, Intake, IntakeError};
use tokio::sync::{mpsc, watch};

use super::context::Session;
use super::journal::Journal;
use super::media_of;

/// Downloads that wait; the next file is downloaded when somebody asks for it.
pub(crate) const DOWNLOADS_MAX: usize = 64;

/// The journal, with what follows once it has a message.
pub(crate) struct Entrance {
    pub(crate) journal: Arc<Journal>,
    pub(crate) settings: watch::Receiver<Settings>,
    pub(crate) downloads: mpsc::Sender<MediaId>,
}

impl Entrance {
    fn wanted(&self, batch: &[Incoming]) -> Vec<MediaId> {
        let settings = self.settings.borrow();
        let files = batch.iter().filter(|incoming| !incoming.message.from_me);
        let files = files.filter_map(|incoming| media_of(&incoming.message.body));
        let chosen = files.filter(|media| settings.auto_download.contains(&media.kind));
        chosen.map(|media| media.id.clone()).collect()
    }
}

#[async_trait]
impl Intake for Entrance {
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError> {
        let wanted = self.wanted(&batch);
        self.journal.take(batch).await?;
        for media in wanted {
            if self.downloads.try_send(media).is_err() {
                metrics::counter!("switchboard_downloads_skipped_total").increment(1);
            }
        }
        Ok(())
    }

    async fn learn(&self, facts: Vec<Fact>) -> Result<(), IntakeError> {
        self.journal.learn(facts).await
    }

    async fn take_history(&self, part: History) -> Result<(), IntakeError> {
        self.journal.take_history(part).await
    }
}

/// Downloads files one after the other until the session is gone.
pub(crate) async fn download(session: Weak<Session>, mut wanted: mpsc::Receiver<MediaId>) {
    while let Some(media) = wanted.recv().await {
        let Some(session) = session.upgrade() else {
            return;
        };
        let opened = tokio::select! {
            opened = session.open_media(&media) => opened,
            () = session.cut_off() => return,
        };
        if let Err(error) = opened {
            let session = &session.scope.session;
            tracing::warn!(%session, %media, why = error.public, "a file was not downloaded by itself");
        }
    }
}
