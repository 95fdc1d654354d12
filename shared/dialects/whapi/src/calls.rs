//! Calls.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::POST, "/calls", later)
        .refused(Method::DELETE, "/calls/{CallID}", later)
        .refused(Method::POST, "/calls/{CallID}/reject", later)
        .refused(Method::POST, "/calls/group_link", later)
}
