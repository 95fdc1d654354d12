//! Linking the session to a phone: the QR code as text and as a picture.

use std::time::Duration;

use http::Method;
use serde::Serialize;
use switchboard_dialect_kit::qr::{self, Look};
use switchboard_dialect_kit::routes::Outcomes;
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes};
use switchboard_vocab::pairing::{GetQr, QrCode};
use switchboard_vocab::{ErrorCode, OpError};

use crate::body::success;

/// How long a call waits for a code that is about to come. That system does not wait; its clients ask again.
const QR_WAIT: Duration = Duration::from_secs(1);

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .each(
            Method::GET,
            "/session/qr/{sessionId}",
            get_qr,
            |answers, _| or_not_ready(answers, |code| success(Qr { qr: code.text })),
        )
        .each(
            Method::GET,
            "/session/qr/{sessionId}/image",
            get_qr,
            |answers, _| {
                or_not_ready(answers, |code| {
                    Ok(Reply::png(qr::png(&code.text, Look::default())?))
                })
            },
        )
}

fn get_qr(_: NoBody, _: &Cx) -> Result<Vec<GetQr>, Reject> {
    Ok(vec![GetQr {
        wait: QR_WAIT,
        start: true,
    }])
}

#[derive(Serialize)]
struct Qr {
    qr: String,
}

/// How that system says that there is no code: with status 200.
#[derive(Serialize)]
struct NotReady {
    success: bool,
    message: &'static str,
}

fn or_not_ready(
    answers: Outcomes<GetQr>,
    show: impl FnOnce(QrCode) -> Result<Reply, OpError>,
) -> Result<Reply, OpError> {
    let first = answers.into_iter().next();
    match first.unwrap_or_else(|| Err(OpError::internal("no answer"))) {
        Ok(code) => show(code),
        Err(error)
            if matches!(
                error.code,
                ErrorCode::Timeout | ErrorCode::NotConnected | ErrorCode::AlreadyPaired
            ) =>
        {
            Ok(Reply::ok(&NotReady {
                success: false,
                message: "qr code not ready or already scanned",
            }))
        }
        Err(error) => Err(error),
    }
}
