//! Groups: life, settings, members, invites.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/groups", later)
        .refused(Method::POST, "/groups", later)
        .refused(Method::PUT, "/groups", later)
        .refused(Method::GET, "/groups/{GroupID}", later)
        .refused(Method::PUT, "/groups/{GroupID}", later)
        .refused(Method::DELETE, "/groups/{GroupID}", later)
        .refused(Method::PATCH, "/groups/{GroupID}", later)
        .refused(Method::GET, "/groups/{GroupID}/invite", later)
        .refused(Method::DELETE, "/groups/{GroupID}/invite", later)
        .refused(Method::POST, "/groups/{GroupID}/participants", later)
        .refused(Method::DELETE, "/groups/{GroupID}/participants", later)
        .refused(Method::GET, "/groups/{GroupID}/icon", later)
        .refused(Method::PUT, "/groups/{GroupID}/icon", later)
        .refused(Method::DELETE, "/groups/{GroupID}/icon", later)
        .refused(Method::DELETE, "/groups/{GroupID}/admins", later)
        .refused(Method::PATCH, "/groups/{GroupID}/admins", later)
        .refused(Method::POST, "/groups/link/{InviteCode}", later)
        .refused(Method::GET, "/groups/link/{InviteCode}", later)
        .refused(Method::GET, "/groups/{GroupID}/applications", later)
        .refused(Method::POST, "/groups/{GroupID}/applications", later)
        .refused(Method::DELETE, "/groups/{GroupID}/applications", later)
}
