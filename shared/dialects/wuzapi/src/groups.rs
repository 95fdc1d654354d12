//! Groups.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/group/list", later)
        .refused(Method::GET, "/group/invitelink", later)
        .refused(Method::GET, "/group/info", later)
        .refused(Method::POST, "/group/photo", later)
        .refused(Method::POST, "/group/name", later)
        .aliases(true)
        .refused(Method::GET, "/newsletter/list", later)
        .aliases(false)
}
