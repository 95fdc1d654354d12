//! The only place of the program that starts tasks outside a `JoinSet`.

use std::future::Future;

use tokio::task::JoinHandle;

/// Starts `work`. The caller keeps the handle and joins it.
#[expect(clippy::disallowed_methods, reason = "this is the task module")]
pub(crate) fn start<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(work)
}
