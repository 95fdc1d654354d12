//! Conversations: list, archive, pin, mute, delete.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/chats", later)
        .refused(Method::GET, "/chats/{ChatID}", later)
        .refused(Method::DELETE, "/chats/{ChatID}", later)
        .refused(Method::POST, "/chats/{ChatID}", later)
        .refused(Method::PATCH, "/chats/{ChatID}", later)
}
