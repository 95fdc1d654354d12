//! The search index of a node: derived from the logs of its sessions, and never truth.
//!
//! Owns the files below its folder. A message is found because its number stands here; what it says is read from the log.
//! Nothing waits for the index: it follows the logs by itself every few seconds, and a search first brings its own session up
//! to date. What is lost is indexed again. Must not know calls, chats or WhatsApp.

mod files;
mod words;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use switchboard_vocab::messages::Message;
use switchboard_vocab::{ChatId, OpError};

use crate::session::journal::Journal;
use files::{Entry, Files};

/// How often the index looks at the logs of its sessions.
const FOLLOW_EVERY: Duration = Duration::from_secs(15);
/// Looks between two searches for sessions that are no longer here.
const LOOKS_PER_SWEEP: u32 = 60;
/// Messages read from a log at once.
const READ_MAX: usize = 256;
/// Changed messages brought in by one commit.
const STALE_MAX: usize = 4_096;
/// Most messages of one session that one look brings in, so that every session gets its turn.
const LOOK_MAX: usize = 20_000;

/// What a search found: numbers of messages, best match first, and how many there are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) numbers: Vec<u64>,
    pub(crate) total: u64,
}

/// The index; [`Search::open`] starts what follows the logs.
pub(crate) struct Search {
    files: Arc<Files>,
    /// Held while the index is written: one session after the other.
    turn: tokio::sync::Mutex<HashMap<Arc<str>, u64>>,
    journals: Mutex<HashMap<Arc<str>, Weak<Journal>>>,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").finish_non_exhaustive()
    }
}

impl Search {
    /// Opens the index in `folder`; one that cannot be read is begun anew.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) async fn open(folder: &Path) -> Result<Arc<Self>, OpError> {
        let folder = folder.to_owned();
        let files = blocking(move || Files::open(&folder)).await?;
        let search = Arc::new(Self {
            files: Arc::new(files),
            turn: tokio::sync::Mutex::default(),
            journals: Mutex::default(),
        });
        let weak = Arc::downgrade(&search);
        drop(crate::task::start(follow(weak)));
        Ok(search)
    }

    /// A session runs here: its log is followed as long as its journal lives.
    pub(crate) fn add(&self, journal: &Arc<Journal>) {
        let mut journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
        journals.insert(journal.uuid(), Arc::downgrade(journal));
    }

    /// Searches a session's messages, those of one conversation only where `chats` names its addresses.
    ///
    /// # Errors
    /// When the log or the index cannot be read.
    pub(crate) async fn find(
        &self,
        journal: &Journal,
        query: &str,
        chats: &[ChatId],
        (offset, limit): (usize, usize),
    ) -> Result<Found, OpError> {
        let (words, beginning) = words::asked(query);
        if words.is_empty() && beginning.is_none() {
            return Ok(Found {
                numbers: Vec::new(),
                total: 0,
            });
        }
        let mut marks = self.turn.lock().await;
        while self.catch_up(journal, &mut marks).await? {}
        drop(marks);
        let asked = files::Asked {
            session: journal.uuid(),
            chats: chats.iter().map(ToString::to_string).collect(),
            words,
            beginning,
            offset,
            limit,
        };
        let files = Arc::clone(&self.files);
        blocking(move || files.find(&asked)).await
    }

    /// Brings the messages of a log into the index; `true` when there are more of them.
    async fn catch_up(
        &self,
        journal: &Journal,
        marks: &mut HashMap<Arc<str>, u64>,
    ) -> Result<bool, OpError> {
        let session = journal.uuid();
        let mut mark = match marks.get(&session) {
            Some(mark) => *mark,
            None => {
                let (files, session) = (Arc::clone(&self.files), Arc::clone(&session));
                blocking(move || files.last_number(&session)).await?
            }
        };
        let stale = journal.unindexed(STALE_MAX).await?;
        // Those behind the mark are read below, as they are now.
        let known: Vec<u64> = stale
            .iter()
            .copied()
            .filter(|number| *number <= mark)
            .collect();
        let mut entries = entries(journal.numbered(&known).await?);
        let mut read = 0;
        let mut is_end = false;
        while read < LOOK_MAX && !is_end {
            let page = journal.numbered_after(mark, READ_MAX).await?;
            is_end = page.len() < READ_MAX;
            mark = page.last().map_or(mark, |message| message.number);
            read += page.len();
            entries.extend(self::entries(page));
        }
        if !(known.is_empty() && entries.is_empty()) {
            let (files, session) = (Arc::clone(&self.files), Arc::clone(&session));
            blocking(move || files.write(&session, &known, entries)).await?;
        }
        marks.insert(session, mark);
        let more = !is_end || stale.len() == STALE_MAX;
        if !stale.is_empty() {
            journal.indexed(stale).await?;
        }
        Ok(more)
    }

    /// One look at every session's log.
    async fn look(&self) {
        let journals: Vec<_> = {
            let mut journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
            journals.retain(|_, journal| journal.strong_count() > 0);
            journals.values().cloned().collect()
        };
        for journal in journals.iter().filter_map(Weak::upgrade) {
            let mut marks = self.turn.lock().await;
            if let Err(error) = self.catch_up(&journal, &mut marks).await {
                let why = error.internal.unwrap_or(error.public);
                tracing::warn!(?journal, why, "the search index could not follow a log");
            }
        }
    }

    /// Removes sessions that were not here at two sweeps in a row: they moved away or were removed.
    async fn sweep(&self, absent: &mut HashSet<String>) -> Result<(), OpError> {
        let files = Arc::clone(&self.files);
        let known = blocking(move || files.sessions()).await?;
        let gone: HashSet<String> = {
            let journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
            let is_gone = |session: &String| !journals.contains_key(session.as_str());
            known.into_iter().filter(is_gone).collect()
        };
        let mut marks = self.turn.lock().await;
        for session in gone.intersection(absent) {
            marks.remove(session.as_str());
            let (files, session) = (Arc::clone(&self.files), session.clone());
            blocking(move || files.forget(&session)).await?;
        }
        *absent = gone;
        Ok(())
    }
}

/// Follows the logs until the index is dropped.
async fn follow(search: Weak<Search>) {
    let mut absent = HashSet::new();
    let mut looks = 0;
    loop {
        tokio::time::sleep(FOLLOW_EVERY).await;
        let Some(search) = search.upgrade() else {
            return;
        };
        search.look().await;
        looks += 1;
        if looks % LOOKS_PER_SWEEP == 0
            && let Err(error) = search.sweep(&mut absent).await
        {
            let why = error.internal.unwrap_or(error.public);
            tracing::warn!(why, "the search index was not swept");
        }
    }
}

/// What the index keeps of messages: of those that have words.
fn entries(messages: Vec<Message>) -> Vec<Entry> {
    let entry = |message: Message| {
        // A correction is found as the message it changed.
        let is_said = message.body.target().is_none();
        let words = message
            .body
            .words()
            .filter(|_| is_said)
            .map(words::indexed)?;
        (!words.is_empty()).then(|| Entry {
            number: message.number,
            chat: message.chat.to_string(),
            words,
        })
    };
    messages.into_iter().filter_map(entry).collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, files::Error> + Send + 'static,
) -> Result<T, OpError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|e| OpError::internal(format!("search index: {e}")))?;
    done.map_err(|e| OpError::internal(e.to_string()))
}

#[cfg(test)]
mod tests;
