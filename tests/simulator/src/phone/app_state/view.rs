//! What the user sees of the app state: chats, contacts, labels, stars and settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use waproto::whatsapp as wa;

use super::MessageRef;

/// One thing that the app state says.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The action and what it is about.
    pub index: Vec<String>,
    /// When it was said, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What is said.
    pub value: wa::SyncActionValue,
}

/// A chat as the chat list shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// Whether it is archived.
    pub archived: bool,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Until when it is muted, in milliseconds since the Unix epoch; -1 is for ever, absent is not muted.
    pub muted_until_ms: Option<i64>,
    /// Whether it was marked as unread.
    pub unread: bool,
    /// When it was last deleted, in milliseconds since the Unix epoch.
    pub deleted_at_ms: Option<i64>,
    /// When it was last cleared, in milliseconds since the Unix epoch.
    pub cleared_at_ms: Option<i64>,
    /// Whether the person's status updates are hidden.
    pub status_muted: bool,
    /// Ids of its labels.
    pub labels: BTreeSet<String>,
}

/// An entry of the address book.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The whole name.
    pub full_name: Option<String>,
    /// The short name.
    pub first_name: Option<String>,
    /// The contact's LID address.
    pub lid: Option<String>,
}

/// A label of a business account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Number of its colour.
    pub color: i32,
}

/// Settings of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Profile name.
    pub push_name: Option<String>,
    /// Language.
    pub locale: Option<String>,
    /// Whether times are shown in 24 hours.
    pub twenty_four_hours: Option<bool>,
    /// Whether a new message takes a chat out of the archive.
    pub unarchive_chats: Option<bool>,
}

/// What the user of a phone sees besides messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Chats of which anything is said, by address.
    pub chats: BTreeMap<String, Chat>,
    /// The address book, by address.
    pub contacts: BTreeMap<String, Contact>,
    /// Starred messages.
    pub starred: BTreeSet<MessageRef>,
    /// Messages deleted for oneself.
    pub deleted_messages: BTreeSet<MessageRef>,
    /// Labels, by id.
    pub labels: BTreeMap<String, Label>,
    /// Settings.
    pub settings: Settings,
    /// Version of each collection.
    pub versions: BTreeMap<String, u64>,
}

impl State {
    /// Makes sense of what is told, oldest first. `names` gives the address under which a chat is shown for those
    /// that have another one.
    #[must_use]
    pub fn of(told: &[Told], names: &BTreeMap<String, String>) -> Self {
        let mut state = Self::default();
        for told in told {
            state.hear(told, names);
        }
        let labels = &state.labels;
        for chat in state.chats.values_mut() {
            chat.labels.retain(|id| labels.contains_key(id));
        }
        state
    }

    fn hear(&mut self, told: &Told, names: &BTreeMap<String, String>) {
        let part = |at: usize| told.index.get(at).map_or("", String::as_str);
        let shown = |jid: &str| names.get(jid).map_or(jid, |name| name).to_owned();
        let value = &told.value;
        match part(0) {
            "setting_pushName" | "setting_locale" | "time_format" | "setting_unarchiveChats" => {
                self.settings.hear(value);
            }
            "contact" | "lid_contact" => {
                let action = value.contact_action.as_option();
                let contact = action.map(|a| Contact {
                    full_name: a.full_name.clone(),
                    first_name: a.first_name.clone(),
                    lid: a.lid_jid.clone(),
                });
                self.contacts
                    .insert(shown(part(1)), contact.unwrap_or_default());
            }
            "label_edit" => match value.label_edit_action.as_option() {
                Some(edit) if edit.deleted != Some(true) => {
                    let label = Label {
                        name: edit.name.clone().unwrap_or_default(),
                        color: edit.color.unwrap_or(0),
                    };
                    self.labels.insert(part(1).to_owned(), label);
                }
                _ => drop(self.labels.remove(part(1))),
            },
            "label_jid" => {
                let on = value.label_association_action.as_option();
                let on = on.is_some_and(|a| a.labeled == Some(true));
                let chat = self.chats.entry(shown(part(2))).or_default();
                if on {
                    chat.labels.insert(part(1).to_owned());
                } else {
                    chat.labels.remove(part(1));
                }
            }
            "star" | "deleteMessageForMe" => {
                let message = MessageRef {
                    chat: shown(part(1)),
                    id: part(2).to_owned(),
                    from_me: part(3) == "1",
                    participant: Some(part(4)).filter(|p| *p != "0").map(shown),
                };
                if part(0) == "deleteMessageForMe" {
                    self.deleted_messages.insert(message);
                } else if value
                    .star_action
                    .as_option()
                    .is_some_and(|a| a.starred == Some(true))
                {
                    self.starred.insert(message);
                } else {
                    self.starred.remove(&message);
                }
            }
            "archive" | "pin_v1" | "mute" | "markChatAsRead" | "deleteChat" | "clearChat"
            | "userStatusMute" => {
                let chat = self.chats.entry(shown(part(1))).or_default();
                chat.hear(part(0), told.at_ms, value);
            }
            _ => {}
        }
    }
}

impl Chat {
    fn hear(&mut self, action: &str, at_ms: i64, value: &wa::SyncActionValue) {
        match action {
            "archive" => {
                let action = value.archive_chat_action.as_option();
                self.archived = action.is_some_and(|a| a.archived == Some(true));
            }
            "pin_v1" => {
                let action = value.pin_action.as_option();
                self.pinned = action.is_some_and(|a| a.pinned == Some(true));
            }
            "mute" => {
                let action = value.mute_action.as_option();
                let on = action.filter(|a| a.muted == Some(true));
                self.muted_until_ms = on.map(|a| a.mute_end_timestamp.unwrap_or(-1));
            }
            "markChatAsRead" => {
                let action = value.mark_chat_as_read_action.as_option();
                self.unread = action.is_some_and(|a| a.read == Some(false));
            }
            "userStatusMute" => {
                let action = value.user_status_mute_action.as_option();
                self.status_muted = action.is_some_and(|a| a.muted == Some(true));
            }
            "clearChat" => self.cleared_at_ms = Some(at_ms),
            _ => {
                // A deleted chat that comes back starts afresh.
                let labels = std::mem::take(&mut self.labels);
                *self = Self {
                    deleted_at_ms: Some(at_ms),
                    muted_until_ms: self.muted_until_ms,
                    status_muted: self.status_muted,
                    labels,
                    ..Self::default()
                };
            }
        }
    }
}

impl Settings {
    fn hear(&mut self, value: &wa::SyncActionValue) {
        if let Some(setting) = value.push_name_setting.as_option() {
            self.push_name.clone_from(&setting.name);
        }
        if let Some(setting) = value.locale_setting.as_option() {
            self.locale.clone_from(&setting.locale);
        }
        if let Some(setting) = value.time_format_action.as_option() {
            self.twenty_four_hours = setting.is_twenty_four_hour_format_enabled;
        }
        if let Some(setting) = value.unarchive_chats_setting.as_option() {
            self.unarchive_chats = setting.unarchive_chats;
        }
    }
}
