//! Contacts.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// Calls by POST; none is offered yet.
const PATHS: [&str; 13] = [
    "/client/getBlockedContacts/{sessionId}",
    "/client/getContactById/{sessionId}",
    "/client/getNumberId/{sessionId}",
    "/client/isRegisteredUser/{sessionId}",
    "/client/getProfilePicUrl/{sessionId}",
    "/contact/getClassInfo/{sessionId}",
    "/contact/block/{sessionId}",
    "/contact/getAbout/{sessionId}",
    "/contact/getChat/{sessionId}",
    "/contact/unblock/{sessionId}",
    "/contact/getFormattedNumber/{sessionId}",
    "/contact/getCountryCode/{sessionId}",
    "/contact/getProfilePicUrl/{sessionId}",
];

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes.refused(
        Method::GET,
        "/client/getContacts/{sessionId}",
        Refusal::LaterRelease,
    );
    PATHS.into_iter().fold(routes, |rows, path| {
        rows.refused(Method::POST, path, Refusal::LaterRelease)
    })
}
