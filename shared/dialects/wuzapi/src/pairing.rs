//! QR code and pairing code.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes, phone, qr};
use switchboard_vocab::OpError;
use switchboard_vocab::pairing::{GetQr, PairingCode, QrCode, RequestCode};

use crate::input::{Payload, needed};
use crate::webhooks::ok;

/// How long the call waits for a code that is on its way.
const QR_WAIT: Duration = Duration::from_secs(2);

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::GET,
            "/session/qr",
            |_: NoBody, _| {
                Ok(GetQr {
                    wait: QR_WAIT,
                    start: false,
                })
            },
            picture,
        )
        .aliases(true)
        .op(Method::POST, "/session/pairphone", request_code, code)
        .aliases(false)
}

#[derive(Serialize)]
struct QrData {
    #[serde(rename = "QRCode")]
    qr_code: String,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn picture(out: QrCode, _: &Cx) -> Result<Reply, OpError> {
    let png = qr::png(&out.text, qr::Look::default())?;
    Ok(ok(&QrData {
        qr_code: qr::data_uri(&png),
    }))
}

#[derive(Deserialize)]
struct PairPhone {
    phone: Option<String>,
}

fn request_code(Payload(request): Payload<PairPhone>, _: &Cx) -> Result<RequestCode, Reject> {
    let text = needed("Phone", request.phone.as_ref())?;
    let phone = phone::user(text)
        .map_err(|e| OpError::invalid(format!("Could not parse Phone: {}", e.public)))?;
    Ok(RequestCode { phone })
}

#[derive(Serialize)]
struct CodeData {
    #[serde(rename = "LinkingCode")]
    linking_code: String,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn code(out: PairingCode, _: &Cx) -> Result<Reply, OpError> {
    let code = out
        .code
        .split_at_checked(4)
        .map_or_else(|| out.code.clone(), |(a, b)| format!("{a}-{b}"));
    Ok(ok(&CodeData { linking_code: code }))
}
