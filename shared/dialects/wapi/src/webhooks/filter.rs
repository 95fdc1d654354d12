//! What a webhook of this system filters by, and which events pass.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::Reject;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::webhooks::{EventClass, Subscription};
use switchboard_vocab::{ChatId, UserId};

use crate::ids::{self, invalid};

/// Where the filter stands in a subscription's options.
const OPTION: &str = "filter";
/// Most entries of one list of a filter.
const ENTRIES_MAX: usize = 256;
/// The types of messages in this system's payloads. Source: the `type` field of its public client.
const MESSAGE_TYPES: [&str; 16] = [
    "text",
    "image",
    "video",
    "audio",
    "voice",
    "document",
    "location",
    "sticker",
    "contacts",
    "hsm",
    "interactive",
    "button",
    "reaction",
    "system",
    "order",
    "unknown",
];
/// The mention that stands for the account itself.
const ME: &str = "me";

/// Kinds of chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChatType {
    Contact,
    Group,
    Channel,
    Broadcast,
}

/// Kinds of events, for webhooks that filter by nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SettingsType {
    Chats,
    Messages,
    Groups,
    System,
}

/// The filter. An empty list lets everything pass; several lists must all let it pass.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    pub(crate) chat_ids: Vec<String>,
    #[serde(default)]
    pub(crate) chat_types: Vec<ChatType>,
    #[serde(default)]
    pub(crate) mentions: Vec<String>,
    #[serde(default)]
    pub(crate) message_types: Vec<String>,
    #[serde(default)]
    pub(crate) settings_types: Vec<SettingsType>,
}

/// What a filter looks at in a message.
pub(crate) struct Seen<'a> {
    pub(crate) chat: &'a ChatId,
    pub(crate) chat_alt: Option<&'a UserId>,
    pub(crate) message_type: &'a str,
    pub(crate) mentions: &'a [UserId],
}

impl Filter {
    /// The filter a subscription was made with.
    pub(crate) fn of(subscription: &Subscription) -> Self {
        let kept = subscription.options.get(OPTION);
        kept.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// The filter as a subscription's options.
    pub(crate) fn into_options(self) -> Result<BTreeMap<String, String>, Reject> {
        if self == Self::default() {
            return Ok(BTreeMap::new());
        }
        let text = serde_json::to_string(&self).map_err(|e| invalid("filter", e))?;
        Ok(BTreeMap::from([(OPTION.to_owned(), text)]))
    }

    /// Refuses what could never match, and writes every chat and person in one form.
    pub(crate) fn checked(mut self) -> Result<Self, Reject> {
        let lens = [
            ("chat_ids", self.chat_ids.len()),
            ("chat_types", self.chat_types.len()),
            ("mentions", self.mentions.len()),
            ("message_types", self.message_types.len()),
            ("settings_types", self.settings_types.len()),
        ];
        if let Some((field, _)) = lens.into_iter().find(|(_, len)| *len > ENTRIES_MAX) {
            return Err(invalid(
                field,
                format!("at most {ENTRIES_MAX} are possible"),
            ));
        }
        if !self.settings_types.is_empty() && self.looks_at_messages() {
            let reason = "it cannot be combined with chat and message filters";
            return Err(invalid("settings_types", reason));
        }
        for chat in &mut self.chat_ids {
            *chat = ids::full_chat("chat_ids", chat)?.to_string();
        }
        for mention in self.mentions.iter_mut().filter(|mention| *mention != ME) {
            *mention = ids::user("mentions", mention)?.to_string();
        }
        let mut types = self.message_types.iter();
        if let Some(unknown) = types.find(|kind| !MESSAGE_TYPES.contains(&kind.as_str())) {
            let reason = format!("{unknown:?} is none of {}", MESSAGE_TYPES.join(", "));
            return Err(invalid("message_types", reason));
        }
        Ok(self)
    }

    /// The classes of our events that can pass.
    pub(crate) fn classes(&self) -> BTreeSet<EventClass> {
        let mut classes = BTreeSet::new();
        if self.wants_messages() {
            classes.extend([EventClass::Received, EventClass::Statuses]);
        }
        if self.wants_system() {
            classes.insert(EventClass::Session);
        }
        if self.wants_chats() {
            classes.insert(EventClass::Chats);
        }
        classes
    }

    const fn looks_at_messages(&self) -> bool {
        !(self.chat_ids.is_empty()
            && self.chat_types.is_empty()
            && self.mentions.is_empty()
            && self.message_types.is_empty())
    }

    fn wants_messages(&self) -> bool {
        self.settings_types.is_empty() || self.settings_types.contains(&SettingsType::Messages)
    }

    /// Whether events of the account itself pass; they have no chat, so a filter that looks at chats holds them back.
    pub(crate) fn wants_system(&self) -> bool {
        if self.settings_types.is_empty() {
            !self.looks_at_messages()
        } else {
            self.settings_types.contains(&SettingsType::System)
        }
    }

    /// Whether changes of conversations pass: only where they were asked for by name.
    pub(crate) fn wants_chats(&self) -> bool {
        self.settings_types.contains(&SettingsType::Chats)
    }

    /// Whether a message passes.
    pub(crate) fn passes(&self, seen: &Seen<'_>, me: Option<&Identity>) -> bool {
        let kind = || {
            self.message_types
                .iter()
                .any(|kind| kind == seen.message_type)
        };
        self.wants_messages()
            && self.passes_chat(seen.chat, seen.chat_alt)
            && (self.message_types.is_empty() || kind())
            && (self.mentions.is_empty() || self.mentioned(seen.mentions, me))
    }

    /// Whether a status passes. It has neither type nor mentions, so filters that look at those hold it back.
    pub(crate) fn passes_status(&self, chat: &ChatId, alt: Option<&UserId>) -> bool {
        self.wants_messages()
            && self.message_types.is_empty()
            && self.mentions.is_empty()
            && self.passes_chat(chat, alt)
    }

    fn passes_chat(&self, chat: &ChatId, alt: Option<&UserId>) -> bool {
        let named = |wanted: &String| {
            *wanted == chat.to_string() || alt.is_some_and(|alt| *wanted == alt.to_string())
        };
        (self.chat_ids.is_empty() || self.chat_ids.iter().any(named))
            && (self.chat_types.is_empty() || self.chat_types.contains(&chat_type(chat)))
    }

    fn mentioned(&self, mentions: &[UserId], me: Option<&Identity>) -> bool {
        let is_me =
            |user: &UserId| me.is_some_and(|me| *user == me.phone || me.lid.as_ref() == Some(user));
        self.mentions.iter().any(|wanted| {
            mentions
                .iter()
                .any(|user| *wanted == user.to_string() || (wanted == ME && is_me(user)))
        })
    }
}

const fn chat_type(chat: &ChatId) -> ChatType {
    match chat {
        ChatId::User(_) => ChatType::Contact,
        ChatId::Group(_) => ChatType::Group,
        ChatId::Newsletter(_) => ChatType::Channel,
        ChatId::Broadcast(_) => ChatType::Broadcast,
    }
}
