//! Labels of chats and messages.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/labels", later)
        .refused(Method::POST, "/labels", later)
        .refused(Method::GET, "/labels/{LabelID}", later)
        .refused(Method::POST, "/labels/{LabelID}/{AssociationID}", later)
        .refused(Method::DELETE, "/labels/{LabelID}/{AssociationID}", later)
}
