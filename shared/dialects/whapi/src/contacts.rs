//! Contacts: checking numbers, the address book, LIDs and the block list.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/contacts", later)
        .refused(Method::POST, "/contacts", later)
        .refused(Method::PUT, "/contacts", later)
        .refused(Method::GET, "/contacts/{ContactID}", later)
        .refused(Method::POST, "/contacts/{ContactID}", later)
        .refused(Method::HEAD, "/contacts/{ContactID}", later)
        .refused(Method::PATCH, "/contacts/{ContactID}", later)
        .refused(Method::DELETE, "/contacts/{ContactID}", later)
        .refused(Method::GET, "/contacts/{ContactID}/profile", later)
        .refused(Method::GET, "/contacts/lids", later)
        .refused(Method::GET, "/contacts/lids/{ContactID}", later)
        .refused(Method::PUT, "/blacklist/{ContactID}", later)
        .refused(Method::DELETE, "/blacklist/{ContactID}", later)
        .refused(Method::GET, "/blacklist", later)
}
