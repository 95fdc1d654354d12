//! What the user of a phone does besides writing messages: the profile, the address book, being there,
//! typing and reading. The same effects as when a companion does it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::groups::GroupId;
use super::ids::{AccountId, Addressing, DeviceId, PHONE, parse_number};
use super::privacy::{Category, Value};
use super::profile::Business;
use super::server::Server;

/// Most ids in one receipt.
const READ_IDS_MAX: usize = 1024;
/// Most numbers in one change of a list.
const CHANGES_MAX: usize = 1024;

/// Why a phone's user could not do something.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No account has the number.
    #[error("{what}: no account has {number:?}")]
    Number {
        /// What was to be done.
        what: &'static str,
        /// The number.
        number: String,
    },
    /// A value is not one of those possible, or too long.
    #[error("{what}: {detail}")]
    Invalid {
        /// What was to be done.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
}

/// A change of a profile; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileChange {
    /// A new name.
    pub name: Option<String>,
    /// A new "about" text.
    pub about: Option<String>,
    /// A new picture, base64 of a JPEG; empty removes it.
    pub picture: Option<String>,
    /// New privacy settings, by category, as stanzas name them.
    pub privacy: BTreeMap<String, String>,
    /// A new default lifetime of messages, in seconds; 0 is for ever.
    pub disappearing: Option<u64>,
    /// A business card: the account is a business from now on.
    pub business: Option<Business>,
    /// The account is no business any more.
    pub no_business: bool,
    /// Numbers that enter the address book.
    pub add_contacts: Vec<String>,
    /// Numbers that leave the address book.
    pub remove_contacts: Vec<String>,
    /// Numbers to block.
    pub block: Vec<String>,
    /// Numbers to unblock.
    pub unblock: Vec<String>,
}

/// What an account shows and hides, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileView {
    /// Digits of the phone number.
    pub number: String,
    /// Address by LID.
    pub lid: String,
    /// Profile name.
    pub name: String,
    /// "About" text.
    pub about: Option<String>,
    /// When the text was set, in Unix seconds.
    pub about_at: Option<u64>,
    /// Number of the picture.
    pub picture_id: Option<u64>,
    /// SHA-256 of the picture, hex.
    pub picture_sha256: Option<String>,
    /// Default lifetime of messages, in seconds.
    pub disappearing: u64,
    /// Privacy settings, all of them.
    pub privacy: BTreeMap<String, String>,
    /// Numbers on exclusion lists, by category.
    pub excluded: BTreeMap<String, Vec<String>>,
    /// Numbers in the address book.
    pub contacts: Vec<String>,
    /// Blocked numbers.
    pub blocked: Vec<String>,
    /// The business card, if it is a business.
    pub business: Option<Business>,
}

/// What a user does in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Typing {
    /// Types.
    Composing,
    /// Records a voice note.
    Recording,
    /// Stopped.
    Paused,
}

/// What a user has read or played.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Number or address of the chat; `status@broadcast` for stories.
    pub chat: String,
    /// The messages.
    pub ids: Vec<String>,
    /// Number or address of their author, in groups and for stories.
    #[serde(default)]
    pub author: Option<String>,
    /// Whether they were played, not only read.
    #[serde(default)]
    pub played: bool,
}

impl Server {
    fn user_phone(&self, what: &'static str, number: &str) -> Result<DeviceId, Error> {
        let account = self.find_number(number).ok_or_else(|| Error::Number {
            what,
            number: number.to_owned(),
        })?;
        Ok(DeviceId {
            account,
            device: PHONE,
        })
    }

    fn users(&self, what: &'static str, numbers: &[String]) -> Result<Vec<AccountId>, Error> {
        if numbers.len() > CHANGES_MAX {
            return Err(Error::Invalid {
                what,
                detail: format!("more than {CHANGES_MAX} numbers"),
            });
        }
        let accounts = numbers.iter().map(|n| self.user_phone(what, n));
        accounts.map(|d| d.map(|d| d.account)).collect()
    }

    /// Changes the profile on the phone. Nothing is changed if any part of it is refused.
    ///
    /// # Errors
    /// When a number belongs to nobody, or a value is not possible.
    pub fn change_profile(
        &mut self,
        number: &str,
        change: ProfileChange,
        picture: Option<Bytes>,
    ) -> Result<(), Error> {
        const WHAT: &str = "change profile";
        let phone = self.user_phone(WHAT, number)?;
        let invalid = |detail: String| Error::Invalid { what: WHAT, detail };
        let mut settings = Vec::new();
        for (name, value) in &change.privacy {
            let category = Category::parse(name);
            let parsed = category.zip(Value::parse(value));
            let setting = parsed.filter(|(category, value)| category.takes(*value));
            settings.push(setting.ok_or_else(|| invalid(format!("no setting {name}={value}")))?);
        }
        let add = self.users(WHAT, &change.add_contacts)?;
        let remove = self.users(WHAT, &change.remove_contacts)?;
        let block = self.users(WHAT, &change.block)?;
        let unblock = self.users(WHAT, &change.unblock)?;
        if change.business.as_ref().is_some_and(|b| !b.is_valid()) {
            return Err(invalid(
                "business card without a name or too long".to_owned(),
            ));
        }
        if let Some(about) = &change.about
            && !self.set_about(phone, about)
        {
            return Err(invalid("about text is too long".to_owned()));
        }
        if change.picture.is_some() {
            let picture = picture.filter(|p| !p.is_empty());
            self.set_picture(phone, picture, None)
                .ok_or_else(|| invalid("picture is too large".to_owned()))?;
        }
        if let Some(name) = &change.name {
            self.rename(phone, name);
        }
        if let Some(seconds) = change.disappearing {
            self.set_default_timer(phone, seconds);
        }
        self.change_address_book(phone.account, &add, &remove);
        for (accounts, blocked) in [(block, true), (unblock, false)] {
            for account in accounts {
                self.set_blocked(phone, account, blocked);
            }
        }
        for (category, value) in settings {
            self.set_privacy(phone, category, value);
        }
        if let Some(card) = change.business {
            self.set_business(phone.account, Some(card));
        } else if change.no_business {
            self.set_business(phone.account, None);
        }
        Ok(())
    }

    /// The whole profile of an account.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn profile_view(&self, number: &str) -> Result<ProfileView, Error> {
        use sha2::Digest as _;
        let id = self.user_phone("show profile", number)?.account;
        let Some(account) = self.account(id) else {
            return Err(Error::Number {
                what: "show profile",
                number: number.to_owned(),
            });
        };
        let profile = account.profile.as_deref();
        let numbers = |ids: &std::collections::BTreeSet<AccountId>| -> Vec<String> {
            let accounts = ids.iter().filter_map(|id| self.account(*id));
            accounts.map(|a| a.number.to_string()).collect()
        };
        let about = profile.and_then(|p| p.about.as_ref());
        let picture = profile.and_then(|p| p.picture.as_ref());
        let setting = |c: Category| {
            let value = self.privacy_value(id, c).as_str();
            (c.as_str().to_owned(), value.to_owned())
        };
        let excluded = profile.into_iter().flat_map(|p| &p.excluded);
        Ok(ProfileView {
            number: account.number.to_string(),
            lid: account.jid(Addressing::Lid).to_string(),
            name: account.name.to_string(),
            about: about.map(|(text, _)| text.to_string()),
            about_at: about.map(|(_, at)| *at),
            picture_id: picture.map(|p| p.id),
            picture_sha256: picture.map(|p| hex::encode(sha2::Sha256::digest(&p.full))),
            disappearing: profile
                .and_then(|p| p.disappearing)
                .map_or(0, |(seconds, _)| seconds),
            privacy: Category::ALL.into_iter().map(setting).collect(),
            excluded: excluded
                .map(|(category, ids)| (category.as_str().to_owned(), numbers(ids)))
                .collect(),
            contacts: profile.map_or_else(Vec::new, |p| numbers(&p.address_book)),
            blocked: profile.map_or_else(Vec::new, |p| numbers(&p.blocked)),
            business: profile.and_then(|p| p.business.as_deref().cloned()),
        })
    }

    /// The user takes up the phone or puts it away.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn phone_presence(&mut self, number: &str, available: bool) -> Result<(), Error> {
        let phone = self.user_phone("set presence", number)?;
        self.set_phone_available(phone.account, available);
        Ok(())
    }

    /// The user looks at a chat and sees whether the other side is there: [`Self::signals`].
    ///
    /// # Errors
    /// When no account has one of the numbers.
    pub fn phone_watches(&mut self, number: &str, other: &str) -> Result<(), Error> {
        let phone = self.user_phone("watch presence", number)?;
        let other = self.user_phone("watch presence", other)?.account;
        if let Some(jid) = self.account(other).map(|a| a.jid(Addressing::Pn)) {
            let node = NodeBuilder::new("presence").build();
            self.watch(phone, &jid, &node);
        }
        Ok(())
    }

    /// The user types in a chat.
    ///
    /// # Errors
    /// When no account has the number, or there is no such chat.
    pub fn phone_types(&mut self, number: &str, to: &str, typing: Typing) -> Result<(), Error> {
        let phone = self.user_phone("type", number)?;
        let to = self.chat_jid("type", to)?;
        let state = match typing {
            Typing::Composing => NodeBuilder::new("composing"),
            Typing::Recording => NodeBuilder::new("composing").attr("media", "audio"),
            Typing::Paused => NodeBuilder::new("paused"),
        };
        let node = NodeBuilder::new("chatstate")
            .attr("to", to)
            .children([state.build()])
            .build();
        self.chatstate(phone, &node);
        Ok(())
    }

    /// The user gives a contact a token that it is trusted.
    ///
    /// # Errors
    /// When no account has one of the numbers.
    pub fn phone_trusts(&mut self, number: &str, contact: &str) -> Result<(), Error> {
        let phone = self.user_phone("trust contact", number)?;
        let contact = self.user_phone("trust contact", contact)?;
        let now_s = self.now_s();
        self.give_token(phone.account, contact.account, now_s);
        Ok(())
    }

    /// The user has read or played messages: receipts go to their author and the own companions.
    ///
    /// # Errors
    /// When a number belongs to nobody, there is no such chat, or there is nothing to read.
    pub fn phone_reads(&mut self, number: &str, reading: &Reading) -> Result<(), Error> {
        const WHAT: &str = "read messages";
        let phone = self.user_phone(WHAT, number)?;
        let chat = self.chat_jid(WHAT, &reading.chat)?;
        let invalid = |detail: &str| Error::Invalid {
            what: WHAT,
            detail: detail.to_owned(),
        };
        let Some((first, rest)) = reading.ids.split_first() else {
            return Err(invalid("no message ids"));
        };
        if reading.ids.len() > READ_IDS_MAX {
            return Err(invalid("too many message ids"));
        }
        let mut receipt = NodeBuilder::new("receipt")
            .attr("to", chat.clone())
            .attr("id", first.as_str())
            .attr("t", self.now_s())
            .attr("type", if reading.played { "played" } else { "read" });
        if Addressing::of(&chat).is_none() {
            let author = reading.author.as_deref();
            let author = author.ok_or_else(|| invalid("messages of a group need their author"))?;
            let author = self.member_jid(WHAT, &chat, author)?;
            receipt = receipt.attr("participant", author);
        }
        if !rest.is_empty() {
            let items = rest.iter();
            let items = items.map(|id| NodeBuilder::new("item").attr("id", id.as_str()).build());
            let items: Vec<Node> = items.collect();
            receipt = receipt.children([NodeBuilder::new("list").children(items).build()]);
        }
        let mut receipt = receipt.build();
        self.route_receipt(phone, &receipt);
        let own = if reading.played {
            "played-self"
        } else {
            "read-self"
        };
        receipt.attrs.insert("type", own);
        self.route_receipt(phone, &receipt);
        Ok(())
    }

    /// The address of a chat from a number or an address.
    fn chat_jid(&self, what: &'static str, text: &str) -> Result<Jid, Error> {
        let nobody = || Error::Number {
            what,
            number: text.to_owned(),
        };
        if let Some(number) = parse_number(text) {
            let account = self.by_number.get(&number).ok_or_else(nobody)?;
            let account = self.account(*account).ok_or_else(nobody)?;
            return Ok(account.jid(self.phone_addressing()));
        }
        let jid: Jid = text.parse().map_err(|_| nobody())?;
        let known = if jid.is_group() {
            GroupId::parse(&jid).is_some_and(|id| self.groups.get(id).is_some())
        } else {
            jid.is_status_broadcast() || self.resolve(&jid).is_some()
        };
        known.then(|| jid.to_non_ad()).ok_or_else(nobody)
    }

    /// The address of an author, as the chat addresses its members.
    fn member_jid(&self, what: &'static str, chat: &Jid, author: &str) -> Result<Jid, Error> {
        let jid = self.chat_jid(what, author)?;
        let mode = GroupId::parse(chat)
            .and_then(|id| self.groups.get(id))
            .map_or(Addressing::Lid, |g| g.addressing);
        let account = self.resolve(&jid).and_then(|d| self.account(d.account));
        account.map(|a| a.jid(mode)).ok_or_else(|| Error::Number {
            what,
            number: author.to_owned(),
        })
    }
}
