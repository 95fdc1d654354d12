//! Groups.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes.refused(
        Method::POST,
        "/instance{instanceId}/group",
        Refusal::LaterRelease,
    )
}
