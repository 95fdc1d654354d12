//! Operations on the account's own profile and presence.

use serde::{Deserialize, Serialize};

use crate::contacts::Picture;
use crate::ids::UserId;
use crate::media::MediaSource;
use crate::operation::{Effect, Operation, Scope};
use crate::sessions::Identity;

/// Longest own name, in characters. Source: the limit WhatsApp's own clients enforce.
pub const NAME_LEN_MAX: usize = 25;
/// Longest about text, in characters. Source: the limit WhatsApp's own clients enforce.
pub const ABOUT_LEN_MAX: usize = 139;

/// Gets the account's own profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {}
crate::operation!(Get => OwnProfile, "profile.get", Effect::Read);

/// The account's own profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnProfile {
    /// Who the account is.
    pub identity: Identity,
    /// What it says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
}

/// Changes the account's own profile. What is `None` stays; at least one field is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The name it gives itself, 1 to [`NAME_LEN_MAX`] characters.
    #[serde(default)]
    pub name: Option<String>,
    /// What it says about itself, at most [`ABOUT_LEN_MAX`] characters.
    #[serde(default)]
    pub about: Option<String>,
    /// Its picture.
    #[serde(default)]
    pub picture: Option<PictureChange>,
}

impl Operation for Change {
    type Output = OwnProfile;
    const NAME: &'static str = "profile.change";
    const SCOPE: Scope = Scope::Session;
    const EFFECT: Effect = Effect::Write;

    fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        match &mut self.picture {
            Some(PictureChange::Set(source)) => vec![source],
            Some(PictureChange::Remove) | None => Vec::new(),
        }
    }
}

/// What becomes of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureChange {
    /// This one; cut to a square JPEG by the node.
    Set(MediaSource),
    /// None.
    Remove,
}

/// Gets who sees what of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetPrivacy {}
crate::operation!(GetPrivacy => Privacy, "profile.get_privacy", Effect::Read);

/// Who sees what of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privacy {
    /// WhatsApp's categories and values as they stand, e.g. `last` = `contacts`.
    pub settings: Vec<(String, String)>,
    /// Who sees its stories.
    pub stories: StoryPrivacy,
}

/// Who sees the account's stories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoryPrivacy {
    /// Every contact.
    Contacts,
    /// These contacts only.
    Only(Vec<UserId>),
    /// Every contact but these.
    Except(Vec<UserId>),
}

/// Shows the account as online or offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetOnline {
    /// Whether it is shown as online.
    pub online: bool,
}
crate::operation!(SetOnline => Shown, "profile.set_online", Effect::Write);

/// WhatsApp was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {}
