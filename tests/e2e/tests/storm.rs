//! WhatsApp asks to slow down while many sessions come back at once: the node knocks more slowly, and all come back.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use switchboard_bus::test_server::TestServer;
use switchboard_e2e::{World, id_on};
use switchboard_harness::drivers::connected;
use switchboard_harness::http::client;
use switchboard_harness::stack::Extra;
use switchboard_harness::wait;

/// The node's maximum.
const PACE: f64 = 50.0;
/// Connects that the simulator answers with 429.
const THROTTLED: u32 = 3;
const SESSIONS: usize = 4;

/// The value of a metric without labels.
fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.strip_prefix(name)?.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_node_slows_down_and_everybody_comes_back() -> Result<()> {
    // The port is free again when the node starts; nobody else on the machine takes this one meanwhile, as a rule.
    let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let extra = Extra {
        everywhere: vec![(
            "SWITCHBOARD_WHATSAPP__CONNECTS_PER_SECOND".to_owned(),
            PACE.to_string(),
        )],
        of_node: vec![(
            "node-1".to_owned(),
            "SWITCHBOARD_NODE__METRICS_LISTEN".to_owned(),
            listen.to_string(),
        )],
        ..Extra::default()
    };
    let world = World::start_on(TestServer::start().await?, 47, "unused", extra).await?;
    let result = storm(&world, &format!("http://{listen}")).await;
    world.explain(result)
}

async fn storm(world: &World, node: &str) -> Result<()> {
    let page = async |path: &str| -> Result<(u16, String)> {
        let answer = client().get(format!("{node}{path}")).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    };
    wait::until("the node's /readyz", async || match page("/readyz").await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await?;
    let mut drivers = Vec::new();
    for at in 0..SESSIONS {
        let id = id_on("node-1", &format!("storm{at}"))?;
        let number = format!("155501180{at:02}");
        drivers.push(world.paired("whapi", &id, &number).await?);
    }
    let (_, before) = page("/metrics").await?;
    let pace = value(&before, "switchboard_connect_pace ").context("no pace")?;
    ensure!(pace > PACE / 2.0, "slow before anything happened: {pace}");
    let fault = json!({"kind": "too_many_requests", "count": THROTTLED});
    world.simulator.fault(&fault).await?;
    world
        .simulator
        .fault(&json!({"kind": "disconnect"}))
        .await?;
    wait::until("the slower pace", async || {
        let (_, text) = page("/metrics").await.map_err(|e| format!("{e:#}"))?;
        let pace = value(&text, "switchboard_connect_pace ");
        let throttled = value(&text, "switchboard_connects_throttled_total ");
        match (pace, throttled) {
            (Some(pace), Some(throttled)) if pace < PACE && throttled > 0.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    for driver in &drivers {
        connected(driver.as_ref()).await?;
    }
    let (status, _) = page("/livez").await?;
    ensure!(status == 200, "/livez says {status}");
    let (status, _) = page("/nothing").await?;
    ensure!(status == 404, "/nothing says {status}");
    Ok(())
}
