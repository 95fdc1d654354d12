//! What a webhook of this system chooses: kinds of events with their methods, and the mode in which it is called.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::Reject;
use switchboard_dialect_kit::media;
use switchboard_vocab::DialectName;
use switchboard_vocab::webhooks::{EventClass, Subscription, URL_LEN_MAX};

use crate::ids::invalid;

/// Most headers of one webhook. Source: `WebhookParameters.headers`.
const HEADERS_MAX: usize = 5;
/// Where the choice stands in a subscription's options.
const OPTION: &str = "choice";

/// `WebhookEventType`. The second words are those of older releases, still sent by clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[serde(alias = "message")]
    Messages,
    #[serde(alias = "ack")]
    Statuses,
    #[serde(alias = "chat")]
    Chats,
    Contacts,
    Groups,
    Presences,
    Calls,
    #[serde(alias = "status")]
    Channel,
    Users,
    Labels,
    Service,
}

impl Kind {
    /// The classes of our events that become payloads of this kind.
    const fn classes(self) -> &'static [EventClass] {
        match self {
            Self::Messages => &[
                EventClass::Received,
                EventClass::Sent,
                EventClass::Changes,
                EventClass::Deletions,
                // A chat that was cleared: its messages are gone.
                EventClass::Chats,
            ],
            Self::Statuses => &[EventClass::Statuses],
            Self::Chats => &[EventClass::Chats],
            Self::Contacts => &[EventClass::Contacts],
            Self::Presences => &[EventClass::Presence, EventClass::Typing],
            Self::Channel | Self::Users => &[EventClass::Session],
            // Chosen and remembered; this release has no event of the kind.
            Self::Groups | Self::Calls | Self::Labels | Self::Service => &[],
        }
    }

    /// The kind as it stands in a path.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Statuses => "statuses",
            Self::Chats => "chats",
            Self::Contacts => "contacts",
            Self::Groups => "groups",
            Self::Presences => "presences",
            Self::Calls => "calls",
            Self::Channel => "channel",
            Self::Users => "users",
            Self::Labels => "labels",
            Self::Service => "service",
        }
    }
}

/// `Event.method`: what happened to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Post,
    Put,
    Delete,
    Patch,
}

impl Change {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Patch => "patch",
        }
    }

    pub(crate) const fn http(self) -> Method {
        match self {
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Patch => Method::PATCH,
        }
    }
}

/// `Event`: one kind of change a webhook is told of; every change of the kind when it names no method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(rename = "method", default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<Change>,
}

impl Announcement {
    /// Those this release sends.
    pub(crate) const POSSIBLE: [Self; 14] = [
        Self::new(Kind::Messages, Change::Post),
        Self::new(Kind::Messages, Change::Patch),
        Self::new(Kind::Messages, Change::Delete),
        Self::new(Kind::Statuses, Change::Post),
        Self::new(Kind::Chats, Change::Post),
        Self::new(Kind::Chats, Change::Patch),
        Self::new(Kind::Chats, Change::Delete),
        Self::new(Kind::Contacts, Change::Post),
        Self::new(Kind::Contacts, Change::Patch),
        Self::new(Kind::Presences, Change::Post),
        Self::new(Kind::Channel, Change::Post),
        Self::new(Kind::Channel, Change::Patch),
        Self::new(Kind::Users, Change::Post),
        Self::new(Kind::Users, Change::Delete),
    ];

    const fn new(kind: Kind, change: Change) -> Self {
        Self {
            kind,
            change: Some(change),
        }
    }
}

/// `WebhookParameters.mode`: what of an event goes into the request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Nothing.
    #[default]
    Body,
    /// Kind and change, behind the address.
    Path,
    /// The change as HTTP method, the kind behind the address.
    Method,
}

/// What the dialect remembers with a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) mode: Mode,
    events: Vec<Announcement>,
}

impl Default for Choice {
    /// Messages, as when `events` is left out. Source: the default of `Webhook.events`.
    fn default() -> Self {
        Self {
            mode: Mode::Body,
            events: vec![Announcement::new(Kind::Messages, Change::Put)],
        }
    }
}

impl Choice {
    /// The choice a subscription was made with.
    pub(crate) fn of(subscription: &Subscription) -> Self {
        let kept = subscription.options.get(OPTION);
        kept.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// How a change is announced to this webhook, if at all. A new object is a `post`; a webhook that only wants `put`
    /// gets it as that, which is how older releases named it.
    pub(crate) fn announced(&self, kind: Kind, change: Change) -> Option<Change> {
        let wants = |wanted: Change| {
            let mut of_kind = self.events.iter().filter(|event| event.kind == kind);
            of_kind.any(|event| event.change.is_none_or(|change| change == wanted))
        };
        if wants(change) {
            return Some(change);
        }
        (change == Change::Post && wants(Change::Put)).then_some(Change::Put)
    }

    fn classes(&self) -> BTreeSet<EventClass> {
        let kinds = self.events.iter().map(|event| event.kind);
        kinds.flat_map(Kind::classes).copied().collect()
    }
}

/// `Webhook`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Webhook {
    url: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    mode: Mode,
    #[serde(default = "default_events")]
    events: Vec<Announcement>,
}

fn default_events() -> Vec<Announcement> {
    Choice::default().events
}

impl Webhook {
    /// What a subscription looks like to this system.
    pub(crate) fn of(subscription: &Subscription) -> Self {
        let Choice { mode, events } = Choice::of(subscription);
        Self {
            url: subscription.url.clone(),
            headers: subscription.headers.clone(),
            mode,
            events,
        }
    }

    /// The subscription for the webhook at this place of the list.
    pub(crate) fn into_subscription(self, at: usize) -> Result<Subscription, Reject> {
        let field = |name: &str| format!("webhooks[{at}].{name}");
        check_address(&self.url, &self.headers, field)?;
        let choice = Choice {
            mode: self.mode,
            events: self.events,
        };
        let text = serde_json::to_string(&choice).map_err(|e| invalid(&field("events"), e))?;
        Ok(Subscription {
            dialect: DialectName::Whapi,
            url: self.url,
            events: Some(choice.classes()),
            headers: self.headers,
            options: BTreeMap::from([(OPTION.to_owned(), text)]),
        })
    }
}

/// Refuses an address or headers that cannot be called; `field` names a field in the caller's own words.
pub(crate) fn check_address(
    url: &str,
    headers: &BTreeMap<String, String>,
    field: impl Fn(&str) -> String,
) -> Result<(), Reject> {
    if url.len() > URL_LEN_MAX {
        let reason = format!("at most {URL_LEN_MAX} bytes are possible");
        return Err(invalid(&field("url"), reason));
    }
    media::link(url).map_err(|_| invalid(&field("url"), "an http or https address is expected"))?;
    if headers.len() > HEADERS_MAX {
        let reason = format!("at most {HEADERS_MAX} are possible");
        return Err(invalid(&field("headers"), reason));
    }
    for (name, value) in headers {
        let valid = name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok();
        if !valid {
            let reason = format!("{name:?} or its value cannot stand in a header");
            return Err(invalid(&field("headers"), reason));
        }
    }
    Ok(())
}
