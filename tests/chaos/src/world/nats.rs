//! The nats-servers of a world: one, or three that replicate, each on its own host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;
use switchboard_harness::processes::Program;
use switchboard_harness::wait;
use tokio::process::Command;

use crate::lab::{Host, Lab};

/// The host part of the first server's address.
const FIRST_ADDRESS: u8 = 2;
const CLIENT_PORT: u16 = 4222;
const ROUTE_PORT: u16 = 6222;
const MONITOR_PORT: u16 = 8222;
/// How long a start or an election may take.
const READY_MAX: Duration = Duration::from_secs(30);

/// The servers.
#[derive(Debug)]
pub struct Nats {
    servers: Vec<Server>,
    http: reqwest::Client,
}

#[derive(Debug)]
struct Server {
    host: Host,
    program: Option<Program>,
    binary: PathBuf,
    config: String,
}

impl Nats {
    /// Starts one server or a cluster of three.
    ///
    /// # Errors
    /// When the program is not there or does not become ready.
    pub async fn start(lab: &Lab, count: usize) -> Result<Self> {
        let binary = switchboard_bus::test_server::find()?;
        let mut hosts = Vec::new();
        for at in 0..count {
            let last = FIRST_ADDRESS + u8::try_from(at)?;
            hosts.push(lab.host(&format!("nats-{}", at + 1), last)?);
        }
        let mut servers = Vec::new();
        for host in &hosts {
            let config = settings(host, &hosts);
            servers.push(Server {
                host: host.clone(),
                program: None,
                binary: binary.clone(),
                config,
            });
        }
        let mut nats = Self {
            servers,
            http: switchboard_harness::http::client(),
        };
        for at in 0..count {
            nats.launch(at)?;
        }
        nats.ready().await?;
        Ok(nats)
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        let urls: Vec<_> = self
            .servers
            .iter()
            .map(|s| format!("nats://{}:{CLIENT_PORT}", s.host.address()))
            .collect();
        urls.join(",")
    }

    /// The hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.servers.iter().map(|server| &server.host)
    }

    /// How many servers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.servers.len()
    }

    fn server(&mut self, at: usize) -> Result<&mut Server> {
        self.servers
            .get_mut(at)
            .with_context(|| format!("no nats-server {at}"))
    }

    fn launch(&mut self, at: usize) -> Result<()> {
        self.server(at)?.launch()
    }

    /// Kills a server with SIGKILL.
    ///
    /// # Errors
    /// When there is none of that number, or it cannot be killed.
    pub async fn kill(&mut self, at: usize) -> Result<()> {
        match self.server(at)?.program.take() {
            Some(mut program) => program.kill().await,
            None => Ok(()),
        }
    }

    /// Starts a killed server again on its data and waits until all are ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn restart(&mut self, at: usize) -> Result<()> {
        self.launch(at)?;
        self.ready().await
    }

    /// Stops or continues a server (SIGSTOP, SIGCONT).
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn signal(&mut self, at: usize, signal: Signal) -> Result<()> {
        self.server(at)?.host.signal(signal);
        Ok(())
    }

    /// Waits until every server that runs answers, and a cluster has a leader.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn ready(&self) -> Result<()> {
        wait::within(READY_MAX, "nats-server to be ready", async || {
            for server in self
                .servers
                .iter()
                .filter(|server| server.program.is_some())
            {
                let health = self.page(server, "healthz").await?;
                if health["status"] != "ok" {
                    return Err(health.to_string());
                }
            }
            if self.count() > 1 {
                self.leader().await.map(drop)
            } else {
                Ok(())
            }
        })
        .await
        .with_context(|| self.output())
    }

    /// The server that leads the cluster's metadata.
    ///
    /// # Errors
    /// When there is none now.
    pub async fn leader(&self) -> Result<usize, String> {
        for server in self
            .servers
            .iter()
            .filter(|server| server.program.is_some())
        {
            let state = self.page(server, "jsz").await?;
            if let Some(name) = state["meta_cluster"]["leader"].as_str() {
                return self.named(name);
            }
        }
        Err("no leader".to_owned())
    }

    /// The server that leads the stream of that name.
    ///
    /// # Errors
    /// When there is none now.
    pub async fn leader_of(&self, stream: &str) -> Result<usize, String> {
        for server in self
            .servers
            .iter()
            .filter(|server| server.program.is_some())
        {
            let state = self.page(server, "jsz?streams=true&accounts=true").await?;
            let accounts = state["account_details"].as_array().into_iter().flatten();
            let mut streams =
                accounts.flat_map(|a| a["stream_detail"].as_array().into_iter().flatten());
            let found = streams.find(|found| {
                found["name"]
                    .as_str()
                    .is_some_and(|name| name.contains(stream))
            });
            if let Some(name) = found.and_then(|found| found["cluster"]["leader"].as_str()) {
                return self.named(name);
            }
        }
        Err(format!("no leader of {stream}"))
    }

    fn named(&self, name: &str) -> Result<usize, String> {
        let found = self
            .servers
            .iter()
            .position(|server| server.host.name() == name);
        found.ok_or_else(|| format!("no server is called {name:?}"))
    }

    async fn page(&self, server: &Server, page: &str) -> Result<Value, String> {
        let url = format!("http://{}:{MONITOR_PORT}/{page}", server.host.address());
        let answer = self
            .http
            .get(url)
            .timeout(Duration::from_secs(2))
            .send()
            .await;
        let answer = answer.map_err(|e| e.to_string())?;
        answer.json().await.map_err(|e| e.to_string())
    }

    /// Copies every server's data to a side, as a backup would; the servers must not run.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn save_data(&self) -> Result<()> {
        self.servers
            .iter()
            .try_for_each(|s| copy(&s.data(), &s.host.folder().join("saved")))
    }

    /// Puts the copied data in the place of the present; the servers must not run.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn roll_back_data(&self) -> Result<()> {
        self.servers.iter().try_for_each(|s| {
            fs::remove_dir_all(s.data())
                .with_context(|| format!("remove {}", s.data().display()))?;
            copy(&s.host.folder().join("saved"), &s.data())
        })
    }

    /// The last lines of every server.
    #[must_use]
    pub fn output(&self) -> String {
        let programs = self
            .servers
            .iter()
            .filter_map(|server| server.program.as_ref());
        programs.map(Program::output).collect()
    }
}

impl Server {
    fn data(&self) -> PathBuf {
        self.host.folder().join("store")
    }

    fn launch(&mut self) -> Result<()> {
        let file = self.host.folder().join("nats.conf");
        fs::write(&file, &self.config).context("write the settings of nats-server")?;
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(file);
        let command = self.host.command(&command);
        self.program = Some(Program::launch(self.host.name(), command, "")?);
        Ok(())
    }
}

/// The limit of files is no more than a number: nothing is reserved on the disk, and the tmpfs has its own limit.
fn settings(host: &Host, all: &[Host]) -> String {
    let (name, address) = (host.name(), host.address());
    let store = host.folder().join("store");
    let mut text = format!(
        "server_name: \"{name}\"\nlisten: \"{address}:{CLIENT_PORT}\"\nhttp: \"{address}:{MONITOR_PORT}\"\n\
         jetstream {{ store_dir: {store:?}, max_mem: 64MB, max_file: 1TB }}\n"
    );
    if all.len() > 1 {
        let routes: Vec<_> = all
            .iter()
            .map(|other| format!("\"nats://{}:{ROUTE_PORT}\"", other.address()))
            .collect();
        text.push_str(&format!(
            "cluster {{ name: lab, listen: \"{address}:{ROUTE_PORT}\", routes: [{}] }}\n",
            routes.join(", ")
        ));
    }
    text
}

/// Copies a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)
                .with_context(|| format!("copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}
