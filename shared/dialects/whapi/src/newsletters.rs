//! Channels, which this system calls newsletters.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/newsletters", later)
        .refused(Method::POST, "/newsletters", later)
        .refused(Method::GET, "/newsletters/find", later)
        .refused(Method::GET, "/newsletters/recommended", later)
        .refused(Method::GET, "/newsletters/{NewsletterID}", later)
        .refused(Method::DELETE, "/newsletters/{NewsletterID}", later)
        .refused(Method::PATCH, "/newsletters/{NewsletterID}", later)
        .refused(
            Method::POST,
            "/newsletters/{NewsletterID}/subscription",
            later,
        )
        .refused(
            Method::DELETE,
            "/newsletters/{NewsletterID}/subscription",
            later,
        )
        .refused(
            Method::POST,
            "/newsletters/invite/{NewsletterInviteCode}/subscription",
            later,
        )
        .refused(
            Method::DELETE,
            "/newsletters/invite/{NewsletterInviteCode}/subscription",
            later,
        )
        .refused(Method::POST, "/newsletters/{NewsletterID}/tracking", later)
        .refused(Method::GET, "/newsletters/{NewsletterID}/messages", later)
        .refused(
            Method::POST,
            "/newsletters/{NewsletterID}/invite/{ContactID}",
            later,
        )
        .refused(
            Method::DELETE,
            "/newsletters/{NewsletterID}/invite/{ContactID}",
            later,
        )
        .refused(
            Method::PUT,
            "/newsletters/{NewsletterID}/admins/{ContactID}",
            later,
        )
        .refused(
            Method::DELETE,
            "/newsletters/{NewsletterID}/admins/{ContactID}",
            later,
        )
        .refused(
            Method::POST,
            "/newsletters/link/{NewsletterInviteCode}",
            later,
        )
        .refused(
            Method::GET,
            "/newsletters/link/{NewsletterInviteCode}",
            later,
        )
}
