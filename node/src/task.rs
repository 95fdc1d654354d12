//! The only place of the crate that starts tasks outside a `JoinSet`.

use std::future::Future;

use tokio::task::JoinHandle;

/// Starts `work`. The caller keeps the handle and joins it, or owns what makes `work` return: the sending half
/// of its channel, or its cancellation token.
#[expect(clippy::disallowed_methods, reason = "this is the task module")]
pub(crate) fn start<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(work)
}
