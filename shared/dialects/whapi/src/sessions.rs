//! The channel itself: its health, which also starts it, and its limits.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{either, one};
use switchboard_dialect_kit::{
    Cx, FromInput, NoBody, Query, Refusal, Reject, Reply, Routes, lenient,
};
use switchboard_vocab::OpError;
use switchboard_vocab::sessions::{GetStatus, Identity, SessionState, SessionStatus, Start};

use crate::ids::{self, invalid};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes.endpoint(
        Method::GET,
        "/health",
        either(
            wakes,
            one(|_: NoBody, _| Ok(WAKE_UP), health),
            one(|_: NoBody, _| Ok(GetStatus {}), health),
        ),
    )
}

/// A health check starts a channel that is off, and never one that was banned or replaced.
const WAKE_UP: Start = Start {
    wait: Duration::ZERO,
    keep_final: true,
};

#[derive(Deserialize)]
struct HealthQuery {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    wakeup: Option<bool>,
    channel_type: Option<ChannelType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChannelType {
    Web,
    Mobile,
}

fn wakes(cx: &Cx) -> Result<bool, Reject> {
    let Query(query) = Query::<HealthQuery>::from_input(cx.input())?;
    match query.channel_type {
        None | Some(ChannelType::Web) => Ok(query.wakeup.unwrap_or(true)),
        Some(ChannelType::Mobile) => {
            Err(invalid("channel_type", Refusal::NotOnLinkedDevice.reason()))
        }
    }
}

/// `Health`.
#[derive(Serialize)]
pub(crate) struct Health {
    pub(crate) channel_id: String,
    /// Unix seconds of the last change of state: the channel has no other start.
    pub(crate) start_at: u64,
    /// Seconds since then.
    pub(crate) uptime: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'static str>,
    pub(crate) api_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_id: Option<u16>,
    pub(crate) status: ChannelStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Contact>,
}

/// The version of the API that this dialect speaks.
pub(crate) const API_VERSION: &str = "1.8.7";

/// `ChannelStatus`.
#[derive(Serialize)]
pub(crate) struct ChannelStatus {
    pub(crate) code: u8,
    pub(crate) text: &'static str,
}

/// `Contact`, as far as it is known of the channel's own account.
#[derive(Serialize)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pushname: Option<String>,
}

/// The status words. Source: the enum of `ChannelStatus`, numbered in its order, as the public samples show.
pub(crate) const fn channel_status(state: SessionState) -> ChannelStatus {
    let (code, text) = match state {
        SessionState::Stopped => (0, "NOT_INIT"),
        SessionState::Starting | SessionState::LoggedOut => (1, "INIT"),
        SessionState::Connecting | SessionState::Syncing | SessionState::Waiting => (2, "LAUNCH"),
        SessionState::Pairing => (3, "QR"),
        SessionState::Connected => (4, "AUTH"),
        SessionState::Banned | SessionState::Replaced | SessionState::Parked => (5, "ERROR"),
    };
    ChannelStatus { code, text }
}

/// The channel's own account.
pub(crate) fn user(identity: &Identity) -> Contact {
    let id = ids::contact(&identity.phone, None);
    Contact {
        name: identity.push_name.clone().unwrap_or_else(|| id.clone()),
        pushname: identity.push_name.clone(),
        id,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn health(status: SessionStatus, cx: &Cx) -> Result<Reply, OpError> {
    let since = status.since.as_secs();
    Ok(Reply::ok(&Health {
        channel_id: ids::channel(&status.session),
        start_at: since,
        uptime: cx.now().as_secs().saturating_sub(since),
        version: Some(cx.env().release),
        api_version: API_VERSION,
        device_id: status.identity.as_ref().map(|identity| identity.device),
        status: channel_status(status.state),
        user: status.identity.as_ref().map(user),
    }))
}
