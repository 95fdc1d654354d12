//! What a part of the history tells beside conversations: names, pairs of addresses, stories.

use switchboard_vocab::{ChatId, UserId};
use waproto::whatsapp as wa;

use super::conversation::Place;
use super::{Reader, web_message};
use crate::addresses::{self, Person};
use crate::api::{ContactFact, Fact, Incoming};

/// Reads the rest of a part.
pub(super) async fn read(reader: &Reader<'_>, rest: wa::HistorySync) -> (Vec<Fact>, Vec<Incoming>) {
    let mut facts: Vec<Fact> = rest
        .phone_number_to_lid_mappings
        .iter()
        .filter_map(pair)
        .collect();
    facts.extend(rest.inline_contacts.iter().filter_map(contact));
    for name in &rest.pushnames {
        facts.extend(push_name(reader, name).await);
    }
    let mut stories = Vec::with_capacity(rest.status_v3_messages.len());
    if let Some(chat) = addresses::chat(&wacore_binary::Jid::status_broadcast()) {
        let place = Place { chat, alt: None };
        for story in rest.status_v3_messages {
            stories.extend(web_message::read(reader, story, &place).await);
        }
    }
    stories.sort_by_key(|story: &Incoming| story.message.at);
    (facts, stories)
}

fn user(text: Option<&String>) -> Option<UserId> {
    addresses::user_in_text(text?)
}

fn pair(told: &wa::PhoneNumberToLIDMapping) -> Option<Fact> {
    let (phone, lid) = (user(told.pn_jid.as_ref())?, user(told.lid_jid.as_ref())?);
    matches!((&phone, &lid), (UserId::Phone(_), UserId::Lid(_)))
        .then_some(Fact::Pair { phone, lid })
}

fn contact(told: &wa::InlineContact) -> Option<Fact> {
    let (phone, lid) = (user(told.pn_jid.as_ref()), user(told.lid_jid.as_ref()));
    let person = match (phone, lid) {
        (Some(phone), lid) => Person::from_two(phone, lid),
        (None, lid) => Person::from_two(lid?, None),
    };
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let first = filled(&told.first_name);
    let whole = filled(&told.full_name).or_else(|| first.clone())?;
    Some(Fact::Contact(ContactFact {
        alt: person.alt,
        saved: Some((whole, first)),
        ..ContactFact::of(person.main)
    }))
}

async fn push_name(reader: &Reader<'_>, told: &wa::Pushname) -> Option<Fact> {
    let name = told.pushname.clone();
    // WhatsApp writes a dash for people without a name.
    let name = name.filter(|name| !name.is_empty() && name != "-")?;
    let jid = told.id.as_deref()?.parse().ok()?;
    let Some(ChatId::User(_)) = addresses::chat(&jid) else {
        return None;
    };
    let person = addresses::person(reader.client, &jid, None).await?;
    Some(Fact::Contact(ContactFact {
        alt: person.alt,
        push_name: Some(name),
        ..ContactFact::of(person.main)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn pairs_and_contacts_are_told() {
        let (phone, lid) = (
            UserId::phone("15550001").unwrap(),
            UserId::lid("77").unwrap(),
        );
        let mapping = wa::PhoneNumberToLIDMapping {
            pn_jid: text("15550001@s.whatsapp.net"),
            lid_jid: text("77@lid"),
        };
        let expected = Fact::Pair {
            phone: phone.clone(),
            lid: lid.clone(),
        };
        assert_eq!(pair(&mapping), Some(expected));
        let turned = wa::PhoneNumberToLIDMapping {
            pn_jid: mapping.lid_jid.clone(),
            lid_jid: mapping.pn_jid.clone(),
        };
        assert_eq!(pair(&turned), None);
        let told = wa::InlineContact {
            pn_jid: mapping.pn_jid,
            lid_jid: mapping.lid_jid,
            full_name: text("Anna A"),
            first_name: text("Anna"),
            ..Default::default()
        };
        let expected = ContactFact {
            alt: Some(lid),
            saved: Some(("Anna A".to_owned(), text("Anna"))),
            ..ContactFact::of(phone)
        };
        assert_eq!(contact(&told), Some(Fact::Contact(expected)));
        let nameless = wa::InlineContact {
            pn_jid: text("15550001@s.whatsapp.net"),
            ..Default::default()
        };
        assert_eq!(contact(&nameless), None);
    }
}
