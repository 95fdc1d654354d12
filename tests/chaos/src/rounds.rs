//! Random rounds: in each a node or a whole machine is killed under traffic, in some something else breaks first, and all judges are
//! called after each.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tokio::time::sleep;

use crate::complaint::Kind;
use crate::judge::alive;
use crate::judge::journal::Allowed;
use crate::trial::Trial;
use crate::world::{Plan, World};

/// How long every session may take to work again, lease and detection included: a limit of the test, not the promise.
const RECOVER_MAX: Duration = Duration::from_secs(30);
/// Traffic before anything breaks.
const CALM: Duration = Duration::from_millis(300);
/// Sessions of the rounds' world.
const SESSIONS: usize = 9;
/// Nodes of it.
const NODES: usize = 3;
/// Their lease.
const LEASE: Duration = Duration::from_secs(2);

/// Who dies in a round; every round has a kill -9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// The node's process, its parent lives.
    Worker,
    /// Process and parent, the kernel closes their sockets.
    Both,
    /// The machine: nothing says good-bye.
    Machine,
}

/// What breaks before that, somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    /// A node stands still for less than its lease.
    ShortPause,
    /// A node stands still for longer.
    LongPause,
    /// A node does not reach NATS for longer than its lease.
    CutFromNats,
    /// nats-server is killed and comes back at once.
    NatsRestart,
}

const KILLS: [Kill; 6] = [
    Kill::Worker,
    Kill::Worker,
    Kill::Worker,
    Kill::Both,
    Kill::Machine,
    Kill::Machine,
];
const OTHERS: [Other; 4] = [
    Other::ShortPause,
    Other::LongPause,
    Other::CutFromNats,
    Other::NatsRestart,
];
/// One round in that many breaks something else too.
const OTHER_EVERY: u32 = 4;

/// What came of the rounds.
#[derive(Debug, Default)]
pub struct Report {
    /// One line per round.
    pub lines: Vec<String>,
    /// What the judges said, with the round's name.
    pub complaints: Vec<String>,
    /// Times until every session worked again.
    pub recoveries: Vec<Duration>,
}

/// Plays that many rounds in one world; ends with the first one that a judge complains of.
///
/// # Errors
/// When the world does not start, or a fault cannot be made.
pub async fn run(rounds: usize, seed: u64) -> Result<Report> {
    let plan = Plan {
        nodes: NODES,
        sessions: SESSIONS,
        lease: LEASE,
        supervised: true,
        seed,
        ..Plan::default()
    };
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut trial = Trial::start(plan).await?;
    let mut report = Report::default();
    for round in 0..rounds {
        let name = format!("r{round:03}.");
        let began = tokio::time::Instant::now();
        let played = one(&mut trial, &name, &mut rng).await;
        let (what, recovered) = match played {
            Ok(played) => played,
            Err(error) => {
                trial.world.keep(&format!("seed-{seed}")).await?;
                let words = trial.world.last_words();
                return Err(error)
                    .with_context(|| format!("round {round} of seed {seed}: {words}"));
            }
        };
        let line = format!(
            "round {round:3}: {what}; all work again after {:.2} s; {:.1} s",
            recovered.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        println!("{line}");
        report.lines.push(line);
        report.recoveries.push(recovered);
        let wrong = std::mem::take(&mut trial.complaints);
        if !wrong.is_empty() {
            report.complaints.extend(
                wrong
                    .into_iter()
                    .map(|text| format!("round {round} ({what}): {text}")),
            );
            println!("{}", trial.world.last_words());
            trial.world.keep(&format!("seed-{seed}")).await?;
            break;
        }
    }
    if std::env::var_os("SWITCHBOARD_CHAOS_TIMELINE").is_some() {
        println!("{}", trial.world.scene.timeline.text());
    }
    println!("traffic: {}", trial.world.scene.office.ledger.summary());
    Ok(report)
}

/// One round: what was broken and how long it took until all worked again.
async fn one(trial: &mut Trial, name: &str, rng: &mut ChaCha12Rng) -> Result<(String, Duration)> {
    let kill = *KILLS.choose(rng).context("kinds of kills")?;
    // Mostly one that has something to lose; a node whose parent waits before it starts it again cannot be killed.
    let wanted = if rng.random_ratio(3, 4) {
        trial.busiest()?
    } else {
        rng.random_range(0..NODES)
    };
    let running = (0..NODES).map(|step| (wanted + step) % NODES);
    let mut running = running.filter(|at| {
        trial
            .world
            .nodes
            .get(*at)
            .is_some_and(|node| node.worker().is_some())
    });
    let victim = running.next().context("not one node runs")?;
    let other = (rng.random_range(0..OTHER_EVERY) == 0)
        .then(|| OTHERS.choose(rng).copied())
        .flatten();
    let bystander = (victim + 1 + rng.random_range(0..NODES - 1)) % NODES;
    let what = match other {
        Some(other) => format!(
            "{other:?} of node-{}, then kill {kill:?} of node-{}",
            bystander + 1,
            victim + 1
        ),
        None => format!("kill {kill:?} of node-{}", victim + 1),
    };
    let own = trial.sessions_of(victim)?;
    let others = trial.sessions_of(bystander)?;
    trial.world.note(format!(
        "{name} {what}: the victim has {own:?}, the bystander {others:?}"
    ));
    let allowed = Allowed {
        left_behind: u64::from(kill == Kill::Machine) + u64::from(other == Some(Other::LongPause)),
    };
    let scene = Arc::clone(&trial.world.scene);
    let (recovered, wrong) = trial
        .under_traffic(name, async |world| {
            sleep(CALM).await;
            if let Some(other) = other {
                break_other(world, other, bystander).await?;
            }
            match kill {
                Kill::Worker => world.node(victim)?.kill_worker()?,
                Kill::Both => world.node(victim)?.kill_processes().await?,
                Kill::Machine => world.node(victim)?.kill_machine().await?,
            }
            let dead = tokio::time::Instant::now();
            let wrong = alive::complaints(&scene, name, RECOVER_MAX).await;
            anyhow::Ok((dead.elapsed(), wrong))
        })
        .await?;
    for complaint in wrong {
        trial.demand(Kind::Works, false, complaint);
    }
    if kill != Kill::Worker {
        trial
            .under_traffic(name, async |world| world.node(victim)?.restart().await)
            .await?;
    }
    trial.judge(name, allowed).await?;
    Ok((what, recovered))
}

async fn break_other(world: &mut World, other: Other, at: usize) -> Result<()> {
    let lease = world.plan.lease;
    match other {
        Other::ShortPause | Other::LongPause => {
            world.node(at)?.pause();
            sleep(if other == Other::LongPause {
                lease * 2
            } else {
                lease / 3
            })
            .await;
            world.node(at)?.resume();
        }
        Other::CutFromNats => {
            let hosts: Vec<_> = world.nats.hosts().cloned().collect();
            world.node(at)?.host().cut_from(&hosts)?;
            sleep(lease * 2).await;
            world.node(at)?.heal()?;
        }
        Other::NatsRestart => {
            world.nats.kill(0).await?;
            sleep(lease / 4).await;
            world.nats.restart(0).await?;
        }
    }
    Ok(())
}
