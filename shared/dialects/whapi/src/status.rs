//! Stories.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/stories", later)
        .refused(Method::POST, "/stories", later)
        .refused(Method::POST, "/stories/send/text", later)
        .refused(Method::POST, "/stories/send/media", later)
        .refused(Method::POST, "/stories/send/audio", later)
        .refused(Method::GET, "/stories/{MessageID}", later)
        .refused(Method::PUT, "/stories/{MessageID}", later)
}
