//! What a companion cannot send: refused with a reason, and nothing of it leaves.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{BAILEYS, Talk};

const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";
const CARD: &str = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD";

/// Path, body, and the field that the reason names.
type Case = (&'static str, Value, &'static str);

fn cases() -> Vec<Case> {
    let mut cases = once();
    cases.extend(edits());
    cases.extend(vec![
        // Captions stand below pictures, films and papers.
        ("sticker", json!({"media": PNG, "caption": "words"}), "caption"),
        (
            "voice",
            json!({"media": "data:audio/ogg;base64,T2dnUw==", "caption": "words"}),
            "caption",
        ),
        // A catalogue is a business's own.
        (
            "interactive",
            json!({"type": "product", "body": {"text": "x"}, "action": {"product": {"catalog_id": "1", "product_id": "2"}}}),
            "product",
        ),
    ]);
    cases
}

fn buttons() -> Value {
    json!({"buttons": [{"type": "quick_reply", "title": "Yes", "id": "yes"}]})
}

/// To be looked at once: files that show something, and nothing else.
fn once() -> Vec<Case> {
    vec![
        (
            "location",
            json!({"latitude": 1, "longitude": 1, "view_once": true}),
            "view_once",
        ),
        (
            "live_location",
            json!({"latitude": 1, "longitude": 1, "view_once": true}),
            "view_once",
        ),
        (
            "poll",
            json!({"title": "q", "options": ["a", "b"], "view_once": true}),
            "view_once",
        ),
        (
            "interactive",
            json!({"body": {"text": "x"}, "action": buttons(), "view_once": true}),
            "view_once",
        ),
        (
            "document",
            json!({"media": "data:text/plain;base64,YQ==", "view_once": true}),
            "view_once",
        ),
        (
            "sticker",
            json!({"media": PNG, "view_once": true}),
            "view_once",
        ),
    ]
}

/// Words and captions change; places, people, polls and buttons do not.
fn edits() -> Vec<Case> {
    vec![
        (
            "location",
            json!({"latitude": 1, "longitude": 1, "edit": "{first.our_call}"}),
            "edit",
        ),
        (
            "contact",
            json!({"name": "Ada", "vcard": CARD, "edit": "{first.our_call}"}),
            "edit",
        ),
        (
            "contact_list",
            json!({"list": [{"name": "Ada", "vcard": CARD}], "edit": "{first.our_call}"}),
            "edit",
        ),
        (
            "poll",
            json!({"title": "q", "options": ["a", "b"], "edit": "{first.our_call}"}),
            "edit",
        ),
        (
            "interactive",
            json!({"body": {"text": "x"}, "action": buttons(), "edit": "{first.our_call}"}),
            "edit",
        ),
    ]
}

impl Talk {
    /// Nothing of this reaches Baileys.
    pub(super) async fn refused(&mut self) -> Result<()> {
        let before = json!({"text": "before what is refused"});
        self.say("before what is refused").await?;
        for (kind, body, field) in cases() {
            let mut body = self.fill(&body);
            body["to"] = BAILEYS.into();
            self.refuses(Method::POST, &format!("/messages/{kind}"), &body, field)
                .await?;
        }
        let theirs = self.fill(&"/messages/{mention.their_call}".into());
        let theirs = theirs.as_str().unwrap_or_default();
        // What another wrote is not ours to delete or to change, outside groups that we are admin of.
        self.refuses(Method::DELETE, theirs, &Value::Null, "others")
            .await?;
        let edit =
            self.fill(&json!({"to": BAILEYS, "body": "not ours", "edit": "{mention.their_call}"}));
        self.refuses(Method::POST, "/messages/text", &edit, "others")
            .await?;
        let after = json!({"text": "after what is refused"});
        self.say("after what is refused").await?;
        // Newest first: only the two that were sent.
        let between = RefCell::new(Vec::new());
        self.baileys
            .event("messages.upsert", "the text before", |data| {
                for message in data["messages"].as_array()?.iter().rev() {
                    if super::shows(&message["message"], &before) {
                        return Some(());
                    }
                    let own = message["key"]["fromMe"] == true;
                    if !own && !super::shows(&message["message"], &after) {
                        between.borrow_mut().push(message.clone());
                    }
                }
                None
            })
            .await?;
        let between = between.into_inner();
        ensure!(between.is_empty(), "something left: {between:?}");
        Ok(())
    }

    async fn say(&mut self, words: &str) -> Result<()> {
        let call = (Method::POST, "/messages/text", json!({"body": words}));
        let shown = super::Seen::Message(json!({"text": words}));
        self.out(None, &call, &shown).await.map(drop)
    }

    async fn refuses(&self, method: Method, path: &str, body: &Value, field: &str) -> Result<()> {
        let what = format!("{method} {path} {body}");
        let (status, answer) = self.call(method, path, body).await?;
        let reason = answer["error"].to_string();
        let refused = status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED;
        ensure!(refused, "{what}: {status} {answer}");
        ensure!(
            reason.contains(field),
            "{what}: no word of {field} in {answer}"
        );
        Ok(())
    }
}
