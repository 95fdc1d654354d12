//! Votes on polls and answers to events, in both directions: both sides count the same.
//!
//! No system that this product speaks like lets callers vote or answer, so our account does both on its phone; the session sees it
//! as the companion that it is.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_harness::wait;

use super::{BAILEYS, OURS, Talk};
use crate::shows::holds;

/// Source: `EventResponseType` of the protobuf schema.
const GOING: u8 = 1;
const NOT_GOING: u8 = 2;

/// How many votes each option has.
type Tally = BTreeMap<String, usize>;

fn tally(of: &[(&str, usize)]) -> Tally {
    let of = of.iter();
    of.map(|(name, votes)| ((*name).to_owned(), *votes))
        .collect()
}

/// What a list of options with voters adds up to.
fn counted(options: &Value) -> Tally {
    let options = options.as_array().into_iter().flatten();
    let one = |option: &Value| {
        let votes = option["voters"].as_array().map_or(0, Vec::len);
        (option["name"].as_str().unwrap_or("?").to_owned(), votes)
    };
    options.map(one).collect()
}

impl Talk {
    /// A poll of each side, on which both sides vote, change their minds and take it back.
    pub(super) async fn polls(&mut self) -> Result<()> {
        let ask = json!({"title": "cake?", "options": ["now", "later"], "count": 1});
        let shown = json!({"pollCreationMessageV3": {"name": "cake?", "selectableOptionsCount": 1,
            "options": [{"optionName": "now"}, {"optionName": "later"}]}});
        let [call, id] = self
            .out(
                None,
                &(Method::POST, "/messages/poll", ask),
                &super::Seen::Message(shown),
            )
            .await?;
        self.votes(&call, &id, ["now", "later"])
            .await
            .context("votes on our poll")?;

        let ask =
            json!({"poll": {"name": "tea?", "values": ["green", "black"], "selectableCount": 0}});
        let shown = json!({"type": "poll", "poll": {"title": "tea?", "options": ["green", "black"], "vote_limit": 0}});
        let ask = super::Theirs::Content(ask, json!({}));
        let [call, id] = self.back(None, &ask, &shown).await?;
        self.votes(&call, &id, ["green", "black"])
            .await
            .context("votes on Baileys' poll")
    }

    async fn votes(&mut self, call: &str, id: &str, [one, two]: [&str; 2]) -> Result<()> {
        self.baileys.vote(id, &[one]).await?;
        self.tallies(call, id, tally(&[(one, 1), (two, 0)])).await?;
        // Whose vote it is.
        let poll = self.get(&format!("/messages/{call}")).await?;
        let wanted = json!({"poll": {"total": 1, "results": [{"name": one, "voters": [BAILEYS]}]}});
        ensure!(holds(&poll, &wanted), "{poll}, not {wanted}");
        self.we_vote(id, json!([two])).await?;
        self.tallies(call, id, tally(&[(one, 1), (two, 1)])).await?;
        self.baileys.vote(id, &[two]).await?;
        self.tallies(call, id, tally(&[(one, 0), (two, 2)])).await?;
        self.we_vote(id, json!([])).await?;
        self.tallies(call, id, tally(&[(one, 0), (two, 1)])).await?;
        let vote =
            json!({"type": "action", "from": BAILEYS, "action": {"type": "vote", "target": call}});
        self.told("Baileys' vote", &vote).await.map(drop)
    }

    async fn we_vote(&self, poll: &str, options: Value) -> Result<()> {
        let draft = json!({"to": BAILEYS, "vote": {"poll": poll, "options": options}});
        self.on_our_phone(poll, &draft).await
    }

    /// Our account does something on its phone once the phone has that message.
    async fn on_our_phone(&self, about: &str, draft: &Value) -> Result<()> {
        let simulator = &self.world.simulator;
        simulator
            .inbox_has(OURS, "the message on our phone", |r| r["id"] == *about)
            .await?;
        simulator.phone_drafts(OURS, draft).await.map(drop)
    }

    /// Both sides count the same.
    async fn tallies(&self, call: &str, id: &str, wanted: Tally) -> Result<()> {
        let path = format!("/messages/{call}");
        wait::until(&format!("we to count {wanted:?}"), async || {
            let poll = self.get(&path).await.map_err(|e| format!("{e:#}"))?;
            let counted = counted(&poll["poll"]["results"]);
            (counted == wanted)
                .then_some(())
                .ok_or_else(|| poll.to_string())
        })
        .await?;
        self.baileys
            .event("votes", &format!("{wanted:?}"), |data| {
                (data["poll"] == *id && counted(&data["options"]) == wanted).then_some(())
            })
            .await
    }

    /// An event of each side, which the other answers.
    pub(super) async fn events(&mut self) -> Result<()> {
        let invite =
            json!({"title": "lunch", "description": "for all", "startTime": 1_900_000_000_u32});
        let shown = json!({"eventMessage": {"name": "lunch", "description": "for all", "startTime": 1_900_000_000_u32}});
        let [_, id] = self
            .out(
                None,
                &(Method::POST, "/communities/event", invite),
                &super::Seen::Message(shown),
            )
            .await?;
        // That call does not tell the id.
        let own = json!({"type": "event", "from_me": true, "event": {"name": "lunch", "description": "for all",
            "start": 1_900_000_000_u32}});
        let told = self.told("our event", &own).await?;
        let call = told["id"].as_str().context("its id")?.to_owned();
        self.baileys.answer(&id, GOING).await?;
        self.answered(&call, BAILEYS, "GOING").await?;
        self.baileys.answer(&id, NOT_GOING).await?;
        self.answered(&call, BAILEYS, "NOT_GOING").await?;

        let invite = json!({"event": {"name": "launch", "description": "of it all",
            "startDate": {"$date": 1_900_000_000_000_u64}, "location": {"name": "the hall"}}});
        let shown = json!({"type": "event", "event": {"name": "launch", "description": "of it all",
            "start": 1_900_000_000_u32, "location": {"name": "the hall"}}});
        let invite = super::Theirs::Content(invite, json!({}));
        let [call, id] = self.back(None, &invite, &shown).await?;
        let draft = json!({"to": BAILEYS, "event_response": {"event": id, "answer": "not_going"}});
        self.on_our_phone(&id, &draft).await?;
        self.answered(&call, OURS, "NOT_GOING").await?;
        self.baileys
            .event("answers", "our answer", |data| {
                (data["event"] == *id && data["response"] == NOT_GOING).then_some(())
            })
            .await
    }

    /// We show who answered what.
    async fn answered(&self, call: &str, who: &str, answer: &str) -> Result<()> {
        let told = json!({"type": "action", "action": {"type": "event_response", "target": call,
            "event_response": {"participant": who, "response": answer}}});
        self.told("the answer", &told).await?;
        let event = self.get(&format!("/messages/{call}")).await?;
        let responses = &event["event"]["responses"];
        let wanted = json!([{"participant": who, "response": answer}]);
        let alone = responses.as_array().map(Vec::len) == Some(1);
        ensure!(alone && holds(responses, &wanted), "{event}, not {wanted}");
        Ok(())
    }
}
