//! People whose number changed.

use serde::Serialize;
use switchboard_vocab::events::contacts::{ContactChange, Event};

use super::Callback;
use crate::contacts::shown::phone;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    old_id: String,
    new_id: String,
    is_contact: bool,
}

pub(super) fn callbacks(event: &Event) -> Vec<Callback> {
    match event {
        Event::Changed(change) => moved(change).into_iter().collect(),
        // That system tells of neither.
        Event::Added(_) | Event::Removed(_) => Vec::new(),
    }
}

/// Only another number is told: of names, pictures and blocks that system has no callback.
fn moved(change: &ContactChange) -> Option<Callback> {
    let (old, new) = (phone(&change.before)?, phone(&change.after)?);
    let data = Changed {
        old_id: format!("{old}@c.us"),
        new_id: format!("{new}@c.us"),
        is_contact: change.after.saved,
    };
    (old != new).then(|| Callback::new("contact_changed", &data))
}
