//! Labels of business accounts.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// Calls by POST; none is offered yet.
const PATHS: [&str; 5] = [
    "/client/getChatLabels/{sessionId}",
    "/client/getChatsByLabelId/{sessionId}",
    "/client/getLabelById/{sessionId}",
    "/client/getLabels/{sessionId}",
    "/client/addOrRemoveLabels/{sessionId}",
];

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    PATHS.into_iter().fold(routes, |rows, path| {
        rows.refused(Method::POST, path, Refusal::LaterRelease)
    })
}
