//! The own profile: name, about text and picture.

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, Fields, NoBody, Reject, Reply, Routes};
use switchboard_vocab::OpError;
use switchboard_vocab::contacts::Picture;
use switchboard_vocab::profile::{
    ABOUT_LEN_MAX, Change, Get, NAME_LEN_MAX, OwnProfile, PictureChange,
};

use crate::ids::invalid;
use crate::messages::Success;
use crate::messages::files::{Files, named};

/// Shortest own name, in characters. Source: the pattern of `UserProfileUpdate`.
const NAME_LEN_MIN: usize = 3;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let changed = |_: OwnProfile, _: &Cx| Ok(Success::reply());
    routes
        .op(
            Method::GET,
            "/users/profile",
            |_: NoBody, _| Ok(Get {}),
            |out: OwnProfile, _| {
                Ok(Reply::ok(&UserProfile::new(
                    out.identity.push_name,
                    out.about,
                    out.picture.as_ref(),
                )))
            },
        )
        .op(Method::PATCH, "/users/profile", update, changed)
        .op(Method::PUT, "/status", set_about, changed)
}

/// `UserProfile`. The icons are addresses at WhatsApp.
#[derive(Serialize)]
pub(crate) struct UserProfile {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_full: Option<String>,
}

impl UserProfile {
    /// A profile as this system shows it.
    pub(crate) fn new(
        name: Option<String>,
        about: Option<String>,
        picture: Option<&Picture>,
    ) -> Self {
        let full = picture.and_then(|picture| picture.url.clone());
        Self {
            name,
            about,
            icon: picture
                .and_then(|picture| picture.preview_url.clone())
                .or_else(|| full.clone()),
            icon_full: full,
        }
    }
}

/// `UserProfileUpdate`. The icon is a file in a form, or text as `media` is elsewhere.
#[derive(Deserialize)]
struct UserProfileUpdate {
    name: Option<String>,
    about: Option<String>,
    icon: Option<String>,
}

fn update(request: Files<UserProfileUpdate>, _: &Cx) -> Result<Change, Reject> {
    let Files { fields, given } = request;
    if let Some(name) = &fields.name
        && !(NAME_LEN_MIN..=NAME_LEN_MAX).contains(&name.chars().count())
    {
        let reason = format!("{NAME_LEN_MIN} to {NAME_LEN_MAX} characters are possible");
        return Err(invalid("name", reason));
    }
    if let Some(about) = &fields.about {
        fits(about, "about", 1)?;
    }
    let icon = match (given, fields.icon.filter(|icon| !icon.is_empty())) {
        (Some(given), _) => Some(given),
        (None, Some(text)) => Some(named("icon", &text)?),
        (None, None) => None,
    };
    if fields.name.is_none() && fields.about.is_none() && icon.is_none() {
        return Err(OpError::invalid("name, about or icon is expected").into());
    }
    Ok(Change {
        name: fields.name,
        about: fields.about,
        picture: icon.map(|given| PictureChange::Set(given.source)),
    })
}

fn fits(about: &str, field: &str, least: usize) -> Result<(), Reject> {
    if (least..=ABOUT_LEN_MAX).contains(&about.chars().count()) {
        return Ok(());
    }
    let reason = format!("{least} to {ABOUT_LEN_MAX} characters are possible");
    Err(invalid(field, reason))
}

/// `ChangeStatusRequest`.
#[derive(Deserialize)]
struct ChangeStatusRequest {
    status: String,
}

fn set_about(Fields(request): Fields<ChangeStatusRequest>, _: &Cx) -> Result<Change, Reject> {
    fits(&request.status, "status", 0)?;
    Ok(Change {
        name: None,
        about: Some(request.status),
        picture: None,
    })
}
