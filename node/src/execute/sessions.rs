//! Operations on the session itself.

use std::time::Duration;

use switchboard_vocab::sessions::{
    Erase, GetStatus, Logout, Removed, Restart, START_WAIT_MAX, SessionState, SessionStatus, Start,
    Stop,
};
use switchboard_vocab::{ErrorCode, OpError};

use super::Execute;
use crate::session::context::SessionCx;
use crate::session::lanes::Lane;
use crate::session::lifecycle::{Input, is_final};
use crate::session::remote;

/// Longest wait of a stop or log-out for the connection to close. Above the limit of a graceful close.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(15);
/// Longest wait of an erasure for WhatsApp to be told that the device is gone.
const FAREWELL_MAX: Duration = Duration::from_secs(10);

impl Execute for Start {
    const REVIVES: bool = true;

    async fn execute(self, cx: SessionCx) -> Result<SessionStatus, OpError> {
        cx.check_room()?;
        cx.tell(Input::Start {
            keep_final: self.keep_final,
        })
        .await?;
        let wait = self.wait.min(START_WAIT_MAX);
        let status = cx.wait_until(wait, |status| {
            let settled = status.state == SessionState::Stopped || is_final(status.state);
            settled || status.challenge.is_some() || status.state == SessionState::Connected
        });
        Ok(status.await)
    }
}

impl Execute for Stop {
    const REVIVES: bool = true;

    async fn execute(self, cx: SessionCx) -> Result<SessionStatus, OpError> {
        cx.tell(Input::Stop).await?;
        Ok(rested(&cx).await)
    }
}

impl Execute for Restart {
    const REVIVES: bool = true;

    async fn execute(self, cx: SessionCx) -> Result<SessionStatus, OpError> {
        cx.tell(Input::Restart).await?;
        Ok(cx.status())
    }
}

impl Execute for Logout {
    const REVIVES: bool = true;

    fn lane(&self) -> Lane {
        Lane::Login
    }

    async fn execute(self, cx: SessionCx) -> Result<SessionStatus, OpError> {
        // A login that cannot be read is an error of `forget_login`, in its words.
        if let Ok(opened) = cx.session.account.open().await
            && opened.account.identity().is_none()
        {
            let text = "the session is not linked to an account";
            return Err(OpError::new(ErrorCode::NotPaired, text));
        }
        forget_login(&cx).await?;
        Ok(rested(&cx).await)
    }
}

impl Execute for GetStatus {
    const STATUS_ONLY: bool = true;

    async fn execute(self, cx: SessionCx) -> Result<SessionStatus, OpError> {
        Ok(cx.status())
    }
}

impl Execute for Erase {
    const REVIVES: bool = true;
    const ERASES: bool = true;

    fn lane(&self) -> Lane {
        Lane::Login
    }

    /// Says farewell to WhatsApp where that is possible; the supervisor removes the rest afterwards.
    async fn execute(self, cx: SessionCx) -> Result<Removed, OpError> {
        let farewell = tokio::time::timeout(FAREWELL_MAX, forget_login(&cx)).await;
        let problem = match farewell {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.internal.unwrap_or(error.public)),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if let Some(problem) = problem {
            tracing::warn!(
                session = %cx.scope().session, problem,
                "a session is removed without having been logged out"
            );
        }
        Ok(Removed {})
    }
}

/// Gives the login up: at WhatsApp where it can be told, in the store in any case.
async fn forget_login(cx: &SessionCx) -> Result<(), OpError> {
    cx.tell(Input::Unlink).await?;
    let forgotten = match cx.session.account.open().await {
        Ok(opened) if opened.account.identity().is_some() => opened.account.logout().await,
        Ok(_) => Ok(true),
        Err(error) => Err(error),
    };
    match forgotten {
        Ok(told) => {
            if !told {
                tracing::warn!(
                    session = %cx.scope().session,
                    "whatsapp could not be told of a log-out: the device stays in the phone's list"
                );
            }
            cx.session.account.clear().await;
            cx.tell(Input::Forgotten).await
        }
        Err(error) => {
            // The login is still there: the session rests instead.
            cx.tell(Input::Stop).await?;
            Err(remote(&error))
        }
    }
}

/// The status once the connection is gone, or when waiting any longer is of no use.
async fn rested(cx: &SessionCx) -> SessionStatus {
    cx.wait_until(CLOSE_WAIT_MAX, |status| {
        status.state == SessionState::Stopped || is_final(status.state)
    })
    .await
}
