//! Operations on people: the account's contacts, what WhatsApp tells about anybody, and the block list.

use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, UserId};
use crate::operation::Effect;
use crate::time::Timestamp;

/// Most contacts one listing returns.
pub const LIST_LIMIT_MAX: u32 = 1_000;
/// Most numbers one check takes. Source: larger queries are cut by WhatsApp's own client too.
pub const CHECK_MAX: usize = 256;
/// Longest name of a contact, in characters.
pub const NAME_LEN_MAX: usize = 128;

/// A person, as this session's store knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Their address: the phone number where it is known.
    pub id: UserId,
    /// Their other address, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<UserId>,
    /// The name in the account's address book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first name in the account's address book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The name they gave themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_name: Option<String>,
    /// The name WhatsApp verified for a business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_name: Option<String>,
    /// Whether they are a business.
    #[serde(default)]
    pub business: bool,
    /// Whether they are in the account's address book.
    #[serde(default)]
    pub saved: bool,
    /// Whether the account blocks them.
    #[serde(default)]
    pub blocked: bool,
    /// Whether it is the account itself.
    #[serde(default)]
    pub me: bool,
    /// What they say about themselves, as last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// WhatsApp's id of their picture, as last seen; another id is another picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_id: Option<String>,
}

impl Contact {
    /// A person of whom nothing but the address is known.
    #[must_use]
    pub const fn unknown(id: UserId) -> Self {
        Self {
            id,
            alt: None,
            name: None,
            first_name: None,
            push_name: None,
            verified_name: None,
            business: false,
            saved: false,
            blocked: false,
            me: false,
            about: None,
            picture_id: None,
        }
    }

    /// The name to show: address book, verified, own words.
    #[must_use]
    pub fn shown_name(&self) -> Option<&str> {
        let names = [&self.name, &self.verified_name, &self.push_name];
        names.into_iter().find_map(Option::as_deref)
    }
}

/// Lists the people the store knows, in the order of their addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only those in the address book (true), or only others (false).
    #[serde(default)]
    pub saved: Option<bool>,
    /// Skip this many.
    #[serde(default)]
    pub offset: u32,
    /// At most this many, at most [`LIST_LIMIT_MAX`].
    pub limit: u32,
}
crate::operation!(List => ContactList, "contacts.list", Effect::Read);

/// People.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactList {
    /// The page.
    pub contacts: Vec<Contact>,
    /// How many there are in all.
    pub total: u64,
}

/// Gets one person from the store; somebody unknown to it is asked for at WhatsApp.
/// [`crate::ErrorCode::NotFound`] when WhatsApp does not know them either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Who, by either address.
    pub user: UserId,
}
crate::operation!(Get => Contact, "contacts.get", Effect::Read);

/// Asks WhatsApp which numbers have an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The numbers, at most [`CHECK_MAX`]; a LID is answered from what is known.
    pub users: Vec<UserId>,
    /// Asks WhatsApp even where an earlier answer is at hand.
    #[serde(default)]
    pub fresh: bool,
}
crate::operation!(Check => Checked, "contacts.check", Effect::Read);

/// Which numbers have an account, in the order of the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// One per number.
    pub users: Vec<CheckedUser>,
}

/// One checked number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedUser {
    /// As it was asked.
    pub user: UserId,
    /// Whether it has an account.
    pub registered: bool,
    /// The number's address at WhatsApp; it can differ from the one asked (digits some countries added).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<UserId>,
    /// Its LID, when WhatsApp told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lid: Option<UserId>,
    /// The name WhatsApp verified for a business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_name: Option<String>,
}

/// Asks WhatsApp what people show of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetProfiles {
    /// Who, at most [`CHECK_MAX`].
    pub users: Vec<UserId>,
    /// Whether to ask for pictures too (one question per person).
    #[serde(default)]
    pub pictures: bool,
}
crate::operation!(GetProfiles => Profiles, "contacts.get_profiles", Effect::Read);

/// What people show of themselves, in the order of the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profiles {
    /// One per person.
    pub profiles: Vec<Profile>,
}

/// What one person shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Who, with what the store knows.
    pub contact: Contact,
    /// Whether WhatsApp has an account for them.
    pub registered: bool,
    /// What they say about themselves; `None` when they hide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// When they said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_at: Option<Timestamp>,
    /// Their picture; `None` when they hide it, have none, or it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// Their devices, the phone is 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<u16>,
}

/// A profile picture: addresses at WhatsApp that end after a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// WhatsApp's id of it.
    pub id: String,
    /// Where the small one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_url: Option<String>,
    /// Where the full one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its path at WhatsApp's media host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_path: Option<String>,
}

/// Gets the picture of a person or group; [`crate::ErrorCode::NotFound`] when there is none or it is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetPicture {
    /// Whose.
    pub chat: ChatId,
    /// Whether the small one is wanted; the full one otherwise.
    #[serde(default)]
    pub preview: bool,
}
crate::operation!(GetPicture => Picture, "contacts.get_picture", Effect::Read);

/// Gets the profile of a business; [`crate::ErrorCode::NotFound`] when they are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetBusiness {
    /// Which business.
    pub user: UserId,
}
crate::operation!(GetBusiness => Business, "contacts.get_business", Effect::Read);

/// The profile of a business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Business {
    /// Which business.
    pub user: UserId,
    /// What it says about itself.
    #[serde(default)]
    pub description: Option<String>,
    /// Its postal address.
    #[serde(default)]
    pub address: Option<String>,
    /// Its mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Its pages.
    #[serde(default)]
    pub websites: Vec<String>,
    /// Names of its categories.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Degrees north and east.
    #[serde(default)]
    pub position: Option<(f64, f64)>,
    /// Its time zone.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// When it is open.
    #[serde(default)]
    pub hours: Vec<OpenHours>,
}

/// When a business is open on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenHours {
    /// WhatsApp's name of the day: `mon`, `tue` and so on.
    pub day: String,
    /// WhatsApp's mode: `open_24h`, `specific_hours`, `appointment_only`.
    pub mode: String,
    /// From, in minutes after midnight.
    #[serde(default)]
    pub open: Option<u32>,
    /// Until, in minutes after midnight.
    #[serde(default)]
    pub close: Option<u32>,
}

/// Puts a person into the account's address book, or gives them another name there. Phone numbers only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Save {
    /// Who.
    pub user: UserId,
    /// The whole name, at most [`NAME_LEN_MAX`] characters.
    pub name: String,
    /// The first name; the first word of the whole one when absent.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Whether somebody who is not in the address book yet is an error ([`crate::ErrorCode::NotFound`]).
    #[serde(default)]
    pub must_exist: bool,
}
crate::operation!(Save => Contact, "contacts.save", Effect::Write);

/// Takes a person out of the account's address book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Who.
    pub user: UserId,
}
crate::operation!(Delete => Contact, "contacts.delete", Effect::Write);

/// Finds the LIDs of numbers and the numbers of LIDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// Who, at most [`CHECK_MAX`].
    pub users: Vec<UserId>,
}
crate::operation!(Resolve => Resolved, "contacts.resolve", Effect::Read);

/// Both addresses of people, in the order of the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// One per person.
    pub users: Vec<Addresses>,
}

/// Both addresses of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// As it was asked.
    pub user: UserId,
    /// The number, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<UserId>,
    /// The LID, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lid: Option<UserId>,
}

/// Lists the groups that a person and this account are both in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonGroups {
    /// Who.
    pub user: UserId,
}
crate::operation!(CommonGroups => GroupNames, "contacts.common_groups", Effect::Read);

/// Groups by address and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNames {
    /// The groups.
    pub groups: Vec<GroupName>,
}

/// A group's address and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupName {
    /// Its address.
    pub id: ChatId,
    /// Its name.
    pub subject: String,
}

/// Blocks or unblocks a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Who.
    pub user: UserId,
    /// Whether they are blocked from now on.
    pub blocked: bool,
}
crate::operation!(Block => Contact, "contacts.block", Effect::Write);

/// Lists whom the account blocks, as WhatsApp has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListBlocked {}
crate::operation!(ListBlocked => ContactList, "contacts.list_blocked", Effect::Read);

/// Lists the people who see the account's stories: its status privacy over its contacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListStoryViewers {}
crate::operation!(ListStoryViewers => ContactList, "contacts.list_story_viewers", Effect::Read);
