//! Idle connected sessions: one `switchboard up` process, stores included, beside one process of bare clients.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::Stack;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::process::{Usage, usage};
use crate::sessions;

pub(crate) async fn run(count: usize, watch: Duration) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), 3).await?;

    println!("pairing {count} bare clients …");
    let bare = start_bare(&simulator, count).await?;
    let bare_pid = bare.id().context("the bare process")?;
    let bare_usage = watched(bare_pid, watch).await?;
    drop(bare);

    println!("pairing {count} sessions of the product …");
    let stack = Stack::up(&simulator, None).await?;
    let own_pid = stack.router.pid().context("the product's process")?;
    let empty = usage(own_pid)?;
    sessions::pair_many(&stack, &simulator, count).await?;
    let own_usage = watched(own_pid, watch).await?;

    let simulator_usage = usage(simulator.program.pid().context("the simulator")?)?;
    println!(
        "\n{count} idle connected sessions, watched for {} s",
        watch.as_secs()
    );
    println!(
        "{:<28}{:>12}{:>16}{:>22}",
        "process", "RSS MiB", "KiB/session", "CPU ms/session/s"
    );
    let per_second =
        |usage: &Watched| usage.ticks as f64 * 10.0 / count as f64 / watch.as_secs_f64();
    for (name, watched) in [
        ("bare clients", &bare_usage),
        ("switchboard up", &own_usage),
    ] {
        let kib = watched.end.resident_kib;
        println!(
            "{name:<28}{:>12}{:>16}{:>22.3}",
            kib / 1024,
            kib / count as u64,
            per_second(watched)
        );
    }
    println!(
        "{:<28}{:>12}",
        "switchboard up, no session",
        empty.resident_kib / 1024
    );
    println!(
        "{:<28}{:>12}",
        "simulator (both runs)",
        simulator_usage.resident_kib / 1024
    );
    let ratio = own_usage.end.resident_kib as f64 / bare_usage.end.resident_kib as f64;
    println!("ratio of resident memory     {ratio:.2}");
    Ok(())
}

/// A process watched over a while.
struct Watched {
    end: Usage,
    ticks: u64,
}

async fn watched(pid: u32, watch: Duration) -> Result<Watched> {
    let begin = usage(pid)?;
    tokio::time::sleep(watch).await;
    let end = usage(pid)?;
    Ok(Watched {
        end,
        ticks: end.ticks - begin.ticks,
    })
}

/// Starts this program again as a process of bare clients and waits until all are connected.
async fn start_bare(simulator: &Simulator, count: usize) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "bare",
        "--simulator",
        &simulator.url,
        "--sessions",
        &count.to_string(),
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let line = lines
        .next_line()
        .await?
        .context("the bare process ended early")?;
    anyhow::ensure!(
        line == format!("ready {count}"),
        "the bare process said {line:?}"
    );
    Ok(child)
}
