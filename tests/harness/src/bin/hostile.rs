//! All five systems under spoilt requests: a simulator and `switchboard up`, a paired session, and requests that were good
//! before something was put in them that nobody wants. No answer may be a fault of the server, each has the form that its
//! system has for errors, nothing is noted as a fault in the log, and the session is still there afterwards.
//!
//! Run by `cargo xtask hostile`, which makes the requests; the same ones follow from the same seed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::{NewSession, Stack};
use switchboard_harness::{drivers, http, wait};

/// The session's number and a partner's, in the range that is reserved for fiction.
const OWN: &str = "15550100021";
const PARTNER: &str = "15550100022";
/// The session that the good requests name.
const SESSION: &str = "sales";
/// Calls that would end the session under test, or take its connection away.
const LEFT_OUT: [&str; 17] = [
    "POST /users/logout",
    "PATCH /settings",
    "DELETE /settings",
    "GET /instancesales/logout",
    "POST /instancesales/logout",
    "GET /instancesales/reboot",
    "POST /instancesales/reboot",
    "POST /session/logout",
    "POST /session/disconnect",
    "POST /session/connect",
    "POST /session/proxy",
    "POST /v1/refresh",
    "DELETE /v1/accounts",
    "GET /session/terminate",
    "GET /session/restart",
    "GET /session/start",
    "POST /instancesales/clearMessagesQueue",
];
/// How a system says that something failed which it gives 500 to. Source: the references of the two systems.
const DOCUMENTED: [(&str, &str); 5] = [
    ("wuzapi", "Already Loggedin"),
    ("wuzapi", "Error sending message: "),
    ("wuzapi", "Failed to "),
    ("wuzapi", "No avatar found"),
    ("wwebjs", "Message not Found"),
];
/// How every system says that WhatsApp, not the gateway, has refused.
const REFUSED: &str = "whatsapp refused: ";
/// How WhatsApp says that what was named is not there: the caller's fault in every system.
const NOT_THERE: &str = "(code Some(404))";
/// What the log says of a fault of ours.
const FAULT: &str = "a call failed";
/// Failures listed, the rest is counted.
const SHOWN_MAX: usize = 40;
/// Longest piece of a request or an answer shown.
const PIECE_MAX: usize = 400;

#[derive(Debug, Parser)]
#[command(about = "Sends spoilt requests to all five systems")]
struct Arguments {
    /// The requests, a JSON object per line
    #[arg(long)]
    requests: PathBuf,
}

/// A request of the file.
#[derive(Debug, Deserialize)]
struct Request {
    dialect: String,
    method: String,
    target: String,
    #[serde(rename = "type")]
    content_type: Option<String>,
    body: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse().requests).await {
        Ok(count) => {
            println!("{count} spoilt requests, no fault");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nthe run failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(requests: &Path) -> Result<usize> {
    let text = std::fs::read_to_string(requests).context("read the requests")?;
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), 1).await?;
    let stack = Stack::up(&simulator, None).await?;
    let session = stack.create_session(SESSION).await?;
    let partner = stack.create_session("partner").await?;
    let own = drivers::whapi(&stack, &session);
    drivers::pair(own.as_ref(), &simulator, OWN).await?;
    let partner = drivers::whapi(&stack, &partner);
    drivers::pair(partner.as_ref(), &simulator, PARTNER).await?;

    let player = Player {
        http: http::client(),
        stack: &stack,
        session,
    };
    let (mut count, mut wrong) = (0, Vec::new());
    for line in text.lines() {
        let request: Request = serde_json::from_str(line).context("read a request")?;
        let call = format!("{} {}", request.method, request.target);
        if LEFT_OUT.iter().any(|left_out| call.starts_with(left_out)) {
            continue;
        }
        count += 1;
        if let Err(reason) = player.play(&request).await? {
            let body = STANDARD.decode(&request.body).context("a body")?;
            let body = piece(String::from_utf8_lossy(&body));
            let shown = format!("{} {call}\n    {body}", request.dialect);
            wrong.push(format!("{}\n    {}", piece(&reason), piece(&shown)));
        }
    }
    let output = stack.output();
    let faults: Vec<_> = output.lines().filter(|line| line.contains(FAULT)).collect();
    wrong.extend(faults.into_iter().map(piece));
    let shown: Vec<_> = wrong.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let (bad, shown) = (wrong.len(), shown.join("\n"));
    ensure!(bad == 0, "{bad} of {count} went wrong:\n{shown}");
    wait::until("the session to be there", async || {
        let view = stack.session(SESSION).await;
        let view = view.map_err(|error| format!("{error:#}"))?;
        let there = view.get("state").and_then(Value::as_str) == Some("connected");
        there.then_some(()).ok_or_else(|| view.to_string())
    })
    .await
    .with_context(|| output)?;
    Ok(count)
}

/// Sends as the session's customer.
struct Player<'a> {
    http: reqwest::Client,
    stack: &'a Stack,
    session: NewSession,
}

impl Player<'_> {
    /// Sends one; what is wrong with the answer, if something is.
    async fn play(&self, request: &Request) -> Result<Result<(), String>> {
        let method: Method = request.method.parse()?;
        let url = format!("{}{}", self.stack.url, request.target);
        let call = self.http.request(method.clone(), url);
        let call = match request.dialect.as_str() {
            "chatapi" => call.query(&[("token", &self.session.token)]),
            "wuzapi" => call.header("Token", &self.session.token),
            "wwebjs" => call.header("x-api-key", &self.stack.tenant_key),
            _ => call.bearer_auth(&self.session.token),
        };
        let call = match &request.content_type {
            Some(kind) => call.header("content-type", kind),
            None => call,
        };
        let body = STANDARD.decode(&request.body).context("a body")?;
        let answer = call.body(body).send().await;
        let answer = answer.with_context(|| format!("{method} {}", request.target))?;
        let status = answer.status().as_u16();
        let text = answer.bytes().await?;
        if status < 400 || method == Method::HEAD {
            return Ok(Ok(()));
        }
        let text = String::from_utf8_lossy(&text);
        Ok(judge(&request.dialect, status, &text).map_err(|why| format!("{why}: {status} {text}")))
    }
}

/// Whether an answer is an error of that system, and no fault.
fn judge(dialect: &str, status: u16, text: &str) -> Result<(), &'static str> {
    let body: Value = serde_json::from_str(text).map_err(|_| "no json")?;
    let words = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let said = match dialect {
        "whapi" => words("/error/details"),
        "wapi" => words("/error/message"),
        _ => words("/error"),
    };
    let said = said.ok_or("not in the form of this system")?;
    let documented = DOCUMENTED
        .iter()
        .any(|(of, begins)| *of == dialect && status == 500 && said.starts_with(begins));
    let refused = said.starts_with(REFUSED) && !said.contains(NOT_THERE);
    let possible = status == 501 || documented || refused;
    if status >= 500 && !possible {
        return Err("a fault of the server");
    }
    Ok(())
}

fn piece(text: impl AsRef<str>) -> String {
    text.as_ref().chars().take(PIECE_MAX).collect()
}
