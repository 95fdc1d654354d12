//! `w:mex`: persisted queries, told apart by their document number. What is not simulated is answered
//! with an error inside the result, as the real service does.
//!
//! Source: wacore 0.7.0, `iq/mex.rs` and `iq/mex_operations.rs`.

use serde_json::{Value, json};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use crate::core::ids::{Addressing, DeviceId};
use crate::core::privacy::{Category, NO_HASH};
use crate::core::server::Server;
use crate::core::xml;

/// Document of the query for exclusion lists.
const PRIVACY_LISTS: &str = "26806428515612550";
/// Most queries in one request.
const QUERIES_MAX: usize = 16;
/// The code in the answer to an unknown document. Source: our choice.
const UNKNOWN_DOCUMENT: u16 = 4000;

impl Server {
    pub(super) fn iq_mex(&mut self, from: DeviceId, iq: &Node) -> Answer {
        let Some(query) = iq.get_optional_child("query") else {
            return Answer::BAD;
        };
        let document = xml::attr(query, "query_id").unwrap_or_default();
        let payload = xml::bytes(query).unwrap_or_default();
        let Ok(payload) = serde_json::from_slice::<Value>(payload) else {
            return Answer::BAD;
        };
        let variables = payload.get("variables").unwrap_or(&Value::Null);
        let answer = match &*document {
            PRIVACY_LISTS => json!({ "data": self.privacy_lists(from, variables) }),
            other => match self.document(from, other, variables) {
                Some(Ok(data)) => json!({ "data": data }),
                Some(Err(refusal)) => refused(refusal.code()),
                None => refused((UNKNOWN_DOCUMENT, "persisted query not simulated")),
            },
        };
        Answer::one(
            NodeBuilder::new("result")
                .bytes(answer.to_string().into_bytes())
                .build(),
        )
    }

    /// Who is on the exclusion lists of the asker's own settings.
    fn privacy_lists(&self, from: DeviceId, variables: &Value) -> Value {
        let inputs = variables
            .pointer("/input/query_input")
            .and_then(Value::as_array);
        let users = inputs
            .into_iter()
            .flatten()
            .take(QUERIES_MAX)
            .map(|input| self.privacy_list(from, input));
        json!({ "xwa2_fetch_wa_users": users.collect::<Vec<_>>() })
    }

    fn privacy_list(&self, from: DeviceId, input: &Value) -> Value {
        let own = self.account(from.account);
        let profile = own.and_then(|a| a.profile.as_deref());
        let wanted = input.pointer("/privacy_contact_list_type/category");
        let name = wanted.and_then(Value::as_str).unwrap_or_default();
        let list = Category::parse(&name.to_lowercase())
            .and_then(|category| profile?.excluded.get(&category));
        let hash = list.and_then(|l| self.list_hash(l));
        let contacts = list
            .into_iter()
            .flatten()
            .filter_map(|id| self.account(*id))
            .map(|a| {
                json!({
                    "jid": a.jid(Addressing::Lid).to_string(),
                    "pn_jid": a.jid(Addressing::Pn).to_string(),
                })
            });
        json!({
            "__typename": "XWA2User",
            "id": input.get("jid"),
            "privacy_contact_list": {
                "contacts": contacts.collect::<Vec<_>>(),
                "dhash": hash.unwrap_or_else(|| NO_HASH.to_owned()),
            },
        })
    }
}

fn refused((code, message): (u16, &str)) -> Value {
    json!({
        "data": null,
        "errors": [{
            "message": message,
            "extensions": {"error_code": code, "is_summary": true},
        }],
    })
}
