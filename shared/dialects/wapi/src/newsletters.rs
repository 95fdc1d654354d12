//! Channels, which this system calls newsletters.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    let routes = routes
        .refused(Method::GET, "/v1/newsletters", later)
        .refused(Method::PUT, "/v1/newsletters", later)
        .refused(Method::DELETE, "/v1/newsletters/{id}", later)
        .refused(Method::GET, "/v1/newsletters/{id}", later);
    // Methods that the public documents leave open; clients use either.
    routes
        .aliases(true)
        .refused(Method::POST, "/v1/newsletters", later)
        .aliases(false)
}
