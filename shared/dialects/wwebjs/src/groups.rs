//! Groups and their members.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// Calls by POST; none is offered yet.
const PATHS: [&str; 17] = [
    "/client/acceptInvite/{sessionId}",
    "/client/createGroup/{sessionId}",
    "/client/getInviteInfo/{sessionId}",
    "/groupChat/getClassInfo/{sessionId}",
    "/groupChat/addParticipants/{sessionId}",
    "/groupChat/demoteParticipants/{sessionId}",
    "/groupChat/getInviteCode/{sessionId}",
    "/groupChat/leave/{sessionId}",
    "/groupChat/promoteParticipants/{sessionId}",
    "/groupChat/removeParticipants/{sessionId}",
    "/groupChat/revokeInvite/{sessionId}",
    "/groupChat/setDescription/{sessionId}",
    "/groupChat/setInfoAdminsOnly/{sessionId}",
    "/groupChat/setMessagesAdminsOnly/{sessionId}",
    "/groupChat/setSubject/{sessionId}",
    "/groupChat/setPicture/{sessionId}",
    "/groupChat/deletePicture/{sessionId}",
];

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    PATHS.into_iter().fold(routes, |rows, path| {
        rows.refused(Method::POST, path, Refusal::LaterRelease)
    })
}
