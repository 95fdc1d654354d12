//! A test call to a webhook: one payload of the wanted kind, sent once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchboard_dialect_kit::{Cx, Fields, Reject, Reply};
use switchboard_vocab::webhooks::{Test, Tested};
use switchboard_vocab::{MessageId, OpError};

use super::choice::{self, Change, Kind, Mode};
use crate::ids::{self, invalid};
use crate::messages::Success;

/// `WebhookTestRequest`.
#[derive(Deserialize)]
pub(super) struct WebhookTestRequest {
    url: String,
    #[serde(rename = "type")]
    kind: Kind,
    mode: Mode,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// The payload's frame, as in `WebhookPayload`.
#[derive(Serialize)]
struct Payload {
    #[serde(flatten)]
    facts: Value,
    event: Value,
    channel_id: String,
}

/// Decodes `POST /settings/webhook_test`. The mode `method` calls by POST, which is its method for new things.
pub(super) fn test(Fields(request): Fields<WebhookTestRequest>, cx: &Cx) -> Result<Test, Reject> {
    let name = |field: &str| field.to_owned();
    choice::check_address(&request.url, &request.headers, name)?;
    let (kind, change) = (request.kind, Change::Post);
    let suffix = match request.mode {
        Mode::Body => String::new(),
        Mode::Path => format!("/{}/{}", kind.as_str(), change.as_str()),
        Mode::Method => format!("/{}", kind.as_str()),
    };
    let payload = Payload {
        facts: sample(kind, cx)?,
        event: json!({ "type": kind, "event": change, "method": change }),
        channel_id: ids::channel(cx.session()?),
    };
    Ok(Test {
        url: format!("{}{suffix}", request.url),
        headers: request.headers,
        payload: serde_json::to_string(&payload).map_err(|e| invalid("type", e))?,
    })
}

/// What a payload of this kind looks like. Nothing in it happened: the number is one that nobody can have.
fn sample(kind: Kind, cx: &Cx) -> Result<Value, Reject> {
    const NUMBER: &str = "10000000000";
    let now = cx.now().as_secs();
    let chat = format!("{NUMBER}@s.whatsapp.net");
    let id = MessageId::parse("3EB0000000000000000000").map_err(|e| invalid("type", e))?;
    let id = ids::message(&id);
    Ok(match kind {
        Kind::Messages => json!({ "messages": [{
            "id": id, "type": "text", "chat_id": chat, "from": NUMBER, "from_me": false, "from_name": "Test",
            "timestamp": now, "text": { "body": "This is a test" },
        }] }),
        Kind::Statuses => json!({ "statuses": [{
            "id": id, "code": 3, "status": "delivered", "recipient_id": chat, "timestamp": now.to_string(),
        }] }),
        Kind::Chats => {
            json!({ "chats": [{ "id": chat, "name": "Test", "type": "contact", "timestamp": now }] })
        }
        Kind::Contacts => json!({ "contacts": [{ "id": NUMBER, "name": "Test" }] }),
        Kind::Presences => json!({ "presences": [{ "contact_id": NUMBER, "status": "online" }] }),
        Kind::Channel => json!({ "health": {
            "start_at": now, "uptime": 0, "status": { "code": 4, "text": "AUTH" },
        } }),
        Kind::Users => json!({ "user": { "id": NUMBER, "name": "Test" } }),
        Kind::Groups | Kind::Calls | Kind::Labels | Kind::Service => json!({}),
    })
}

/// Encodes what the receiver answered.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
pub(super) fn tested(out: Tested, _: &Cx) -> Result<Reply, OpError> {
    if !(200..300).contains(&out.status) {
        let reason = format!("url: the receiver answered with status {}", out.status);
        return Err(OpError::invalid(reason));
    }
    Ok(Success::reply())
}
