//! Conversations: archive.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    let routes = routes
        .refused(Method::POST, "/v1/chats/{chatId}/archive", later)
        .refused(Method::POST, "/v1/chats/{chatId}/unarchive", later);
    // Methods that the public documents leave open; clients use either.
    routes
        .aliases(true)
        .refused(Method::PATCH, "/v1/chats/{chatId}/archive", later)
        .refused(Method::PUT, "/v1/chats/{chatId}/archive", later)
        .refused(Method::PATCH, "/v1/chats/{chatId}/unarchive", later)
        .refused(Method::PUT, "/v1/chats/{chatId}/unarchive", later)
        .aliases(false)
}
