//! Configuration errors, checks across keys, and the values derived from them.

use std::path::Path;
use std::time::Duration;

use switchboard_vocab::NodeId;
use switchboard_vocab::placement::{Member, WEIGHT_MAX};
use thiserror::Error;

use super::{Config, Durability};

/// Shortest admin key that is not called weak, in characters.
const ADMIN_KEY_LEN_MIN: usize = 24;
/// Shortest lease; below it a busy machine fences itself for nothing. Source: design rule on leases.
const LEASE_MIN: Duration = Duration::from_secs(2);
/// Longest lease.
const LEASE_MAX: Duration = Duration::from_secs(60);

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
        if self.store.durability == Durability::Replicated {
            let problem = "replicated is not offered by this release; use local";
            return Err(ConfigError::of("store.durability", problem));
        }
        if !(LEASE_MIN..=LEASE_MAX).contains(&self.cluster.lease) {
            return Err(ConfigError::of("cluster.lease", "use 2s to 60s"));
        }
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
        self.members()?;
        Ok(self)
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
        NodeId::parse(&name).map_err(|e| ConfigError::of("node.id", &e.to_string()))
    }

    /// The members of the cluster; this node alone when none are listed.
    pub(crate) fn members(&self) -> Result<Vec<Member>, ConfigError> {
        if self.cluster.nodes.is_empty() {
            return Ok(vec![Member::new(self.node_id()?, self.node.weight)]);
        }
        self.cluster.nodes.iter().map(|text| member(text)).collect()
    }
}

fn member(text: &str) -> Result<Member, ConfigError> {
    let refuse = |problem: String| ConfigError::of("cluster.nodes", &problem);
    let (name, weight) = text.split_once(':').unwrap_or((text, "1"));
    let id = NodeId::parse(name).map_err(|e| refuse(e.to_string()))?;
    let weight: u32 = weight
        .parse()
        .ok()
        .filter(|weight| *weight <= WEIGHT_MAX)
        .ok_or_else(|| refuse(format!("{text:?}: the weight must be 0 to {WEIGHT_MAX}")))?;
    Ok(Member::new(id, weight))
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
