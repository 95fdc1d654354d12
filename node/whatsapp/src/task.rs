//! The only place of this crate that spawns a task.

use std::future::Future;

use tokio::task::JoinHandle;

/// Works on a thread of its own. Whoever waits for it waits on the channel it writes to; when that is gone it ends.
pub(crate) fn blocking(work: impl FnOnce() + Send + 'static) {
    drop(tokio::task::spawn_blocking(work));
}

/// Work that goes on when nobody waits for it any more. It must end by itself.
#[expect(clippy::disallowed_methods, reason = "this is the crate's task module")]
pub(crate) async fn detached(work: impl Future<Output = ()> + Send + 'static) {
    // A panic in there is the panic hook's to tell.
    let _ = tokio::spawn(work).await;
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Owned(JoinHandle<()>);

impl Owned {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "this is the crate's task module")]
    pub(crate) fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
