//! chat-api.com as of 2018: `/instance{id}` and a token in the query.

use anyhow::Result;
use futures::future::LocalBoxFuture;
use serde_json::json;

use super::{Driver, Heard, Picture, data_uri, digits, items, ok, read_qr_uri, text_of};
use crate::stack::NewSession;
use crate::wait;
use crate::webhook::Call;

#[derive(Debug)]
pub(super) struct Chatapi {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Chatapi {
    pub(super) fn new(http: reqwest::Client, url: &str, session: &NewSession) -> Self {
        Self {
            http,
            base: format!("{url}/instance{}", session.id),
            token: session.token.clone(),
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .get(format!("{}{path}", self.base))
            .query(&[("token", &self.token)])
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}", self.base))
            .query(&[("token", &self.token)])
    }
}

impl Driver for Chatapi {
    fn name(&self) -> &'static str {
        "chatapi"
    }

    fn start(&self) -> LocalBoxFuture<'_, Result<()>> {
        // That system's instances run from the moment they are bought: asking for the status is the first call.
        Box::pin(async { ok(self.get("/status")).await.map(drop) })
    }

    fn qr(&self) -> LocalBoxFuture<'_, Result<String>> {
        Box::pin(async {
            wait::until("chatapi's qr code", async || {
                let answer = ok(self.get("/status"))
                    .await
                    .map_err(|e| format!("{e:#}"))?;
                let uri = text_of(&answer, "/qrCode").ok_or_else(|| answer.to_string())?;
                read_qr_uri(&uri).map_err(|e| format!("{e:#}"))
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
                text_of(&ok(self.get("/status")).await?, "/accountStatus").as_deref()
                    == Some("authenticated"),
            )
        })
    }

    fn set_webhook(&self, url: &str) -> LocalBoxFuture<'_, Result<()>> {
        let body = json!({"webhookUrl": url});
        Box::pin(async move {
            ok(self.post("/webhook").json(&body)).await?;
            ok(self
                .post("/settings/ackNotificationsOn")
                .json(&json!({"ackNotificationsOn": 1})))
            .await
            .map(drop)
        })
    }

    fn send_text(&self, to: &str, text: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let body = json!({"phone": to, "body": text});
        Box::pin(async move {
            let answer = ok(self.post("/sendMessage").json(&body)).await?;
            anyhow::ensure!(answer["sent"] == true, "not sent: {answer}");
            Ok(text_of(&answer, "/id"))
        })
    }

    fn send_picture(
        &self,
        to: &str,
        picture: Picture,
        caption: &str,
    ) -> LocalBoxFuture<'_, Result<bool>> {
        let (to, caption) = (to.to_owned(), caption.to_owned());
        Box::pin(async move {
            let request = self.post("/sendFile");
            let request = match picture {
                Picture::Url(url) => request.json(
                    &json!({"phone": to, "body": url, "filename": "a.png", "caption": caption}),
                ),
                Picture::Base64(bytes) => {
                    let body = data_uri("image/png", &bytes);
                    request.json(&json!({"phone": to, "body": body, "filename": "a.png", "caption": caption}))
                }
                Picture::Upload(bytes) => {
                    let part = reqwest::multipart::Part::bytes(bytes)
                        .file_name("a.png")
                        .mime_str("image/png")?;
                    let form = reqwest::multipart::Form::new()
                        .text("phone", to)
                        .text("filename", "a.png");
                    request.multipart(form.text("caption", caption).part("body", part))
                }
            };
            let answer = ok(request).await?;
            anyhow::ensure!(answer["sent"] == true, "not sent: {answer}");
            Ok(true)
        })
    }

    fn list(&self, with: &str) -> LocalBoxFuture<'_, Result<Option<Vec<String>>>> {
        let chat = format!("{with}@c.us");
        Box::pin(async move {
            let answer = ok(self.get("/messages")).await?;
            let texts = items(&answer, "/messages").filter(|m| m["chatId"] == chat);
            Ok(Some(texts.filter_map(|m| text_of(m, "/body")).collect()))
        })
    }

    fn heard(&self, call: &Call) -> Vec<Heard> {
        items(&call.json(), "/messages")
            .filter(|m| m["fromMe"] == false)
            .map(|m| {
                let is_text = m["type"] == "chat";
                Heard {
                    from: digits(m["author"].as_str().unwrap_or_default()),
                    text: if is_text {
                        text_of(m, "/body")
                    } else {
                        text_of(m, "/caption")
                    },
                    link: if is_text { None } else { text_of(m, "/body") },
                    has_file: false,
                }
            })
            .collect()
    }

    fn tells_delivery(&self, call: &Call) -> bool {
        items(&call.json(), "/ack").any(|a| a["status"] == "delivered")
    }

    fn logout(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async { ok(self.get("/logout")).await.map(drop) })
    }
}
