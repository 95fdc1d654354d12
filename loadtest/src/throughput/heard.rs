//! Who waits to hear of which message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Waiters by the text, or the id, of what they wait for; as many as there are messages under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>,
}

impl Heard {
    /// Begins to wait; to be called before the message can come.
    pub(super) fn expect(&self, what: &str) -> oneshot::Receiver<()> {
        let (told, seen) = oneshot::channel();
        self.waiting().insert(what.to_owned(), told);
        seen
    }

    /// It came. A second time is nobody's business.
    pub(super) fn saw(&self, what: &str) {
        let told = self.waiting().remove(what);
        if let Some(told) = told {
            // Whoever waited has given up.
            let _ = told.send(());
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
