//! The files of `deploy/` as they stand: a cluster whose processes have only the rights on NATS that `nats.conf` gives them,
//! and what those rights keep each of them from.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value gives null, it never panics"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use switchboard_bus::test_server::{TestServer, find};
use switchboard_e2e::{World, id_on};
use switchboard_harness::drivers::connected;
use switchboard_harness::http::client;
use switchboard_harness::processes::signal;
use switchboard_harness::stack::Extra;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

const OWN: &str = "15550116001";
const PEER: &str = "15550116002";
/// Passwords that nats-server would read as broken numbers without the quotes that `compose.yaml` adds.
const NODE_PASSWORD: &str = "12e4ab00";
const ROUTER_PASSWORD: &str = "5e4cd111";
/// Records that make the directory long, and the bytes of each. Together more than a server sends ahead.
const FILLERS: usize = 64;
const FILLER_LEN: usize = 512 * 1024;
/// Lines a server may say before its answer.
const LINES_MAX: usize = 16;
/// How long a server may take for a line.
const LINE_WAIT_MAX: Duration = Duration::from_secs(30);

/// A nats-server on `deploy/nats.conf`, and a folder that must be there as long as it is.
async fn server() -> Result<(TestServer, TempDir)> {
    let mut file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats.conf");
    let scratch = tempfile::tempdir()?;
    let version = Command::new(find()?).arg("--version").output().await?;
    if String::from_utf8_lossy(&version.stdout).contains(" v2.9.") {
        // The one line that such a release does not know; the file says so.
        let text = std::fs::read_to_string(&file)?;
        file = scratch.path().join("nats.conf");
        std::fs::write(&file, text.replace("sync_interval: always", ""))?;
    }
    let variables = |store: &Path| {
        let quoted = |name: &str, value: &str| (name.to_owned(), format!("\"{value}\""));
        vec![
            quoted("NATS_STORE_DIR", &store.to_string_lossy()),
            quoted("NATS_NODE_PASSWORD", NODE_PASSWORD),
            quoted("NATS_ROUTER_PASSWORD", ROUTER_PASSWORD),
        ]
    };
    let server = TestServer::start_file(&file, variables).await;
    let server = server.context("start nats-server on deploy/nats.conf")?;
    Ok((server, scratch))
}

/// `host:port` of a server.
fn address(nats: &TestServer) -> String {
    nats.url().trim_start_matches("nats://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_works_with_the_least_rights() -> Result<()> {
    let (nats, _folder) = server().await?;
    let at = address(&nats);
    let url = |user: &str, password: &str| {
        vec![(
            "SWITCHBOARD_NATS__URL".to_owned(),
            format!("nats://{user}:{password}@{at}"),
        )]
    };
    let mut everywhere = url("node", NODE_PASSWORD);
    // The log takes rights that local durability does not need.
    everywhere.push((
        "SWITCHBOARD_STORE__DURABILITY".to_owned(),
        "replicated".to_owned(),
    ));
    let extra = Extra {
        everywhere,
        router: url("router", ROUTER_PASSWORD),
        node_words: vec!["--supervised".to_owned()],
        ..Extra::default()
    };
    let mut world = World::start_on(nats, 23, "unused", extra).await?;
    let result = everything(&mut world).await;
    world.explain(result)
}

async fn everything(world: &mut World) -> Result<()> {
    world.simulator.add_phone(PEER).await?;
    talk(world, "node-1").await?;
    change_the_directory(world).await?;
    move_a_session(world).await?;
    lose_a_process(world).await?;
    // A watch of a long directory is held back by the server, and one that breaks off begins anew: both take rights.
    lengthen_the_directory(world).await?;
    world.nats.restart().await?;
    world.stack.ready().await?;
    talk(world, "node-2").await?;
    // What NATS refuses and nobody notices is still a missing right.
    let said = world.stack.output().to_lowercase();
    ensure!(
        !said.contains("permissions violation"),
        "a right is missing"
    );
    Ok(())
}

/// A session on that node is paired, hears and speaks.
async fn talk(world: &World, node: &str) -> Result<()> {
    let id = id_on(node, "rights")?;
    let own = world.paired("whapi", &id, OWN).await?;
    world.simulator.phone_sends(PEER, OWN, "in").await?;
    let heard = |call: &_| {
        own.heard(call)
            .iter()
            .any(|h| h.text.as_deref() == Some("in"))
    };
    world.receiver.got(&id, "the text", heard).await?;
    own.send_text(PEER, node).await?;
    let arrived = world
        .simulator
        .inbox_has(PEER, "the text on the phone", |m| m["text"] == node);
    arrived.await?;
    own.logout().await
}

/// A session goes to the other node by order, and speaks there.
async fn move_a_session(world: &World) -> Result<()> {
    let id = id_on("node-1", "moved")?;
    let own = world.paired("whapi", &id, OWN).await?;
    let path = format!("sessions/{id}/move?wait=60");
    let moved = world
        .stack
        .admin_post(&path, &json!({"node": "node-2"}))
        .await?;
    ensure!(moved["done"] == true, "it did not move: {moved}");
    connected(own.as_ref()).await?;
    own.send_text(PEER, "moved").await?;
    let arrived = world
        .simulator
        .inbox_has(PEER, "the text of the moved session", |m| {
            m["text"] == "moved"
        });
    arrived.await?;
    own.logout().await
}

/// The process of a node dies; its parent says so with rights of its own.
async fn lose_a_process(world: &World) -> Result<()> {
    let (_, parent) = &world.stack.nodes[0];
    let child = *parent.children()?.first().context("no child")?;
    signal(child, "KILL").await?;
    world.stack.node_is("node-1", "left").await?;
    world.stack.node_is("node-1", "up").await
}

/// Every call that writes records.
async fn change_the_directory(world: &World) -> Result<()> {
    let stack = &world.stack;
    stack
        .admin_post("tenants", &json!({"id": "second"}))
        .await?;
    stack.admin_post("tenants/second/key", &json!({})).await?;
    let created = stack
        .admin_post("sessions", &json!({"tenant": "second"}))
        .await?;
    let id = created["id"].as_str().context("no id")?;
    stack
        .admin_post(&format!("sessions/{id}/token"), &json!({}))
        .await?;
    let url = format!("{}/admin/v1/sessions/{id}", stack.url);
    let removed = client()
        .delete(url)
        .bearer_auth(stack.admin_key())
        .send()
        .await?;
    removed.error_for_status()?;
    Ok(())
}

/// Puts so much under names that are no sessions that no watch gets it at once.
async fn lengthen_the_directory(world: &World) -> Result<()> {
    let mut wire = Wire::login(&world.nats, "router", ROUTER_PASSWORD).await?;
    let filler = "x".repeat(FILLER_LEN);
    for at in 0..FILLERS {
        let put = format!("PUB $KV.switchboard_sessions.filler.{at} {FILLER_LEN}\r\n{filler}\r\n");
        ensure!(
            wire.complaint(&put).await?.is_none(),
            "a record was refused"
        );
    }
    Ok(())
}

/// A client that speaks the protocol itself: each answer is seen, in order. Source: NATS client protocol.
struct Wire(BufReader<TcpStream>);

impl Wire {
    async fn connect(nats: &TestServer, login: &str) -> Result<Self> {
        let mut wire = Self(BufReader::new(TcpStream::connect(address(nats)).await?));
        let info = wire.line().await?;
        ensure!(info.starts_with("INFO "), "not a nats-server: {info}");
        wire.send(&format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false{login}}}\r\n"
        ))
        .await?;
        Ok(wire)
    }

    async fn login(nats: &TestServer, user: &str, password: &str) -> Result<Self> {
        Self::connect(
            nats,
            &format!(",\"user\":\"{user}\",\"pass\":\"{password}\""),
        )
        .await
    }

    async fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.0.get_mut().write_all(text.as_bytes()).await?)
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        tokio::time::timeout(LINE_WAIT_MAX, self.0.read_line(&mut line))
            .await
            .context("no answer")??;
        ensure!(!line.is_empty(), "the server hung up");
        Ok(line.trim_end().to_owned())
    }

    /// Says something, and returns what the server has against it.
    async fn complaint(&mut self, text: &str) -> Result<Option<String>> {
        self.send(&format!("{text}PING\r\n")).await?;
        let mut complaint = None;
        for _ in 0..LINES_MAX {
            match self.line().await?.as_str() {
                "PONG" => return Ok(complaint),
                error if error.starts_with("-ERR") => complaint = Some(error.to_owned()),
                _ => {}
            }
        }
        bail!("no answer to a ping")
    }

    async fn may_subscribe(&mut self, subject: &str) -> Result<bool> {
        let complaint = self
            .complaint(&format!("SUB {subject} 1\r\nUNSUB 1\r\n"))
            .await?;
        Self::judge(complaint, "Permissions Violation for Subscription")
    }

    async fn may_publish(&mut self, subject: &str) -> Result<bool> {
        let complaint = self.complaint(&format!("PUB {subject} 0\r\n\r\n")).await?;
        Self::judge(complaint, "Permissions Violation for Publish")
    }

    fn judge(complaint: Option<String>, expected: &str) -> Result<bool> {
        match complaint {
            None => Ok(true),
            Some(text) if text.contains(expected) => Ok(false),
            Some(text) => bail!("another complaint: {text}"),
        }
    }
}

/// What both users may not: touch what exists, see everything, be the system.
const NOBODY_READS: [&str; 8] = [
    ">",
    "$KV.>",
    "$JS.>",
    "$SYS.>",
    "_INBOX.>",
    "wa.>",
    "wa.default.a.events.message",
    "sb.switchboard.>",
];
const NOBODY_WRITES: [&str; 14] = [
    "wa.default.a.events.message",
    "sb.other.node.node-1.rpc",
    "sb.other.node.node-1.peer",
    "sb.other.wal.default.a",
    "$KV.other_owners.default.a",
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.CREATE.switchboard_events",
    "$JS.API.STREAM.UPDATE.KV_switchboard_sessions",
    "$JS.API.STREAM.DELETE.KV_switchboard_sessions",
    "$JS.API.STREAM.PURGE.KV_switchboard_sessions",
    "$JS.API.STREAM.MSG.DELETE.KV_switchboard_sessions",
    "$JS.API.STREAM.SNAPSHOT.KV_switchboard_sessions",
    "$JS.API.CONSUMER.CREATE.switchboard_events",
];

async fn refused(wire: &mut Wire, reads: &[&str], writes: &[&str]) -> Result<()> {
    for subject in NOBODY_READS.iter().chain(reads) {
        ensure!(
            !wire.may_subscribe(subject).await?,
            "it may subscribe to {subject}"
        );
    }
    for subject in NOBODY_WRITES.iter().chain(writes) {
        ensure!(
            !wire.may_publish(subject).await?,
            "it may publish to {subject}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_reads_no_calls_no_events_and_nobody_elses_answers() -> Result<()> {
    let (nats, _folder) = server().await?;
    let mut wire = Wire::login(&nats, "router", ROUTER_PASSWORD).await?;
    // The client is understood at all, and the rights in use are there.
    ensure!(
        wire.may_subscribe("_INBOX.router.abc.*").await?,
        "not its own inbox"
    );
    ensure!(
        wire.may_publish("sb.switchboard.node.node-1.rpc").await?,
        "not the calls to nodes"
    );
    let reads = [
        "sb.switchboard.node.node-1.rpc",
        "sb.switchboard.node.*.rpc",
        "sb.switchboard.node.node-1.peer",
        "sb.switchboard.wal.>",
        "_INBOX.parent.>",
        "_INBOX.node.>",
        "_INBOX.node.abc.*",
    ];
    let writes = [
        "_INBOX.node.abc.def",
        "_INBOX.router.abc.def",
        // A router that could write these could give sessions away, or take a node for dead.
        "sb.switchboard.node.node-1.peer",
        "$KV.switchboard_owners.default.a",
        "$KV.switchboard_nodes.node-1",
        "$KV.switchboard_cluster.self",
        "sb.switchboard.wal.default.a",
        "sb.switchboard.snapshot.default.a",
        "$JS.API.STREAM.MSG.GET.switchboard_wal",
        "$JS.API.STREAM.MSG.GET.switchboard_snapshots",
        "$JS.API.STREAM.PURGE.switchboard_wal",
    ];
    refused(&mut wire, &reads, &writes)
        .await
        .context("the user router")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_makes_no_session_gives_no_orders_and_calls_no_node() -> Result<()> {
    let (nats, _folder) = server().await?;
    let mut wire = Wire::login(&nats, "node", NODE_PASSWORD).await?;
    ensure!(
        wire.may_subscribe("sb.switchboard.node.node-1.rpc").await?,
        "not its calls"
    );
    ensure!(
        wire.may_publish("_INBOX.router.abc.def").await?,
        "not the answers to routers"
    );
    ensure!(
        wire.may_publish("sb.switchboard.node.node-1.peer").await?,
        "not the sessions that it hands over"
    );
    let writes = [
        "sb.switchboard.node.node-1.rpc",
        "sb.switchboard.node.node-1.admin",
        "$JS.API.STREAM.DELETE.KV_switchboard_owners",
        "$JS.API.STREAM.PURGE.KV_switchboard_owners",
        "$JS.API.STREAM.DELETE.switchboard_wal",
        "$JS.API.STREAM.SNAPSHOT.switchboard_wal",
        "$JS.API.CONSUMER.CREATE.switchboard_wal",
        "$KV.switchboard_sessions.default.a",
        "$KV.switchboard_tenants.default",
        "$JS.API.STREAM.MSG.GET.KV_switchboard_tenants",
        "$JS.API.CONSUMER.CREATE.KV_switchboard_tenants",
    ];
    refused(
        &mut wire,
        &["_INBOX.router.>", "_INBOX.router.abc.*"],
        &writes,
    )
    .await
    .context("the user node")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_gets_in() -> Result<()> {
    let (nats, _folder) = server().await?;
    let strangers = [
        Wire::connect(&nats, "").await?,
        Wire::login(&nats, "node", ROUTER_PASSWORD).await?,
        Wire::login(&nats, "admin", NODE_PASSWORD).await?,
    ];
    for mut wire in strangers {
        wire.send("PING\r\n").await?;
        let answer = wire.line().await?;
        ensure!(
            answer.contains("Authorization Violation"),
            "it got in: {answer}"
        );
    }
    Ok(())
}
