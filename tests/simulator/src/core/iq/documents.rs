//! The documents of `w:mex` about newsletters and communities, by the number that clients know them by.
//!
//! Source: the numbers and shapes that `whatsapp-rust` 0.5 and 0.7 use.

use serde_json::Value;

use crate::core::ids::DeviceId;
use crate::core::server::Server;

/// Why a document has no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The variables are not what the document takes.
    Bad,
    /// The asker may not.
    Forbidden,
    /// What it is about does not exist.
    NotFound,
    /// The simulator is full.
    Full,
}

impl Refusal {
    /// The code and text of the error.
    pub(super) const fn code(self) -> (u16, &'static str) {
        match self {
            Self::Bad => (400, "bad request"),
            Self::Forbidden => (403, "forbidden"),
            Self::NotFound => (404, "not found"),
            Self::Full => (503, "service unavailable"),
        }
    }
}

impl Server {
    /// Answers the document with this number, unless there is none here.
    pub(super) fn document(
        &mut self,
        from: DeviceId,
        number: &str,
        variables: &Value,
    ) -> Option<Result<Value, Refusal>> {
        let outcome = match number {
            "9935467776504344" => self.mex_subgroups(from, variables),
            "24079399904996141" => self.mex_subgroup_counts(from, variables),
            "25149874324715067" => self.mex_create_newsletter(from, variables),
            "24250201037901610" => self.mex_update_newsletter(from, variables),
            "24404358912487870" => self.mex_join_newsletter(from, variables),
            "9767147403369991" => self.mex_leave_newsletter(from, variables),
            // What 0.5 and 0.7 ask for the same.
            "25383075034668475" | "27456920720571478" => self.mex_newsletter(from, variables),
            "33101596156151910" | "25399611239711790" => Ok(self.mex_newsletters(from)),
            _ => return None,
        };
        Some(outcome)
    }
}
