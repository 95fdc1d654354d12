//! Configuration errors, checks across keys, and the values derived from them.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use switchboard_keystore::Watermarks;
use switchboard_vocab::NodeId;
use switchboard_vocab::placement::WEIGHT_MAX;
use thiserror::Error;

use super::Config;

/// Shortest admin key that is not called weak, in characters.
const ADMIN_KEY_LEN_MIN: usize = 24;
/// Shortest lease; below it a busy machine fences itself for nothing. Source: design rule on leases.
const LEASE_MIN: Duration = Duration::from_secs(2);
/// Longest lease.
const LEASE_MAX: Duration = Duration::from_secs(60);
/// Longest time that a node may take to hand its sessions over when it stops.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(3600);
/// Longest calm that may be asked for before sessions move for balance.
const SETTLE_MAX: Duration = Duration::from_secs(3600);
/// Sizes of the replicated log and of its snapshots: from what one session with a long tail takes, up to more than NATS should keep.
const LOG_BYTES: RangeInclusive<u64> = (64 << 20)..=(1 << 40);
/// Highest share of the disk that may be asked to stay free: above it a half empty disk would be called full.
const FREE_PERCENT_MAX: u8 = 50;
/// Least room that is kept: an engine needs some to open again, and what is under way must still fit.
const FREE_BYTES: RangeInclusive<u64> = (32 << 20)..=(1 << 40);
/// Most hand-overs begun per second that can be asked for.
const MOVES_PER_SECOND_MAX: u32 = 1000;
/// Most hand-overs at once that can be asked for; each holds one session's export in memory.
const MOVES_AT_ONCE_MAX: u32 = 256;

/// A key that cannot be, where it came from, and what would be accepted.
#[derive(Debug, Error)]
#[error("configuration: {key}: {problem} (from {source_name})")]
pub(crate) struct ConfigError {
    key: String,
    source_name: String,
    problem: String,
}

impl ConfigError {
    pub(super) fn from_figment(error: &figment::Error) -> Self {
        let key = error.path.join(".");
        let source_name = error.metadata.as_ref().map_or_else(
            || "an unknown source".to_owned(),
            |found| match &found.source {
                Some(source) => format!("{} {source}", found.name),
                None => found.name.to_string(),
            },
        );
        Self {
            key: if key.is_empty() {
                "(top level)".to_owned()
            } else {
                key
            },
            source_name,
            problem: error.kind.to_string(),
        }
    }

    pub(super) fn no_file(path: &Path) -> Self {
        Self::of("--config", &format!("there is no file {}", path.display()))
    }

    /// An error found by looking at the values together.
    pub(crate) fn of(key: &str, problem: &str) -> Self {
        Self {
            key: key.to_owned(),
            source_name: "the merged configuration".to_owned(),
            problem: problem.to_owned(),
        }
    }
}

impl Config {
    /// Checks what serde cannot.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        self.check_cluster()?;
        self.check_store()?;
        self.media.bucket()?;
        if self.whatsapp.endpoint.is_some() != self.whatsapp.server_key.is_some() {
            let problem =
                "endpoint and server_key belong together: set both, or none for the real whatsapp";
            return Err(ConfigError::of("whatsapp.endpoint", problem));
        }
        if let Some(key) = &self.admin_key
            && key.len() < ADMIN_KEY_LEN_MIN
        {
            let problem = format!("the key is weak: use at least {ADMIN_KEY_LEN_MIN} characters");
            return Err(ConfigError::of("admin_key", &problem));
        }
        self.master_key_bytes()?;
        self.server_key_bytes()?;
        self.node_id()?;
        Ok(self)
    }

    fn check_cluster(&self) -> Result<(), ConfigError> {
        let cluster = &self.cluster;
        if !(LEASE_MIN..=LEASE_MAX).contains(&cluster.lease) {
            return Err(ConfigError::of("cluster.lease", "use 2s to 60s"));
        }
        if cluster.drain_wait > DRAIN_WAIT_MAX {
            return Err(ConfigError::of("cluster.drain_wait", "use 0s to 1h"));
        }
        if cluster.settle.is_some_and(|settle| settle > SETTLE_MAX) {
            return Err(ConfigError::of("cluster.settle", "use 0s to 1h"));
        }
        let within = |key, value, max| {
            if (1..=max).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::of(key, &format!("use 1 to {max}")))
        };
        within(
            "cluster.moves_per_second",
            cluster.moves_per_second,
            MOVES_PER_SECOND_MAX,
        )?;
        within(
            "cluster.moves_at_once",
            cluster.moves_at_once,
            MOVES_AT_ONCE_MAX,
        )?;
        if self.node.weight > WEIGHT_MAX {
            let problem = format!("use 0 to {WEIGHT_MAX}");
            return Err(ConfigError::of("node.weight", &problem));
        }
        Ok(())
    }

    fn check_store(&self) -> Result<(), ConfigError> {
        let store = &self.store;
        for (key, bytes) in [
            ("store.log_bytes", store.log_bytes),
            ("store.snapshot_bytes", store.snapshot_bytes),
        ] {
            if !LOG_BYTES.contains(&bytes) {
                return Err(ConfigError::of(key, "use 64 MiB to 1 TiB, in bytes"));
            }
        }
        if store.new_sessions_free_percent > FREE_PERCENT_MAX {
            let problem = format!("use 0 to {FREE_PERCENT_MAX}");
            return Err(ConfigError::of("store.new_sessions_free_percent", &problem));
        }
        if store.sends_free_percent > store.new_sessions_free_percent {
            let problem = "use at most store.new_sessions_free_percent: a session that cannot send is of no use to a new customer";
            return Err(ConfigError::of("store.sends_free_percent", problem));
        }
        if !FREE_BYTES.contains(&store.sends_free_bytes) {
            let problem = "use 32 MiB to 1 TiB, in bytes";
            return Err(ConfigError::of("store.sends_free_bytes", problem));
        }
        Ok(())
    }

    /// When the store's disk counts as full.
    pub(crate) fn watermarks(&self) -> Watermarks {
        Watermarks {
            new_sessions_percent: self.store.new_sessions_free_percent,
            sends_percent: self.store.sends_free_percent,
            sends_bytes: self.store.sends_free_bytes,
        }
    }

    /// The master key's bytes.
    pub(crate) fn master_key_bytes(&self) -> Result<Option<[u8; 32]>, ConfigError> {
        let Some(text) = &self.master_key else {
            return Ok(None);
        };
        let bytes = key_bytes("master_key", text)?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            let problem = "the key is weak: make one with `openssl rand -hex 32`";
            return Err(ConfigError::of("master_key", problem));
        }
        Ok(Some(bytes))
    }

    /// The simulator key's bytes.
    pub(crate) fn server_key_bytes(&self) -> Result<Option<[u8; 32]>, ConfigError> {
        self.whatsapp
            .server_key
            .as_ref()
            .map(|text| key_bytes("whatsapp.server_key", text))
            .transpose()
    }

    /// The name of this node.
    pub(crate) fn node_id(&self) -> Result<NodeId, ConfigError> {
        let name = match &self.node.id {
            Some(id) => id.clone(),
            None => host_name(),
        };
        NodeId::parse(&name).map_err(|error| {
            let problem = format!("{error}; use 1 to 64 letters, digits, '-' and '_'");
            ConfigError::of("node.id", &problem)
        })
    }

    /// The servers of the bus; the cluster roles need them.
    pub(crate) fn nats_url(&self) -> Result<Vec<String>, ConfigError> {
        if self.nats.url.is_empty() {
            let problem = "it is required for the node and router roles: nats://host:4222";
            return Err(ConfigError::of("nats.url", problem));
        }
        Ok(self.nats.url.clone())
    }

    /// How long the nodes must have been the same before sessions move for balance.
    pub(crate) fn settle(&self) -> Duration {
        self.cluster.settle.unwrap_or(self.cluster.lease * 2)
    }
}

fn key_bytes(key: &str, text: &str) -> Result<[u8; 32], ConfigError> {
    let bytes = hex::decode(text.trim())
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.ok_or_else(|| ConfigError::of(key, "64 hex digits are expected"))
}

fn host_name() -> String {
    let raw = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mapped: String = raw
        .trim()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    if mapped.is_empty() {
        "node".to_owned()
    } else {
        mapped
    }
}
