//! What a session's customer can choose for it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::content::MediaKind;
use crate::operation::Effect;

/// The settings of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Files of these kinds are downloaded as soon as their message comes in; others when somebody asks.
    #[serde(default)]
    pub auto_download: BTreeSet<MediaKind>,
    /// Whether the account is shown as offline while it is connected.
    #[serde(default)]
    pub offline: bool,
    /// Whether the whole history is asked for at the next pairing.
    #[serde(default)]
    pub full_history: bool,
    /// A SOCKS5 proxy for the connection to WhatsApp: `socks5://user:password@host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// Gets the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {}
crate::operation!(Get => Settings, "settings.get", Effect::Read);

/// Changes settings. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// See [`Settings::auto_download`].
    #[serde(default)]
    pub auto_download: Option<BTreeSet<MediaKind>>,
    /// See [`Settings::offline`].
    #[serde(default)]
    pub offline: Option<bool>,
    /// See [`Settings::full_history`].
    #[serde(default)]
    pub full_history: Option<bool>,
    /// See [`Settings::proxy`]; an empty text takes it away.
    #[serde(default)]
    pub proxy: Option<String>,
}
crate::operation!(Change => Changed, "settings.change", Effect::Write);

/// The settings before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Those there were.
    pub before: Settings,
    /// Those there are now.
    pub after: Settings,
}

/// Sets everything back to [`Settings::default`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {}
crate::operation!(Reset => Changed, "settings.reset", Effect::Write);
