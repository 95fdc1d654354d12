//! Presence: own, others', typing.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::PUT, "/presences/me", later)
        .refused(Method::GET, "/presences/{EntryID}", later)
        .refused(Method::POST, "/presences/{EntryID}", later)
        .refused(Method::PUT, "/presences/{EntryID}", later)
}
