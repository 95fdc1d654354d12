//! Sessions change their node by plan: what they are goes with them, and whoever is to leave leaves nothing behind.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use switchboard_e2e::{World, id_on};
use switchboard_harness::drivers::connected;
use switchboard_harness::wait;

const BANNED: &str = "15550119001";
const PEER: &str = "15550119002";
/// The sessions of the node that leaves.
const LEAVING: [&str; 3] = ["15550119003", "15550119004", "15550119005"];
/// WhatsApp's code for a ban, in answer to a login. Source: whatsapp-rust's `ConnectFailureReason`.
const BAN: u16 = 403;

/// Waits until the admin API says that of the session.
async fn says(world: &World, id: &str, fields: &[(&str, &str)]) -> Result<Value> {
    let what = format!("{id} with {fields:?}");
    wait::until(&what, async || {
        let session = world.stack.session(id).await;
        let session = session.map_err(|e| format!("{e:#}"))?;
        let fits = |(field, text): &(&str, &str)| {
            session.get(*field).and_then(Value::as_str) == Some(*text)
        };
        if fields.iter().all(fits) {
            Ok(session)
        } else {
            Err(session.to_string())
        }
    })
    .await
}

/// Logins of a number that the simulator has seen.
async fn connects(world: &World, number: &str) -> Result<u64> {
    let journal = world.simulator.journal().await?;
    let devices = journal.get("devices").and_then(Value::as_array);
    let devices = devices.context("no devices in the journal")?;
    let own = devices.iter().filter(|device| {
        let name = device.get("device").and_then(Value::as_str);
        name.is_some_and(|name| name.starts_with(number))
    });
    Ok(own
        .filter_map(|device| device.get("connects")?.as_u64())
        .sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_travels_with_its_session() -> Result<()> {
    let world = World::start(53, "unused").await?;
    let id = id_on("node-1", "banned")?;
    let result = async {
        world.paired("whapi", &id, BANNED).await?;
        let ban = json!({"kind": "failure", "reason": BAN, "number": BANNED});
        world.simulator.fault(&ban).await?;
        let gone = json!({"kind": "disconnect", "number": BANNED});
        world.simulator.fault(&gone).await?;
        let before = says(&world, &id, &[("state", "banned"), ("owner", "node-1")]).await?;
        let logins = connects(&world, BANNED).await?;
        let path = format!("sessions/{id}/move?wait=60");
        let moved = world
            .stack
            .admin_post(&path, &json!({"node": "node-2"}))
            .await?;
        ensure!(moved.get("done") == Some(&json!(true)), "{moved}");
        let after = says(&world, &id, &[("state", "banned"), ("owner", "node-2")]).await?;
        let reason = |session: &Value| session.pointer("/status/reason").cloned();
        ensure!(
            reason(&after).is_some_and(|reason| reason.is_string())
                && reason(&after) == reason(&before),
            "the reason was {:?} and is {:?}",
            reason(&before),
            reason(&after)
        );
        // Nobody knocks again for a banned number because its session changed its node, nor because the node starts anew.
        ensure!(connects(&world, BANNED).await? == logins, "it connected");
        Ok(())
    };
    world.explain(result.await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_hands_its_sessions_over() -> Result<()> {
    let mut world = World::start(59, "unused").await?;
    world.simulator.add_phone(PEER).await?;
    let mut drivers = Vec::new();
    for number in LEAVING {
        let id = id_on("node-1", number)?;
        drivers.push((world.paired("whapi", &id, number).await?, id));
    }
    let leaving = world.stack.nodes.first_mut().context("no first node")?;
    let clean = leaving.1.terminate().await;
    let result = async {
        ensure!(clean?, "the node did not end with success");
        world.stack.node_is("node-1", "left").await?;
        for (driver, id) in &drivers {
            says(&world, id, &[("owner", "node-2")]).await?;
            connected(driver.as_ref()).await?;
            driver.send_text(PEER, id).await?;
            let arrived = world
                .simulator
                .inbox_has(PEER, "a text from the other node", |m| {
                    m.get("text").and_then(Value::as_str) == Some(id)
                });
            arrived.await?;
        }
        Ok(())
    };
    let result = result.await;
    world.explain(result)?;
    // The last one has nobody to hand them to, and does not wait for anybody.
    let last = world.stack.nodes.last_mut().context("no last node")?;
    let clean = last.1.terminate().await;
    world.explain(clean.and_then(|clean| {
        ensure!(clean, "the last node did not end with success");
        Ok(())
    }))
}
