//! WhatsApp is away: sessions wait in a named state with a next try, and come back by themselves.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use switchboard_e2e::{World, id_on};
use switchboard_harness::drivers::connected;
use switchboard_harness::wait;

const OWN: &str = "15550115001";

#[tokio::test(flavor = "multi_thread")]
async fn sessions_wait_and_come_back() -> Result<()> {
    let id = id_on("node-2", "away")?;
    let world = World::start(19, "unused").await?;
    let driver = world.paired("wuzapi", &id, OWN).await?;
    let result = async {
        world.simulator.fault(&json!({"kind": "refuse"})).await?;
        world
            .simulator
            .fault(&json!({"kind": "disconnect"}))
            .await?;
        let waiting = wait::until("the waiting state", async || {
            let session = world
                .stack
                .session(&id)
                .await
                .map_err(|e| format!("{e:#}"))?;
            if session["status"]["state"] == "waiting" {
                Ok(session)
            } else {
                Err(session.to_string())
            }
        })
        .await?;
        ensure!(
            waiting["status"]["next_try_at"].is_number(),
            "no next try: {waiting}"
        );
        ensure!(
            waiting["status"]["reason"].is_string(),
            "no reason: {waiting}"
        );
        let refused = driver.send_text("15550115002", "nobody").await;
        ensure!(refused.is_err(), "a send without a connection said success");
        world.simulator.clear_faults().await?;
        connected(driver.as_ref()).await
    };
    world.explain(result.await).context("away and back")
}
