//! `switchboard-simulator`: the server double as a program.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Parser;
use switchboard_simulator::core::ids::Addressing;
use switchboard_simulator::{Config, MEDIA_BYTES_DEFAULT, Simulator};
use tokio::signal::unix::{SignalKind, signal};

/// A WhatsApp server double for tests and load runs.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// Decides every key and random value; the same seed gives the same keys.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Host and port that clients reach it by, if not the listening address.
    #[arg(long)]
    public_host: Option<String>,
    /// Clients address chats by phone number instead of LID.
    #[arg(long)]
    pn_chats: bool,
    /// Members of new groups address each other by phone number instead of LID.
    #[arg(long)]
    pn_groups: bool,
    /// The service before LIDs: chats and groups by phone number, and no word of another address.
    #[arg(long)]
    before_lids: bool,
    /// Phones swallow what is sent to them instead of reading it.
    #[arg(long)]
    deaf_phones: bool,
    /// Also takes TLS on the port, with a self-made certificate that `GET /admin/info` shows.
    #[arg(long)]
    tls: bool,
    /// A phone links every client that waits for one, without having seen its QR code.
    #[arg(long)]
    pair_unseen: bool,
    /// Most bytes of media kept.
    #[arg(long, default_value_t = MEDIA_BYTES_DEFAULT)]
    media_bytes_max: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for SIGINT")?;
    let handle = Simulator::start(Config {
        listen: args.listen,
        seed: args.seed,
        public_host: args.public_host,
        lid_migrated: !(args.pn_chats || args.before_lids),
        both_addresses: !args.before_lids,
        group_addressing: if args.pn_groups || args.before_lids {
            Addressing::Pn
        } else {
            Addressing::Lid
        },
        phones_listen: !args.deaf_phones,
        tls: args.tls,
        pair_unseen: args.pair_unseen,
        media_bytes_max: args.media_bytes_max,
        ..Config::default()
    })
    .await
    .context("start simulator")?;
    println!("listening on http://{}", handle.address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    handle.shutdown().await;
    Ok(())
}
