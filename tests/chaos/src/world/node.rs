//! A node of a world: its host, its folder, and the ways in which it can die.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use switchboard_harness::processes::Program;
use tokio::process::Command;

use super::Settings;
use crate::lab::{Host, children_of};

/// What a node prints when it runs.
const READY: &str = "running node ";
/// How long a stop by SIGTERM may take: it drains.
const STOP_MAX: Duration = Duration::from_secs(60);

/// A node.
#[derive(Debug)]
pub struct Node {
    name: String,
    host: Host,
    settings: Settings,
    program: Option<Program>,
    /// Whether SIGSTOP was sent last.
    paused: bool,
}

impl Node {
    pub(super) fn new(name: &str, host: Host, settings: Settings) -> Self {
        Self {
            name: name.to_owned(),
            host,
            settings,
            program: None,
            paused: false,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The folder of its stores.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.host.folder().join("data")
    }

    /// The file of its witness lines.
    #[must_use]
    pub fn witness(&self) -> PathBuf {
        witness(&self.host)
    }

    /// Further environment from the next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.extra.push((key.to_owned(), value.to_owned()));
    }

    /// Starts it and waits until it says that it runs.
    ///
    /// # Errors
    /// When it does not come that far.
    pub async fn start(&mut self) -> Result<()> {
        let command = self.command()?;
        self.program = Some(Program::start(&self.name, command, READY).await?);
        Ok(())
    }

    /// Starts it without waiting.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        let command = self.command()?;
        self.program = Some(Program::launch(&self.name, command, READY)?);
        Ok(())
    }

    fn command(&self) -> Result<Command> {
        let mut command = self.settings.command("node", &self.host)?;
        command.args(["--node-id", &self.name]);
        if self.settings.supervised {
            command.arg("--supervised");
        }
        command.env("SWITCHBOARD_DATA_DIR", self.data());
        command.env("SWITCHBOARD_CLUSTER__WITNESS", self.witness());
        Ok(self.host.command(&command))
    }

    /// The process that runs the sessions: the child where there is a parent that watches it.
    #[must_use]
    pub fn worker(&self) -> Option<Pid> {
        let parent = self.program.as_ref()?.pid()?;
        if self.settings.supervised {
            children_of(parent).first().copied()
        } else {
            Pid::from_raw(i32::try_from(parent).ok()?)
        }
    }

    /// The process dies (SIGKILL); a parent lives on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_worker(&self) -> Result<()> {
        let pid = self
            .worker()
            .with_context(|| format!("{} does not run", self.name))?;
        kill_process(pid, Signal::KILL).with_context(|| format!("kill {}", self.name))
    }

    /// The machine dies: the network first, so that nothing says good-bye, then every process. The network stays dead until the
    /// next start.
    ///
    /// # Errors
    /// When the network cannot be cut.
    pub async fn kill_machine(&mut self) -> Result<()> {
        self.host.cut()?;
        self.kill_processes().await
    }

    /// Process and parent die at once (SIGKILL), the network lives: connections are closed by the kernel.
    ///
    /// # Errors
    /// When the parent cannot be killed.
    pub async fn kill_processes(&mut self) -> Result<()> {
        // A stopped parent does not see its child die.
        self.host.signal(Signal::STOP);
        self.host.signal(Signal::KILL);
        self.paused = false;
        match self.program.take() {
            Some(mut program) => program.kill().await,
            None => Ok(()),
        }
    }

    /// Ends every process if there are some, heals the network, and starts again on the same folder.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill_processes().await?;
        self.host.heal()?;
        self.start().await
    }

    /// Stops the world for every process of the host (SIGSTOP).
    pub fn pause(&mut self) {
        self.paused = true;
        self.host.signal(Signal::STOP);
    }

    /// Ends [`Node::pause`].
    pub fn resume(&mut self) {
        self.paused = false;
        self.host.signal(Signal::CONT);
    }

    /// Ends every fault of the host that has an end by itself: pause and network.
    ///
    /// # Errors
    /// When a tool refuses.
    pub fn heal(&mut self) -> Result<()> {
        if self.paused {
            self.resume();
        }
        self.host.heal()
    }

    /// Asks it to end (SIGTERM) and waits; returns whether it ended with success.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<bool> {
        let mut program = self
            .program
            .take()
            .with_context(|| format!("{} does not run", self.name))?;
        program.terminate().await
    }

    /// Waits until it has ended by itself; whether with success, and what it said.
    ///
    /// # Errors
    /// When it still runs after that time.
    pub async fn ended(&mut self, limit: Duration) -> Result<(bool, String)> {
        let program = self
            .program
            .as_mut()
            .with_context(|| format!("{} does not run", self.name))?;
        let success = program.ended(limit.min(STOP_MAX)).await?;
        Ok((success, program.output()))
    }

    /// Whether its first process runs.
    pub fn is_running(&mut self) -> bool {
        self.program.as_mut().is_some_and(Program::is_running)
    }

    /// What it said last.
    #[must_use]
    pub fn output(&self) -> String {
        self.program
            .as_ref()
            .map(Program::output)
            .unwrap_or_default()
    }

    /// Loses its disk: everything in its folder but the witness lines, which are the test's.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn lose_disk(&self) -> Result<()> {
        std::fs::remove_dir_all(self.data())
            .with_context(|| format!("remove {}", self.data().display()))
    }

    /// Its disk can no longer be used at all: whatever starts there ends with an error.
    ///
    /// # Errors
    /// When the folder cannot be replaced.
    pub fn break_disk(&self) -> Result<()> {
        let away = self.host.folder().join("broken");
        std::fs::rename(self.data(), away).context("take a disk away")?;
        std::fs::write(self.data(), "not a folder").context("put something else in its place")
    }

    /// The settings it starts with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Where a host's node writes its witness lines.
pub(super) fn witness(host: &Host) -> PathBuf {
    Path::new(host.folder()).join("witness")
}
