//! The product as it is deployed: `up` alone, or a nats-server with nodes and a router, each its own process.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::processes::{Program, command};
use crate::simulator::Simulator;

/// Keys of test installations: long enough not to be called weak, and the same everywhere.
const ADMIN_KEY: &str = "test-admin-key-0123456789abcdef";
const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The shortest lease that a node accepts: a node that was killed is missed as soon as can be.
const LEASE: &str = "2s";
/// What the replicated log, and its snapshots, reserve of the test server's disk: 256 MiB.
const LOG_BYTES: &str = "268435456";

/// A session as the admin API created it.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: String,
    /// Its token.
    pub token: String,
}

/// A running installation.
#[derive(Debug)]
pub struct Stack {
    /// The router's address.
    pub url: String,
    /// The key of the default tenant.
    pub tenant_key: String,
    /// The router, or `up`.
    pub router: Program,
    /// The nodes, by name; empty for `up`.
    pub nodes: Vec<(String, Program)>,
    folder: TempDir,
    settings: Settings,
    admin_key: String,
    http: reqwest::Client,
}

/// Environment beside the usual one; it wins over that.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Of every process.
    pub everywhere: Vec<(String, String)>,
    /// Of the router alone, over both.
    pub router: Vec<(String, String)>,
    /// Of one node, by its name, over that of every process.
    pub of_node: Vec<(String, String, String)>,
    /// Further words of the nodes' command lines.
    pub node_words: Vec<String>,
}

/// What a stack is started with; kept so that its processes can be started again.
#[derive(Debug, Clone)]
struct Settings {
    whatsapp_endpoint: String,
    whatsapp_server_key: String,
    nats_url: Option<String>,
    wwebjs_webhook: Option<String>,
    listen: String,
    extra: Extra,
}

#[derive(Debug, Serialize)]
struct CreateSession<'a> {
    id: &'a str,
}

#[derive(Debug, Serialize)]
struct CreateTenant<'a> {
    id: &'a str,
}

impl Stack {
    /// `switchboard up` against a simulator, in a folder of its own.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn up(simulator: &Simulator, wwebjs_webhook: Option<String>) -> Result<Self> {
        let settings = Settings::new(simulator, None, wwebjs_webhook)?;
        let folder = tempfile::tempdir()?;
        let up = settings.command("up", folder.path())?;
        let router = Program::start("up", up, "listening on ").await?;
        let admin_key = std::fs::read_to_string(folder.path().join("data/admin.key"))
            .context("read the admin key that `up` made")?;
        Self::finish(
            settings,
            folder,
            router,
            Vec::new(),
            admin_key.trim().to_owned(),
        )
        .await
    }

    /// Nodes and a router over a nats-server, against a simulator.
    ///
    /// # Errors
    /// When a process does not start.
    pub async fn cluster(
        simulator: &Simulator,
        nats_url: &str,
        nodes: &[&str],
        wwebjs_webhook: Option<String>,
    ) -> Result<Self> {
        Self::cluster_with(simulator, nats_url, nodes, wwebjs_webhook, Extra::default()).await
    }

    /// The same with further settings.
    ///
    /// # Errors
    /// When a process does not start.
    pub async fn cluster_with(
        simulator: &Simulator,
        nats_url: &str,
        nodes: &[&str],
        wwebjs_webhook: Option<String>,
        extra: Extra,
    ) -> Result<Self> {
        let mut settings = Settings::new(simulator, Some(nats_url.to_owned()), wwebjs_webhook)?;
        settings.extra = extra;
        let folder = tempfile::tempdir()?;
        let mut running = Vec::new();
        for name in nodes {
            let node = settings.start_node(folder.path(), name).await?;
            running.push(((*name).to_owned(), node));
        }
        let router = settings.command("router", folder.path())?;
        let router = Program::start("router", router, "listening on ").await?;
        let key = ADMIN_KEY.to_owned();
        let stack = Self::finish(settings, folder, router, running, key).await?;
        for name in nodes {
            stack.node_is(name, "up").await?;
        }
        Ok(stack)
    }

    async fn finish(
        settings: Settings,
        folder: TempDir,
        router: Program,
        nodes: Vec<(String, Program)>,
        admin_key: String,
    ) -> Result<Self> {
        let url = router.ready_text();
        let http = crate::http::client();
        let mut stack = Self {
            url,
            tenant_key: String::new(),
            router,
            nodes,
            folder,
            settings,
            admin_key,
            http,
        };
        stack.ready().await?;
        let answer = stack
            .admin_post("tenants", &CreateTenant { id: "default" })
            .await?;
        stack.tenant_key = text(&answer, "key")?;
        Ok(stack)
    }

    /// Waits until the router says it is ready.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ready(&self) -> Result<()> {
        crate::wait::until("the router's /readyz", async || {
            let answer = self.http.get(format!("{}/readyz", self.url)).send().await;
            match answer {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.status().to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    /// Waits until the router sees the node in that state.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn node_is(&self, name: &str, state: &str) -> Result<()> {
        crate::wait::until(&format!("{name} to be {state}"), async || {
            let view = self.admin_get("cluster").await;
            let view = view.map_err(|e| format!("{e:#}"))?;
            let nodes = view.get("nodes").and_then(Value::as_array);
            let node = nodes.and_then(|nodes| {
                let named = |node: &&Value| node.get("id").and_then(Value::as_str) == Some(name);
                nodes.iter().find(named)
            });
            let found = node.and_then(|node| node.get("state")?.as_str());
            if found == Some(state) {
                Ok(())
            } else {
                Err(view.to_string())
            }
        })
        .await
    }

    /// Creates a session of the default tenant.
    ///
    /// # Errors
    /// When the router refuses it.
    pub async fn create_session(&self, id: &str) -> Result<NewSession> {
        let answer = self.admin_post("sessions", &CreateSession { id }).await?;
        Ok(NewSession {
            id: text(&answer, "id")?,
            token: text(&answer, "token")?,
        })
    }

    /// What the admin API says of a session.
    ///
    /// # Errors
    /// When the router refuses it.
    pub async fn session(&self, id: &str) -> Result<Value> {
        self.admin_get(&format!("sessions/{id}")).await
    }

    /// GET on the admin API.
    ///
    /// # Errors
    /// When the router does not answer with success.
    pub async fn admin_get(&self, path: &str) -> Result<Value> {
        let request = self
            .http
            .get(format!("{}/admin/v1/{path}", self.url))
            .bearer_auth(&self.admin_key);
        read(request).await.with_context(|| format!("GET {path}"))
    }

    /// POST on the admin API.
    ///
    /// # Errors
    /// When the router does not answer with success.
    pub async fn admin_post<B: Serialize + Sync>(&self, path: &str, body: &B) -> Result<Value> {
        let request = self
            .http
            .post(format!("{}/admin/v1/{path}", self.url))
            .bearer_auth(&self.admin_key);
        read(request.json(body))
            .await
            .with_context(|| format!("POST {path}"))
    }

    /// Kills a node at once.
    ///
    /// # Errors
    /// When there is no node of that name.
    pub async fn kill_node(&mut self, name: &str) -> Result<()> {
        let entry = self.nodes.iter_mut().find(|(node, _)| node == name);
        entry
            .with_context(|| format!("no node {name}"))?
            .1
            .kill()
            .await
    }

    /// Starts a node again on its own folder.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_node(&mut self, name: &str) -> Result<()> {
        let program = self.settings.start_node(self.folder.path(), name).await?;
        let entry = self.nodes.iter_mut().find(|(node, _)| node == name);
        entry.with_context(|| format!("no node {name}"))?.1 = program;
        Ok(())
    }

    /// The last lines of every process, for the text of a failed test.
    #[must_use]
    pub fn output(&self) -> String {
        let nodes: String = self
            .nodes
            .iter()
            .map(|(_, program)| program.output())
            .collect();
        format!("{}{nodes}", self.router.output())
    }

    /// The folder of the installation's data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills and starts `up` again on its own folder.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_up(&mut self) -> Result<()> {
        self.router.kill().await?;
        let up = self.settings.command("up", self.folder.path())?;
        self.router = Program::start("up", up, "listening on ").await?;
        self.ready().await
    }

    /// The admin key.
    #[must_use]
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }
}

impl Settings {
    fn new(
        simulator: &Simulator,
        nats_url: Option<String>,
        wwebjs_webhook: Option<String>,
    ) -> Result<Self> {
        // Nodes print links to the router, so its address must be known before it starts.
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Self {
            whatsapp_endpoint: simulator.ws_url.clone(),
            whatsapp_server_key: simulator.server_key.clone(),
            nats_url,
            wwebjs_webhook,
            listen: free.to_string(),
            extra: Extra::default(),
        })
    }

    fn command(&self, role: &str, folder: &Path) -> Result<Command> {
        let mut command = command("switchboard", folder)?;
        command.arg(role);
        command.env("SWITCHBOARD_LISTEN", &self.listen);
        command.env("SWITCHBOARD_PUBLIC_URL", format!("http://{}", self.listen));
        command.env("SWITCHBOARD_WHATSAPP__ENDPOINT", &self.whatsapp_endpoint);
        command.env(
            "SWITCHBOARD_WHATSAPP__SERVER_KEY",
            &self.whatsapp_server_key,
        );
        command.env("SWITCHBOARD_WHATSAPP__CONNECTS_PER_SECOND", "1000");
        command.env("SWITCHBOARD_EGRESS__ALLOW", "127.0.0.0/8");
        if let Some(url) = &self.wwebjs_webhook {
            command.env("SWITCHBOARD_WWEBJS__WEBHOOK_URL", url);
        }
        if let Some(nats) = &self.nats_url {
            command.env("SWITCHBOARD_NATS__URL", nats);
            command.env("SWITCHBOARD_CLUSTER__LEASE", LEASE);
            command.env("SWITCHBOARD_STORE__LOG_BYTES", LOG_BYTES);
            command.env("SWITCHBOARD_STORE__SNAPSHOT_BYTES", LOG_BYTES);
            command.env("SWITCHBOARD_ADMIN_KEY", ADMIN_KEY);
            command.env("SWITCHBOARD_MASTER_KEY", MASTER_KEY);
        }
        command.envs(self.extra.everywhere.iter().cloned());
        if role == "router" {
            command.envs(self.extra.router.iter().cloned());
        }
        Ok(command)
    }

    async fn start_node(&self, folder: &Path, name: &str) -> Result<Program> {
        let data: PathBuf = folder.join(name);
        std::fs::create_dir_all(&data)?;
        let mut node = self.command("node", &data)?;
        node.args(["--node-id", name]);
        node.args(&self.extra.node_words);
        for (node_name, key, value) in &self.extra.of_node {
            if node_name == name {
                node.env(key, value);
            }
        }
        Program::start(name, node, "running node ").await
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Value> {
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("the router answered {status}: {text}");
    }
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn text(value: &Value, field: &str) -> Result<String> {
    let found = value.get(field).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("no {field} in {value}"))
}
