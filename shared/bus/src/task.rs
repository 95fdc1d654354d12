//! The only place of the crate that starts tasks. Each ends by itself when the handles that feed it are dropped.

use std::future::Future;

/// Starts `work`. The caller must own the sending half of a channel, or a cancellation token, whose end makes
/// `work` return.
#[expect(clippy::disallowed_methods, reason = "this is the task module")]
pub(crate) fn start(work: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(work));
}
