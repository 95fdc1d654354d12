//! The session's own profile: show it, change it.

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::media::{self, Given};
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes};
use switchboard_vocab::profile::{ABOUT_LEN_MAX, Change, NAME_LEN_MAX, OwnProfile, PictureChange};
use switchboard_vocab::sessions::{GetStatus, SessionState, SessionStatus};
use switchboard_vocab::{ErrorCode, OpError};

use crate::body::{Request, success};
use crate::chats::{Nothing, Whether};
use crate::ids::{Wid, at_most, invalid};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::GET,
            "/client/getClassInfo/{sessionId}",
            |_: NoBody, _| Ok(GetStatus {}),
            client_info,
        )
        .op(
            Method::POST,
            "/client/setDisplayName/{sessionId}",
            set_name,
            |_: OwnProfile, _| success(Whether { result: true }),
        )
        .op(
            Method::POST,
            "/client/setProfilePicture/{sessionId}",
            set_picture,
            |_: OwnProfile, _| success(Whether { result: true }),
        )
        .op(
            Method::POST,
            "/client/setStatus/{sessionId}",
            set_about,
            |_: OwnProfile, _| success(Nothing {}),
        )
}

const NOTHING: Change = Change {
    name: None,
    about: None,
    picture: None,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NameRequest {
    display_name: String,
}

fn set_name(Request(request): Request<NameRequest>, _: &Cx) -> Result<Change, Reject> {
    let name = request.display_name;
    if name.trim().is_empty() {
        return Err(invalid("displayName", "it is empty"));
    }
    at_most("displayName", &name, NAME_LEN_MAX)?;
    Ok(Change {
        name: Some(name),
        ..NOTHING
    })
}

#[derive(Deserialize)]
struct AboutRequest {
    status: String,
}

fn set_about(Request(request): Request<AboutRequest>, _: &Cx) -> Result<Change, Reject> {
    at_most("status", &request.status, ABOUT_LEN_MAX)?;
    Ok(Change {
        about: Some(request.status),
        ..NOTHING
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PictureRequest {
    picture_mimetype: String,
    picture_data: String,
}

fn set_picture(Request(request): Request<PictureRequest>, _: &Cx) -> Result<Change, Reject> {
    let mime_type = request.picture_mimetype.to_ascii_lowercase();
    if !mime_type.starts_with("image/") {
        let wanted = "a media type such as image/jpeg is expected";
        return Err(invalid("pictureMimetype", wanted));
    }
    let bytes = media::base64(&request.picture_data);
    let bytes = bytes.map_err(|e| invalid("pictureData", e.public))?;
    Ok(Change {
        picture: Some(PictureChange::Set(Given::bytes(bytes, None, None).source)),
        ..NOTHING
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
            wid: Wid::of(&identity.phone, None),
            me: Wid::of(&identity.phone, None),
            pushname: identity.push_name,
            platform: identity.platform,
        },
    })
}
