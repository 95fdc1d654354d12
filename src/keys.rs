//! The two keys of an installation: given by configuration, or made by `up` on its first start.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::Sha256;

use crate::config::{Config, ConfigError};

/// The admin key's file in `data_dir`.
pub(crate) const ADMIN_KEY_FILE: &str = "admin.key";
/// The master key's file in `data_dir`.
pub(crate) const MASTER_KEY_FILE: &str = "master.key";

/// Both keys.
#[derive(Clone)]
pub(crate) struct Keys {
    /// Opens the admin API.
    pub(crate) admin: String,
    /// Seals the stores.
    pub(crate) master: [u8; 32],
}

impl Keys {
    /// The key that signs media links, the same on every router and node of the installation.
    pub(crate) fn media_links(&self) -> [u8; 32] {
        media_link_key(&self.admin)
    }

    /// Tells nodes with another master key apart; says nothing about the key itself.
    pub(crate) fn key_check(&self) -> String {
        hex::encode(self.of_master(b"switchboard key check 1"))
    }

    /// The key that seals sessions on their way between nodes.
    pub(crate) fn transfer(&self) -> [u8; 32] {
        self.of_master(b"switchboard transfer 1")
    }

    fn of_master(&self, purpose: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.master)
            .unwrap_or_else(|_| unreachable!("hmac takes keys of any length"));
        mac.update(purpose);
        mac.finalize().into_bytes().into()
    }
}

/// Derives the key of media links from the admin key, so that routers need no master key for it.
pub(crate) fn media_link_key(admin_key: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(admin_key.as_bytes())
        .unwrap_or_else(|_| unreachable!("hmac takes keys of any length"));
    mac.update(b"switchboard media links 1");
    mac.finalize().into_bytes().into()
}

/// The keys of a cluster role: they must be configured.
pub(crate) fn configured(config: &Config) -> Result<Keys> {
    let missing = |key: &str| ConfigError::of(key, "it is required for the node and router roles");
    let admin = config
        .admin_key
        .clone()
        .ok_or_else(|| missing("admin_key"))?;
    let master = config
        .master_key_bytes()?
        .ok_or_else(|| missing("master_key"))?;
    Ok(Keys { admin, master })
}

/// The keys of `up`: configured, or kept in `data_dir`, or made now.
pub(crate) fn configured_or_made(config: &Config) -> Result<Keys> {
    let folder = &config.data_dir;
    fs::create_dir_all(folder).with_context(|| format!("create data_dir {}", folder.display()))?;
    let admin = match &config.admin_key {
        Some(key) => key.clone(),
        None => kept_or_made(&folder.join(ADMIN_KEY_FILE))?,
    };
    let master = match config.master_key_bytes()? {
        Some(key) => key,
        None => {
            let path = folder.join(MASTER_KEY_FILE);
            let text = kept_or_made(&path)?;
            let bytes = hex::decode(&text)
                .ok()
                .and_then(|b| <[u8; 32]>::try_from(b).ok());
            bytes.with_context(|| format!("{} does not hold 64 hex digits", path.display()))?
        }
    };
    Ok(Keys { admin, master })
}

fn kept_or_made(path: &Path) -> Result<String> {
    if path.exists() {
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            bail!(
                "{} can be read by others (mode {mode:o}): chmod 600 it",
                path.display()
            );
        }
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        return Ok(text.trim().to_owned());
    }
    let mut bytes = [0u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let text = hex::encode(bytes);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("create {}", path.display()))?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    eprintln!("made a key: {}", path.display());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        let first = configured_or_made(&config).unwrap();
        let second = configured_or_made(&config).unwrap();
        assert_eq!(first.admin, second.admin);
        assert_eq!(first.master, second.master);
        let path = folder.path().join(MASTER_KEY_FILE);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(configured_or_made(&config).is_err());
    }

    #[test]
    fn cluster_roles_refuse_to_start_without_keys() {
        assert!(configured(&Config::default()).is_err());
    }
}
