//! The cluster for operators: who runs what, and orders to nodes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Client;
use super::print;

/// Seconds one order waits for its end at the router; what takes longer is asked for again.
const WAIT_SECS: &str = "60";
/// Pause between two looks at the cluster.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// Looks before `--wait` gives up: about an hour.
const LOOKS_MAX: usize = 1_800;
/// Clears the screen and puts the cursor home. Source: ECMA-48, ED and CUP.
const CLEAR: &str = "\x1b[2J\x1b[H";

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Show it again and again until interrupted
    #[arg(long)]
    watch: bool,
    /// Print what the admin API answers
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Drain {
    /// The node
    node: String,
    /// End the drain: the node takes sessions again
    #[arg(long)]
    off: bool,
    /// Wait until it has no sessions any more
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Move {
    /// The session's id
    session: String,
    /// The node that shall run it
    #[arg(long)]
    node: String,
    /// The tenant, where several have a session of that id
    #[arg(long)]
    tenant: Option<String>,
    /// Wait until it is there
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Weight {
    /// The node
    node: String,
    /// Its share relative to the others; zero takes no sessions
    weight: u32,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The session's id
    session: String,
    /// What it is restored from; each loses something
    #[arg(long, value_enum)]
    from: From,
    /// The folder, with --from folder
    #[arg(long, required_if_eq("from", "folder"))]
    path: Option<String>,
    /// The node that does it [default: the one that ran it last]
    #[arg(long)]
    node: Option<String>,
    /// The tenant, where several have a session of that id
    #[arg(long)]
    tenant: Option<String>,
}

/// What a parked session is restored from.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum From {
    /// What the replicated log still has, although it is older than what ran
    Log,
    /// An old copy of a store's folder on the node
    Folder,
    /// Nothing: it is empty afterwards and is paired again
    Nothing,
}

#[derive(Debug, Serialize)]
struct RestoreBody<'a> {
    from: From,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
}

/// What `GET /cluster` answers, as far as it is drawn.
#[derive(Debug, Deserialize)]
struct View {
    cluster: String,
    nodes: Vec<Node>,
    moves: Vec<Moving>,
    parked: Vec<Parked>,
    totals: Totals,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    state: String,
    weight: Option<u32>,
    release: Option<String>,
    lease_ms: Option<u64>,
    lease_age_ms: u64,
    sessions: usize,
    moving: usize,
}

#[derive(Debug, Deserialize)]
struct Moving {
    session: String,
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
struct Parked {
    session: String,
    node: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Totals {
    sessions: usize,
    owned: usize,
    moving: usize,
    orphaned: usize,
    parked: usize,
    unowned: usize,
    replicated: usize,
}

/// What an order answers, as far as `--wait` needs it.
#[derive(Debug, Deserialize)]
struct UnderWay {
    done: bool,
    #[serde(default)]
    epoch: u64,
}

/// A session, as far as `--wait` needs it.
#[derive(Debug, Deserialize)]
struct Session {
    owner: Option<String>,
    epoch: Option<u64>,
    phase: Option<String>,
}

/// `admin cluster`
pub(super) async fn show(client: &Client, show: &Show) -> Result<()> {
    loop {
        let answer = client.call(Method::GET, "cluster", &[]).await?;
        let text = if show.json {
            format!("{answer:#}\n")
        } else {
            draw(&read(answer)?)
        };
        let mut out = std::io::stdout().lock();
        if show.watch && !show.json {
            out.write_all(CLEAR.as_bytes())?;
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
        drop(out);
        if !show.watch {
            return Ok(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// `admin drain`
pub(super) async fn drain(client: &Client, drain: &Drain) -> Result<()> {
    let method = if drain.off {
        Method::DELETE
    } else {
        Method::POST
    };
    let path = format!("nodes/{}/drain", drain.node);
    let wait = drain.wait.then_some(WAIT_SECS);
    let answer = client.call(method, &path, &[("wait", wait)]).await?;
    if !drain.wait || under_way(&answer)?.done {
        return print(&answer);
    }
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(LOOK_PAUSE).await;
        let view: View = read(client.call(Method::GET, "cluster", &[]).await?)?;
        let node = view.nodes.iter().find(|node| node.id == drain.node);
        let node = node.with_context(|| format!("node {} has no record any more", drain.node))?;
        let left = node.sessions + node.moving;
        let done = if drain.off {
            node.state == "up"
        } else {
            left == 0 && node.state != "up"
        };
        if done {
            println!("node {} is {} and has {left} sessions", node.id, node.state);
            return Ok(());
        }
        if node.state == "up" && !drain.off {
            bail!("somebody ended the drain: node {} is up", node.id);
        }
        eprintln!("node {} is {} and has {left} sessions", node.id, node.state);
    }
    bail!("it takes longer than this command waits; `admin cluster` shows how far it is")
}

/// `admin move`
pub(super) async fn move_session(client: &Client, order: &Move) -> Result<()> {
    let path = format!("sessions/{}/move", order.session);
    let tenant = order.tenant.as_deref();
    let wait = order.wait.then_some(WAIT_SECS);
    let body = serde_json::json!({ "node": order.node });
    let query = [("tenant", tenant), ("wait", wait)];
    let answer = client
        .send(Method::POST, &path, &query, Some(&body))
        .await?;
    let begun = under_way(&answer)?;
    if !order.wait || begun.done {
        return print(&answer);
    }
    let path = format!("sessions/{}", order.session);
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(LOOK_PAUSE).await;
        let answer = client
            .call(Method::GET, &path, &[("tenant", tenant)])
            .await?;
        let now: Session = serde_json::from_value(answer).context("read the session")?;
        let settled = now.phase.as_deref() == Some("owned") && now.epoch > Some(begun.epoch);
        match now.owner {
            Some(owner) if settled && owner == order.node => {
                println!("session {} is on node {owner}", order.session);
                return Ok(());
            }
            Some(owner) if settled => bail!(
                "the move failed: session {} is on node {owner}; its log says why",
                order.session
            ),
            Some(_) | None => {}
        }
    }
    bail!("it takes longer than this command waits; `admin session show` shows where it is")
}

/// `admin weight`
pub(super) async fn weigh(client: &Client, order: &Weight) -> Result<()> {
    let path = format!("nodes/{}/weight", order.node);
    let body = serde_json::json!({ "weight": order.weight });
    print(&client.send(Method::PUT, &path, &[], Some(&body)).await?)
}

/// `admin restore`
pub(super) async fn restore(client: &Client, order: &Restore) -> Result<()> {
    let path = format!("sessions/{}/restore", order.session);
    let body = RestoreBody {
        from: order.from,
        path: order.path.as_deref(),
        node: order.node.as_deref(),
    };
    let query = [("tenant", order.tenant.as_deref())];
    print(
        &client
            .send(Method::POST, &path, &query, Some(&body))
            .await?,
    )
}

fn read(answer: Value) -> Result<View> {
    serde_json::from_value(answer).context("read the cluster: is the router of another release?")
}

fn under_way(answer: &Value) -> Result<UnderWay> {
    UnderWay::deserialize(answer).context("read what became of the order")
}

/// The cluster as text.
fn draw(view: &View) -> String {
    let totals = &view.totals;
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(
        text,
        "cluster {}: {} sessions: {} owned, {} moving, {} orphaned, {} parked, {} unowned; {} replicated",
        view.cluster,
        totals.sessions,
        totals.owned,
        totals.moving,
        totals.orphaned,
        totals.parked,
        totals.unowned,
        totals.replicated,
    );
    let mut rows = vec![
        [
            "NODE", "STATE", "WEIGHT", "HEARD", "LEASE", "SESSIONS", "MOVING", "RELEASE",
        ]
        .map(str::to_owned),
    ];
    rows.extend(view.nodes.iter().map(|node| {
        let seconds = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            node.id.clone(),
            node.state.clone(),
            or_dash(node.weight.map(|weight| weight.to_string())),
            format!("{} ago", seconds(node.lease_age_ms)),
            or_dash(node.lease_ms.map(seconds)),
            node.sessions.to_string(),
            node.moving.to_string(),
            or_dash(node.release.clone()),
        ]
    }));
    text.push('\n');
    table(&mut text, &rows);
    if !view.moves.is_empty() {
        let moves = view.moves.iter();
        let mut rows = vec![["MOVING", "FROM", "TO"].map(str::to_owned)];
        rows.extend(moves.map(|of| [of.session.clone(), of.from.clone(), of.to.clone()]));
        text.push('\n');
        table(&mut text, &rows);
        rest(&mut text, totals.moving, view.moves.len());
    }
    if !view.parked.is_empty() {
        let parked = view.parked.iter();
        let mut rows = vec![["PARKED", "LAST NODE", "WHY"].map(str::to_owned)];
        rows.extend(parked.map(|of| [of.session.clone(), of.node.clone(), of.reason.clone()]));
        text.push('\n');
        table(&mut text, &rows);
        rest(&mut text, totals.parked, view.parked.len());
    }
    text
}

/// Says how many are not shown.
fn rest(text: &mut String, all: usize, shown: usize) {
    let more = all.saturating_sub(shown);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cluster_is_drawn_as_tables() {
        let view = json!({
            "cluster": "test",
            "nodes": [
                { "id": "n1", "state": "up", "incarnation": "i", "weight": 1, "release": "0.1.0", "lease_ms": 10_000,
                  "lease_age_ms": 1_234, "sessions": 7, "moving": 1 },
                { "id": "node-two", "state": "unreadable", "incarnation": null, "weight": null, "release": null,
                  "lease_ms": null, "lease_age_ms": 99_960, "sessions": 0, "moving": 0 },
            ],
            "moves": [{ "session": "default/a", "from": "n1", "to": "n2", "epoch": 3 }],
            "parked": [{ "session": "default/b", "node": "n1", "reason": "its disk is lost" }],
            "totals": { "sessions": 9, "owned": 6, "moving": 1, "orphaned": 0, "parked": 2, "unowned": 0, "replicated": 8 },
        });
        let expected = "\
cluster test: 9 sessions: 6 owned, 1 moving, 0 orphaned, 2 parked, 0 unowned; 8 replicated

NODE      STATE       WEIGHT  HEARD       LEASE   SESSIONS  MOVING  RELEASE
n1        up          1       1.2 s ago   10.0 s  7         1       0.1.0
node-two  unreadable  -       99.9 s ago  -       0         0       -

MOVING     FROM  TO
default/a  n1    n2

PARKED     LAST NODE  WHY
default/b  n1         its disk is lost
and 1 more
";
        assert_eq!(draw(&read(view).unwrap()), expected);
    }
}
