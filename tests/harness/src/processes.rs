//! Programs of the workspace as child processes: found beside the running one, killed when dropped, their output kept.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::wait::PATIENCE;

/// Longest wait for the last lines of a program that has ended.
const LAST_LINES_MAX: Duration = Duration::from_secs(2);
/// Lines of a child's output that are kept for the error text of a failed test.
const LINES_KEPT_MAX: usize = 400;

/// What counts as a full disk where tests run: next to nothing, so that no test depends on the machine's free room.
const WATERMARKS: [(&str, &str); 3] = [
    ("SWITCHBOARD_STORE__NEW_SESSIONS_FREE_PERCENT", "0"),
    ("SWITCHBOARD_STORE__SENDS_FREE_PERCENT", "0"),
    ("SWITCHBOARD_STORE__SENDS_FREE_BYTES", "67108864"),
];

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    ready: watch::Receiver<Option<String>>,
    lines: Arc<Mutex<VecDeque<String>>>,
}

/// The program of that name, in the folder of build products this process runs from.
///
/// # Errors
/// When it has not been built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find the running program")?;
    let folders = own.ancestors().skip(1).take(2);
    for folder in folders {
        let candidate = folder.join(name);
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    bail!("{name} is not built: run `cargo build --workspace --bins` first")
}

impl Program {
    /// Starts a program and waits until its standard output has a line that begins with `ready_prefix`; the rest of that
    /// line is returned by [`Program::ready_text`].
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time; the text has its last lines.
    pub async fn start(name: &str, command: Command, ready_prefix: &'static str) -> Result<Self> {
        let mut program = Self::launch(name, command, ready_prefix)?;
        let mut ready = program.ready.clone();
        let waited = tokio::select! {
            found = tokio::time::timeout(PATIENCE, ready.wait_for(Option::is_some)) => found.is_ok_and(|r| r.is_ok()),
            _ = program.child.wait() => false,
        };
        if waited {
            return Ok(program);
        }
        bail!(
            "{name} did not become ready; its output:\n{}",
            program.output()
        )
    }

    /// Starts a program without waiting for it: one that should refuse to run, or several that need each other.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(name: &str, mut command: Command, ready_prefix: &'static str) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("start {name}"))?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (tell, ready) = watch::channel(None);
        let stdout = BufReader::new(child.stdout.take().context("the child's output")?).lines();
        let stderr = BufReader::new(child.stderr.take().context("the child's errors")?).lines();
        let kept = Arc::clone(&lines);
        // Both readers end with the child's pipes, which kill_on_drop closes.
        drop(tokio::task::spawn(async move {
            let (mut stdout, mut stderr) = (stdout, stderr);
            let (mut out_open, mut err_open) = (true, true);
            while out_open || err_open {
                let line = tokio::select! {
                    line = stdout.next_line(), if out_open => { out_open = matches!(line, Ok(Some(_))); line }
                    line = stderr.next_line(), if err_open => { err_open = matches!(line, Ok(Some(_))); line }
                };
                let Ok(Some(line)) = line else { continue };
                if let Some(rest) = line.strip_prefix(ready_prefix) {
                    tell.send_replace(Some(rest.trim().to_owned()));
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LINES_KEPT_MAX {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        }));
        Ok(Self {
            name: name.to_owned(),
            child,
            ready,
            lines,
        })
    }

    /// What followed the prefix in the ready line.
    #[must_use]
    pub fn ready_text(&self) -> String {
        self.ready.borrow().clone().unwrap_or_default()
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The process ids of its own children, while both run.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn children(&self) -> Result<Vec<u32>> {
        let pid = self.pid().context("the program has ended")?;
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let ids = text.split_whitespace().map(str::parse);
        ids.collect::<Result<_, _>>()
            .with_context(|| format!("{path} holds {text:?}"))
    }

    /// The last lines the program printed.
    #[must_use]
    pub fn output(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .iter()
            .map(|line| format!("  [{}] {line}\n", self.name))
            .collect()
    }

    /// Kills the program at once (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("kill {}", self.name))
    }

    /// Asks the program to end (SIGTERM) and waits for it; returns whether it ended with success.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn terminate(&mut self) -> Result<bool> {
        if let Some(pid) = self.child.id() {
            let sent = Command::new("kill")
                .args(["-TERM", &pid.to_string()])
                .status()
                .await?;
            if !sent.success() {
                bail!("send SIGTERM to {}", self.name);
            }
        }
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended
            .with_context(|| format!("{} ignores SIGTERM:\n{}", self.name, self.output()))??;
        Ok(status.success())
    }

    /// Waits until the program has ended by itself; returns whether it did so with success.
    ///
    /// # Errors
    /// When it still runs after that time.
    pub async fn ended(&mut self, limit: Duration) -> Result<bool> {
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let status =
            ended.with_context(|| format!("{} still runs:\n{}", self.name, self.output()))??;
        // The reader drops its end once both pipes are read to theirs; a grandchild may keep them open.
        let mut reader = self.ready.clone();
        let all_read = async { while reader.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(LAST_LINES_MAX, all_read).await;
        Ok(status.success())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// Sends a signal to a process that is not a [`Program`], by its name without `SIG`.
///
/// # Errors
/// When it cannot be sent.
pub async fn signal(pid: u32, name: &str) -> Result<()> {
    let mut kill = Command::new("kill");
    let sent = kill.args([&format!("-{name}"), &pid.to_string()]).status();
    if !sent.await?.success() {
        bail!("send SIG{name} to process {pid}");
    }
    Ok(())
}

/// A command of the workspace's own binary with a clean configuration environment, in which only the disk's watermarks are set.
///
/// # Errors
/// When the binary has not been built.
pub fn command(binary_name: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(binary(binary_name)?);
    command.current_dir(folder);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("SWITCHBOARD_") && key != "SWITCHBOARD_LOG" {
            command.env_remove(key);
        }
    }
    command.envs(WATERMARKS);
    Ok(command)
}
