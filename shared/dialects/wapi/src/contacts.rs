//! Contacts: the address book and checking numbers.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    let routes = routes
        .refused(Method::GET, "/v1/contacts", later)
        .refused(Method::PUT, "/v1/contacts", later)
        .refused(Method::POST, "/v1/contacts/check", later)
        .refused(Method::GET, "/v1/contacts/status", later);
    // Methods that the public documents leave open; clients use either.
    routes
        .aliases(true)
        .refused(Method::PATCH, "/v1/contacts", later)
        .refused(Method::POST, "/v1/contacts", later)
        .aliases(false)
}
