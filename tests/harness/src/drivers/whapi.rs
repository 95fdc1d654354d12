//! whapi.cloud: bearer token of the channel.

use anyhow::{Context, Result};
use futures::future::LocalBoxFuture;
use serde_json::json;

use super::{Driver, Heard, Picture, data_uri, digits, items, ok, text_of};
use crate::stack::NewSession;
use crate::wait;
use crate::webhook::Call;

#[derive(Debug)]
pub(super) struct Whapi {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Whapi {
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
            .bearer_auth(&self.token)
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
    }
}

impl Driver for Whapi {
    fn name(&self) -> &'static str {
        "whapi"
    }

    fn start(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async { ok(self.get("/health?wakeup=true")).await.map(drop) })
    }

    fn qr(&self) -> LocalBoxFuture<'_, Result<String>> {
        Box::pin(async {
            wait::until("whapi's qr code", async || {
                let answer = ok(self.get("/users/login/rowdata"))
                    .await
                    .map_err(|e| format!("{e:#}"))?;
                text_of(&answer, "/rowdata").ok_or_else(|| answer.to_string())
            })
            .await
        })
    }

    fn pairing_code(&self, phone: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let path = format!("/users/login/{phone}");
        Box::pin(async move {
            let answer = ok(self.get(&path)).await?;
            Ok(Some(
                text_of(&answer, "/code")
                    .context("no code")?
                    .replace('-', ""),
            ))
        })
    }

    fn is_connected(&self) -> LocalBoxFuture<'_, Result<bool>> {
        Box::pin(async {
            Ok(text_of(&ok(self.get("/health")).await?, "/status/text").as_deref() == Some("AUTH"))
        })
    }

    fn set_webhook(&self, url: &str) -> LocalBoxFuture<'_, Result<()>> {
        let hooks = json!({"webhooks": [{"url": url, "mode": "body", "events": [
            {"type": "messages", "method": "post"}, {"type": "messages", "method": "delete"},
            {"type": "statuses", "method": "post"}]}]});
        Box::pin(async move {
            let request = self
                .http
                .patch(format!("{}/settings", self.url))
                .bearer_auth(&self.token);
            ok(request.json(&hooks)).await.map(drop)
        })
    }

    fn send_text(&self, to: &str, text: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let body = json!({"to": to, "body": text});
        Box::pin(async move {
            Ok(text_of(
                &ok(self.post("/messages/text").json(&body)).await?,
                "/message/id",
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
            let media = match picture {
                Picture::Url(url) => url,
                Picture::Base64(bytes) => data_uri("image/png", &bytes),
                Picture::Upload(bytes) => {
                    let upload = self
                        .post("/media")
                        .header("content-type", "image/png")
                        .body(bytes);
                    text_of(&ok(upload).await?, "/media/0/id").context("no media id")?
                }
            };
            let body = json!({"to": to, "media": media, "caption": caption});
            ok(self.post("/messages/image").json(&body)).await?;
            Ok(true)
        })
    }

    fn list(&self, with: &str) -> LocalBoxFuture<'_, Result<Option<Vec<String>>>> {
        let path = format!("/messages/list/{with}@s.whatsapp.net");
        Box::pin(async move {
            let answer = ok(self.get(&path)).await?;
            Ok(Some(
                items(&answer, "/messages")
                    .filter_map(|m| text_of(m, "/text/body"))
                    .collect(),
            ))
        })
    }

    fn heard(&self, call: &Call) -> Vec<Heard> {
        items(&call.json(), "/messages")
            .filter(|m| m["from_me"] == false)
            .map(|m| Heard {
                from: digits(m["from"].as_str().unwrap_or_default()),
                text: text_of(m, "/text/body").or_else(|| text_of(m, "/image/caption")),
                link: text_of(m, "/image/link"),
                has_file: false,
            })
            .collect()
    }

    fn tells_delivery(&self, call: &Call) -> bool {
        items(&call.json(), "/statuses").any(|s| s["status"] == "delivered")
    }

    fn logout(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async { ok(self.post("/users/logout")).await.map(drop) })
    }
}
