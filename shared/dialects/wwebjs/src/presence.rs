//! Own presence, typing and recording.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// Calls by POST; none is offered yet.
const PATHS: [&str; 5] = [
    "/client/sendPresenceAvailable/{sessionId}",
    "/client/sendPresenceUnavailable/{sessionId}",
    "/chat/clearState/{sessionId}",
    "/chat/sendStateRecording/{sessionId}",
    "/chat/sendStateTyping/{sessionId}",
];

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    PATHS.into_iter().fold(routes, |rows, path| {
        rows.refused(Method::POST, path, Refusal::LaterRelease)
    })
}
