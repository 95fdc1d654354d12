//! What an account shows and hides: texts, picture, business card, privacy settings, block list and
//! address book. Most accounts never touch any of it, so it hangs in one box.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ids::AccountId;
use super::privacy::{Category, Value};

/// Most accounts in an address book, a block list or an exclusion list.
pub const LISTED_MAX: usize = 4096;

/// Settings of an account.
#[derive(Debug, Default)]
pub struct Profile {
    /// The name before the present one.
    pub former_name: Box<str>,
    /// Whom it blocked.
    pub blocked: BTreeSet<AccountId>,
    /// Who is in the address book of its phone.
    pub address_book: BTreeSet<AccountId>,
    /// Privacy settings that were changed.
    pub privacy: BTreeMap<Category, Value>,
    /// Who of the address book is excluded, where a setting says so.
    pub excluded: BTreeMap<Category, BTreeSet<AccountId>>,
    /// Who sees its stories, if it ever chose.
    pub stories: Option<StoryAudience>,
    /// The "about" text and when it was set, in seconds.
    pub about: Option<(Box<str>, u64)>,
    /// Its picture.
    pub picture: Option<Picture>,
    /// Default lifetime of messages in new chats and when it was set, both in seconds.
    pub disappearing: Option<(u64, u64)>,
    /// Its business card, if it is a business.
    pub business: Option<Box<Business>>,
}

/// Who sees stories by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StoryAudience {
    /// Everyone in the address book.
    #[default]
    Contacts,
    /// Everyone in the address book but these.
    Except(BTreeSet<AccountId>),
    /// These.
    Only(BTreeSet<AccountId>),
}

/// A profile picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its number; a later picture has a higher one.
    pub id: u64,
    /// The picture.
    pub full: Bytes,
    /// The small form, where the client sent one. The simulator does not scale pictures: without it
    /// the picture itself is served as its preview.
    pub preview: Option<Bytes>,
}

/// The business card of an account, as the admin API takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Business {
    /// The verified name.
    pub name: String,
    /// What the business says about itself.
    pub description: String,
    /// Address for mail.
    pub email: Option<String>,
    /// Web sites.
    pub websites: Vec<String>,
    /// Kinds of business.
    pub categories: Vec<BusinessCategory>,
    /// Where it is.
    pub address: Option<String>,
    /// Time zone of the hours, as in the tz database.
    pub timezone: Option<String>,
    /// When it is open.
    pub hours: Vec<OpeningHours>,
}

/// A kind of business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessCategory {
    /// Its number.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// When a business is open on one day of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningHours {
    /// `sun`, `mon` and so on.
    pub day: String,
    /// `open_24h`, `specific_hours` or `appointment_only`.
    pub mode: String,
    /// Minutes after midnight.
    #[serde(default)]
    pub open: Option<u32>,
    /// Minutes after midnight.
    #[serde(default)]
    pub close: Option<u32>,
}

/// Most entries in a list of a business card. Source: our choice; WhatsApp shows two web sites and
/// three categories.
const BUSINESS_LIST_MAX: usize = 16;
/// Longest text of a business card, in bytes.
const BUSINESS_TEXT_MAX: usize = 2048;

impl Business {
    /// Whether it has a name and stays within the limits.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let texts = [&self.name, &self.description]
            .into_iter()
            .chain(&self.email)
            .chain(&self.address)
            .chain(&self.timezone)
            .chain(&self.websites);
        !self.name.is_empty()
            && self.websites.len() <= BUSINESS_LIST_MAX
            && self.categories.len() <= BUSINESS_LIST_MAX
            && self.hours.len() <= BUSINESS_LIST_MAX
            && texts.into_iter().all(|t| t.len() <= BUSINESS_TEXT_MAX)
    }
}
