//! What happens to the cluster, and when its sessions are back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use serde_json::{Value, json};
use switchboard_harness::processes::{self, Program};
use switchboard_harness::wait;

use super::journal::Journal;
use super::owners::Change;
use super::table::Table;
use super::traffic::Traffic;
use super::{NODES, World, now_ms};
use crate::sessions;

/// Longest part of a scenario: a thousand hand-overs for balance at the default pace take four minutes.
const PART_MAX: Duration = Duration::from_secs(400);
/// Pause between two looks at the journal: reading it costs the simulator time.
const JOURNAL_PAUSE: Duration = Duration::from_millis(300);
/// How often a long part tells how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Orders to hand over that are under way at once.
const MOVES_AT_ONCE: usize = 4;
/// Longest wait for one hand-over, in seconds.
const MOVE_MAX_S: u64 = 60;
/// How many leases nothing must move before sessions count as resting. Source: the product holds a session that just came
/// for 20 leases, and lets the nodes settle for 2.
const QUIET_LEASES: u32 = 24;

/// A process dies under its parent.
pub(crate) async fn process(world: &World, table: &mut Table) -> Result<()> {
    let [node, ..] = NODES;
    let children = program(world, node)?.children()?;
    let child = children.first().context("the parent has no child")?;
    let (victims, begun) = (world.owners.of(node), now_ms());
    processes::signal(*child, "KILL").await?;
    taken(world, &victims, begun, "process died", "2 s", table).await?;
    world.stack.node_is(node, "up").await
}

/// A process and its parent die, as with their machine. The node stays away.
pub(crate) async fn machine(
    world: &mut World,
    lease: Duration,
    name: &str,
    table: &mut Table,
) -> Result<()> {
    let [_, node, _] = NODES;
    let parent = program(world, node)?.pid().context("the parent runs")?;
    let children = program(world, node)?.children()?;
    let (victims, begun) = (world.owners.of(node), now_ms());
    // A stopped parent does not see its child die.
    processes::signal(parent, "STOP").await?;
    for child in children {
        processes::signal(child, "KILL").await?;
    }
    world.stack.kill_node(node).await?;
    let wanted = format!("lease + 1 s = {} s", lease.as_secs() + 1);
    taken(world, &victims, begun, name, &wanted, table).await
}

/// The lost machine comes back to the others, which have everything.
pub(crate) async fn join(world: &mut World, lease: Duration, table: &mut Table) -> Result<()> {
    let [_, node, _] = NODES;
    ensure!(
        world.owners.of(node).is_empty(),
        "{node} is away and has sessions"
    );
    let count = world.sessions;
    world.stack.restart_node(node).await?;
    let (begun, mark) = (Instant::now(), world.owners.mark());
    let began_ms = now_ms();
    let took = balanced(world, begun, lease * QUIET_LEASES).await?;
    let moved = moved_since(world, mark);
    table.time("a third node joins: until sessions rest", count, took, "");
    let off = unevenness(&world.owners.holdings(), count) * 100.0;
    let off = format!("{off:.1} %");
    table.text(
        "… the most that a node is off its third",
        count,
        off,
        "10 %",
    );
    table.number("… sessions moved for it", count, moved.len(), "");
    gaps(world, &moved, began_ms, "… without socket", table).await
}

/// Waits until sessions have moved and rest; the time of the last move. Where they rest is decided by hashing, so how
/// even that is differs from run to run.
async fn balanced(world: &World, begun: Instant, quiet: Duration) -> Result<Duration> {
    let [_, node, _] = NODES;
    let (mut told, mut last) = (Instant::now(), (world.owners.mark(), begun.elapsed()));
    wait::within(PART_MAX, "balance", async || {
        world.owners.check().map_err(|e| format!("{e:#}"))?;
        let holdings = world.owners.holdings();
        if told.elapsed() >= PROGRESS_EVERY {
            println!("balance after {:.0?}: {holdings:?}", begun.elapsed());
            told = Instant::now();
        }
        if world.owners.mark() != last.0 {
            last = (world.owners.mark(), begun.elapsed());
        }
        let rests = holdings.contains_key(node) && begun.elapsed() >= last.1 + quiet;
        if rests {
            Ok(last.1)
        } else {
            Err(format!("{holdings:?}"))
        }
    })
    .await
}

/// By which part of it a node is off its equal share, at most.
fn unevenness(holdings: &BTreeMap<String, usize>, count: usize) -> f64 {
    let mean = count as f64 / NODES.len() as f64;
    let off = |node: &&str| {
        let has = holdings.get(*node).copied().unwrap_or(0);
        (has as f64 - mean).abs() / mean
    };
    NODES.iter().map(off).fold(0.0, f64::max)
}

/// Drains of a node with its share, and of one that has everything.
pub(crate) async fn drains(world: &World, table: &mut Table) -> Result<()> {
    let [all, other, share] = NODES;
    drain(world, share, "drain of a node with its share", table).await?;
    order(world, reqwest::Method::POST, other).await?;
    empty(world, other).await?;
    for node in [other, share] {
        order(world, reqwest::Method::DELETE, node).await?;
        world.stack.node_is(node, "up").await?;
    }
    drain(world, all, "drain of a node with everything", table).await?;
    order(world, reqwest::Method::DELETE, all).await
}

async fn drain(world: &World, node: &str, name: &str, table: &mut Table) -> Result<()> {
    let its: Vec<String> = world.owners.of(node).into_keys().collect();
    let (begun, began_ms) = (Instant::now(), now_ms());
    order(world, reqwest::Method::POST, node).await?;
    empty(world, node).await?;
    table.time(
        &format!("{name}: until it is empty"),
        its.len(),
        begun.elapsed(),
        "",
    );
    gaps(world, &its, began_ms, "… without socket", table).await
}

async fn empty(world: &World, node: &str) -> Result<()> {
    wait::within(PART_MAX, &format!("{node} to be empty"), async || {
        world.owners.check().map_err(|e| format!("{e:#}"))?;
        let left = world.owners.of(node).len();
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} sessions are left"))
        }
    })
    .await
}

/// Single hand-overs while customers send.
pub(crate) async fn moves(
    world: &World,
    count: usize,
    sends_per_second: u32,
    table: &mut Table,
) -> Result<()> {
    let movers: Vec<usize> = (0..count.min(world.sessions)).collect();
    let before = Journal::read(&world.simulator).await?;
    let traffic = Traffic::start(&world.stack, &world.simulator, &movers, sends_per_second).await?;
    let began_ms = now_ms();
    let orders = (0..count).map(|at| hand_over(world, movers[at % movers.len()]));
    let orders = futures::stream::iter(orders).buffer_unordered(MOVES_AT_ONCE);
    let results: Vec<Result<u64>> = orders.collect().await;
    let names: Vec<String> = movers.iter().map(|at| sessions::id(*at)).collect();
    let connected = all_connected(world, &names).await;
    let seen = traffic.stop().await?;
    let after = connected?;
    let (done, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    for error in refused.iter().filter_map(|result| result.as_ref().err()) {
        println!("not handed over: {error:#}");
    }
    for text in &seen.texts {
        println!("failed call: {text}");
    }
    let devices = movers.iter().map(|at| sessions::device(*at));
    let gaps = devices.flat_map(|device| after.gaps_since(&device, began_ms));
    table.times(
        "hand-over under traffic: without socket",
        gaps.collect(),
        "p99 < 500 ms",
    );
    let took = done.into_iter().flatten().collect();
    table.times("… the whole order, by the admin API", took, "");
    table.number("… hand-overs that failed", count, refused.len(), "0");
    let calls = seen.calls_ms.len();
    table.times("… API calls meanwhile", seen.calls_ms, "");
    table.number("… API calls that failed", calls, seen.failed, "0");
    let conflicts = usize::try_from(after.conflicts - before.conflicts)?;
    table.number("… conflicts at the server", count, conflicts, "0");
    Ok(())
}

/// Hands one session to the next node; gives how long that took, in milliseconds.
async fn hand_over(world: &World, at: usize) -> Result<u64> {
    let id = sessions::id(at);
    let owner = world.owners.session(&id).context("it has no owner")?;
    let owner = owner.record.node.to_string();
    let place = NODES.iter().position(|node| *node == owner);
    let next = (place.context("its owner is none of ours")? + 1) % NODES.len();
    let begun = Instant::now();
    let path = format!("sessions/{id}/move?wait={MOVE_MAX_S}");
    let answer: Value = world
        .stack
        .admin_post(&path, &json!({"node": NODES[next]}))
        .await?;
    ensure!(answer["done"] == true, "{id} did not arrive: {answer}");
    Ok(u64::try_from(begun.elapsed().as_millis())?)
}

/// Waits until the sessions of a dead process have another life and a socket, and notes when they did.
async fn taken(
    world: &World,
    victims: &BTreeMap<String, Change>,
    begun: u64,
    name: &str,
    wanted: &str,
    table: &mut Table,
) -> Result<()> {
    ensure!(!victims.is_empty(), "{name}: the node had no sessions");
    let first = wait::within(PART_MAX, "other owners", async || {
        world.owners.check().map_err(|e| format!("{e:#}"))?;
        let first = takers(world, victims, begun);
        if first.len() == victims.len() {
            Ok(first)
        } else {
            let (has, of) = (first.len(), victims.len());
            Err(format!("{has} of {of} sessions have other owners"))
        }
    })
    .await?;
    table.times(
        &format!("{name}: until owned elsewhere"),
        first.into_values().collect(),
        wanted,
    );
    let names: Vec<String> = victims.keys().cloned().collect();
    let journal = journal_with(world, "other sockets", |journal| {
        connected(journal, &names, begun).is_some()
    })
    .await?;
    let connected = connected(&journal, &names, begun).unwrap_or_default();
    table.times(&format!("{name}: until connected"), connected, wanted);
    Ok(())
}

/// How long after `begun` each session had another owner, in milliseconds.
fn takers(world: &World, victims: &BTreeMap<String, Change>, begun: u64) -> BTreeMap<String, u64> {
    let mut first = BTreeMap::new();
    for change in world.owners.since(0) {
        let (id, record) = (change.session(), &change.record);
        let is_other = victims.get(&id).is_some_and(|old| {
            record.incarnation != old.record.incarnation && record.epoch > old.record.epoch
        });
        if is_other && change.is_owned() {
            first
                .entry(id)
                .or_insert(change.at_ms.saturating_sub(begun));
        }
    }
    first
}

/// How long after `begun` each connected; none when one has not yet.
fn connected(journal: &Journal, names: &[String], begun: u64) -> Option<Vec<u64>> {
    let after = |name: &String| {
        let device = sessions::device(sessions::place(name)?);
        Some(
            journal
                .connected_after(&device, begun)?
                .saturating_sub(begun),
        )
    };
    names.iter().map(after).collect()
}

/// Which sessions have another owner since that mark.
fn moved_since(world: &World, mark: usize) -> Vec<String> {
    let owned = world.owners.since(mark).into_iter();
    let mut names: Vec<String> = owned
        .filter(Change::is_owned)
        .map(|change| change.session())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A row of how long each of these sessions had no socket.
async fn gaps(
    world: &World,
    names: &[String],
    began_ms: u64,
    name: &str,
    table: &mut Table,
) -> Result<()> {
    let journal = all_connected(world, names).await?;
    let devices = names.iter().filter_map(|name| sessions::place(name));
    let gaps = devices.flat_map(|at| journal.gaps_since(&sessions::device(at), began_ms));
    table.times(name, gaps.collect(), "");
    Ok(())
}

/// The journal once each of these sessions has a socket.
async fn all_connected(world: &World, names: &[String]) -> Result<Journal> {
    journal_with(world, "every session to be connected", |journal| {
        let mut devices = names.iter().filter_map(|name| sessions::place(name));
        devices.all(|at| journal.is_connected(&sessions::device(at)))
    })
    .await
}

async fn journal_with(
    world: &World,
    what: &str,
    fits: impl Fn(&Journal) -> bool,
) -> Result<Journal> {
    let deadline = Instant::now() + PART_MAX;
    loop {
        let journal = Journal::read(&world.simulator).await?;
        if fits(&journal) {
            return Ok(journal);
        }
        if Instant::now() >= deadline {
            bail!("waited {PART_MAX:?} for {what}");
        }
        tokio::time::sleep(JOURNAL_PAUSE).await;
    }
}

/// Begins (POST) or ends (DELETE) a drain.
async fn order(world: &World, method: reqwest::Method, node: &str) -> Result<()> {
    let url = format!("{}/admin/v1/nodes/{node}/drain", world.stack.url);
    let request = switchboard_harness::http::client()
        .request(method.clone(), url)
        .bearer_auth(world.stack.admin_key());
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(
        status.is_success(),
        "{method} drain of {node}: {status} {text}"
    );
    Ok(())
}

fn program<'a>(world: &'a World, node: &str) -> Result<&'a Program> {
    let mut nodes = world.stack.nodes.iter();
    let found = nodes.find(|(name, _)| name == node);
    Ok(&found.with_context(|| format!("no node {node}"))?.1)
}
