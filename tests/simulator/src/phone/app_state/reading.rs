//! Reading all that companions wrote, and what follows from it outside of the app state.

use std::collections::BTreeSet;

use super::{AppStateFault, SyncNews};
use crate::phone::Phone;

/// The collection that contacts stand in.
const CONTACTS_IN: &str = "critical_unblock_low";

/// What came of reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AppStateRead {
    /// What is wrong, by the number of the device that wrote it.
    pub faults: Vec<(u16, AppStateFault)>,
    /// Addresses of new contacts.
    pub contacts_added: Vec<String>,
    /// Addresses of those that are contacts no longer.
    pub contacts_removed: Vec<String>,
}

impl Phone {
    /// Reads what was written to several collections, see [`Self::read_app_state`].
    pub fn read_all_app_state(&mut self, news: &[(&'static str, SyncNews)]) -> AppStateRead {
        let mut read = AppStateRead::default();
        let about_contacts = news.iter().any(|(name, _)| *name == CONTACTS_IN);
        let before = if about_contacts {
            self.contacts()
        } else {
            BTreeSet::new()
        };
        for (name, news) in news {
            read.faults.extend(self.read_app_state(name, news));
        }
        if about_contacts {
            let after = self.contacts();
            read.contacts_added = after.difference(&before).cloned().collect();
            read.contacts_removed = before.difference(&after).cloned().collect();
        }
        read
    }

    /// Addresses of all contacts.
    fn contacts(&self) -> BTreeSet<String> {
        let state = self.app_state.as_deref();
        let collection = state.and_then(|s| s.collections.get(CONTACTS_IN));
        let entries = collection.into_iter().flat_map(|c| c.entries.values());
        let indexes = entries.filter_map(|e| serde_json::from_slice::<Vec<String>>(&e.index).ok());
        indexes
            .filter_map(|index| match &*index {
                [action, contact] if action == "contact" => Some(contact.clone()),
                _ => None,
            })
            .collect()
    }
}
