//! wuzapi: a `Token` header, an envelope round every answer, form-encoded webhooks.

use anyhow::{Context, Result};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::{Driver, Heard, Picture, data_uri, digits, ok, read_qr_uri, text_of};
use crate::stack::NewSession;
use crate::wait;
use crate::webhook::Call;

#[derive(Debug)]
pub(super) struct Wuzapi {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Wuzapi {
    pub(super) fn new(http: reqwest::Client, url: &str, session: &NewSession) -> Self {
        Self {
            http,
            url: url.to_owned(),
            token: session.token.clone(),
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .get(format!("{}{path}", self.url))
            .header("Token", &self.token)
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}", self.url))
            .header("Token", &self.token)
    }
}

/// The `jsonData` field of a form-encoded or multipart webhook call, and whether a file came with it.
fn payload(call: &Call) -> Option<(Value, bool)> {
    if call
        .content_type
        .starts_with("application/x-www-form-urlencoded")
    {
        let query = std::str::from_utf8(&call.body).ok()?;
        let url = reqwest::Url::parse(&format!("http://x/?{query}")).ok()?;
        let (_, json) = url.query_pairs().find(|(key, _)| key == "jsonData")?;
        return Some((serde_json::from_str(&json).ok()?, false));
    }
    let text = String::from_utf8_lossy(&call.body);
    let start = text.find("name=\"jsonData\"")?;
    let json = text
        .get(start..)?
        .split_once("\r\n\r\n")?
        .1
        .split("\r\n--")
        .next()?
        .to_owned();
    Some((
        serde_json::from_str(&json).ok()?,
        text.contains("name=\"file\""),
    ))
}

impl Driver for Wuzapi {
    fn name(&self) -> &'static str {
        "wuzapi"
    }

    fn start(&self) -> LocalBoxFuture<'_, Result<()>> {
        let body = json!({"Subscribe": ["Message", "ReadReceipt"], "Immediate": true});
        Box::pin(async move {
            ok(self.post("/session/connect").json(&body))
                .await
                .map(drop)
        })
    }

    fn qr(&self) -> LocalBoxFuture<'_, Result<String>> {
        Box::pin(async {
            wait::until("wuzapi's qr code", async || {
                let answer = ok(self.get("/session/qr"))
                    .await
                    .map_err(|e| format!("{e:#}"))?;
                let uri = text_of(&answer, "/data/QRCode").ok_or_else(|| answer.to_string())?;
                read_qr_uri(&uri).map_err(|e| format!("{e:#}"))
            })
            .await
        })
    }

    fn pairing_code(&self, phone: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let body = json!({"Phone": phone});
        Box::pin(async move {
            let answer = ok(self.post("/session/pairphone").json(&body)).await?;
            Ok(Some(
                text_of(&answer, "/data/LinkingCode")
                    .context("no code")?
                    .replace('-', ""),
            ))
        })
    }

    fn is_connected(&self) -> LocalBoxFuture<'_, Result<bool>> {
        Box::pin(async {
            let answer = ok(self.get("/session/status")).await?;
            Ok(answer["data"]["Connected"] == true && answer["data"]["LoggedIn"] == true)
        })
    }

    fn set_webhook(&self, url: &str) -> LocalBoxFuture<'_, Result<()>> {
        let body = json!({"webhookURL": url});
        Box::pin(async move { ok(self.post("/webhook").json(&body)).await.map(drop) })
    }

    fn send_text(&self, to: &str, text: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let body = json!({"Phone": to, "Body": text});
        Box::pin(async move {
            Ok(text_of(
                &ok(self.post("/chat/send/text").json(&body)).await?,
                "/data/Id",
            ))
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
            let Picture::Base64(bytes) = picture else {
                return Ok(false);
            };
            let body =
                json!({"Phone": to, "Image": data_uri("image/png", &bytes), "Caption": caption});
            ok(self.post("/chat/send/image").json(&body)).await?;
            Ok(true)
        })
    }

    fn list(&self, _: &str) -> LocalBoxFuture<'_, Result<Option<Vec<String>>>> {
        Box::pin(async { Ok(None) })
    }

    fn heard(&self, call: &Call) -> Vec<Heard> {
        let Some((data, has_file)) = payload(call) else {
            return Vec::new();
        };
        if data["type"] != "Message" || data["event"]["Info"]["IsFromMe"] != false {
            return Vec::new();
        }
        let message = &data["event"]["Message"];
        let text = text_of(message, "/conversation")
            .or_else(|| text_of(message, "/extendedTextMessage/text"))
            .or_else(|| text_of(message, "/imageMessage/caption"));
        let from = digits(data["event"]["Info"]["Sender"].as_str().unwrap_or_default());
        vec![Heard {
            from,
            text,
            link: None,
            has_file,
        }]
    }

    fn tells_delivery(&self, call: &Call) -> bool {
        payload(call)
            .is_some_and(|(data, _)| data["type"] == "ReadReceipt" && data["state"] == "Delivered")
    }

    fn logout(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async { ok(self.post("/session/logout")).await.map(drop) })
    }
}
