//! The session's own profile.

use http::Method;
use serde::Serialize;
use switchboard_dialect_kit::{Cx, NoBody, Refusal, Reply, Routes};
use switchboard_vocab::sessions::{GetStatus, SessionState, SessionStatus};
use switchboard_vocab::{ErrorCode, OpError};

use crate::body::success;
use crate::ids::Wid;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes.op(
        Method::GET,
        "/client/getClassInfo/{sessionId}",
        |_: NoBody, _| Ok(GetStatus {}),
        client_info,
    );
    [
        "/client/setDisplayName/{sessionId}",
        "/client/setProfilePicture/{sessionId}",
        "/client/setStatus/{sessionId}",
    ]
    .into_iter()
    .fold(routes, |rows, path| {
        rows.refused(Method::POST, path, Refusal::LaterRelease)
    })
}

#[derive(Serialize)]
struct SessionInfo {
    #[serde(rename = "sessionInfo")]
    session_info: ClientInfo,
}

#[derive(Serialize)]
struct ClientInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pushname: Option<String>,
    wid: Wid,
    me: Wid,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
}

fn client_info(out: SessionStatus, _: &Cx) -> Result<Reply, OpError> {
    let connected = out.state == SessionState::Connected;
    let Some(identity) = out.identity.filter(|_| connected) else {
        return Err(OpError::new(
            ErrorCode::NotConnected,
            "the session is not connected",
        ));
    };
    success(SessionInfo {
        session_info: ClientInfo {
            wid: Wid::of(&identity.phone),
            me: Wid::of(&identity.phone),
            pushname: identity.push_name,
            platform: identity.platform,
        },
    })
}
