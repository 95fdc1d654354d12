//! The REST wrapper of whatsapp-web.js: one API key, the session in the path, callbacks to a configured address.

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::LocalBoxFuture;
use serde_json::json;

use super::{Driver, Heard, Picture, digits, items, ok, text_of};
use crate::wait;
use crate::webhook::Call;

#[derive(Debug)]
pub(super) struct Wwebjs {
    http: reqwest::Client,
    url: String,
    id: String,
    key: String,
}

impl Wwebjs {
    pub(super) fn new(http: reqwest::Client, url: &str, id: &str, tenant_key: &str) -> Self {
        Self {
            http,
            url: url.to_owned(),
            id: id.to_owned(),
            key: tenant_key.to_owned(),
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .get(format!("{}{path}/{}", self.url, self.id))
            .header("x-api-key", &self.key)
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}/{}", self.url, self.id))
            .header("x-api-key", &self.key)
    }
}

impl Driver for Wwebjs {
    fn name(&self) -> &'static str {
        "wwebjs"
    }

    fn start(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async { ok(self.get("/session/start")).await.map(drop) })
    }

    fn qr(&self) -> LocalBoxFuture<'_, Result<String>> {
        Box::pin(async {
            wait::until("wwebjs's qr code", async || {
                let answer = ok(self.get("/session/qr"))
                    .await
                    .map_err(|e| format!("{e:#}"))?;
                text_of(&answer, "/qr").ok_or_else(|| answer.to_string())
            })
            .await
        })
    }

    fn pairing_code(&self, _: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    fn is_connected(&self) -> LocalBoxFuture<'_, Result<bool>> {
        Box::pin(async {
            Ok(
                text_of(&ok(self.get("/session/status")).await?, "/state").as_deref()
                    == Some("CONNECTED"),
            )
        })
    }

    fn set_webhook(&self, _: &str) -> LocalBoxFuture<'_, Result<()>> {
        // That system takes its address from the environment of the server (BASE_WEBHOOK_URL).
        Box::pin(async { Ok(()) })
    }

    fn send_text(&self, to: &str, text: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let body =
            json!({"chatId": format!("{to}@c.us"), "contentType": "string", "content": text});
        Box::pin(async move {
            Ok(text_of(
                &ok(self.post("/client/sendMessage").json(&body)).await?,
                "/message/id/_serialized",
            ))
        })
    }

    fn send_picture(
        &self,
        to: &str,
        picture: Picture,
        caption: &str,
    ) -> LocalBoxFuture<'_, Result<bool>> {
        let (to, caption) = (format!("{to}@c.us"), caption.to_owned());
        Box::pin(async move {
            let (kind, content) = match picture {
                Picture::Url(url) => ("MessageMediaFromURL", json!(url)),
                Picture::Base64(bytes) => (
                    "MessageMedia",
                    json!({"mimetype": "image/png", "data": STANDARD.encode(bytes), "filename": "a.png"}),
                ),
                Picture::Upload(_) => return Ok(false),
            };
            let options = json!({"caption": caption});
            let body =
                json!({"chatId": to, "contentType": kind, "content": content, "options": options});
            ok(self.post("/client/sendMessage").json(&body)).await?;
            Ok(true)
        })
    }

    fn list(&self, with: &str) -> LocalBoxFuture<'_, Result<Option<Vec<String>>>> {
        let body = json!({"chatId": format!("{with}@c.us"), "searchOptions": {"limit": 50}});
        Box::pin(async move {
            let answer = ok(self.post("/chat/fetchMessages").json(&body)).await?;
            Ok(Some(
                items(&answer, "/messages")
                    .filter_map(|m| text_of(m, "/body"))
                    .collect(),
            ))
        })
    }

    fn heard(&self, call: &Call) -> Vec<Heard> {
        let data = call.json();
        if data["dataType"] == "media" {
            let has_file = data["data"]["messageMedia"]["data"]
                .as_str()
                .is_some_and(|d| !d.is_empty());
            let from = digits(data["data"]["message"]["from"].as_str().unwrap_or_default());
            let text = text_of(&data, "/data/message/body");
            return vec![Heard {
                from,
                text,
                link: None,
                has_file,
            }];
        }
        if data["dataType"] != "message" {
            return Vec::new();
        }
        let message = &data["data"]["message"];
        let from = digits(message["from"].as_str().unwrap_or_default());
        vec![Heard {
            from,
            text: text_of(message, "/body"),
            link: None,
            has_file: false,
        }]
    }

    fn tells_delivery(&self, call: &Call) -> bool {
        let data = call.json();
        data["dataType"] == "message_ack" && data["data"]["ack"] == 2
    }

    fn logout(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async { ok(self.get("/session/terminate")).await.map(drop) })
    }
}
