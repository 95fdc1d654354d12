//! The only place of the crate that starts tasks. A store that closes waits for them.

use std::future::Future;

use tokio_util::task::TaskTracker;

/// The tasks of one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(TaskTracker);

impl Tasks {
    /// Starts `work`, which ends by itself once its session was let go.
    pub(crate) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(work));
    }

    /// Waits until all have ended.
    pub(crate) async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
