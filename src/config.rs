//! One configuration for every role: defaults, then `switchboard.toml`, then `SWITCHBOARD_*`, then flags.
//!
//! An error names the key, the source it came from, and what would be accepted.

mod error;
mod media;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use switchboard_keystore::Watermarks;

pub(crate) use error::ConfigError;

/// The file that is read when it is there and no other is named.
const FILE_DEFAULT: &str = "switchboard.toml";
/// Variables of this prefix that are not configuration: the operator commands and the tests read them, and a parent sets the last for
/// its child.
const NOT_CONFIGURATION: &[&str] = &["url", "log", "nats_server", "supervisor"];

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The router's HTTP address.
    pub(crate) listen: SocketAddr,
    /// Where callers reach the router from outside; media links begin with it. `http://<listen>` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    /// Where a node keeps its stores, and `up` its keys.
    pub(crate) data_dir: PathBuf,
    /// The key of the admin API.
    #[serde(
        default,
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) admin_key: Option<String>,
    /// The key that seals every store: 64 hex digits.
    #[serde(
        default,
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) master_key: Option<String>,
    /// This node.
    pub(crate) node: NodeSection,
    /// The bus of the cluster roles.
    pub(crate) nats: NatsSection,
    /// The cluster.
    pub(crate) cluster: ClusterSection,
    /// The node's store.
    pub(crate) store: StoreSection,
    /// WhatsApp, or a simulator.
    pub(crate) whatsapp: WhatsappSection,
    /// Where media files are kept.
    pub(crate) media: media::MediaSection,
    /// What webhooks and media links may reach.
    pub(crate) egress: EgressSection,
    /// Limits at the door.
    pub(crate) limits: LimitsSection,
    /// Settings of the wwebjs dialect.
    pub(crate) wwebjs: WwebjsSection,
}

/// This node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeSection {
    /// Its stable name; the host name when absent.
    #[serde(
        default,
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) id: Option<String>,
    /// Its share of the sessions relative to the others; zero takes none.
    pub(crate) weight: u32,
    /// Where a node answers `/metrics`, `/livez` and `/readyz` over HTTP; nowhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// The bus of the cluster roles.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NatsSection {
    /// Servers, e.g. `nats://10.0.0.1:4222`.
    #[serde(
        default,
        deserialize_with = "value::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) url: Vec<String>,
}

/// The cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterSection {
    /// Keeps two clusters on one NATS apart.
    pub(crate) id: String,
    /// How long a node may go unheard before others take its sessions.
    #[serde(
        deserialize_with = "value::duration",
        serialize_with = "value::write_duration"
    )]
    pub(crate) lease: Duration,
    /// How long a node that is told to stop may hand its sessions to others; what is left then is stopped.
    #[serde(
        deserialize_with = "value::duration",
        serialize_with = "value::write_duration"
    )]
    pub(crate) drain_wait: Duration,
    /// Hand-overs that a drain begins per second; balance begins half of that.
    pub(crate) moves_per_second: u32,
    /// Hand-overs under way at once.
    pub(crate) moves_at_once: u32,
    /// How long the nodes must have been the same before sessions move for balance; twice the lease when absent.
    #[serde(
        default,
        deserialize_with = "value::optional_duration",
        serialize_with = "value::write_optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) settle: Option<Duration>,
    /// Diagnosis: a file in which a node notes, moment by moment, which sessions it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) witness: Option<PathBuf>,
}

/// The node's store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreSection {
    /// Which engine.
    pub(crate) engine: StoreEngine,
    /// Where a commit must be before it counts. When absent: replicated where NATS keeps three copies, else local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) durability: Option<Durability>,
    /// Bytes that the replicated log may take on NATS, which reserves them; the same on every node.
    pub(crate) log_bytes: u64,
    /// The same for its snapshots.
    pub(crate) snapshot_bytes: u64,
    /// New sessions are refused when less than this share of the store's disk is free, in percent.
    pub(crate) new_sessions_free_percent: u8,
    /// Sends are refused too when less than this share is free, in percent.
    pub(crate) sends_free_percent: u8,
    /// Sends are refused too when fewer bytes than this are free.
    pub(crate) sends_free_bytes: u64,
}

/// The engines of the key store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreEngine {
    /// sled 0.34.7.
    Sled,
    /// redb.
    Redb,
}

/// Where a commit must be before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// On this node's disk.
    Local,
    /// Also in the replicated log on NATS, from which another node can take the session over.
    Replicated,
}

/// WhatsApp, or a simulator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhatsappSection {
    /// A simulator's WebSocket address; the real WhatsApp when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// The simulator's Noise static public key: 64 hex digits.
    #[serde(
        default,
        deserialize_with = "value::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) server_key: Option<String>,
    /// The name shown in the phone's list of linked devices.
    pub(crate) device_name: String,
    /// Most connections to WhatsApp that a node opens per second.
    pub(crate) connects_per_second: u32,
}

/// What webhooks and media links may reach.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EgressSection {
    /// Private networks that are allowed all the same.
    #[serde(
        default,
        deserialize_with = "value::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) allow: Vec<IpNet>,
}

/// Limits at the door.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsSection {
    /// Largest request body, in bytes.
    pub(crate) body_bytes: usize,
    /// Largest media file, in bytes.
    pub(crate) media_bytes: u64,
    /// How long a media file is kept; for ever when zero.
    #[serde(
        deserialize_with = "value::duration",
        serialize_with = "value::write_duration"
    )]
    pub(crate) media_kept: Duration,
    /// Bytes of media files kept per session; the oldest go first. No limit when zero.
    pub(crate) media_session_bytes: u64,
    /// Longest a request may take.
    #[serde(
        deserialize_with = "value::duration",
        serialize_with = "value::write_duration"
    )]
    pub(crate) request: Duration,
    /// Most messages kept per session; the oldest go first.
    pub(crate) messages_kept: u64,
    /// Most bytes of these messages.
    pub(crate) messages_bytes: u64,
    /// How long messages are kept; zero = no limit.
    #[serde(
        deserialize_with = "value::duration",
        serialize_with = "value::write_duration"
    )]
    pub(crate) messages_kept_for: Duration,
}

/// Settings of the wwebjs dialect.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WwebjsSection {
    /// The webhook of sessions that are created through wwebjs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) webhook_url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        let watermarks = Watermarks::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            data_dir: PathBuf::from("./data"),
            admin_key: None,
            master_key: None,
            node: NodeSection {
                id: None,
                weight: 1,
                metrics_listen: None,
            },
            nats: NatsSection::default(),
            cluster: ClusterSection {
                id: "switchboard".to_owned(),
                lease: Duration::from_secs(10),
                drain_wait: Duration::from_secs(60),
                moves_per_second: 20,
                moves_at_once: 8,
                settle: None,
                witness: None,
            },
            store: StoreSection {
                engine: StoreEngine::Sled,
                durability: None,
                log_bytes: 4 << 30,
                snapshot_bytes: 8 << 30,
                new_sessions_free_percent: watermarks.new_sessions_percent,
                sends_free_percent: watermarks.sends_percent,
                sends_free_bytes: watermarks.sends_bytes,
            },
            whatsapp: WhatsappSection {
                endpoint: None,
                server_key: None,
                device_name: "Switchboard".to_owned(),
                connects_per_second: 20,
            },
            media: media::MediaSection::default(),
            egress: EgressSection::default(),
            limits: LimitsSection {
                body_bytes: 100 * 1024 * 1024,
                media_bytes: 100 * 1024 * 1024,
                media_kept: Duration::from_secs(30 * 24 * 3_600),
                media_session_bytes: 5 << 30,
                request: Duration::from_secs(60),
                messages_kept: 100_000,
                messages_bytes: 256 << 20,
                messages_kept_for: Duration::ZERO,
            },
            wwebjs: WwebjsSection::default(),
        }
    }
}

/// What flags can set; they win over everything else.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// The configuration file [default: switchboard.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The router's HTTP address [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where stores and keys are kept [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// NATS servers, comma-separated
    #[arg(long, value_name = "URLS")]
    nats_url: Option<String>,
    /// This node's stable name [default: the host name]
    #[arg(long, value_name = "NAME")]
    node_id: Option<String>,
    /// A simulator's WebSocket address instead of the real WhatsApp
    #[arg(long, value_name = "URL")]
    whatsapp_endpoint: Option<String>,
    /// The simulator's Noise static public key, 64 hex digits
    #[arg(long, value_name = "HEX")]
    whatsapp_server_key: Option<String>,
}

impl Flags {
    fn pairs(&self) -> [(&'static str, &'static str, Option<&String>); 6] {
        [
            ("listen", "--listen", self.listen.as_ref()),
            ("data_dir", "--data-dir", self.data_dir.as_ref()),
            ("nats.url", "--nats-url", self.nats_url.as_ref()),
            ("node.id", "--node-id", self.node_id.as_ref()),
            (
                "whatsapp.endpoint",
                "--whatsapp-endpoint",
                self.whatsapp_endpoint.as_ref(),
            ),
            (
                "whatsapp.server_key",
                "--whatsapp-server-key",
                self.whatsapp_server_key.as_ref(),
            ),
        ]
    }
}

/// Reads the configuration from all its sources.
///
/// # Errors
/// The first key that is unknown or has a value that cannot be, with its source.
pub(crate) fn load(flags: &Flags) -> Result<Config, ConfigError> {
    let figment = sources(flags)?;
    let config: Config = figment
        .extract()
        .map_err(|e| ConfigError::from_figment(&e))?;
    config.check()
}

fn sources(flags: &Flags) -> Result<Figment, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    figment = match &flags.config {
        Some(path) if !path.is_file() => return Err(ConfigError::no_file(path)),
        Some(path) => figment.merge(Toml::file_exact(path)),
        None if Path::new(FILE_DEFAULT).is_file() => figment.merge(Toml::file_exact(FILE_DEFAULT)),
        None => figment,
    };
    figment = figment.merge(
        Env::prefixed("SWITCHBOARD_")
            .ignore(NOT_CONFIGURATION)
            .split("__"),
    );
    for (key, flag, value) in flags.pairs() {
        if let Some(value) = value {
            figment = figment.merge(value::Flag {
                key,
                flag,
                value: value.clone(),
            });
        }
    }
    Ok(figment)
}

#[cfg(test)]
mod tests;
