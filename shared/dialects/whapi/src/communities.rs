//! Communities and their groups.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/communities", later)
        .refused(Method::POST, "/communities", later)
        .refused(Method::GET, "/communities/{CommunityID}", later)
        .refused(Method::POST, "/communities/{CommunityID}", later)
        .refused(Method::DELETE, "/communities/{CommunityID}", later)
        .refused(Method::DELETE, "/communities/{CommunityID}/link", later)
        .refused(Method::PUT, "/communities/{CommunityID}/{GroupID}", later)
        .refused(
            Method::DELETE,
            "/communities/{CommunityID}/{GroupID}",
            later,
        )
        .refused(
            Method::POST,
            "/communities/{CommunityID}/{GroupID}/join",
            later,
        )
        .refused(Method::PATCH, "/communities/{CommunityID}/settings", later)
        .refused(
            Method::POST,
            "/communities/{CommunityID}/participants",
            later,
        )
        .refused(
            Method::DELETE,
            "/communities/{CommunityID}/participants",
            later,
        )
        .refused(Method::PATCH, "/communities/{CommunityID}/admins", later)
        .refused(Method::DELETE, "/communities/{CommunityID}/admins", later)
        .refused(Method::GET, "/communities/{CommunityID}/subgroups", later)
        .refused(
            Method::POST,
            "/communities/{CommunityID}/createGroup",
            later,
        )
}
