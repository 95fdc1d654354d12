//! The own profile: who may see stories.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes.refused(Method::GET, "/v1/profile/privacy", later)
}
