//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::admin::AdminCommand;
use crate::config::Flags;

/// What is logged when `SWITCHBOARD_LOG` says nothing. The Signal library prints addresses and public keys in some error
/// lines, so it stays quiet.
const LOG_DEFAULT: &str =
    "info,wacore_libsignal=off,whatsapp_rust=warn,wacore=warn,async_nats=warn,sled=warn";

/// A WhatsApp gateway for thousands of numbers behind five REST APIs.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, propagate_version = true)]
pub(crate) struct Cli {
    /// How log lines look; the filter comes from `SWITCHBOARD_LOG`
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run router and node in one process; needs no other server
    Up(Flags),
    /// Run a node of a cluster: it runs sessions
    Node(NodeCommand),
    /// Run a router of a cluster: it answers HTTP
    Router(Flags),
    /// Operator commands over the admin API
    Admin(AdminCommand),
}

#[derive(Debug, Args)]
pub(crate) struct NodeCommand {
    #[command(flatten)]
    pub(crate) flags: Flags,
    /// Run the node as a child that is started again when it dies, and release its sessions to others at once
    #[arg(long)]
    pub(crate) supervised: bool,
}

/// Sends log lines to standard error.
pub(crate) fn start_logging(format: LogFormat) {
    let filter =
        EnvFilter::try_from_env("SWITCHBOARD_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
