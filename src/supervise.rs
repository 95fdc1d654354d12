//! `switchboard node --supervised`: a small parent that runs the node as its child.
//!
//! Owns the child's life: starting it again, handing signals on, and releasing its lease the moment it has died, so that others take
//! its sessions without waiting for the lease to run out. Must not run sessions, or open the store.

mod backoff;
mod child;
mod release;

use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use switchboard_ownership::{Rule, Rules};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::{self, Flags};
use crate::run::SESSIONS_END_MAX;
use crate::{EXIT_CONFIGURATION, keys};

use self::backoff::Backoff;
pub(crate) use self::child::attach;
use self::release::Releaser;

/// The flag that makes a parent of the process; the child is started without it.
pub(crate) const FLAG: &str = "--supervised";
/// The variable by which a child knows its parent, see [`child`].
const TOKEN_VARIABLE: &str = "SWITCHBOARD_SUPERVISOR";
/// The program that this process runs, also after the file was replaced by another release: a parent and its child are the same.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// How much longer than it has promised a child may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// Runs the node as a child until it has ended for good.
pub(crate) fn run(flags: &Flags, rules: Rules) -> Result<ExitCode> {
    let config = config::load(flags)?;
    // What the child would refuse is refused here, before anything is started.
    keys::configured(&config)?;
    let parent = Parent {
        stop_max: config.cluster.drain_wait + SESSIONS_END_MAX + STOP_GRACE,
        releaser: Releaser::new(&config, &rules)?,
        rules,
    };
    // One thread, the first: the child's death signal hangs on the thread that starts it, and this one ends with the process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(parent.run())
}

struct Parent {
    releaser: Releaser,
    rules: Rules,
    /// The longest that a child may take to stop.
    stop_max: Duration,
}

/// How a child ended.
struct Ended {
    status: ExitStatus,
    /// The parent was told to stop.
    told: bool,
}

impl Parent {
    async fn run(mut self) -> Result<ExitCode> {
        let mut signals = Signals::new()?;
        let mut backoff = Backoff::default();
        loop {
            let token = token();
            let started = Instant::now();
            let child = start(&token)?;
            let ended = self.watch(child, &mut signals).await?;
            let code = ended.status.code().and_then(|code| u8::try_from(code).ok());
            if ended.status.success() || code == Some(EXIT_CONFIGURATION) {
                return Ok(ExitCode::from(code.unwrap_or_default()));
            }
            tracing::error!(status = %ended.status, "the node's process has ended");
            if self.rules.has(Rule::ParentRelease) {
                self.releaser.release(&token).await;
            }
            if ended.told {
                return Ok(ExitCode::from(code.unwrap_or(1)));
            }
            let pause = backoff.next(started.elapsed());
            tracing::warn!(?pause, "the node's process is started again");
            tokio::select! {
                () = sleep(pause) => {}
                _ = signals.next() => return Ok(ExitCode::from(code.unwrap_or(1))),
            }
        }
    }

    /// Waits for the child's end; hands signals on meanwhile, and keeps the connection for its last moment.
    async fn watch(&mut self, mut child: Child, signals: &mut Signals) -> Result<Ended> {
        let mut told = None;
        loop {
            let until = told.map_or_else(far_away, |at: Instant| at + self.stop_max);
            tokio::select! {
                status = child.wait() => {
                    let status = status.context("wait for the node's process")?;
                    return Ok(Ended { status, told: told.is_some() });
                }
                signal = signals.next() => {
                    told.get_or_insert_with(Instant::now);
                    hand_on(&child, signal)?;
                }
                () = sleep_until(until), if told.is_some() => {
                    tracing::error!("the node's process did not stop in time and is killed");
                    child.kill().await.context("kill the node's process")?;
                }
                () = self.releaser.stay_connected() => {}
            }
        }
    }
}

/// Later than any process runs; the branch that waits for it is off.
fn far_away() -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
    Instant::now() + FAR
}

/// Starts this program again without the flag. Its output is ours.
fn start(token: &str) -> Result<Child> {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| "switchboard".into());
    let mut command = Command::new(OWN_PROGRAM);
    command
        .arg0(name)
        .args(words.filter(|word| word != FLAG))
        .env(TOKEN_VARIABLE, token)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.spawn().context("start the node's process")
}

/// A token that only this child's records carry; it begins with our process id, by which the child knows its parent.
fn token() -> String {
    let mut random = [0_u8; 16];
    rand::rng().fill_bytes(&mut random);
    child::token(std::process::id(), &hex::encode(random))
}

fn hand_on(child: &Child, signal: Signal) -> Result<()> {
    let Some(pid) = child.id() else {
        return Ok(());
    };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match pid.map(|pid| kill_process(pid, signal)) {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(error).context("signal the node's process"),
        None => bail!("the node's process has an impossible id"),
    }
}

/// The signals that mean: stop.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.interrupt.recv() => Signal::INT,
        }
    }
}
