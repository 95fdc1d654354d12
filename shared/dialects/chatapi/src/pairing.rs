//! Linking the instance to a phone: the QR code as a picture. As a data URI it stands in the status.

use std::time::Duration;

use http::Method;
use switchboard_dialect_kit::qr::{self, Look};
use switchboard_dialect_kit::{NoBody, Reply, Routes};
use switchboard_vocab::pairing::GetQr;

/// How long a call waits for a code that is about to come. Browsers show this picture in a page that loads it again.
const QR_WAIT: Duration = Duration::from_secs(2);

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes.op(
        Method::GET,
        "/instance{instanceId}/qr_code",
        |_: NoBody, _| {
            Ok(GetQr {
                wait: QR_WAIT,
                start: true,
            })
        },
        |code, _| Ok(Reply::png(qr::png(&code.text, Look::default())?)),
    )
}
