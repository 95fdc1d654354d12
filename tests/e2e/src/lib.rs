//! What the end-to-end scenarios share: a whole installation with its simulator, receiver and nats-server.

use anyhow::{Context, Result};
use switchboard_bus::test_server::TestServer;
use switchboard_harness::drivers::{self, Driver};
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::{Extra, Stack};
use switchboard_harness::webhook::Receiver;
use switchboard_vocab::SessionRef;
use switchboard_vocab::placement::{Member, Members};
use tempfile::TempDir;

/// The nodes of every scenario's cluster.
pub const NODES: [&str; 2] = ["node-1", "node-2"];

/// A cluster as it is deployed, each part its own process.
#[derive(Debug)]
pub struct World {
    /// The WhatsApp double.
    pub simulator: Simulator,
    /// Where webhooks go.
    pub receiver: Receiver,
    /// The product: two nodes and a router.
    pub stack: Stack,
    /// The real nats-server; stops when dropped.
    pub nats: TestServer,
    folder: TempDir,
}

impl World {
    /// Starts everything. `wwebjs_hook` names the receiver's hook for sessions created through wwebjs.
    ///
    /// # Errors
    /// When a process does not start.
    pub async fn start(seed: u64, wwebjs_hook: &str) -> Result<Self> {
        let nats = TestServer::start().await.context("start nats-server")?;
        Self::start_on(nats, seed, wwebjs_hook, Extra::default()).await
    }

    /// The same on that nats-server and with further settings.
    ///
    /// # Errors
    /// When a process does not start.
    pub async fn start_on(
        nats: TestServer,
        seed: u64,
        wwebjs_hook: &str,
        extra: Extra,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let simulator = Simulator::start(folder.path(), seed).await?;
        let receiver = Receiver::start().await?;
        let hook = Some(receiver.hook(wwebjs_hook));
        let stack = Stack::cluster_with(&simulator, &nats.url(), &NODES, hook, extra).await?;
        Ok(Self {
            simulator,
            receiver,
            stack,
            nats,
            folder,
        })
    }

    /// A paired session of that system whose webhooks go to the receiver's hook of the same name.
    ///
    /// # Errors
    /// When it does not come that far.
    pub async fn paired(&self, dialect: &str, id: &str, number: &str) -> Result<Box<dyn Driver>> {
        let driver = drivers::create(dialect, &self.stack, id).await?;
        drivers::pair(driver.as_ref(), &self.simulator, number).await?;
        driver.set_webhook(&self.receiver.hook(id)).await?;
        Ok(driver)
    }

    /// Adds what every process said to the error of a failed scenario.
    ///
    /// # Errors
    /// The scenario's own.
    pub fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| {
            format!(
                "the processes said:\n{}{}",
                self.stack.output(),
                self.simulator.program.output()
            )
        })
    }

    /// A folder that lives as long as the world.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// A session id with this prefix that placement puts on that node.
///
/// # Errors
/// Never in practice: one of the first hundred fits.
pub fn id_on(node: &str, prefix: &str) -> Result<String> {
    let members = NODES
        .iter()
        .map(|id| Ok(Member::new(id.parse()?, 1)))
        .collect::<Result<Vec<_>>>()?;
    let members = Members::new(members);
    for at in 0..100 {
        let id = format!("{prefix}-{at}");
        let session: SessionRef = format!("default/{id}").parse()?;
        if members
            .first(&session)
            .is_some_and(|first| first.as_str() == node)
        {
            return Ok(id);
        }
    }
    anyhow::bail!("no id for {node}")
}

/// A small picture as PNG bytes.
///
/// # Errors
/// When it cannot be encoded.
pub fn picture(shade: u8) -> Result<Vec<u8>> {
    let picture = image::RgbImage::from_fn(48, 32, |x, y| {
        image::Rgb([
            u8::try_from(x * 5).unwrap_or(255),
            u8::try_from(y * 7).unwrap_or(255),
            shade,
        ])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
