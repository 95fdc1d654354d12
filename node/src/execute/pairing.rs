//! Operations that link a session to a phone.

use std::time::Duration;

use switchboard_vocab::pairing::{Challenge, GetQr, PairingCode, QR_WAIT_MAX, QrCode, RequestCode};
use switchboard_vocab::sessions::{SessionState, SessionStatus};
use switchboard_vocab::{ErrorCode, OpError, Timestamp, UserId};

use super::Execute;
use crate::session::context::{SessionCx, not_connected};
use crate::session::lifecycle::{Input, is_final};
use crate::session::remote;

/// Longest wait for the connection that a pairing code is asked on.
const CODE_WAIT_MAX: Duration = Duration::from_secs(25);

impl Execute for GetQr {
    const REVIVES: bool = true;

    async fn execute(self, cx: SessionCx) -> Result<QrCode, OpError> {
        let now = crate::clock::now();
        let status = cx.status();
        if let Some(found) = usable(&status, now)? {
            return Ok(found);
        }
        if self.start {
            cx.check_room()?;
            cx.tell(Input::Start { keep_final: false }).await?;
        } else if at_rest(&status) {
            return Err(not_connected(&status));
        }
        let wait = self.wait.min(QR_WAIT_MAX);
        let status = cx
            .wait_until(wait, |status| {
                !matches!(usable(status, now), Ok(None)) || at_rest(status)
            })
            .await;
        match usable(&status, now)? {
            Some(found) => Ok(found),
            None if is_starting(&status) => {
                let text = "whatsapp has not given a qr code yet";
                Err(OpError::new(ErrorCode::Timeout, text).retry_after(Duration::from_secs(2)))
            }
            None => Err(not_connected(&status)),
        }
    }
}

impl Execute for RequestCode {
    const REVIVES: bool = true;

    async fn execute(self, cx: SessionCx) -> Result<PairingCode, OpError> {
        if self.phone.as_phone().is_none() {
            return Err(OpError::invalid("a pairing code needs a phone number"));
        }
        refuse_paired(&cx.status())?;
        cx.check_room()?;
        cx.tell(Input::Start { keep_final: false }).await?;
        let status = cx
            .wait_until(CODE_WAIT_MAX, |status| {
                let ready = status.state == SessionState::Pairing;
                ready || status.is_paired() || at_rest(status)
            })
            .await;
        refuse_paired(&status)?;
        if status.state != SessionState::Pairing {
            return Err(not_connected(&status));
        }
        self.ask(&cx).await
    }
}

trait Ask {
    async fn ask(&self, cx: &SessionCx) -> Result<PairingCode, OpError>;
}

impl Ask for RequestCode {
    async fn ask(&self, cx: &SessionCx) -> Result<PairingCode, OpError> {
        let phone: &UserId = &self.phone;
        let challenge = cx
            .account()
            .await?
            .request_code(phone)
            .await
            .map_err(|e| remote(&e))?;
        cx.tell(Input::Challenged(challenge.clone())).await?;
        match challenge {
            Challenge::Code { code, expires_at } => Ok(PairingCode { code, expires_at }),
            Challenge::Passkey { .. } => Err(passkey()),
            Challenge::Qr { .. } => Err(OpError::internal(
                "a pairing code was asked for and a qr code came",
            )),
        }
    }
}

/// The QR code of the status, while it can still be scanned.
fn usable(status: &SessionStatus, now: Timestamp) -> Result<Option<QrCode>, OpError> {
    refuse_paired(status)?;
    match &status.challenge {
        Some(Challenge::Qr { text, expires_at }) if *expires_at > now => Ok(Some(QrCode {
            text: text.clone(),
            expires_at: *expires_at,
        })),
        Some(Challenge::Passkey { .. }) => Err(passkey()),
        Some(Challenge::Qr { .. } | Challenge::Code { .. }) | None => Ok(None),
    }
}

fn refuse_paired(status: &SessionStatus) -> Result<(), OpError> {
    if status.is_paired() {
        let text = "the session is linked to an account already: log it out first";
        return Err(OpError::new(ErrorCode::AlreadyPaired, text));
    }
    Ok(())
}

fn passkey() -> OpError {
    let text =
        "whatsapp wants the account's passkey to confirm this link: see the session's status";
    OpError::new(ErrorCode::Refused, text)
}

/// Whether nothing will happen by itself.
fn at_rest(status: &SessionStatus) -> bool {
    status.state == SessionState::Stopped || is_final(status.state)
}

fn is_starting(status: &SessionStatus) -> bool {
    matches!(status.state, SessionState::Starting | SessionState::Pairing)
}
