//! The laboratory tests itself: a fault that does not happen proves nothing about the product.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use switchboard_harness::processes::Program;
use switchboard_harness::wait;
use tokio::process::Command;

use crate::lab::{Host, Lab};

/// Where the echo listens.
const PORT: u16 = 7;
/// How long an answer may take before it counts as none.
const ANSWER_MAX: Duration = Duration::from_millis(400);
/// How long anything may take to become so.
const BECOME_MAX: Duration = Duration::from_secs(10);
/// Questions asked of a lossy host, each on a connection of its own.
const LOSSY_QUESTIONS: usize = 8;
/// The second host's clocks.
const AHEAD_SECS: u32 = 5_000;
/// A disk that is soon full, in megabytes.
const SMALL_DISK_MB: u32 = 1;

/// Answers every line it gets, one connection after the other, until the process ends. A host of the selftest runs it.
///
/// # Errors
/// When it cannot listen.
pub fn echo(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).context("listen")?;
    println!("listening on {address}");
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut byte = [0; 1];
        while let Ok(1) = stream.read(&mut byte) {
            stream.write_all(&byte)?;
        }
    }
    Ok(())
}

/// Runs every check.
///
/// # Errors
/// The first one that fails.
pub async fn run() -> Result<()> {
    let lab = Lab::open()?;
    let near = lab.host("near", 11)?;
    let mut far = lab.host("far", 12)?;
    far.set_clock_ahead(AHEAD_SECS)
        .context("a time namespace")?;
    let program = start_echo(&near).await?;
    cuts(&near, &far).await.context("cut and heal")?;
    loss(&near).context("packet loss")?;
    heal_and_ask(&near).await?;
    stops(&near).await.context("stop and continue")?;
    clocks(&near, &far).await.context("clocks and boot ids")?;
    full_disk(&lab, &near).context("a full disk")?;
    drop(program);
    ensure!(near.pids().is_empty(), "the echo outlives its handle");
    Ok(())
}

async fn start_echo(host: &Host) -> Result<Program> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["echo", &format!("{}:{PORT}", host.address())]);
    Program::start(host.name(), host.command(&command), "listening on ").await
}

/// One byte there and back on a new connection.
fn ask(host: &Host) -> Result<()> {
    let address = SocketAddr::from((host.address(), PORT));
    ask_on(&mut TcpStream::connect_timeout(&address, ANSWER_MAX)?)
}

fn ask_on(stream: &mut TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"x")?;
    let mut byte = [0; 1];
    stream.read_exact(&mut byte).map_err(Into::into)
}

async fn cuts(near: &Host, far: &Host) -> Result<()> {
    let mut stream = TcpStream::connect((near.address(), PORT))?;
    ask_on(&mut stream).context("before the cut")?;
    near.cut()?;
    let error = ask_on(&mut stream)
        .err()
        .context("an answer came through the cut")?;
    let kind = error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    ensure!(
        kind == Some(std::io::ErrorKind::WouldBlock),
        "the cut was not silent: {error:#}"
    );
    near.heal()?;
    // The same connection goes on: nobody was told.
    let mut late = [0; 1];
    wait::within(BECOME_MAX, "the late answer", async || {
        stream.read_exact(&mut late)
    })
    .await?;
    ask_on(&mut stream).context("after the cut")?;
    near.cut_from([far])?;
    ask_on(&mut stream).context("a cut from another host")?;
    drop(stream);
    near.heal()
}

fn loss(near: &Host) -> Result<()> {
    near.lossy(60)?;
    let failed = (0..LOSSY_QUESTIONS).filter(|_| ask(near).is_err()).count();
    ensure!(
        failed > 0,
        "not one of {LOSSY_QUESTIONS} questions got lost at 60 %"
    );
    near.lossy(1)?;
    let passed = (0..LOSSY_QUESTIONS).filter(|_| ask(near).is_ok()).count();
    ensure!(
        passed > 0,
        "not one of {LOSSY_QUESTIONS} questions passed at 1 %"
    );
    Ok(())
}

async fn heal_and_ask(near: &Host) -> Result<()> {
    near.heal()?;
    wait::within(BECOME_MAX, "an answer", async || ask(near)).await
}

async fn stops(near: &Host) -> Result<()> {
    near.signal(Signal::STOP);
    ensure!(ask(near).is_err(), "a stopped process answers");
    near.signal(Signal::CONT);
    wait::within(BECOME_MAX, "an answer", async || ask(near)).await
}

async fn clocks(near: &Host, far: &Host) -> Result<()> {
    let (here, there) = (uptime(near).await?, uptime(far).await?);
    let ahead = there - here;
    if (ahead - f64::from(AHEAD_SECS)).abs() > 60.0 {
        bail!("the far clock is {ahead} s ahead, not {AHEAD_SECS}");
    }
    ensure!(
        boot_id(near).await? != boot_id(far).await?,
        "two hosts have one boot id"
    );
    Ok(())
}

async fn uptime(host: &Host) -> Result<f64> {
    let text = read_on(host, "/proc/uptime").await?;
    let first = text.split_whitespace().next().context("no uptime")?;
    Ok(first.parse()?)
}

async fn boot_id(host: &Host) -> Result<String> {
    read_on(host, "/proc/sys/kernel/random/boot_id").await
}

async fn read_on(host: &Host, file: &str) -> Result<String> {
    let mut command = Command::new("cat");
    command.arg(file);
    let output = host.command(&command).output().await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn full_disk(lab: &Lab, near: &Host) -> Result<()> {
    let folder = lab.folder().join("small");
    near.small_disk(&folder, SMALL_DISK_MB)?;
    let bytes = vec![0; 2 * 1024 * 1024];
    ensure!(
        std::fs::write(folder.join("big"), bytes).is_err(),
        "two megabytes fit on one"
    );
    Ok(())
}
