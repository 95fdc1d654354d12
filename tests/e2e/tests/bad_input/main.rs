//! Bad input, system by system: every call that cannot be right is answered with that system's own status and error body,
//! which says what was wrong, and nothing half-done is left.
//!
//! The statuses and shapes are facts of the five systems, written down here apart from our own tables.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value gives null, it never panics"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "cases build their bodies in place"
)]

mod admin;
mod case;
mod chatapi;
mod facts;
mod wapi;
mod whapi;
mod wuzapi;
mod wwebjs;

use anyhow::{Context, Result, ensure};
use reqwest::RequestBuilder;
use serde_json::json;
use switchboard_bus::test_server::TestServer;
use switchboard_e2e::World;
use switchboard_harness::stack::{Extra, NewSession};
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
    /// Logs a session out.
    logout: fn(&Facts, &NewSession) -> RequestBuilder,
    /// Judges a second log-out.
    logout_again: fn(&'static str, RequestBuilder) -> Case,
}

const SYSTEMS: [System; 5] = [
    whapi::SYSTEM,
    wapi::SYSTEM,
    chatapi::SYSTEM,
    wuzapi::SYSTEM,
    wwebjs::SYSTEM,
];

/// Runs the cases of every system, and returns what was not as expected.
async fn run_all(cases: impl Fn(&System) -> Vec<Case>) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for system in &SYSTEMS {
        wrong.extend(judge(system.name, system.shape, cases(system)).await?);
    }
    Ok(wrong)
}

fn settings(more: &[(&str, &str)]) -> Extra {
    let body = (
        "SWITCHBOARD_LIMITS__BODY_BYTES".to_owned(),
        BODY_BYTES_MAX.to_string(),
    );
    let more = more
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Extra {
        everywhere: std::iter::once(body).chain(more).collect(),
        ..Extra::default()
    }
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
        wrong.push(format!(
            "something was left behind: {before:?} became {after:?}"
        ));
    }
    wrong.extend(away(world, &facts).await?);
    wrong.extend(logged_out(world, &facts).await?);
    ensure!(
        wrong.is_empty(),
        "{} answers are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    still_works(world, &facts).await
}

/// Sends while WhatsApp is away.
async fn away(world: &World, facts: &Facts) -> Result<Vec<String>> {
    world.simulator.fault(&json!({"kind": "refuse"})).await?;
    world
        .simulator
        .fault(&json!({"kind": "disconnect"}))
        .await?;
    facts.reaches(world, &facts.paired.id, "waiting").await?;
    let wrong = run_all(|system| (system.away)(facts)).await?;
    world.simulator.clear_faults().await?;
    facts.reaches(world, &facts.paired.id, "connected").await?;
    Ok(wrong)
}

/// Two log-outs, in every system of a session of its own.
async fn logged_out(world: &World, facts: &Facts) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (at, system) in SYSTEMS.iter().enumerate() {
        let session = world
            .stack
            .create_session(&format!("{}-out", system.name))
            .await?;
        facts
            .link(world, &session.id, &format!("1555011710{at}"))
            .await?;
        let first = (system.logout)(facts, &session).send().await?;
        first
            .error_for_status()
            .with_context(|| format!("{}: log out", system.name))?;
        let again = (system.logout)(facts, &session);
        let again = (system.logout_again)("log out twice", again);
        wrong.extend(judge(system.name, system.shape, vec![again]).await?);
    }
    Ok(wrong)
}

/// After all of it the paired session sends, and its log has that message and no other.
async fn still_works(world: &World, facts: &Facts) -> Result<()> {
    world.simulator.phone_sends(PEER, OWN, "first").await?;
    let listed = async |count| {
        let listed = facts.listed().await.map_err(|e| format!("{e:#}"))?;
        if listed.len() == count {
            Ok(())
        } else {
            Err(format!("{listed:?}"))
        }
    };
    wait::until("the message that came", async || listed(1).await).await?;
    let request = facts
        .post("/messages/text")
        .bearer_auth(&facts.paired.token);
    let sent = request
        .json(&json!({"to": PEER, "body": "second"}))
        .send()
        .await?;
    ensure!(
        sent.status().is_success(),
        "a good send failed: {}",
        sent.text().await?
    );
    world
        .simulator
        .inbox_has(PEER, "the good send", |m| m["text"] == "second")
        .await?;
    let counted: u64 = facts.effects(world).await?.sent.values().sum();
    ensure!(
        counted > 0,
        "the journal counts no sends, so it would not have shown a bad one"
    );
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
        let receiver = world.receiver.hook("private.png");
        for link in [
            receiver.as_str(),
            "http://169.254.169.254/a.png",
            "http://[::1]:8080/a.png",
        ] {
            wrong.extend(run_all(|system| private(&facts, system.name, link)).await?);
        }
        let fetched = world.receiver.calls("private").len();
        ensure!(fetched == 0, "private links were fetched {fetched} times");
        ensure!(
            facts.effects(&world).await? == before,
            "something was left behind"
        );
        ensure!(
            wrong.is_empty(),
            "{} answers are wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
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
