//! People as this system shows them, in answers and callbacks alike.

use serde::Serialize;
use switchboard_vocab::UserId;
use switchboard_vocab::chats::Chat;
use switchboard_vocab::contacts::Contact as Known;

use crate::ids::Wid;

/// `Contact`: the fields that are known here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact<'a> {
    id: Wid,
    number: &'a str,
    is_business: bool,
    /// Of a business, nobody tells a linked device.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_enterprise: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_name: Option<&'a str>,
    /// Always `in`: somebody WhatsApp does not know is no contact here.
    #[serde(rename = "type")]
    kind: &'static str,
    is_me: bool,
    is_user: bool,
    is_group: bool,
    #[serde(rename = "isWAContact")]
    is_wa_contact: bool,
    is_my_contact: bool,
    is_blocked: bool,
}

impl<'a> Contact<'a> {
    /// A person of the store.
    pub(crate) fn of(person: &'a Known) -> Self {
        Self {
            id: Wid::of(&person.id, person.alt.as_ref()),
            number: phone(person).unwrap_or_else(|| person.id.user()),
            is_business: person.business,
            is_enterprise: (!person.business).then_some(false),
            name: person.name.as_deref(),
            pushname: person.push_name.as_deref(),
            short_name: person.first_name.as_deref(),
            verified_name: person.verified_name.as_deref(),
            kind: "in",
            is_me: person.me,
            is_user: true,
            is_group: false,
            is_wa_contact: true,
            is_my_contact: person.saved,
            is_blocked: person.blocked,
        }
    }

    /// A group, which that system shows as a contact too.
    pub(crate) fn of_chat(chat: &'a Chat) -> Self {
        Self {
            id: Wid::chat(&chat.id, chat.alt.as_ref()),
            number: chat.id.user_part(),
            is_business: false,
            is_enterprise: Some(false),
            name: chat.name.as_deref(),
            pushname: None,
            short_name: None,
            verified_name: None,
            kind: "in",
            is_me: false,
            is_user: false,
            is_group: chat.id.is_group(),
            is_wa_contact: false,
            is_my_contact: false,
            is_blocked: false,
        }
    }
}

/// The person's phone number, from either address.
pub(crate) fn phone(person: &Known) -> Option<&str> {
    let main = person.id.as_phone();
    main.or_else(|| person.alt.as_ref().and_then(UserId::as_phone))
}
