//! Chats. Marking a whole chat as read needs its unread messages, which no operation lists yet.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// Calls by POST; none is offered yet.
const PATHS: [&str; 13] = [
    "/client/archiveChat/{sessionId}",
    "/client/getChatById/{sessionId}",
    "/client/markChatUnread/{sessionId}",
    "/client/muteChat/{sessionId}",
    "/client/pinChat/{sessionId}",
    "/client/sendSeen/{sessionId}",
    "/client/unarchiveChat/{sessionId}",
    "/client/unmuteChat/{sessionId}",
    "/client/unpinChat/{sessionId}",
    "/chat/getClassInfo/{sessionId}",
    "/chat/clearMessages/{sessionId}",
    "/chat/delete/{sessionId}",
    "/chat/getContact/{sessionId}",
];

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes.refused(
        Method::GET,
        "/client/getChats/{sessionId}",
        Refusal::LaterRelease,
    );
    PATHS.into_iter().fold(routes, |rows, path| {
        rows.refused(Method::POST, path, Refusal::LaterRelease)
    })
}
