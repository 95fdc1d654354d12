//! Starting and stopping a simulator.

mod phones;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::clock::{SharedClock, SystemClock};
use crate::core::ids::Addressing;
use crate::core::keys::{self, ServerKeys};
use crate::core::pairing::Linked;
use crate::core::server::{Options, Server};
use crate::draft::Outgoing;
use crate::faults::Request;
use crate::journal::Report;
use crate::operations::{self, Error, Given, Info, Past, PhoneInfo, Sent};
use crate::phone::{Act, Record, State};
use crate::seeds::Seeds;
use crate::shell::hub::Hub;
use crate::shell::media::MediaStore;
use crate::shell::tls::{self, Identity};
use crate::shell::{listener, workers};

/// How long [`Handle::shutdown`] waits for connections to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of media that a simulator keeps by default.
pub const MEDIA_BYTES_DEFAULT: usize = 1024 * 1024 * 1024;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The keys could not be made.
    #[error("make server keys")]
    Keys(#[from] keys::Error),
    /// The certificate could not be made.
    #[error("make certificate")]
    Tls(#[from] tls::Error),
}

/// How a simulator is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Decides every key and random value.
    pub seed: u64,
    /// Host (and port) that clients reach the simulator by, if not the listening address.
    pub public_host: Option<String>,
    /// Whether pairing announces `isChatDbLidMigrated`, so that clients address chats by LID.
    pub lid_migrated: bool,
    /// How members of new groups address each other.
    pub group_addressing: Addressing,
    /// Whether the phones read what is sent to them. Load runs switch it off.
    pub phones_listen: bool,
    /// Whether a message names its sender by phone number and by LID.
    pub both_addresses: bool,
    /// Whether the port takes TLS too, with a self-made certificate.
    pub tls: bool,
    /// Whether a phone links every waiting client without having seen its QR code.
    pub pair_unseen: bool,
    /// Most bytes of media kept.
    pub media_bytes_max: usize,
    /// Where "now" comes from.
    pub clock: SharedClock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 0,
            public_host: None,
            lid_migrated: true,
            group_addressing: Addressing::Lid,
            phones_listen: true,
            both_addresses: true,
            tls: false,
            pair_unseen: false,
            media_bytes_max: MEDIA_BYTES_DEFAULT,
            clock: Arc::new(SystemClock),
        }
    }
}

/// The WhatsApp server double.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Starts a simulator and returns once it accepts connections.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(config: Config) -> Result<Handle, StartError> {
        let Config {
            listen,
            seed,
            clock,
            ..
        } = config;
        let keys = Arc::new(ServerKeys::derive(Seeds::new(seed))?);
        let failed = |source| StartError::Listen {
            address: listen,
            source,
        };
        let socket = TcpListener::bind(listen).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let media_host = config.public_host.unwrap_or_else(|| address.to_string());
        let identity = config
            .tls
            .then(|| Identity::make(&media_host))
            .transpose()?;
        let options = Options {
            lid_migrated: config.lid_migrated,
            phones_listen: config.phones_listen,
            group_addressing: config.group_addressing,
            both_addresses: config.both_addresses,
            pair_unseen: config.pair_unseen,
            media_host,
        };
        let server = Server::new(options, seed, Arc::clone(&clock));
        let hub = Arc::new(Hub::new(
            server,
            keys,
            clock,
            MediaStore::new(config.media_bytes_max),
            identity,
        ));
        workers::start(&hub);
        hub.tasks.spawn(listener::serve(Arc::clone(&hub), socket));
        hub.tasks.close();
        Ok(Handle { hub, address })
    }
}

/// A running simulator. It stops when asked to, or when the last handle is dropped.
#[derive(Debug)]
pub struct Handle {
    hub: Arc<Hub>,
    address: SocketAddr,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How to reach it.
    #[must_use]
    pub fn info(&self) -> Info {
        operations::info(&self.hub)
    }

    /// A phone scans a QR code, see `POST /admin/mock-phone/scan-qr`.
    ///
    /// # Errors
    /// When the text is not the code of a waiting client, or the phone refuses.
    pub fn scan_qr(
        &self,
        text: &str,
        number: Option<&str>,
        name: Option<&str>,
    ) -> Result<Linked, Error> {
        operations::scan_qr(&self.hub, text, number, name)
    }

    /// Sets up a phone without companions, see `POST /admin/phones`. Does nothing if it exists.
    ///
    /// # Errors
    /// When the number is none, or there are too many accounts.
    pub fn add_phone(&self, number: &str, name: &str) -> Result<PhoneInfo, Error> {
        operations::add_phone(&self.hub, number, name)
    }

    /// A user types a pairing code on the phone, see `POST /admin/mock-phone/enter-code`.
    ///
    /// # Errors
    /// When no client waits for a code of that number, the code is wrong, or the client is silent.
    pub async fn enter_code(&self, number: &str, code: &str) -> Result<Linked, Error> {
        operations::enter_code(&self.hub, number, code).await
    }

    /// The user takes a companion off the account.
    ///
    /// # Errors
    /// When there is no such companion.
    pub fn unlink(&self, number: &str, device: u16) -> Result<(), Error> {
        operations::unlink(&self.hub, number, device)
    }

    /// The phone itself sends, end-to-end encrypted.
    ///
    /// # Errors
    /// When sender or receiver do not exist, or the file is not one.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make a draft for this call"
    )]
    pub fn phone_send(&self, number: &str, out: Outgoing) -> Result<Sent, Error> {
        operations::phone_send(&self.hub, number, &out)
    }

    /// The phone itself sends a text. `to` is a number or an address.
    ///
    /// # Errors
    /// As [`Self::phone_send`].
    pub fn phone_text(&self, number: &str, to: &str, text: &str) -> Result<Sent, Error> {
        let out = Outgoing {
            to: to.to_owned(),
            text: text.to_owned(),
            ..Outgoing::default()
        };
        self.phone_send(number, out)
    }

    /// What the phone has decrypted after the record `since`, oldest first. Phones read a little
    /// later than companions, so callers poll.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn phone_inbox(&self, number: &str, since: u64) -> Result<Vec<Record>, Error> {
        operations::phone_inbox(&self.hub, number, since)
    }

    /// The user does something on the phone that companions learn by app state, see
    /// `POST /admin/phones/{number}/act`. A phone without companions may be given a state this way before
    /// one is linked.
    ///
    /// # Errors
    /// When there is no such account, chat or contact, or nothing to remove.
    pub fn act(&self, number: &str, acts: &[Act]) -> Result<(), Error> {
        operations::act(&self.hub, number, acts)
    }

    /// Gives the phone a past, for companions that are linked from now on and for those that ask; see
    /// `POST /admin/phones/{number}/history`.
    ///
    /// # Errors
    /// When there is no such account or chat, or the past is too large.
    pub fn give_past(&self, number: &str, past: Past) -> Result<Given, Error> {
        operations::give_past(&self.hub, number, past)
    }

    /// Lets the file of a message that the phone has expire on the media host, see
    /// `POST /admin/phones/{number}/expire-media`. Downloads of it fail until a companion has had its phone
    /// upload it again.
    ///
    /// # Errors
    /// When the phone has no such message, or the host no such file.
    pub fn expire_media(&self, number: &str, id: &str) -> Result<(), Error> {
        operations::expire_media(&self.hub, number, id)
    }

    /// What the phone shows besides messages, see `GET /admin/phones/{number}/state`. What companions have
    /// written so far is in it.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn phone_state(&self, number: &str) -> Result<State, Error> {
        operations::phone_state(&self.hub, number)
    }

    /// What happened so far.
    #[must_use]
    pub fn journal(&self) -> Report {
        self.hub.with(|server| server.journal_report())
    }

    /// Adds a fault; returns how many connections it touched at once.
    ///
    /// # Errors
    /// When the request makes no sense or there are too many rules.
    pub fn inject(&self, request: Request) -> Result<usize, Error> {
        operations::inject(&self.hub, request)
    }

    /// Deletes all fault rules.
    pub fn clear_faults(&self) {
        self.hub.with(Server::clear_faults);
    }

    /// Stops and waits until all connections are closed, at most a few seconds.
    pub async fn shutdown(self) {
        self.hub.stop.cancel();
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.hub.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("connections were still open at the end");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.hub.stop.cancel();
    }
}
