//! Wakes who waits for news of a session, without a list of who waits.

use std::hash::{BuildHasher, RandomState};

use switchboard_vocab::SessionRef;
use tokio::sync::watch;

/// Groups of sessions that are woken together. With [`crate::Limits::owner_waits`] calls waiting at most, a
/// change wakes a few of them in vain.
const GROUPS: usize = 64;

/// Where news of sessions come in.
#[derive(Debug)]
pub(super) struct News {
    groups: Vec<watch::Sender<()>>,
    hasher: RandomState,
}

/// Told of news that may concern a session.
#[derive(Debug)]
pub(crate) struct Subscription(Option<watch::Receiver<()>>);

impl News {
    pub(super) fn new() -> Self {
        Self {
            groups: (0..GROUPS).map(|_| watch::Sender::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn subscribe(&self, session: &SessionRef) -> Subscription {
        Subscription(self.group(session).map(watch::Sender::subscribe))
    }

    pub(super) fn tell(&self, session: &SessionRef) {
        if let Some(group) = self.group(session) {
            group.send_replace(());
        }
    }

    pub(super) fn tell_all(&self) {
        for group in &self.groups {
            group.send_replace(());
        }
    }

    fn group(&self, session: &SessionRef) -> Option<&watch::Sender<()>> {
        let groups = u64::try_from(self.groups.len()).ok()?;
        let at = self.hasher.hash_one(session).checked_rem(groups)?;
        self.groups.get(usize::try_from(at).ok()?)
    }
}

impl Subscription {
    /// Forgets the news so far: whoever looks after this misses nothing.
    pub(crate) fn forget(&mut self) {
        if let Some(news) = &mut self.0 {
            news.mark_unchanged();
        }
    }

    /// Waits for news since [`Subscription::forget`]; for ever when there are none.
    pub(crate) async fn next(&mut self) {
        let told = match &mut self.0 {
            Some(news) => news.changed().await.is_ok(),
            None => false,
        };
        if !told {
            std::future::pending::<()>().await;
        }
    }
}
