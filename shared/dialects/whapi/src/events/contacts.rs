//! People.

use switchboard_vocab::contacts;
use switchboard_vocab::events::contacts::Event;

use super::{Facts, Notice, Update};
use crate::contacts::Contact;
use crate::settings::choice::{Change, Kind};

pub(super) fn notices(event: &Event) -> Vec<Notice> {
    let update = match event {
        Event::Added(contact) => {
            let facts = Facts {
                contacts: Some([Contact::of(contact)]),
                ..Facts::default()
            };
            return vec![Notice::new(Kind::Contacts, Change::Post, facts)];
        }
        Event::Changed(change) => {
            Update::of(&Contact::of(&change.before), &Contact::of(&change.after))
        }
        // Who leaves the address book stays a contact that is not saved: the system has no word for more.
        Event::Removed(contact) => {
            let saved = |saved| contacts::Contact {
                saved,
                ..contact.clone()
            };
            Update::of(&Contact::of(&saved(true)), &Contact::of(&saved(false)))
        }
    };
    let facts = update.map(|update| Facts {
        contacts_updates: Some([update]),
        ..Facts::default()
    });
    facts
        .map(|facts| Notice::new(Kind::Contacts, Change::Patch, facts))
        .into_iter()
        .collect()
}
