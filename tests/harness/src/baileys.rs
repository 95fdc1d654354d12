//! An account that speaks through Baileys, a client of other authors: unmodified, from npm, in a Node process that is told
//! what to do by JSON lines. See `tests/witness/baileys/witness.mjs` for the lines.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;

use crate::simulator::Simulator;
use crate::wait;

/// Most lines of the witness that are kept; a test that hears more is a load test.
const LINES_MAX: usize = 10_000;
/// Last lines shown when something does not come.
const SHOWN: usize = 8;

/// What the witness said: answers and events, in order.
#[derive(Debug, Default)]
struct Heard {
    lines: VecDeque<Value>,
    errors: String,
}

/// A Baileys account.
#[derive(Debug)]
pub struct Baileys {
    stdin: ChildStdin,
    heard: Arc<Mutex<Heard>>,
    next: u64,
    // Dropped with the account: the process is killed, and the readers end.
    _child: Child,
    _readers: JoinSet<()>,
}

/// The folder of the witness.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../witness/baileys")
}

/// Whether this machine has Node; says so if not.
#[must_use]
pub fn node_is_there() -> bool {
    let found = std::process::Command::new("node")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: there is no node on this machine, and Baileys runs in nothing else");
    }
    found
}

/// Installs what the lock file names, unless it is there. Several tests may ask at once.
fn install() -> Result<()> {
    let folder = folder();
    let lock = File::create(std::env::temp_dir().join("switchboard-witness.lock"))
        .context("make the lock of the installation")?;
    lock.lock().context("wait for another installation")?;
    let wanted = std::fs::read(folder.join("package-lock.json")).context("read the lock file")?;
    let mark = folder.join("node_modules/.switchboard-installed");
    if std::fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let output = std::process::Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .context("start npm")?;
    if !output.status.success() {
        bail!(
            "npm could not install Baileys: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    std::fs::write(mark, wanted).context("note what was installed")
}

impl Baileys {
    /// Pairs a new account of that number with the simulator. `scratch` holds the certificate meanwhile.
    ///
    /// # Errors
    /// When it cannot be installed or does not come online.
    pub async fn pair(simulator: &Simulator, scratch: &Path, number: &str) -> Result<Self> {
        install()?;
        let certificate = simulator
            .certificate
            .as_ref()
            .context("the simulator has no certificate")?;
        let trusted = scratch.join(format!("simulator-{number}.pem"));
        std::fs::write(&trusted, certificate).context("write the simulator's certificate")?;
        let mut child = Command::new("node")
            .arg("witness.mjs")
            .args([simulator.url.as_str(), number, number])
            .env("NODE_EXTRA_CA_CERTS", &trusted)
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start node")?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let stdin = child.stdin.take().context("the witness's input")?;
        let mut readers = JoinSet::new();
        let mut stdout = BufReader::new(child.stdout.take().context("its output")?).lines();
        let mut stderr = BufReader::new(child.stderr.take().context("its errors")?).lines();
        let kept = Arc::clone(&heard);
        readers.spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let mut kept = lock(&kept);
                if kept.lines.len() < LINES_MAX {
                    kept.lines.push_back(line);
                }
            }
        });
        let kept = Arc::clone(&heard);
        readers.spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                let mut kept = lock(&kept);
                if kept.errors.len() < LINES_MAX {
                    kept.errors.push_str(&line);
                    kept.errors.push('\n');
                }
            }
        });
        let account = Self {
            stdin,
            heard,
            next: 0,
            _child: child,
            _readers: readers,
        };
        account
            .line("Baileys to be online", |line| {
                (line["event"] == "open").then(|| line.clone())
            })
            .await?;
        Ok(account)
    }

    /// Sends Baileys' own `content` with its own `options`; returns the id of the message.
    ///
    /// # Errors
    /// When Baileys refuses or fails.
    pub async fn send(&mut self, to: &str, content: &Value, options: &Value) -> Result<String> {
        let request = json!({"op": "send", "to": to, "content": content, "options": options});
        let sent = self.request(request).await?;
        let id = sent["key"]["id"].as_str().context("a message without id")?;
        Ok(id.to_owned())
    }

    /// Sends a protobuf message as it is, for what Baileys has no words for; returns the id of the message.
    ///
    /// # Errors
    /// When Baileys refuses or fails.
    pub async fn relay(&mut self, to: &str, message: &Value, options: &Value) -> Result<String> {
        let request = json!({"op": "relay", "to": to, "message": message, "options": options});
        let sent = self.request(request).await?;
        let id = sent["key"]["id"].as_str().context("a message without id")?;
        Ok(id.to_owned())
    }

    /// Votes on a poll that Baileys knows; no option takes the vote back.
    ///
    /// # Errors
    /// When Baileys refuses or fails.
    pub async fn vote(&mut self, poll: &str, options: &[&str]) -> Result<()> {
        let request = json!({"op": "vote", "poll": poll, "options": options});
        self.request(request).await.map(drop)
    }

    /// Answers an event that Baileys knows. `response` is the number of the answer in the protobuf schema.
    ///
    /// # Errors
    /// When Baileys refuses or fails.
    pub async fn answer(&mut self, event: &str, response: u8) -> Result<()> {
        let request = json!({"op": "answer", "event": event, "response": response});
        self.request(request).await.map(drop)
    }

    /// Downloads and decrypts the file of a message; returns its SHA-256 in hex.
    ///
    /// # Errors
    /// When Baileys fails.
    pub async fn download(&mut self, message: &str) -> Result<String> {
        let file = self
            .request(json!({"op": "download", "message": message}))
            .await?;
        let hash = file["sha256"].as_str().context("a file without hash")?;
        Ok(hash.to_owned())
    }

    /// Calls a method of Baileys' socket.
    ///
    /// # Errors
    /// When Baileys refuses or fails.
    pub async fn call(&mut self, name: &str, arguments: &Value) -> Result<Value> {
        self.request(json!({"op": "call", "name": name, "arguments": arguments}))
            .await
    }

    async fn request(&mut self, mut request: Value) -> Result<Value> {
        self.next += 1;
        let number = self.next;
        request["id"] = number.into();
        let mut line = request.to_string();
        line.push('\n');
        self.stdin
            .write_all(line.as_bytes())
            .await
            .context("tell Baileys")?;
        let what = format!("Baileys to answer {}", request["op"]);
        let answer = self
            .line(&what, |line| {
                (line["answer"] == number).then(|| line.clone())
            })
            .await?;
        match answer["error"].as_str() {
            Some(error) => bail!("{}: Baileys failed: {error}", request["op"]),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Waits for the message with that id that others sent; returns it as Baileys shows it.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn message(&self, id: &str) -> Result<Value> {
        self.event("messages.upsert", &format!("message {id}"), |data| {
            let messages = data["messages"].as_array()?;
            let found = messages.iter().find(|m| m["key"]["id"] == id)?;
            // What could not be decrypted yet comes again.
            (!found["message"].is_null()).then(|| found.clone())
        })
        .await
    }

    /// Waits for an event of that name whose data fit.
    ///
    /// # Errors
    /// When none comes.
    pub async fn event<T>(
        &self,
        name: &str,
        what: &str,
        fits: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        self.line(&format!("Baileys to tell {name}: {what}"), |line| {
            (line["event"] == name)
                .then(|| fits(&line["data"]))
                .flatten()
        })
        .await
    }

    async fn line<T>(&self, what: &str, fits: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let found = wait::until(what, async || {
            lock(&self.heard)
                .lines
                .iter()
                .rev()
                .find_map(&fits)
                .ok_or(())
        });
        found.await.with_context(|| {
            let heard = lock(&self.heard);
            let lines = heard.lines.iter().rev().take(SHOWN);
            let lines: Vec<String> = lines.map(Value::to_string).collect();
            format!(
                "Baileys said, newest first:\n{}\n{}",
                lines.join("\n"),
                heard.errors
            )
        })
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
