//! What the user does on the phone, and the records that say so to the companions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wa::sync_action_value as value;
use wacore::appstate::schemas::{self, Schema};
use waproto::whatsapp as wa;

use super::Drafted;

/// A message, as a star or a deletion names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageRef {
    /// Number or address of the chat.
    pub chat: String,
    /// The message's id.
    pub id: String,
    /// Whether the own account wrote it.
    #[serde(default)]
    pub from_me: bool,
    /// Number or address of the author, in groups.
    #[serde(default)]
    pub participant: Option<String>,
}

/// The addresses behind what the user calls a chat or a contact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named {
    /// The address under which records name the chat.
    pub chat: String,
    /// The address by phone number, or the group's.
    pub shown: String,
    /// The address by LID.
    pub lid: Option<String>,
    /// The newest message of the chat.
    pub range: Option<value::SyncActionMessageRange>,
}

const fn yes() -> bool {
    true
}

/// Something the user does. A chat or contact is a number or an address; where there is an `on`, it is true unless
/// said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are explained by their variant")]
pub enum Act {
    /// Archives a chat, which also unpins it, or takes it out of the archive.
    Archive {
        chat: String,
        #[serde(default = "yes")]
        on: bool,
    },
    /// Pins or unpins a chat.
    Pin {
        chat: String,
        #[serde(default = "yes")]
        on: bool,
    },
    /// Mutes a chat until a time in milliseconds since the Unix epoch, or for ever, or lets it sound again.
    Mute {
        chat: String,
        #[serde(default)]
        until_ms: Option<i64>,
        #[serde(default = "yes")]
        on: bool,
    },
    /// Marks a chat as read.
    MarkRead { chat: String },
    /// Marks a chat as unread.
    MarkUnread { chat: String },
    /// Deletes a chat.
    DeleteChat {
        chat: String,
        #[serde(default)]
        delete_media: bool,
    },
    /// Deletes the messages of a chat.
    ClearChat {
        chat: String,
        #[serde(default)]
        delete_starred: bool,
        #[serde(default)]
        delete_media: bool,
    },
    /// Stars a message or takes its star.
    Star {
        #[serde(flatten)]
        message: MessageRef,
        #[serde(default = "yes")]
        on: bool,
    },
    /// Deletes a message on the own devices.
    DeleteMessageForMe {
        #[serde(flatten)]
        message: MessageRef,
        #[serde(default)]
        delete_media: bool,
        /// Unix seconds.
        #[serde(default)]
        timestamp: Option<i64>,
    },
    /// Adds a contact or changes its names.
    SaveContact {
        contact: String,
        #[serde(default)]
        full_name: Option<String>,
        #[serde(default)]
        first_name: Option<String>,
    },
    /// Takes a contact out of the address book.
    DeleteContact { contact: String },
    /// Changes the profile name.
    SetPushName { name: String },
    /// Adds a label or changes it.
    EditLabel {
        id: String,
        name: String,
        color: i32,
    },
    /// Deletes a label.
    DeleteLabel { id: String },
    /// Puts a label on a chat or takes it off.
    LabelChat {
        id: String,
        chat: String,
        #[serde(default = "yes")]
        on: bool,
    },
    /// Hides or shows a contact's status updates.
    MuteStatus {
        contact: String,
        #[serde(default = "yes")]
        on: bool,
    },
    /// Shows times in 24 hours or in 12.
    SetTimeFormat { twenty_four_hours: bool },
    /// Has new messages take their chat out of the archive, or not.
    SetUnarchiveChats { on: bool },
    /// Changes the language.
    SetLocale { locale: String },
}

impl Act {
    /// What the user calls the chats and contacts it is about.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Archive { chat, .. }
            | Self::Pin { chat, .. }
            | Self::Mute { chat, .. }
            | Self::MarkRead { chat }
            | Self::MarkUnread { chat }
            | Self::DeleteChat { chat, .. }
            | Self::ClearChat { chat, .. }
            | Self::LabelChat { chat, .. } => vec![chat],
            Self::SaveContact { contact, .. }
            | Self::DeleteContact { contact }
            | Self::MuteStatus { contact, .. } => vec![contact],
            Self::Star { message, .. } | Self::DeleteMessageForMe { message, .. } => {
                let mut names = vec![&*message.chat];
                names.extend(message.participant.as_deref());
                names
            }
            Self::SetPushName { .. }
            | Self::EditLabel { .. }
            | Self::DeleteLabel { .. }
            | Self::SetTimeFormat { .. }
            | Self::SetUnarchiveChats { .. }
            | Self::SetLocale { .. } => Vec::new(),
        }
    }

    /// The new profile name, if that is what changes.
    #[must_use]
    pub fn push_name(&self) -> Option<&str> {
        if let Self::SetPushName { name } = self {
            Some(name)
        } else {
            None
        }
    }

    /// The records that say so. `names` has an entry for each of [`Self::names`].
    #[must_use]
    pub fn draft(&self, names: &BTreeMap<String, Named>, now_ms: i64) -> Vec<Drafted> {
        let draft = Draft { names, now_ms };
        match self {
            Self::Archive { chat, on } => draft.archive(chat, *on),
            Self::Pin { chat, on } => vec![draft.pin(chat, *on)],
            Self::Mute { chat, until_ms, on } => vec![draft.mute(chat, *until_ms, *on)],
            Self::MarkRead { chat } => vec![draft.mark(chat, true)],
            Self::MarkUnread { chat } => vec![draft.mark(chat, false)],
            Self::DeleteChat { chat, delete_media } => vec![draft.delete(chat, *delete_media)],
            Self::ClearChat {
                chat,
                delete_starred,
                delete_media,
            } => vec![draft.clear(chat, *delete_starred, *delete_media)],
            Self::Star { message, on } => vec![draft.star(message, *on)],
            Self::DeleteMessageForMe {
                message,
                delete_media,
                timestamp,
            } => vec![draft.delete_message(message, *delete_media, *timestamp)],
            Self::SaveContact {
                contact,
                full_name,
                first_name,
            } => vec![draft.contact(contact, Some((full_name, first_name)))],
            Self::DeleteContact { contact } => vec![draft.contact(contact, None)],
            Self::EditLabel { id, name, color } => {
                vec![draft.label(id, Some((name, *color)))]
            }
            Self::DeleteLabel { id } => vec![draft.label(id, None)],
            Self::LabelChat { id, chat, on } => vec![draft.label_chat(id, chat, *on)],
            Self::MuteStatus { contact, on } => vec![draft.mute_status(contact, *on)],
            Self::SetPushName { .. }
            | Self::SetTimeFormat { .. }
            | Self::SetUnarchiveChats { .. }
            | Self::SetLocale { .. } => vec![draft.setting(self)],
        }
    }
}

/// Writes records.
struct Draft<'a> {
    names: &'a BTreeMap<String, Named>,
    now_ms: i64,
}

impl Draft<'_> {
    fn set(&self, schema: &Schema, arguments: &[&str], value: wa::SyncActionValue) -> Drafted {
        let index = std::iter::once(schema.name).chain(arguments.iter().copied());
        Drafted {
            collection: schema.collection.as_str(),
            remove: false,
            index: index.map(str::to_owned).collect(),
            value: wa::SyncActionValue {
                timestamp: Some(self.now_ms),
                ..value
            },
            schema: i32::try_from(schema.version).unwrap_or(1),
        }
    }

    fn chat<'b>(&'b self, name: &'b str) -> &'b str {
        self.names.get(name).map_or(name, |n| &n.chat)
    }

    fn shown<'b>(&'b self, name: &'b str) -> &'b str {
        self.names.get(name).map_or(name, |n| &n.shown)
    }

    fn range(&self, name: &str) -> buffa::MessageField<value::SyncActionMessageRange> {
        self.names.get(name).and_then(|n| n.range.clone()).into()
    }

    fn archive(&self, chat: &str, on: bool) -> Vec<Drafted> {
        let action = value::ArchiveChatAction {
            archived: Some(on),
            message_range: self.range(chat),
        };
        let value = wa::SyncActionValue {
            archive_chat_action: action.into(),
            ..Default::default()
        };
        let archive = self.set(&schemas::ARCHIVE, &[self.chat(chat)], value);
        // A chat cannot be both; the client that archives says so.
        let unpin = on.then(|| self.pin(chat, false));
        std::iter::once(archive).chain(unpin).collect()
    }

    fn pin(&self, chat: &str, on: bool) -> Drafted {
        let value = wa::SyncActionValue {
            pin_action: value::PinAction { pinned: Some(on) }.into(),
            ..Default::default()
        };
        self.set(&schemas::PIN, &[self.chat(chat)], value)
    }

    fn mute(&self, chat: &str, until_ms: Option<i64>, on: bool) -> Drafted {
        let end = if on { until_ms.unwrap_or(-1) } else { 0 };
        let action = value::MuteAction {
            muted: Some(on),
            mute_end_timestamp: Some(end),
            ..Default::default()
        };
        let value = wa::SyncActionValue {
            mute_action: action.into(),
            ..Default::default()
        };
        self.set(&schemas::MUTE, &[self.chat(chat)], value)
    }

    fn mark(&self, chat: &str, read: bool) -> Drafted {
        let action = value::MarkChatAsReadAction {
            read: Some(read),
            message_range: self.range(chat),
        };
        let value = wa::SyncActionValue {
            mark_chat_as_read_action: action.into(),
            ..Default::default()
        };
        self.set(&schemas::MARK_CHAT_AS_READ, &[self.chat(chat)], value)
    }

    fn delete(&self, chat: &str, media: bool) -> Drafted {
        let action = value::DeleteChatAction {
            message_range: self.range(chat),
        };
        let value = wa::SyncActionValue {
            delete_chat_action: action.into(),
            ..Default::default()
        };
        self.set(&schemas::DELETE_CHAT, &[self.chat(chat), bit(media)], value)
    }

    fn clear(&self, chat: &str, starred: bool, media: bool) -> Drafted {
        let action = value::ClearChatAction {
            message_range: self.range(chat),
        };
        let value = wa::SyncActionValue {
            clear_chat_action: action.into(),
            ..Default::default()
        };
        let arguments = [self.chat(chat), bit(starred), bit(media)];
        self.set(&schemas::CLEAR_CHAT, &arguments, value)
    }

    fn about(&self, schema: &Schema, of: &MessageRef, value: wa::SyncActionValue) -> Drafted {
        let author = of.participant.as_deref().map_or("0", |p| self.chat(p));
        let arguments = [self.chat(&of.chat), &of.id, bit(of.from_me), author];
        self.set(schema, &arguments, value)
    }

    fn star(&self, message: &MessageRef, on: bool) -> Drafted {
        let value = wa::SyncActionValue {
            star_action: value::StarAction { starred: Some(on) }.into(),
            ..Default::default()
        };
        self.about(&schemas::STAR, message, value)
    }

    fn delete_message(&self, message: &MessageRef, media: bool, at: Option<i64>) -> Drafted {
        let action = value::DeleteMessageForMeAction {
            delete_media: Some(media),
            message_timestamp: at,
        };
        let value = wa::SyncActionValue {
            delete_message_for_me_action: action.into(),
            ..Default::default()
        };
        self.about(&schemas::DELETE_MESSAGE_FOR_ME, message, value)
    }

    fn contact(&self, contact: &str, named: Option<(&Option<String>, &Option<String>)>) -> Drafted {
        let lid = self.names.get(contact).and_then(|n| n.lid.clone());
        let action = named.map(|(full, first)| value::ContactAction {
            full_name: full.clone(),
            first_name: first.clone(),
            lid_jid: lid,
            save_on_primary_addressbook: Some(true),
            ..Default::default()
        });
        let remove = action.is_none();
        let value = wa::SyncActionValue {
            contact_action: action.into(),
            ..Default::default()
        };
        let set = self.set(&schemas::CONTACT, &[self.shown(contact)], value);
        Drafted { remove, ..set }
    }

    fn label(&self, id: &str, edit: Option<(&str, i32)>) -> Drafted {
        let action = value::LabelEditAction {
            name: edit.map(|(name, _)| name.to_owned()),
            color: edit.map(|(_, color)| color),
            deleted: Some(edit.is_none()),
            ..Default::default()
        };
        let value = wa::SyncActionValue {
            label_edit_action: action.into(),
            ..Default::default()
        };
        self.set(&schemas::LABEL_EDIT, &[id], value)
    }

    fn label_chat(&self, id: &str, chat: &str, on: bool) -> Drafted {
        let action = value::LabelAssociationAction {
            labeled: Some(on),
            ..Default::default()
        };
        let value = wa::SyncActionValue {
            label_association_action: action.into(),
            ..Default::default()
        };
        self.set(&schemas::LABEL_JID, &[id, self.chat(chat)], value)
    }

    fn mute_status(&self, contact: &str, on: bool) -> Drafted {
        let value = wa::SyncActionValue {
            user_status_mute_action: value::UserStatusMuteAction { muted: Some(on) }.into(),
            ..Default::default()
        };
        self.set(&schemas::USER_STATUS_MUTE, &[self.chat(contact)], value)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands over settings only, and the name is the last of them"
    )]
    fn setting(&self, act: &Act) -> Drafted {
        let mut value = wa::SyncActionValue::default();
        let schema = match act {
            Act::SetTimeFormat { twenty_four_hours } => {
                value.time_format_action = value::TimeFormatAction {
                    is_twenty_four_hour_format_enabled: Some(*twenty_four_hours),
                }
                .into();
                &schemas::TIME_FORMAT
            }
            Act::SetUnarchiveChats { on } => {
                value.unarchive_chats_setting = value::UnarchiveChatsSetting {
                    unarchive_chats: Some(*on),
                }
                .into();
                &schemas::UNARCHIVE_CHATS_SETTING
            }
            Act::SetLocale { locale } => {
                value.locale_setting = value::LocaleSetting {
                    locale: Some(locale.clone()),
                }
                .into();
                &schemas::LOCALE_SETTING
            }
            other => {
                let name = other.push_name().map(str::to_owned);
                value.push_name_setting = value::PushNameSetting { name }.into();
                &schemas::SETTING_PUSH_NAME
            }
        };
        self.set(schema, &[], value)
    }
}

const fn bit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}
