//! Operations on what the user of a phone does besides writing messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Error;
use crate::core::phone_user::{self, ProfileChange, ProfileView, Reading, Typing};
use crate::core::signals::Signal;
use crate::phone::Act;
use crate::shell::hub::Hub;

impl From<phone_user::Error> for Error {
    fn from(error: phone_user::Error) -> Self {
        match error {
            phone_user::Error::Number { .. } => Self::NotFound(error.to_string()),
            phone_user::Error::Invalid { .. } => Self::Bad(error.to_string()),
        }
    }
}

pub(crate) fn profile(hub: &Hub, number: &str) -> Result<ProfileView, Error> {
    Ok(hub.with(|server| server.profile_view(number))?)
}

pub(crate) fn change_profile(
    hub: &Hub,
    number: &str,
    change: ProfileChange,
) -> Result<ProfileView, Error> {
    let picture = change.picture.as_deref().map(|data| STANDARD.decode(data));
    let picture = picture
        .transpose()
        .map_err(|_| Error::Bad("change profile: picture is not base64".to_owned()))?
        .map(Bytes::from);
    let name = change.name.clone();
    let view = hub.with(|server| {
        server.change_profile(number, change, picture)?;
        server.profile_view(number)
    })?;
    // The name also stands in the app state, where companions look for it.
    if let Some(name) = name {
        super::act(hub, number, &[Act::SetPushName { name }])?;
    }
    Ok(view)
}

pub(crate) fn presence(hub: &Hub, number: &str, available: bool) -> Result<(), Error> {
    Ok(hub.with(|server| server.phone_presence(number, available))?)
}

pub(crate) fn watch(hub: &Hub, number: &str, other: &str) -> Result<(), Error> {
    Ok(hub.with(|server| server.phone_watches(number, other))?)
}

pub(crate) fn typing(hub: &Hub, number: &str, to: &str, state: Typing) -> Result<(), Error> {
    Ok(hub.with(|server| server.phone_types(number, to, state))?)
}

pub(crate) fn trust(hub: &Hub, number: &str, contact: &str) -> Result<(), Error> {
    Ok(hub.with(|server| server.phone_trusts(number, contact))?)
}

pub(crate) fn read(hub: &Hub, number: &str, reading: &Reading) -> Result<(), Error> {
    Ok(hub.with(|server| server.phone_reads(number, reading))?)
}

pub(crate) fn signals(hub: &Hub, number: &str, since: u64) -> Result<Vec<Signal>, Error> {
    let signals = hub.with(|server| server.signals(number, since));
    signals.ok_or_else(|| Error::NotFound(format!("read signals: no account has {number:?}")))
}
