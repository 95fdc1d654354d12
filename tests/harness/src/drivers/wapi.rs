//! The "Whatsapp Business API" 0.14.0: accounts are created with HTTP Basic, then driven with a bearer token.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use futures::future::LocalBoxFuture;
use serde_json::json;

use super::{Driver, Heard, Picture, items, ok, text_of};
use crate::webhook::Call;

#[derive(Debug)]
pub(super) struct Wapi {
    http: reqwest::Client,
    url: String,
    id: String,
    tenant_key: String,
    account: Mutex<Account>,
}

/// What creating the account answered.
#[derive(Debug, Default, Clone)]
struct Account {
    token: String,
    code: String,
}

impl Wapi {
    pub(super) fn new(http: reqwest::Client, url: &str, id: &str, tenant_key: &str) -> Self {
        Self {
            http,
            url: url.to_owned(),
            id: id.to_owned(),
            tenant_key: tenant_key.to_owned(),
            account: Mutex::default(),
        }
    }

    fn account(&self) -> Account {
        self.account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}/v1{path}", self.url))
            .bearer_auth(self.account().token)
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::GET, path)
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::POST, path)
    }
}

impl Driver for Wapi {
    fn name(&self) -> &'static str {
        "wapi"
    }

    fn start(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async {
            let request = self.http.post(format!("{}/v1/accounts", self.url));
            let request = request
                .basic_auth("default", Some(&self.tenant_key))
                .json(&json!({"id": self.id}));
            let answer = ok(request).await?;
            let token =
                text_of(&answer, "/data/token").with_context(|| format!("no token in {answer}"))?;
            let code =
                text_of(&answer, "/data/code").with_context(|| format!("no code in {answer}"))?;
            *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Account { token, code };
            Ok(())
        })
    }

    fn qr(&self) -> LocalBoxFuture<'_, Result<String>> {
        Box::pin(async { Ok(self.account().code) })
    }

    fn pairing_code(&self, phone: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let path = format!("/accounts/code?phone={phone}");
        Box::pin(async move {
            let code = text_of(&ok(self.get(&path)).await?, "/data").context("no code")?;
            Ok(Some(code.replace('-', "")))
        })
    }

    fn is_connected(&self) -> LocalBoxFuture<'_, Result<bool>> {
        Box::pin(async {
            Ok(
                text_of(&ok(self.get("/status")).await?, "/data/status").as_deref()
                    == Some("connected"),
            )
        })
    }

    fn set_webhook(&self, url: &str) -> LocalBoxFuture<'_, Result<()>> {
        let body = json!({"url": url});
        Box::pin(async move { ok(self.post("/webhooks").json(&body)).await.map(drop) })
    }

    fn send_text(&self, to: &str, text: &str) -> LocalBoxFuture<'_, Result<Option<String>>> {
        let body = json!({"to": to, "type": "text", "text": {"body": text}});
        Box::pin(async move {
            Ok(text_of(
                &ok(self.post("/messages").json(&body)).await?,
                "/messages/0/id",
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
            let image = match picture {
                Picture::Url(url) => json!({"link": url, "caption": caption}),
                Picture::Base64(_) => return Ok(false),
                Picture::Upload(bytes) => {
                    let upload = self
                        .post("/media")
                        .header("content-type", "image/png")
                        .body(bytes);
                    let id = text_of(&ok(upload).await?, "/media/0/id").context("no media id")?;
                    json!({"id": id, "caption": caption})
                }
            };
            ok(self
                .post("/messages")
                .json(&json!({"to": to, "type": "image", "image": image})))
            .await?;
            Ok(true)
        })
    }

    fn list(&self, _: &str) -> LocalBoxFuture<'_, Result<Option<Vec<String>>>> {
        Box::pin(async { Ok(None) })
    }

    fn heard(&self, call: &Call) -> Vec<Heard> {
        items(&call.json(), "/messages")
            .map(|m| Heard {
                from: super::digits(m["from"].as_str().unwrap_or_default()),
                text: text_of(m, "/text/body").or_else(|| text_of(m, "/image/caption")),
                link: text_of(m, "/image/id").map(|id| format!("{}/v1/{id}", self.url)),
                has_file: false,
            })
            .collect()
    }

    fn tells_delivery(&self, call: &Call) -> bool {
        items(&call.json(), "/statuses").any(|s| s["status"] == "delivered")
    }

    fn logout(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async {
            ok(self.request(reqwest::Method::DELETE, "/accounts"))
                .await
                .map(drop)
        })
    }
}
