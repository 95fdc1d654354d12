//! Typing and recording.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes.refused(Method::POST, "/chat/presence", Refusal::LaterRelease)
}
