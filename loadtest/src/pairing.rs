//! Pairing with key share: from the scan to a connected session, the product beside the bare library.

use std::time::Duration;

use anyhow::Result;
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::Stack;

use crate::{bare, sessions};

/// The first number of the bare side, away from other benchmarks' numbers.
const FIRST_NUMBER: u64 = 15_553_000_000;

pub(crate) async fn run(rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), 9).await?;
    let target = bare::Target::of(
        &simulator.url,
        bare::Store::Memory,
        std::path::PathBuf::new(),
    )
    .await?;
    let stack = Stack::up(&simulator, None).await?;
    let (mut own, mut yardstick, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (client, took) = bare::pair(&target, FIRST_NUMBER + round as u64).await?;
        clients.push(client);
        yardstick.push(took);
        own.push(sessions::pair(&stack, &simulator, round).await?);
    }
    println!("{rounds} pairings, one after the other, from the scan to the connected state");
    println!(
        "(the simulator closes the pairing connection 100 ms after the link, as WhatsApp takes its time; it is part of both)"
    );
    println!(
        "{:<28}{:>10}{:>10}{:>10}",
        "client", "p50 ms", "p90 ms", "max ms"
    );
    print("bare library", &mut yardstick);
    print("switchboard up", &mut own);
    Ok(())
}

fn print(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = times.len().saturating_sub(1) * percent / 100;
        times.get(index).map_or(0, Duration::as_millis)
    };
    println!("{name:<28}{:>10}{:>10}{:>10}", at(50), at(90), at(100));
}
