//! A node is killed with SIGKILL while messages stream in, again and again: none is lost, none is logged twice, and nobody has
//! to scan a code again.

#![expect(
    clippy::indexing_slicing,
    reason = "test code: a wrong index should stop the test"
)]

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use switchboard_e2e::{World, id_on};
use switchboard_harness::drivers::{self, Driver};
use switchboard_harness::wait;

const OWN: &str = "15550112001";
const PEER: &str = "15550112002";
/// Kills; `SWITCHBOARD_KILL_ROUNDS` overrides.
const ROUNDS_DEFAULT: usize = 20;
/// Messages sent round each kill: half before, half while the node is down.
const BURST: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_is_paired_again() -> Result<()> {
    let rounds = std::env::var("SWITCHBOARD_KILL_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(ROUNDS_DEFAULT);
    let id = id_on("node-1", "victim")?;
    let mut world = World::start(11, "unused").await?;
    let driver = world.paired("whapi", &id, OWN).await?;
    world.simulator.add_phone(PEER).await?;
    let mut sent = BTreeSet::new();
    for round in 0..rounds {
        let result = one_round(&mut world, driver.as_ref(), round, &mut sent).await;
        world
            .explain(result)
            .with_context(|| format!("round {round}"))?;
    }
    let result = check(&world, driver.as_ref(), &id, &sent).await;
    world.explain(result)
}

async fn one_round(
    world: &mut World,
    driver: &dyn Driver,
    round: usize,
    sent: &mut BTreeSet<String>,
) -> Result<()> {
    for at in 0..BURST {
        if at == BURST / 2 {
            // In the middle of the burst: some messages are being taken in right now.
            world.stack.kill_node("node-1").await?;
        }
        let text = format!("round {round} message {at}");
        world.simulator.phone_sends(PEER, OWN, &text).await?;
        sent.insert(text);
    }
    world.stack.restart_node("node-1").await?;
    drivers::connected(driver).await
}

async fn check(
    world: &World,
    driver: &dyn Driver,
    id: &str,
    sent: &BTreeSet<String>,
) -> Result<()> {
    let listed = wait::until("every message in the list", async || {
        let texts = all_texts(world, id).await.map_err(|e| format!("{e:#}"))?;
        let missing: Vec<_> = sent
            .iter()
            .filter(|text| !texts.contains(text))
            .cloned()
            .collect();
        if missing.is_empty() {
            Ok(texts)
        } else {
            Err(format!("{} missing: {missing:?}", missing.len()))
        }
    })
    .await?;
    ensure!(
        listed.len() == sent.len(),
        "{} listed, {} sent: something is doubled",
        listed.len(),
        sent.len()
    );
    wait::until("every message at the webhook", async || {
        let calls = world.receiver.calls(id);
        let told: BTreeSet<_> = calls
            .iter()
            .flat_map(|call| driver.heard(call))
            .filter_map(|h| h.text)
            .collect();
        let missing = sent.difference(&told).count();
        if missing == 0 { Ok(()) } else { Err(missing) }
    })
    .await?;
    let journal = world.simulator.journal().await?;
    let pairings = count_devices(&journal, OWN);
    ensure!(
        pairings == 1,
        "{OWN} has {pairings} linked devices, so it was paired again: {journal}"
    );
    Ok(())
}

/// Most messages the listing can show; far above what the rounds send.
const LISTED_MAX: u32 = 500;

/// All texts of the conversation, listed through another system than the one that drives the session.
async fn all_texts(world: &World, id: &str) -> Result<Vec<String>> {
    let url = format!("{}/chat/fetchMessages/{id}", world.stack.url);
    let body = json!({"chatId": format!("{PEER}@c.us"), "searchOptions": {"limit": LISTED_MAX}});
    let request = switchboard_harness::http::client()
        .post(url)
        .header("x-api-key", &world.stack.tenant_key)
        .json(&body);
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    let messages = answer["messages"]
        .as_array()
        .context("no messages in the answer")?;
    Ok(messages
        .iter()
        .filter_map(|m| m["body"].as_str())
        .map(str::to_owned)
        .collect())
}

/// Devices other than the phone that the simulator's journal knows of a number.
fn count_devices(journal: &Value, number: &str) -> usize {
    let devices = journal["devices"].as_array().into_iter().flatten();
    devices
        .filter(|d| {
            d["device"]
                .as_str()
                .is_some_and(|name| name.starts_with(number))
        })
        .count()
}
