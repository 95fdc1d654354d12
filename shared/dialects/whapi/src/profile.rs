//! The own profile: name, about text and picture.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/users/profile", later)
        .refused(Method::PATCH, "/users/profile", later)
        .refused(Method::PUT, "/status", later)
}
