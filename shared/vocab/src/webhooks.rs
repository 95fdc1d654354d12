//! Who wants to hear what: webhook subscriptions of a session.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::DialectName;
use crate::operation::Effect;

/// Most subscriptions one session can have.
pub const SUBSCRIPTIONS_MAX: usize = 16;
/// Longest webhook address, in bytes.
pub const URL_LEN_MAX: usize = 2_048;
/// Most extra headers of one subscription.
pub const HEADERS_MAX: usize = 16;

/// The classes of events a subscription can choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventClass {
    /// Messages of others.
    Received,
    /// Own messages, from any device.
    Sent,
    /// How far own messages came.
    Statuses,
    /// State, QR codes, pairing and log-out of the session.
    Session,
    /// Who is online.
    Presence,
    /// Who types or records.
    Typing,
    /// Messages of the log that changed.
    Changes,
    /// Messages that were deleted.
    Deletions,
    /// Conversations.
    Chats,
    /// People.
    Contacts,
    /// Parts of the phone's history.
    History,
}

impl EventClass {
    /// Every class.
    pub const ALL: [Self; 11] = [
        Self::Received,
        Self::Sent,
        Self::Statuses,
        Self::Session,
        Self::Presence,
        Self::Typing,
        Self::Changes,
        Self::Deletions,
        Self::Chats,
        Self::Contacts,
        Self::History,
    ];
}

/// One webhook. Its address is its identity within the session and dialect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Whose payloads are sent.
    pub dialect: DialectName,
    /// Where to: http or https.
    pub url: String,
    /// Which events; every one the dialect has a payload for when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<BTreeSet<EventClass>>,
    /// Headers added to every call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What the dialect itself wants to remember with it and gets back when it writes a payload: filters and modes in
    /// that system's own words, or the token that system repeats in its payloads. Sealed at rest like every value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// Sets the webhooks of one dialect: those given, no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replace {
    /// The dialect whose webhooks are replaced.
    pub dialect: DialectName,
    /// The new ones; each names the same dialect.
    pub subscriptions: Vec<Subscription>,
}
crate::operation!(Replace => Replaced, "webhooks.replace", Effect::Write);

/// The webhooks of one dialect, before and after they were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Those there were.
    pub before: Webhooks,
    /// Those there are now.
    pub after: Webhooks,
}

/// Adds one webhook; one with the same address is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// The new one.
    pub subscription: Subscription,
}
crate::operation!(Add => Webhooks, "webhooks.add", Effect::Write);

/// Removes webhooks of one dialect: the one with this address, or all. An address that is not there is
/// [`crate::ErrorCode::NotFound`]; removing all of none is not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// The dialect.
    pub dialect: DialectName,
    /// The address; all of the dialect's when absent.
    #[serde(default)]
    pub url: Option<String>,
}
crate::operation!(Remove => Webhooks, "webhooks.remove", Effect::Write);

/// Changes which events the webhooks of one dialect get, and remembers it for webhooks set later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choose {
    /// The dialect.
    pub dialect: DialectName,
    /// These classes are switched on.
    #[serde(default)]
    pub on: BTreeSet<EventClass>,
    /// These classes are switched off.
    #[serde(default)]
    pub off: BTreeSet<EventClass>,
}
crate::operation!(Choose => Webhooks, "webhooks.choose", Effect::Write);

/// Gets the webhooks of one dialect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetWebhooks {
    /// The dialect.
    pub dialect: DialectName,
}
crate::operation!(GetWebhooks => Webhooks, "webhooks.get", Effect::Read);

/// The webhooks of one dialect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhooks {
    /// All of them.
    pub subscriptions: Vec<Subscription>,
    /// The classes that webhooks without a choice of their own get; all when `None`.
    #[serde(default)]
    pub events: Option<BTreeSet<EventClass>>,
}

impl Webhooks {
    /// The classes that one of these webhooks gets, by its own choice or by that of all; every class when `None`.
    #[must_use]
    pub fn chosen<'a>(&'a self, webhook: &'a Subscription) -> Option<&'a BTreeSet<EventClass>> {
        webhook.events.as_ref().or(self.events.as_ref())
    }

    /// Whether any of these webhooks gets events of a class.
    #[must_use]
    pub fn want(&self, class: EventClass) -> bool {
        let mut webhooks = self.subscriptions.iter();
        webhooks.any(|one| {
            self.chosen(one)
                .is_none_or(|chosen| chosen.contains(&class))
        })
    }
}

/// Sends one payload to an address, once, and tells what became of it: so that a customer sees whether their receiver works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Where to.
    pub url: String,
    /// Headers added to the call.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, JSON text as the dialect writes it.
    pub payload: String,
}
crate::operation!(Test => Tested, "webhooks.test", Effect::Write);

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Its status.
    pub status: u16,
}
