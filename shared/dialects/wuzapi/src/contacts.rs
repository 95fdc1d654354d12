//! People: numbers, details, pictures.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::POST, "/user/info", later)
        .refused(Method::POST, "/user/check", later)
        .refused(Method::GET, "/user/avatar", later)
        .refused(Method::GET, "/user/contacts", later)
        .aliases(true)
        .refused(Method::POST, "/user/avatar", later)
        .refused(Method::POST, "/user/presence", later)
        .aliases(false)
}
