//! Groups: life, settings, members, invites. What is done to a group's conversation is in `chats`.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    let routes = routes
        .refused(Method::GET, "/v1/groups", later)
        .refused(Method::POST, "/v1/groups", later)
        .refused(Method::DELETE, "/v1/groups/{groupId}", later)
        .refused(Method::GET, "/v1/groups/{groupId}", later)
        .refused(Method::PUT, "/v1/groups/{groupId}", later)
        .refused(Method::DELETE, "/v1/groups/{groupId}/admins", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/admins", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/announce", later)
        .refused(Method::GET, "/v1/groups/{groupId}/invite", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/lock", later)
        .refused(Method::DELETE, "/v1/groups/{groupId}/members", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/members", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/members/approve", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/members/reject", later)
        .refused(Method::GET, "/v1/groups/{groupId}/members/requests", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/unannounce", later)
        .refused(Method::PUT, "/v1/groups/{groupId}/unlock", later);
    // Methods that the public documents leave open; clients use either.
    routes
        .aliases(true)
        .refused(Method::POST, "/v1/groups/{groupId}", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}", later)
        .refused(Method::POST, "/v1/groups/{groupId}/admins", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/admins", later)
        .refused(Method::POST, "/v1/groups/{groupId}/announce", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/announce", later)
        .refused(Method::POST, "/v1/groups/{groupId}/lock", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/lock", later)
        .refused(Method::POST, "/v1/groups/{groupId}/members", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/members", later)
        .refused(Method::POST, "/v1/groups/{groupId}/members/approve", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/members/approve", later)
        .refused(Method::POST, "/v1/groups/{groupId}/members/reject", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/members/reject", later)
        .refused(Method::POST, "/v1/groups/{groupId}/unannounce", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/unannounce", later)
        .refused(Method::POST, "/v1/groups/{groupId}/unlock", later)
        .refused(Method::PATCH, "/v1/groups/{groupId}/unlock", later)
        .aliases(false)
}
