//! Something before and after a change.

use serde::Serialize;
use serde_json::{Map, Value};

/// `MessageUpdate`, `ChatUpdate` and `ContactUpdate`.
#[derive(Serialize)]
pub(super) struct Update {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Value>,
    before_update: Map<String, Value>,
    after_update: Map<String, Value>,
    /// The fields that differ.
    changes: Vec<String>,
}

impl Update {
    /// A change as this system shows it; `None` when it is one that this system does not show.
    pub(super) fn of<T: Serialize>(before: &T, after: &T) -> Option<Self> {
        let (before, after) = (fields(before)?, fields(after)?);
        let added = after.keys().filter(|name| !before.contains_key(*name));
        let changes: Vec<_> = before
            .keys()
            .filter(|name| before.get(*name) != after.get(*name))
            .chain(added)
            .cloned()
            .collect();
        (!changes.is_empty()).then_some(Self {
            id: None,
            trigger: None,
            before_update: before,
            after_update: after,
            changes,
        })
    }

    /// The same for a message: its id, and the message that changed it.
    pub(super) fn of_message<T: Serialize>(self, id: String, trigger: Option<&T>) -> Self {
        Self {
            id: Some(id),
            trigger: trigger.and_then(|trigger| serde_json::to_value(trigger).ok()),
            ..self
        }
    }
}

fn fields<T: Serialize>(shown: &T) -> Option<Map<String, Value>> {
    match serde_json::to_value(shown).ok()? {
        Value::Object(fields) => Some(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}
