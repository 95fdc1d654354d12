//! Makes the connection and follows its state.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use secrecy::ExposeSecret;
use tokio::sync::{Semaphore, watch};

use super::{Connection, PUBLISH_IN_FLIGHT_MAX, RETRY_PAUSE, RETRY_PAUSE_MAX, login};
use crate::Health;
use crate::nats::{Auth, Error, NatsConfig};

/// How often the server is pinged; two missed answers mean that the connection is dead. Source: a lease of 10 s
/// must outlive the discovery of a dead peer and a reconnect.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// One attempt to connect.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(5);
/// Commands that wait for the connection; further callers wait for a place.
const COMMANDS_MAX: usize = 4096;
/// Messages that wait in one subscription. A watcher's is the longest: a listing of all owners.
const SUBSCRIPTION_MAX: usize = 64 * 1024;
/// The longest pause between two attempts to reconnect. Source: reconnects must fit into a lease.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// The first release, major and minor, whose copies keep the promise of a compare-and-set.
const COPIES_SINCE: (u32, u32) = (2, 11);
/// Copies where the servers are at least as many.
const REPLICAS: usize = 3;

impl Connection {
    pub(in crate::nats) async fn open(
        config: &NatsConfig,
    ) -> Result<(Self, watch::Receiver<Health>), Error> {
        let servers = servers(config)?;
        let status = Arc::new(Status {
            health: watch::Sender::new(Health::Reconnecting),
            connects: watch::Sender::new(0),
        });
        let (health, connects) = (status.health.subscribe(), status.connects.subscribe());
        let client = connect(config, &servers, &status).await?;
        status.health.send_replace(Health::Connected);
        let version = client.server_info().version;
        let replicas = match config.replicas {
            Some(copies) if copies > 1 && !copies_are_safe(&version) => {
                return Err(Error::Copies { copies, version });
            }
            Some(copies) => copies,
            None => replicas(&servers, &client),
        };
        tracing::info!(server = version, replicas, "connected to nats");
        let connection = Self {
            jetstream: ContextBuilder::new()
                .timeout(config.limits.operation_deadline)
                .build(client.clone()),
            client,
            limits: config.limits.clone(),
            replicas,
            setup_deadline: config.setup_deadline,
            publishes: Semaphore::new(PUBLISH_IN_FLIGHT_MAX),
            connects,
        };
        Ok((connection, health))
    }
}

/// What the client library's events change.
#[derive(Debug)]
struct Status {
    health: watch::Sender<Health>,
    connects: watch::Sender<u64>,
}

impl Status {
    fn on(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.health.send_replace(Health::Connected);
                self.connects.send_modify(|count| *count += 1);
                metrics::counter!("switchboard_bus_connects_total").increment(1);
                metrics::gauge!("switchboard_bus_connected").set(1.0);
            }
            Event::Disconnected => {
                self.health.send_replace(Health::Reconnecting);
                metrics::gauge!("switchboard_bus_connected").set(0.0);
                tracing::warn!("nats connection lost, reconnecting");
            }
            Event::Closed => {
                self.health.send_replace(Health::Closed);
                metrics::gauge!("switchboard_bus_connected").set(0.0);
            }
            Event::SlowConsumer(_) => {
                metrics::counter!("switchboard_bus_slow_subscriptions_total").increment(1);
                tracing::warn!("a nats subscription is full, messages were dropped");
            }
            Event::LameDuckMode => tracing::info!("the nats server is about to stop"),
            Event::Draining => {}
            Event::ServerError(error) => tracing::warn!(%error, "nats server error"),
            Event::ClientError(error) => tracing::warn!(%error, "nats client error"),
        }
    }
}

fn servers(config: &NatsConfig) -> Result<Vec<ServerAddr>, Error> {
    let parse = |(index, url): (usize, &String)| {
        url.parse::<ServerAddr>().map_err(|source| Error::Url {
            index,
            source: source.into(),
        })
    };
    config.servers.iter().enumerate().map(parse).collect()
}

/// Tries until the connect deadline: after a start of everything at once the servers may come last.
async fn connect(
    config: &NatsConfig,
    servers: &[ServerAddr],
    status: &Arc<Status>,
) -> Result<Client, Error> {
    let deadline = config.connect_deadline;
    let mut last: crate::BoxError = "no server is configured".into();
    let attempts = async {
        let mut pause = RETRY_PAUSE;
        loop {
            let options = options(config, servers, status).await?;
            match options.connect(servers).await {
                Ok(client) => return Ok(client),
                Err(error) => last = error.into(),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    };
    match tokio::time::timeout(deadline, attempts).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::Connect {
            servers: servers.len(),
            deadline,
            source: last,
        }),
    }
}

async fn options(
    config: &NatsConfig,
    servers: &[ServerAddr],
    status: &Arc<Status>,
) -> Result<ConnectOptions, Error> {
    let status = Arc::clone(status);
    let mut options = ConnectOptions::new()
        .name(&config.name)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(ATTEMPT_DEADLINE)
        .request_timeout(Some(config.limits.operation_deadline))
        .client_capacity(COMMANDS_MAX)
        .subscription_capacity(SUBSCRIPTION_MAX)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_pause)
        .require_tls(config.tls.required)
        .event_callback(move |event| {
            status.on(&event);
            std::future::ready(())
        });
    if let Some(roots) = &config.tls.roots {
        options = options.add_root_certificates(roots.clone());
    }
    if let Some((certificate, key)) = &config.tls.identity {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    if let Some(whom) = &config.inbox {
        let inbox = crate::subjects::nats::inbox(whom).map_err(Error::Inbox)?;
        options = options.custom_inbox_prefix(inbox);
    }
    match &config.auth {
        Auth::None => login::from_urls(servers, options),
        Auth::UserPassword { user, password } => {
            Ok(options.user_and_password(user.clone(), password.expose_secret().to_owned()))
        }
        Auth::Token(token) => Ok(options.token(token.expose_secret().to_owned())),
        Auth::CredentialsFile(path) => {
            options
                .credentials_file(path)
                .await
                .map_err(|source| Error::Credentials {
                    path: path.clone(),
                    source,
                })
        }
    }
}

/// 0, 50 ms, 100 ms, … 1 s.
fn reconnect_pause(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(2))
        .unwrap_or(u32::MAX)
        .min(10);
    match attempts {
        0 | 1 => Duration::ZERO,
        _ => (RETRY_PAUSE * 2_u32.pow(doublings)).min(RECONNECT_PAUSE_MAX),
    }
}

fn replicas(servers: &[ServerAddr], client: &Client) -> usize {
    let info = client.server_info();
    let known = servers.len().max(info.connect_urls.len());
    if known < REPLICAS {
        return 1;
    }
    if !copies_are_safe(&info.version) {
        tracing::warn!(
            "{}; one copy is made",
            unsafe_copies("buckets", REPLICAS, &info.version)
        );
        return 1;
    }
    REPLICAS
}

/// True if a compare-and-set on a stream with copies lets one writer win. Before 2.9.21 it let all concurrent
/// ones win (measured: eight of eight on 2.9.10); before 2.11 a new leader could accept one before it had
/// applied the last. Source: nats-server issue 4320, pull requests 6194 and 6485.
pub(super) fn copies_are_safe(version: &str) -> bool {
    let mut numbers = version
        .split(['.', '-'])
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let release = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    release >= COPIES_SINCE
}

pub(super) fn unsafe_copies(name: &str, copies: usize, version: &str) -> String {
    let (major, minor) = COPIES_SINCE;
    format!(
        "{name} with {copies} copies on nats-server {version}: before {major}.{minor} concurrent \
         compare-and-sets on copies can all win"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_need_a_release_that_keeps_the_compare_and_set() {
        for version in ["2.9.10", "2.10.29", "1.99.0", "", "x"] {
            assert!(!copies_are_safe(version), "{version}");
        }
        for version in ["2.11.0", "2.12.1-RC.1", "2.15.1", "3.0.0"] {
            assert!(copies_are_safe(version), "{version}");
        }
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        assert_eq!(reconnect_pause(1), Duration::ZERO);
        assert_eq!(reconnect_pause(2), RETRY_PAUSE);
        assert_eq!(reconnect_pause(3), RETRY_PAUSE * 2);
        assert_eq!(reconnect_pause(usize::MAX), RECONNECT_PAUSE_MAX);
    }
}
