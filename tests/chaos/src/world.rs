//! A whole installation in the laboratory: nats-servers, simulator, routers and nodes, each on its own host, and the sessions that it
//! runs.

mod nats;
mod node;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use switchboard_harness::processes::{self, Program};
use switchboard_harness::simulator::Simulator;
use switchboard_ownership::Rule;
use tokio::process::Command;

use crate::lab::{Host, Lab, NETWORK};
use crate::timeline::Timeline;

pub use nats::Nats;
pub use node::Node;
pub use sessions::{CALL_MAX, Line, Office};

/// Keys of test installations: long enough not to be called weak.
pub const ADMIN_KEY: &str = "test-admin-key-0123456789abcdef";
const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Names the folder for the files of failed worlds.
const KEEP: &str = "SWITCHBOARD_CHAOS_KEEP";
/// The host parts of addresses.
const SIMULATOR_ADDRESS: u8 = 10;
const FIRST_ROUTER_ADDRESS: u8 = 20;
const FIRST_NODE_ADDRESS: u8 = 31;
/// Where a router and the simulator listen.
const ROUTER_PORT: u16 = 8080;
const SIMULATOR_PORT: u16 = 9090;

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Nodes.
    pub nodes: usize,
    /// Paired sessions.
    pub sessions: usize,
    /// Routers.
    pub routers: usize,
    /// nats-servers: one or three.
    pub nats: usize,
    /// The lease of every node.
    pub lease: Duration,
    /// Whether each node has a parent that watches it.
    pub supervised: bool,
    /// Whether keys are in the replicated log too.
    pub replicated: bool,
    /// The size of each node's disk, in megabytes; that of the laboratory when absent.
    pub disk_mb: Option<u32>,
    /// Rules that are switched off on every node.
    pub rules_off: Vec<Rule>,
    /// Further environment of nodes and routers.
    pub extra: Vec<(String, String)>,
    /// Decides the simulator's keys.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            nodes: 3,
            sessions: 6,
            routers: 1,
            nats: 1,
            lease: Duration::from_secs(2),
            supervised: false,
            replicated: true,
            disk_mb: None,
            rules_off: Vec::new(),
            extra: Vec::new(),
            seed: 1,
        }
    }
}

/// What a process of the product is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    simulator: (String, String),
    nats: String,
    lease: Duration,
    supervised: bool,
    replicated: bool,
    rules_off: Vec<Rule>,
    extra: Vec<(String, String)>,
}

impl Settings {
    fn command(&self, role: &str, host: &Host) -> Result<Command> {
        let rules: Vec<_> = self
            .rules_off
            .iter()
            .map(|rule| format!("{rule:?}"))
            .collect();
        let program = if rules.is_empty() {
            "switchboard"
        } else {
            "switchboard-unruly"
        };
        let mut command = processes::command(program, host.folder())?;
        command.arg(role);
        command
            .env("UNRULY_RULES_OFF", rules.join(","))
            .env("NO_COLOR", "1");
        let lease = format!("{}ms", self.lease.as_millis());
        let listen = format!("{}:{ROUTER_PORT}", host.address());
        let public = format!("http://{listen}");
        let durability = if self.replicated {
            "replicated"
        } else {
            "local"
        };
        let usual = [
            ("LISTEN", listen.as_str()),
            ("PUBLIC_URL", &public),
            ("WHATSAPP__ENDPOINT", &self.simulator.0),
            ("WHATSAPP__SERVER_KEY", &self.simulator.1),
            ("WHATSAPP__CONNECTS_PER_SECOND", "1000"),
            ("EGRESS__ALLOW", NETWORK),
            ("NATS__URL", &self.nats),
            ("CLUSTER__LEASE", &lease),
            ("STORE__DURABILITY", durability),
            ("ADMIN_KEY", ADMIN_KEY),
            ("MASTER_KEY", MASTER_KEY),
        ];
        command.envs(usual.map(|(key, value)| (format!("SWITCHBOARD_{key}"), value)));
        command.envs(self.extra.iter().cloned());
        Ok(command)
    }
}

/// A router.
#[derive(Debug)]
pub struct RouterHost {
    host: Host,
    settings: Settings,
    program: Option<Program>,
}

impl RouterHost {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(&mut self) -> Result<()> {
        let command = self.settings.command("router", &self.host)?;
        let command = self.host.command(&command);
        self.program = Some(Program::start(self.host.name(), command, "listening on ").await?);
        Ok(())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        match self.program.take() {
            Some(mut program) => program.kill().await,
            None => Ok(()),
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{ROUTER_PORT}", self.host.address())
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }
}

/// What customers and judges see of a world.
#[derive(Debug)]
pub struct Scene {
    /// The WhatsApp double.
    pub simulator: Simulator,
    /// The sessions and how to talk to them.
    pub office: Office,
    /// What happened when.
    pub timeline: Timeline,
}

impl Scene {
    /// Notes what happens now.
    pub fn note(&self, text: impl Into<String>) {
        self.timeline.note(text);
    }
}

/// A running installation. Fields are dropped in order: the product before what it stands on.
#[derive(Debug)]
pub struct World {
    /// The routers.
    pub routers: Vec<RouterHost>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The nats-servers.
    pub nats: Nats,
    /// The simulator's host.
    pub simulator_host: Host,
    /// What customers and judges see; shared, so that they can look while things break.
    pub scene: Arc<Scene>,
    /// What it was made from.
    pub plan: Plan,
    lab: Lab,
    settings: Settings,
}

impl World {
    /// Starts everything and pairs the sessions.
    ///
    /// # Errors
    /// When a part does not come that far; the text has what the processes said.
    pub async fn start(plan: Plan) -> Result<Self> {
        let world = Self::start_bare(plan).await?;
        let scene = &world.scene;
        let paired = scene.office.pair(&scene.simulator, world.plan.sessions);
        world.explain(paired.await)?;
        scene.note("every session is paired");
        Ok(world)
    }

    /// Starts everything without sessions.
    ///
    /// # Errors
    /// When a part does not come that far.
    pub async fn start_bare(plan: Plan) -> Result<Self> {
        let lab = Lab::open()?;
        let nats = Nats::start(&lab, plan.nats).await?;
        let simulator_host = lab.host("simulator", SIMULATOR_ADDRESS)?;
        let mut command = processes::command("switchboard-simulator", simulator_host.folder())?;
        let listen = format!("{}:{SIMULATOR_PORT}", simulator_host.address());
        command.args(["--listen", &listen, "--seed", &plan.seed.to_string()]);
        let simulator = Simulator::start_as(simulator_host.command(&command)).await?;
        let settings = Settings {
            simulator: (simulator.ws_url.clone(), simulator.server_key.clone()),
            nats: nats.url(),
            lease: plan.lease,
            supervised: plan.supervised,
            replicated: plan.replicated,
            rules_off: plan.rules_off.clone(),
            extra: plan.extra.clone(),
        };
        let mut routers = Vec::new();
        for at in 0..plan.routers {
            let host = lab.host(
                &format!("router-{}", at + 1),
                FIRST_ROUTER_ADDRESS + u8::try_from(at)?,
            )?;
            routers.push(RouterHost {
                host,
                settings: settings.clone(),
                program: None,
            });
        }
        let urls = routers.iter().map(RouterHost::url).collect();
        let office = Office::open(urls).await?;
        let mut world = Self {
            routers,
            nodes: Vec::new(),
            nats,
            simulator_host,
            scene: Arc::new(Scene {
                simulator,
                office,
                timeline: Timeline::default(),
            }),
            plan,
            lab,
            settings,
        };
        for _ in 0..world.plan.nodes {
            world.add_node()?;
        }
        let nodes = try_join_all(world.nodes.iter_mut().map(Node::start)).await;
        world.explain(nodes)?;
        try_join_all(world.routers.iter_mut().map(RouterHost::start)).await?;
        let ready = world.scene.office.ready().await;
        world.explain(ready)?;
        Ok(world)
    }

    /// One more node on a host of its own; it is not started yet.
    ///
    /// # Errors
    /// When the host cannot be made.
    pub fn add_node(&mut self) -> Result<&mut Node> {
        let number = self.nodes.len();
        let name = format!("node-{}", number + 1);
        let host = self
            .lab
            .host(&name, FIRST_NODE_ADDRESS + u8::try_from(number)?)?;
        if let Some(megabytes) = self.plan.disk_mb {
            host.small_disk(&host.folder().join("data"), megabytes)?;
        }
        self.add_node_on(&name, host)
    }

    /// A further router on that host, with further environment; it is not started yet and belongs to the caller.
    #[must_use]
    pub fn router_on(&self, host: Host, extra: Vec<(String, String)>) -> RouterHost {
        let mut settings = self.settings.clone();
        settings.extra.extend(extra);
        RouterHost {
            host,
            settings,
            program: None,
        }
    }

    /// One more node on that host; it is not started yet.
    ///
    /// # Errors
    /// Never; the signature is that of [`World::add_node`].
    pub fn add_node_on(&mut self, name: &str, host: Host) -> Result<&mut Node> {
        self.nodes
            .push(Node::new(name, host, self.settings.clone()));
        self.nodes.last_mut().context("the node just added")
    }

    /// Another host.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn host(&self, name: &str, last: u8) -> Result<Host> {
        self.lab.host(name, last)
    }

    /// The node at that place.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&mut self, at: usize) -> Result<&mut Node> {
        self.nodes
            .get_mut(at)
            .with_context(|| format!("no node {at}"))
    }

    /// Notes what happens now.
    pub fn note(&self, text: impl Into<String>) {
        self.scene.note(text);
    }

    /// Adds what every process said, and the timeline, to an error.
    ///
    /// # Errors
    /// The given one.
    pub fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| self.last_words())
    }

    /// Copies every file of the world to a folder of that name in the folder that `SWITCHBOARD_CHAOS_KEEP` names, if it names one: what
    /// the laboratory has is gone with it.
    ///
    /// # Errors
    /// When the files cannot be copied.
    pub async fn keep(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os(KEEP) else {
            return Ok(());
        };
        let target = std::path::Path::new(&folder).join(name);
        nats::copy(self.lab.folder(), &target)?;
        std::fs::write(target.join("last-words.txt"), self.last_words())?;
        let journal = self.scene.simulator.journal().await;
        let journal =
            journal.map_or_else(|error| format!("{error:#}"), |journal| journal.to_string());
        std::fs::write(target.join("journal.json"), journal)?;
        println!("the files of {name} are kept in {}", target.display());
        Ok(())
    }

    /// What every process said last, and the timeline.
    #[must_use]
    pub fn last_words(&self) -> String {
        let nodes: String = self.nodes.iter().map(Node::output).collect();
        let routers = self.routers.iter().filter_map(|r| r.program.as_ref());
        let routers: String = routers.map(Program::output).collect();
        let (nats, simulator) = (self.nats.output(), self.scene.simulator.program.output());
        format!(
            "the processes said:\n{nats}{simulator}{routers}{nodes}timeline:\n{}",
            self.scene.timeline.text()
        )
    }
}
