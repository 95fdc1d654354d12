//! Baileys and a phone of the simulator: every kind both ways, and what Baileys tells by events of their own.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use switchboard_harness::baileys::Baileys;
use switchboard_harness::simulator::Simulator;

use crate::kinds::{self, Kind};
use crate::shows::{filled, holds};

const BAILEYS: &str = "15550112001";
const PEER: &str = "15550112002";

/// The two and what they said first.
struct Talk {
    simulator: Simulator,
    baileys: Baileys,
    /// Address of the phone, and of Baileys.
    peer: String,
    /// Ids of the texts that Baileys and the phone sent first.
    from_baileys: String,
    from_phone: String,
}

pub(crate) async fn exchange() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), 31).await?;
    simulator.add_phone(PEER).await?;
    let mut baileys = Baileys::pair(&simulator, folder.path(), BAILEYS).await?;
    let peer = format!("{PEER}@s.whatsapp.net");
    let first = json!({"text": "first of baileys"});
    let from_baileys = baileys.send(&peer, &first, &json!({})).await?;
    let draft = json!({"to": BAILEYS, "text": "first of the phone"});
    let from_phone = simulator.phone_drafts(PEER, &draft).await?;
    baileys.message(&from_phone).await?;
    let mut talk = Talk {
        simulator,
        baileys,
        peer,
        from_baileys,
        from_phone,
    };
    let mut failed = Vec::new();
    for kind in kinds::all()? {
        for (direction, outcome) in [
            ("from baileys", talk.out(&kind).await),
            ("from the phone", talk.back(&kind).await),
        ] {
            println!("{}, {direction}: {}", kind.name, said(&outcome));
            if let Err(e) = outcome {
                failed.push(format!("{}, {direction}: {e:#}", kind.name));
            }
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    talk.votes().await
}

fn said(outcome: &Result<bool>) -> &'static str {
    match outcome {
        Ok(true) => "same",
        Ok(false) => "nothing to send",
        Err(_) => "NOT THE SAME",
    }
}

impl Talk {
    /// Baileys sends, the phone shows.
    async fn out(&mut self, kind: &Kind) -> Result<bool> {
        let Some((content, options)) = &kind.baileys_sends else {
            return Ok(false);
        };
        let (own, theirs) = (self.from_baileys.clone(), self.from_phone.clone());
        let names = names(&own, &theirs);
        let (content, options) = (filled(content, &names), filled(options, &names));
        let id = self.baileys.send(&self.peer, &content, &options).await?;
        let record = self
            .simulator
            .inbox_has(PEER, "the message on the phone", |r| r["id"] == *id)
            .await?;
        let wanted = filled(&kind.phone_shows, &names);
        ensure!(
            holds(&record, &wanted),
            "the phone shows {record}, not {wanted}"
        );
        if let Some(file) = &kind.file {
            let hash = hash(file);
            ensure!(record["media"]["sha256"] == *hash, "the file is another");
        }
        Ok(true)
    }

    /// The phone sends, Baileys shows.
    async fn back(&mut self, kind: &Kind) -> Result<bool> {
        let Some(draft) = &kind.phone_sends else {
            return Ok(false);
        };
        let (own, theirs) = (self.from_phone.clone(), self.from_baileys.clone());
        let names = names(&own, &theirs);
        let mut draft = filled(draft, &names);
        draft["to"] = BAILEYS.into();
        let id = self.simulator.phone_drafts(PEER, &draft).await?;
        if kind.baileys_shows.is_null() {
            return self.changed(kind.name, &own).await.map(|()| true);
        }
        let message = self.baileys.message(&id).await?;
        let wanted = filled(&kind.baileys_shows, &names);
        ensure!(
            holds(&message["message"], &wanted),
            "Baileys shows {}, not {wanted}",
            message["message"]
        );
        if let Some(file) = &kind.file {
            let seen = self.baileys.download(&id).await.context("download")?;
            ensure!(seen == hash(file), "the file is another");
        }
        Ok(true)
    }

    /// An edit or a revocation comes as a change of the message it is about.
    async fn changed(&self, what: &str, id: &str) -> Result<()> {
        let fits = |update: &Value| match what {
            "edit" => update["message"]["editedMessage"]
                .to_string()
                .contains("better words back"),
            _ => update["messageStubType"] == 1,
        };
        self.baileys
            .event("messages.update", what, |data| {
                let mut updates = data.as_array()?.iter();
                let found = updates.find(|u| u["key"]["id"] == id && fits(&u["update"]));
                found.map(drop)
            })
            .await
    }

    /// The phone votes on a poll of Baileys, which counts the vote.
    async fn votes(mut self) -> Result<()> {
        let poll =
            json!({"poll": {"name": "count?", "values": ["one", "two"], "selectableCount": 1}});
        let id = self.baileys.send(&self.peer, &poll, &json!({})).await?;
        self.simulator
            .inbox_has(PEER, "the poll on the phone", |r| r["id"] == *id)
            .await?;
        let vote = json!({"to": BAILEYS, "vote": {"poll": id, "options": ["two"]}});
        self.simulator.phone_drafts(PEER, &vote).await?;
        self.baileys
            .event("votes", "the vote", |data| {
                let options = data["options"].as_array()?;
                let voted = |name: &str| {
                    let option = options.iter().find(|o| o["name"] == name);
                    option.and_then(|o| o["voters"].as_array()).map(Vec::len)
                };
                (data["poll"] == *id && voted("two") == Some(1) && voted("one") == Some(0))
                    .then_some(())
            })
            .await
    }
}

fn names<'a>(own: &'a str, theirs: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("own", own),
        ("theirs", theirs),
        ("peer", PEER),
        ("baileys", BAILEYS),
    ]
}

pub(crate) fn hash(file: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(file))
}
