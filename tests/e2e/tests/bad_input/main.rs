//! Bad input, system by system: every call that cannot be right is answered with that system's own status and error body,
//! which says what was wrong, and nothing half-done is left.
//!
//! The statuses and shapes are facts of the five systems, written down here apart from our own tables.

mod admin;
mod case;
mod chatapi;
mod facts;
mod wapi;
mod whapi;
mod wuzapi;
mod wwebjs;

use anyhow::{Result, ensure};
use serde_json::json;
use switchboard_bus::test_server::TestServer;
use switchboard_e2e::World;
use switchboard_harness::drivers;
use switchboard_harness::stack::Extra;
use switchboard_harness::wait;

use crate::case::{Case, Shape, judge};
use crate::facts::{BODY_BYTES_MAX, Facts, OWN, PEER};

/// One system: how its errors look, and its cases by the state the sessions must be in.
pub(crate) struct System {
    name: &'static str,
    shape: Shape,
    /// Whatever state the sessions are in.
    always: fn(&Facts) -> Vec<Case>,
    /// While WhatsApp cannot be reached.
    away: fn(&Facts) -> Vec<Case>,
    /// A second log-out, by the session that was logged out with this system's driver.
    logged_out: fn(&Facts, &facts::Keys) -> Vec<Case>,
}

const SYSTEMS: [System; 5] =
    [whapi::SYSTEM, wapi::SYSTEM, chatapi::SYSTEM, wuzapi::SYSTEM, wwebjs::SYSTEM];

/// Runs the cases of every system, and returns what was not as expected.
async fn run_all(cases: impl Fn(&System) -> Vec<Case>) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for system in &SYSTEMS {
        wrong.extend(judge(system.name, system.shape, cases(system)).await?);
    }
    Ok(wrong)
}

fn settings(more: &[(&str, &str)]) -> Extra {
    let body = ("SWITCHBOARD_LIMITS__BODY_BYTES".to_owned(), BODY_BYTES_MAX.to_string());
    let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Extra { everywhere: std::iter::once(body).chain(more).collect(), ..Extra::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_system_says_what_is_wrong_and_does_nothing() -> Result<()> {
    let nats = TestServer::start().await?;
    let world = World::start_on(nats, 29, "unused", settings(&[])).await?;
    let result = everything(&world).await;
    world.explain(result)
}

async fn everything(world: &World) -> Result<()> {
    let facts = Facts::collect(world).await?;
    let before = facts.effects(world).await?;
    let mut wrong = run_all(|system| (system.always)(&facts)).await?;
    wrong.extend(judge("admin", admin::SHAPE, admin::cases(&facts)).await?);
    let after = facts.effects(world).await?;
    if after != before {
        wrong.push(format!("something was left behind: {before:?} became {after:?}"));
    }
    wrong.extend(away(world, &facts).await?);
    wrong.extend(logged_out(world, &facts).await?);
    ensure!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    still_works(world, &facts).await
}

/// Sends while WhatsApp is away.
async fn away(world: &World, facts: &Facts) -> Result<Vec<String>> {
    world.simulator.fault(&json!({"kind": "refuse_connects"})).await?;
    world.simulator.fault(&json!({"kind": "disconnect_all"})).await?;
    facts.reaches(world, "waiting").await?;
    let wrong = run_all(|system| (system.away)(facts)).await?;
    world.simulator.fault(&json!({"kind": "clear"})).await?;
    facts.reaches(world, "connected").await?;
    Ok(wrong)
}

/// A second log-out, in every system by a session of its own.
async fn logged_out(world: &World, facts: &Facts) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (at, system) in SYSTEMS.iter().enumerate() {
        let id = format!("{}-out", system.name);
        let driver = drivers::create(system.name, &world.stack, &id).await?;
        drivers::pair(driver.as_ref(), &world.simulator, &format!("1555011710{at}")).await?;
        let keys = facts.keys_of(world, &id).await?;
        driver.logout().await?;
        wrong.extend(judge(system.name, system.shape, (system.logged_out)(facts, &keys)).await?);
    }
    Ok(wrong)
}

/// After all of it the paired session sends, and its log has that message and no other.
async fn still_works(world: &World, facts: &Facts) -> Result<()> {
    world.simulator.phone_sends(PEER, OWN, "first").await?;
    let listed = async |count| {
        let listed = facts.listed(world).await.map_err(|e| format!("{e:#}"))?;
        if listed.len() == count { Ok(()) } else { Err(format!("{listed:?}")) }
    };
    wait::until("the message that came", async || listed(1).await).await?;
    let request = facts.post("/messages/text").bearer_auth(&facts.paired.token);
    let sent = request.json(&json!({"to": PEER, "body": "second"})).send().await?;
    ensure!(sent.status().is_success(), "a good send failed: {}", sent.text().await?);
    world.simulator.inbox_has(PEER, "the good send", |m| m["text"] == "second").await?;
    wait::until("both messages in the list", async || listed(2).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn private_links_are_refused_unless_they_are_allowed() -> Result<()> {
    let nats = TestServer::start().await?;
    let closed = settings(&[("SWITCHBOARD_EGRESS__ALLOW", "")]);
    let world = World::start_on(nats, 31, "unused", closed).await?;
    let result = async {
        let facts = Facts::collect(&world).await?;
        let before = facts.effects(&world).await?;
        let mut wrong = Vec::new();
        for link in [facts.words.as_str(), "http://169.254.169.254/a.png", "http://[::1]:8080/a.png"] {
            wrong.extend(run_all(|system| private(&facts, system.name, link)).await?);
        }
        let fetched = world.receiver.fetches();
        ensure!(fetched == 0, "{fetched} private links were fetched");
        ensure!(facts.effects(&world).await? == before, "something was left behind");
        ensure!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
        Ok(())
    };
    world.explain(result.await)
}

/// A picture behind a private link, in the systems that take links.
fn private(facts: &Facts, system: &str, link: &str) -> Vec<Case> {
    let case = match system {
        "whapi" => whapi::picture(facts, link),
        "wapi" => wapi::picture(facts, link),
        "chatapi" => chatapi::picture(facts, link),
        "wwebjs" => wwebjs::picture(facts, link),
        _ => return Vec::new(),
    };
    vec![case.named(&format!("private link {link}")).says("private")]
}
