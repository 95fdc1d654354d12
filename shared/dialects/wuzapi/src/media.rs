//! Downloading files by the keys a webhook told.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::POST, "/chat/downloadimage", later)
        .refused(Method::POST, "/chat/downloadvideo", later)
        .refused(Method::POST, "/chat/downloadaudio", later)
        .refused(Method::POST, "/chat/downloaddocument", later)
}
