//! Connecting, disconnecting, logging out, status.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::both;
use switchboard_dialect_kit::{Cx, NoBody, Refusal, Reject, Reply, Routes, lenient};
use switchboard_vocab::sessions::{GetStatus, Logout, SessionState, SessionStatus, Start, Stop};
use switchboard_vocab::settings::{Change, Changed};
use switchboard_vocab::webhooks::{Choose, EventClass, Webhooks};
use switchboard_vocab::{DialectName, OpError};

use crate::input::{Payload, needed};
use crate::webhooks::{classes_of, ok, types_of, url_of};

/// How long a connect that is not immediate waits for the login. Source: that system's code.
const LOGIN_WAIT: Duration = Duration::from_secs(10);

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .endpoint(Method::POST, "/session/connect", both(connect, connected))
        .op(
            Method::POST,
            "/session/disconnect",
            |_: NoBody, _| Ok(Stop {}),
            |_, _| details("Disconnected"),
        )
        .op(
            Method::POST,
            "/session/logout",
            |_: NoBody, _| Ok(Logout {}),
            |_, _| details("Logged out"),
        )
        .op(
            Method::GET,
            "/session/status",
            |_: NoBody, _| Ok(GetStatus {}),
            |out, _| Ok(ok(&Status::of(&out))),
        )
        .aliases(true)
        .op(Method::POST, "/session/proxy", proxy, |_: Changed, _| {
            details("Proxy configured successfully")
        })
        .refused(Method::GET, "/admin/users", Refusal::LaterRelease)
        .refused(Method::POST, "/admin/users", Refusal::LaterRelease)
        .refused(Method::DELETE, "/admin/users/{id}", Refusal::LaterRelease)
        .aliases(false)
}

#[derive(Deserialize)]
struct Proxy {
    #[serde(alias = "proxyurl")]
    proxy_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    enable: Option<bool>,
}

/// SOCKS5 only; the address is judged where the connection is made.
fn proxy(Payload(request): Payload<Proxy>, _: &Cx) -> Result<Change, Reject> {
    let address = if request.enable == Some(true) {
        let text = needed("proxy_url", request.proxy_url.as_ref())?;
        if !text.starts_with("socks5://") {
            let wanted = "proxy_url: socks5://user:password@host:port is expected";
            return Err(OpError::invalid(wanted).into());
        }
        text.to_owned()
    } else {
        String::new()
    };
    Ok(Change {
        proxy: Some(address),
        ..Change::default()
    })
}

/// The data of calls that only say what was done.
#[derive(Serialize)]
struct Details<'a> {
    #[serde(rename = "Details")]
    details: &'a str,
}

/// A success that only says what was done.
pub(crate) fn details(text: &str) -> Result<Reply, OpError> {
    Ok(ok(&Details { details: text }))
}

#[derive(Deserialize)]
struct Connect {
    #[serde(default, deserialize_with = "lenient::or_default")]
    subscribe: Vec<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    immediate: Option<bool>,
}

fn connect(Payload(request): Payload<Connect>, _: &Cx) -> Result<(Choose, Start), Reject> {
    let on = classes_of(&request.subscribe);
    let off = EventClass::ALL
        .into_iter()
        .filter(|class| !on.contains(class))
        .collect();
    let wait = if request.immediate == Some(true) {
        Duration::ZERO
    } else {
        LOGIN_WAIT
    };
    Ok((
        Choose {
            dialect: DialectName::Wuzapi,
            on,
            off,
        },
        Start {
            wait,
            keep_final: false,
        },
    ))
}

#[derive(Serialize)]
struct Connected {
    details: &'static str,
    events: String,
    jid: String,
    webhook: String,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn connected(webhooks: Webhooks, status: SessionStatus, _: &Cx) -> Result<Reply, OpError> {
    let jid = status.identity.as_ref().map_or_else(String::new, |me| {
        format!("{}.0:{}@s.whatsapp.net", me.phone.user(), me.device)
    });
    Ok(ok(&Connected {
        details: "Connected!",
        events: types_of(webhooks.events.as_ref()).join(","),
        jid,
        webhook: url_of(&webhooks),
    }))
}

#[derive(Serialize)]
struct Status {
    #[serde(rename = "Connected")]
    connected: bool,
    #[serde(rename = "LoggedIn")]
    logged_in: bool,
}

impl Status {
    /// `Connected` = there is a connection to WhatsApp; `LoggedIn` = it has a login and can be written to. While what
    /// waited is still drained, a session says not yet: its keys may not be on WhatsApp's server.
    const fn of(status: &SessionStatus) -> Self {
        let logged_in = matches!(status.state, SessionState::Connected);
        let connected = matches!(
            status.state,
            SessionState::Pairing | SessionState::Syncing | SessionState::Connected
        );
        Self {
            connected,
            logged_in,
        }
    }
}
