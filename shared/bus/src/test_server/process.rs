//! One nats-server process: its settings, its ports, and whether it is ready.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Error, POLL, READY_DEADLINE};
use crate::clock;

/// How much of the log an error repeats, in bytes.
const LOG_TAIL_MAX: usize = 4096;
/// The longest answer of the monitoring port that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Its place in a cluster.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) index: usize,
    /// The route ports of all members, this one's included.
    pub(super) routes: Vec<u16>,
}

/// Where its settings come from.
#[derive(Debug)]
pub(super) enum Settings {
    /// The usual ones and these lines.
    Lines(String),
    /// A file, and environment variables for it.
    File {
        path: PathBuf,
        variables: Vec<(String, String)>,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self::Lines(String::new())
    }
}

#[derive(Debug)]
pub(super) struct Process {
    program: PathBuf,
    folder: TempDir,
    cluster: Option<Cluster>,
    settings: Settings,
    /// Known after the first start and kept for the later ones.
    client_port: Option<u16>,
    monitor: String,
    child: Option<Child>,
}

/// The file in which the server says which ports it got.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

/// A part of the answer of `/jsz`.
#[derive(Deserialize)]
struct JetStreamState {
    meta_cluster: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    leader: String,
    #[serde(default)]
    cluster_size: usize,
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.to_owned();
    move |source| Error::Io { what, source }
}

impl Process {
    pub(super) fn new(
        program: PathBuf,
        cluster: Option<Cluster>,
        settings: Settings,
    ) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("switchboard-nats-")
            .tempdir()
            .map_err(io("make a temporary folder"))?;
        Ok(Self {
            program,
            folder,
            cluster,
            settings,
            client_port: None,
            monitor: String::new(),
            child: None,
        })
    }

    /// Takes its settings from a file from now on.
    pub(super) fn read(&mut self, path: PathBuf, variables: Vec<(String, String)>) {
        self.settings = Settings::File { path, variables };
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.client_port.unwrap_or_default())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn store_dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(super) async fn start(&mut self) -> Result<(), Error> {
        self.spawn()?;
        self.wait_until_ready().await
    }

    /// Starts the process without waiting for it.
    pub(super) fn spawn(&mut self) -> Result<(), Error> {
        let ports = self.ports_dir();
        if ports.exists() {
            fs::remove_dir_all(&ports).map_err(io("remove the old ports file"))?;
        }
        fs::create_dir_all(&ports).map_err(io("make the folder of the ports file"))?;
        let log = File::create(self.log()).map_err(io("make the log"))?;
        let child = self
            .command()?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(io(&format!("run {}", self.program.display())))?;
        self.child = Some(child);
        Ok(())
    }

    fn command(&self) -> Result<Command, Error> {
        let mut command = Command::new(&self.program);
        match &self.settings {
            Settings::Lines(lines) => {
                let file = self.folder.path().join("nats.conf");
                fs::write(&file, self.lines(lines)).map_err(io("write the settings"))?;
                command.arg("--config").arg(file);
            }
            Settings::File { path, variables } => {
                let port = self.client_port.map_or(-1, i32::from);
                command.arg("--config").arg(path);
                command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--http_port", "-1"]);
                command.arg("--ports_file_dir").arg(self.ports_dir());
                command.envs(variables.iter().map(|(name, value)| (name, value)));
            }
        }
        Ok(command)
    }

    pub(super) fn kill(&mut self) -> Result<(), Error> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        child.kill().map_err(io("kill the server"))?;
        child.wait().map(drop).map_err(io("wait for the server"))
    }

    /// Waits until JetStream answers, in a cluster until it has a leader and all members.
    pub(super) async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let until = clock::monotonic() + READY_DEADLINE;
        while !self.is_ready().await? {
            if clock::monotonic() >= until {
                return Err(Error::NotReady {
                    log: self.log_tail(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn is_ready(&mut self) -> Result<bool, Error> {
        let ended = match &mut self.child {
            Some(child) => child.try_wait().map_err(io("look after the server"))?,
            None => None,
        };
        if let Some(status) = ended {
            self.child = None;
            let (status, log) = (status.to_string(), self.log_tail());
            return Err(Error::Ended { status, log });
        }
        if !self.read_ports() || !self.answers("/healthz").await.contains("\"ok\"") {
            return Ok(false);
        }
        let Some(cluster) = &self.cluster else {
            return Ok(true);
        };
        let state = self.answers("/jsz").await;
        let meta = serde_json::from_str::<JetStreamState>(&state)
            .ok()
            .and_then(|s| s.meta_cluster);
        Ok(meta.is_some_and(|meta| {
            !meta.leader.is_empty() && meta.cluster_size == cluster.routes.len()
        }))
    }

    /// True once the server has written its ports file.
    fn read_ports(&mut self) -> bool {
        let Ok(files) = fs::read_dir(self.ports_dir()) else {
            return false;
        };
        let text = files
            .flatten()
            .find_map(|file| fs::read_to_string(file.path()).ok());
        let Some(ports) = text.and_then(|text| serde_json::from_str::<Ports>(&text).ok()) else {
            return false;
        };
        let (Some(client), Some(monitor)) = (ports.nats.first(), ports.monitoring.first()) else {
            return false;
        };
        self.client_port = client.rsplit(':').next().and_then(|port| port.parse().ok());
        self.monitor = monitor.trim_start_matches("http://").to_owned();
        self.client_port.is_some()
    }

    /// The body of a monitoring page; empty if there is none.
    async fn answers(&self, page: &str) -> String {
        let exchange = async {
            let mut connection = TcpStream::connect(&self.monitor).await?;
            let request = format!("GET {page} HTTP/1.0\r\nHost: localhost\r\n\r\n");
            connection.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            connection
                .take(ANSWER_BYTES_MAX)
                .read_to_string(&mut answer)
                .await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(READY_DEADLINE, exchange).await;
        let answer = answer.ok().and_then(Result::ok).unwrap_or_default();
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default()
    }

    fn lines(&self, further: &str) -> String {
        let port = self.client_port.map_or(-1, i32::from);
        let (store, ports) = (self.store_dir(), self.ports_dir());
        let index = self.cluster.as_ref().map_or(0, |cluster| cluster.index);
        let mut settings = format!(
            "server_name: \"test-{index}\"\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:-1\"\n\
             ports_file_dir: {ports:?}\njetstream {{ store_dir: {store:?}, max_mem: 64MB, max_file: 2GB }}\n"
        );
        settings.push_str(further);
        settings.push('\n');
        if let Some(cluster) = &self.cluster {
            let route = |port: &u16| format!("\"nats://127.0.0.1:{port}\"");
            let routes: Vec<String> = cluster.routes.iter().map(route).collect();
            let own = cluster
                .routes
                .get(cluster.index)
                .copied()
                .unwrap_or_default();
            settings.push_str(&format!(
                "cluster {{ name: test, listen: \"127.0.0.1:{own}\", routes: [{}] }}\n",
                routes.join(", ")
            ));
        }
        settings
    }

    fn ports_dir(&self) -> PathBuf {
        self.folder.path().join("ports")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let tail = log
            .get(log.len().saturating_sub(LOG_TAIL_MAX)..)
            .unwrap_or_default();
        String::from_utf8_lossy(tail).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a process that cannot be killed.
        drop(self.kill());
    }
}
