//! A world before its judges: what is broken, under traffic, and what they say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::complaint::{Complaint, Kind};
use crate::judge::journal::{Allowed, Journal};
use crate::judge::witness::{Run, Witness};
use crate::judge::{alive, listed};
use crate::traffic::Traffic;
use crate::world::{Plan, World};

/// How long promised texts may take to arrive once nothing is broken: webhook calls are tried again with growing pauses.
const SETTLE_MAX: Duration = Duration::from_secs(20);

/// A world, its traffic, and the evidence.
#[derive(Debug)]
pub struct Trial {
    /// What is judged.
    pub world: World,
    /// What the scenario itself found wrong, and the judges after it.
    pub complaints: Vec<Complaint>,
    traffic: Traffic,
    witness: Witness,
    journal: Journal,
}

impl Trial {
    /// Starts a world.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(plan: Plan) -> Result<Self> {
        Ok(Self::of(World::start(plan).await?))
    }

    /// Judges that world.
    #[must_use]
    pub fn of(world: World) -> Self {
        Self {
            world,
            complaints: Vec::new(),
            traffic: Traffic::default(),
            witness: Witness::default(),
            journal: Journal::default(),
        }
    }

    /// Notes a complaint unless that holds.
    pub fn demand(&mut self, kind: Kind, holds: bool, otherwise: impl Into<String>) {
        if !holds {
            let text = otherwise.into();
            let complaint = Complaint { kind, text };
            self.world.note(format!("COMPLAINT: {complaint}"));
            self.complaints.push(complaint);
        }
    }

    /// Breaks something while texts flow both ways.
    ///
    /// # Errors
    /// Those of the work: something could not be broken or mended.
    pub async fn under_traffic<T>(
        &mut self,
        name: &str,
        work: impl AsyncFnOnce(&mut World) -> Result<T>,
    ) -> Result<T> {
        let scene = Arc::clone(&self.world.scene);
        self.traffic
            .during(&scene, name, work(&mut self.world))
            .await
    }

    /// Waits, under traffic, until every session works again; complains when one does not within that time. Returns how long it
    /// took.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn recover(&mut self, name: &str, limit: Duration) -> Result<Duration> {
        let began = tokio::time::Instant::now();
        let scene = Arc::clone(&self.world.scene);
        let alive = async { anyhow::Ok(alive::complaints(&scene, name, limit).await) };
        let complaints = self.traffic.during(&scene, name, alive).await?;
        for complaint in complaints {
            self.demand(Kind::Works, false, complaint);
        }
        Ok(began.elapsed())
    }

    /// Calls every judge. Only texts with `name` in them are looked for in the lists.
    ///
    /// # Errors
    /// When the evidence cannot be had.
    pub async fn judge(&mut self, name: &str, allowed: Allowed) -> Result<()> {
        let scene = Arc::clone(&self.world.scene);
        let mut found = Vec::new();
        let mut add = |kind, texts: Vec<String>| {
            found.extend(texts.into_iter().map(|text| (kind, text)));
        };
        add(Kind::Texts, self.traffic.settle(&scene, SETTLE_MAX).await?);
        match listed::complaints(&scene, name).await {
            Ok(wrong) => add(Kind::Texts, wrong),
            Err(error) => add(
                Kind::Works,
                vec![format!("messages cannot be listed: {error:#}")],
            ),
        }
        let journal = scene.simulator.journal().await?;
        add(Kind::Logins, self.journal.complaints(&journal, allowed));
        for line in scene.office.lines() {
            let pairings = Journal::pairings(&journal, &line.number);
            if pairings > 1 {
                let text = format!("{} was paired {pairings} times", line.session);
                add(Kind::Paired, vec![text]);
            }
        }
        self.read_witness()?;
        add(Kind::Owners, self.witness.complaints());
        if self.witness.is_silent() {
            let text = "nobody has witnessed anything: the witness files are empty".to_owned();
            add(Kind::Evidence, vec![text]);
        }
        for (kind, complaint) in found {
            self.demand(kind, false, complaint);
        }
        Ok(())
    }

    /// Reads the witness files, also those of nodes that were added meanwhile.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read_witness(&mut self) -> Result<()> {
        for node in &self.world.nodes {
            self.witness
                .add(&node.witness(), node.host().clock_ahead_ns());
        }
        self.witness.read()
    }

    /// Who runs each session now, as far as witness lines say.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn owners(&mut self) -> Result<BTreeMap<String, Run>> {
        self.read_witness()?;
        let runs = self.witness.runs();
        let mut owners: BTreeMap<String, Run> = BTreeMap::new();
        for run in runs {
            match owners.get(&run.session) {
                Some(known) if known.last_ns > run.last_ns => {}
                _ => drop(owners.insert(run.session.clone(), run)),
            }
        }
        Ok(owners)
    }

    /// The epoch of each session, as far as witness lines say.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn epochs(&mut self) -> Result<BTreeMap<String, u64>> {
        Ok(self
            .owners()?
            .into_iter()
            .map(|(session, run)| (session, run.epoch))
            .collect())
    }

    /// The sessions that a node witnessed last.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sessions_of(&mut self, node: usize) -> Result<BTreeSet<String>> {
        let name = self.world.node(node)?.name().to_owned();
        let owners = self.owners()?.into_values().filter(|run| run.node == name);
        Ok(owners.map(|run| run.session).collect())
    }

    /// The node that runs most sessions: the one worth breaking.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn busiest(&mut self) -> Result<usize> {
        let mut best = (0, 0);
        for at in 0..self.world.nodes.len() {
            let count = self.sessions_of(at)?.len();
            if count > best.1 {
                best = (at, count);
            }
        }
        Ok(best.0)
    }

    /// How often the devices of the sessions have connected so far.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn connects(&self) -> Result<u64> {
        let journal = self.world.scene.simulator.journal().await?;
        let devices = journal["devices"].as_array().into_iter().flatten();
        let linked = devices.filter(|d| {
            d["device"]
                .as_str()
                .is_some_and(|n| n.contains(':') && !n.ends_with(":0"))
        });
        Ok(linked.filter_map(|d| d["connects"].as_u64()).sum())
    }

    /// What the admin API says of a session.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn session(&self, id: &str) -> Result<Value> {
        self.world
            .scene
            .office
            .admin_get(&format!("sessions/{id}"))
            .await
    }
}
