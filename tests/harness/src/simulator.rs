//! The simulator as a process, and its admin API.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;

use crate::processes::{Program, command};
use crate::wait;

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    /// The process.
    pub program: Program,
    /// Its HTTP address, e.g. `http://127.0.0.1:4000`.
    pub url: String,
    /// Where clients connect.
    pub ws_url: String,
    /// Its Noise static public key, hex.
    pub server_key: String,
    /// The certificate of its TLS side, PEM.
    pub certificate: Option<String>,
    http: reqwest::Client,
}

#[derive(Debug, Deserialize)]
struct Info {
    ws_url: String,
    server_key: String,
    certificate: Option<String>,
}

#[derive(Debug, Serialize)]
struct EnterCode<'a> {
    number: &'a str,
    code: &'a str,
}

#[derive(Debug, Serialize)]
struct NewPhone<'a> {
    number: &'a str,
}

#[derive(Debug, Serialize)]
struct PhoneText<'a> {
    to: &'a str,
    text: &'a str,
}

impl Simulator {
    /// Starts a simulator on a free port of loopback. The same seed keeps its keys over restarts.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(folder: &Path, seed: u64) -> Result<Self> {
        let mut program = command("switchboard-simulator", folder)?;
        program.args(["--listen", "127.0.0.1:0", "--seed", &seed.to_string()]);
        // For clients that fetch media over https and nothing else.
        program.arg("--tls");
        Self::start_as(program).await
    }

    /// The same with a command of the caller's: on another address, or in another network.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_as(command: Command) -> Result<Self> {
        let program = Program::start("simulator", command, "listening on ").await?;
        let url = program.ready_text();
        let http = crate::http::client();
        let info: Info = http
            .get(format!("{url}/admin/info"))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        Ok(Self {
            program,
            url,
            ws_url: info.ws_url,
            server_key: info.server_key,
            certificate: info.certificate,
            http,
        })
    }

    /// A phone of that number scans the QR text.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub async fn scan(&self, qr: &str, number: &str) -> Result<()> {
        let url = format!("{}/admin/mock-phone/scan-qr", self.url);
        let request = self
            .http
            .post(url)
            .query(&[("number", number), ("name", number)])
            .body(qr.to_owned());
        expect_ok("scan a qr code", request).await.map(drop)
    }

    /// The phone of that number types a pairing code.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub async fn enter_code(&self, number: &str, code: &str) -> Result<()> {
        let url = format!("{}/admin/mock-phone/enter-code", self.url);
        expect_ok(
            "type a code",
            self.http.post(url).json(&EnterCode { number, code }),
        )
        .await
        .map(drop)
    }

    /// The phone of that number sends a text.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub async fn phone_sends(&self, number: &str, to: &str, text: &str) -> Result<Value> {
        let url = format!("{}/admin/phones/{number}/send", self.url);
        expect_ok(
            "send from a phone",
            self.http.post(url).json(&PhoneText { to, text }),
        )
        .await
    }

    /// The phone of that number sends what the draft says; returns the id of the message.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub async fn phone_drafts(&self, number: &str, draft: &Value) -> Result<String> {
        let url = format!("{}/admin/phones/{number}/send", self.url);
        let sent = expect_ok("send from a phone", self.http.post(url).json(draft)).await?;
        let id = sent["id"].as_str().context("the phone names no id")?;
        Ok(id.to_owned())
    }

    /// What the phone of that number has decrypted so far.
    ///
    /// # Errors
    /// When the simulator does not know the phone.
    pub async fn inbox(&self, number: &str) -> Result<Vec<Value>> {
        let url = format!("{}/admin/phones/{number}/inbox", self.url);
        let answer = expect_ok("read an inbox", self.http.get(url)).await?;
        let items = answer
            .as_array()
            .or_else(|| answer.get("messages").and_then(Value::as_array));
        items.cloned().context("the inbox is not a list")
    }

    /// What the phone of that number has decrypted after the item of that number.
    ///
    /// # Errors
    /// When the simulator does not know the phone.
    pub async fn inbox_since(&self, number: &str, since: u64) -> Result<Vec<Value>> {
        let url = format!("{}/admin/phones/{number}/inbox?since={since}", self.url);
        let answer = expect_ok("read an inbox", self.http.get(url)).await?;
        answer
            .as_array()
            .cloned()
            .context("the inbox is not a list")
    }

    /// Waits until the phone's inbox has an item that fits.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn inbox_has(
        &self,
        number: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        wait::until(what, async || {
            let inbox = self
                .inbox(number)
                .await
                .map_err(|e| vec![Value::String(e.to_string())])?;
            inbox.iter().find(|item| fits(item)).cloned().ok_or(inbox)
        })
        .await
    }

    /// The journal.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn journal(&self) -> Result<Value> {
        expect_ok(
            "read the journal",
            self.http.get(format!("{}/admin/journal", self.url)),
        )
        .await
    }

    /// A phone that nobody has linked yet, so that it can write.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub async fn add_phone(&self, number: &str) -> Result<()> {
        let url = format!("{}/admin/phones", self.url);
        expect_ok(
            "add a phone",
            self.http.post(url).json(&NewPhone { number }),
        )
        .await
        .map(drop)
    }

    /// Ends every fault.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn clear_faults(&self) -> Result<()> {
        expect_ok(
            "clear faults",
            self.http.delete(format!("{}/admin/faults", self.url)),
        )
        .await
        .map(drop)
    }

    /// Sets a fault; the body is the simulator's own.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub async fn fault(&self, fault: &Value) -> Result<()> {
        let url = format!("{}/admin/faults", self.url);
        expect_ok("set a fault", self.http.post(url).json(fault))
            .await
            .map(drop)
    }
}

async fn expect_ok(what: &str, request: reqwest::RequestBuilder) -> Result<Value> {
    let response = request
        .send()
        .await
        .with_context(|| format!("{what}: reach the simulator"))?;
    let status = response.status();
    let text = response.text().await?;
    if !status.is_success() {
        bail!("{what}: the simulator answered {status}: {text}");
    }
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}
