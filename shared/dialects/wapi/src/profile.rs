//! The own profile: who may see stories.

use http::Method;
use serde::Serialize;
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes};
use switchboard_vocab::OpError;
use switchboard_vocab::profile::{GetPrivacy, Privacy, StoryPrivacy};

use crate::envelope::Envelope;
use crate::ids;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes.op(Method::GET, "/v1/profile/privacy", privacy, shown)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
const fn privacy(_: NoBody, _: &Cx) -> Result<GetPrivacy, Reject> {
    Ok(GetPrivacy {})
}

/// The list that is in force. The published page answers a list of these.
#[derive(Serialize)]
struct StatusPrivacy {
    #[serde(rename = "type")]
    kind: &'static str,
    list: Vec<String>,
    is_default: bool,
}

fn shown(out: Privacy, cx: &Cx) -> Result<Reply, OpError> {
    let (kind, people) = match out.stories {
        StoryPrivacy::Contacts => ("contacts", Vec::new()),
        StoryPrivacy::Except(people) => ("blacklist", people),
        StoryPrivacy::Only(people) => ("whitelist", people),
    };
    let list = people.iter().map(|user| ids::wa_id(user, None)).collect();
    let only = [StatusPrivacy {
        kind,
        list,
        is_default: true,
    }];
    Envelope::reply(only, "status privacy", cx)
}
