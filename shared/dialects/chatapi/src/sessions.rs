//! The instance: status, log-out, restart.

use std::time::Duration;

use http::Method;
use serde::Serialize;
use switchboard_dialect_kit::qr::{self, Look};
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes};
use switchboard_vocab::OpError;
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::{Logout, Restart, SessionState, SessionStatus, Start};

/// How long a status call waits for an instance that was off. Clients ask again while it loads.
const START_WAIT: Duration = Duration::from_secs(1);

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::GET,
            "/instance{instanceId}/status",
            start,
            account_status,
        )
        .op(
            Method::GET,
            "/instance{instanceId}/logout",
            logout,
            logged_out,
        )
        .op(
            Method::GET,
            "/instance{instanceId}/reboot",
            reboot,
            rebooted,
        )
        .aliases(true)
        .op(
            Method::POST,
            "/instance{instanceId}/logout",
            logout,
            logged_out,
        )
        .op(
            Method::POST,
            "/instance{instanceId}/reboot",
            reboot,
            rebooted,
        )
        .aliases(false)
}

/// That system's instances run from the moment they are bought, so one that is off is started by asking how it is. A login
/// that ended for good is left alone: a poller must not fight over it.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
const fn start(_: NoBody, _: &Cx) -> Result<Start, Reject> {
    Ok(Start {
        wait: START_WAIT,
        keep_final: true,
    })
}

#[derive(Serialize)]
struct AccountStatus {
    #[serde(rename = "accountStatus")]
    status: &'static str,
    /// A data URI.
    #[serde(rename = "qrCode", skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn account_status(out: SessionStatus, _: &Cx) -> Result<Reply, OpError> {
    let qr = match &out.challenge {
        Some(Challenge::Qr { text, .. }) => Some(qr::data_uri(&qr::png(text, Look::default())?)),
        Some(Challenge::Code { .. } | Challenge::Passkey { .. }) | None => None,
    };
    let status = match out.state {
        SessionState::Connected => "authenticated",
        SessionState::Pairing if qr.is_some() => "got qr code",
        SessionState::Pairing
        | SessionState::Starting
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Waiting => "loading",
        SessionState::Stopped
        | SessionState::LoggedOut
        | SessionState::Banned
        | SessionState::Replaced
        | SessionState::Parked => "init",
    };
    Ok(Reply::ok(&AccountStatus { status, qr }))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
const fn logout(_: NoBody, _: &Cx) -> Result<Logout, Reject> {
    Ok(Logout {})
}

#[derive(Serialize)]
struct LoggedOut {
    result: &'static str,
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every encoder")]
fn logged_out(_: SessionStatus, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&LoggedOut {
        result: "Logout request sent to WhatsApp",
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
const fn reboot(_: NoBody, _: &Cx) -> Result<Restart, Reject> {
    Ok(Restart {})
}

#[derive(Serialize)]
struct Rebooted {
    success: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every encoder")]
fn rebooted(_: SessionStatus, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&Rebooted { success: true }))
}
