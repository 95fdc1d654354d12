//! The library's client of a session, built from the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_keystore::Namespace;
use wacore::store::commands::DeviceCommand;
use wacore::store::device::default_history_sync_config;
use wacore::store::traits::DeviceStore;
use wacore::store::{CachedNoiseCert, CachedServerCertChain, DevicePropsOverride};
use wacore::types::events::{Event, Subscription};
use waproto::whatsapp::device_props::{HistorySyncConfig, PlatformType};
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::{CacheConfig, Client, RawNodeLease, TokioRuntime};

use super::Session;
use crate::addresses;
use crate::api::Error;
use crate::backend::Backend;
use crate::events::{Handler, Queue};
use crate::intake::Hook;
use crate::outgoing::chain;
use crate::transport::Factory;
use crate::version::Version;

/// How far back a full history goes. Source: what WhatsApp's own desktop client asks for at most.
const FULL_HISTORY_DAYS: u32 = 3_650;
/// How large a full history may be. Source: as above, in megabytes.
const FULL_HISTORY_MB: u32 = 10_240;
/// How often the device row is saved when it changed and nothing else saved it. Source: the library's own bots.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// Fewest and most chats with a receiving worker: below, chats wait for each other; above, memory goes.
const CHAT_LANES: std::ops::RangeInclusive<u64> = 8..=4_096;
/// Fewest one-time prekeys. Source: the library's lower bound.
const PRE_KEYS_MIN: usize = 5;
/// Most one-time prekeys. Source: WhatsApp Web's pool.
const PRE_KEYS_MAX: usize = 812;

/// A client and what belongs to it.
pub(super) struct Live {
    pub(super) client: Arc<Client>,
    pub(super) backend: Arc<Backend>,
    pub(super) factory: Arc<Factory>,
    pub(super) events: Arc<Queue>,
    pub(super) version: Version,
    /// Facts that were taken from the queue and that the node does not have yet.
    unlearnt: Mutex<Vec<Arc<Event>>>,
    /// Unsubscribes when dropped.
    _subscription: Subscription,
    /// While it lives, the library shows each stanza.
    _stanzas: RawNodeLease,
}

impl Live {
    pub(super) fn unlearnt(&self) -> MutexGuard<'_, Vec<Arc<Event>>> {
        self.unlearnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client may run once more.
    pub(super) fn may_run(&self) -> bool {
        !self.client.shutdown_signal().is_fired()
    }

    /// Ends the client's tasks without waiting or writing: nothing of it reaches the store afterwards.
    pub(super) fn drop_now(&self) {
        self.backend.close();
        self.client.signal_shutdown_sync();
    }
}

impl Session {
    /// The client to run: the one there is, or a new one.
    pub(super) async fn prepare(&self) -> Result<Arc<Live>, Error> {
        let version = self.shared.versions.current().await;
        if let Some(live) = self.live() {
            if live.may_run() && live.version == version {
                return Ok(live);
            }
            if live.may_run() {
                Box::pin(live.client.disconnect()).await;
            }
            live.drop_now();
            self.state().live = None;
        }
        self.settle().await;
        let live = Arc::new(self.build(version).await?);
        let mut state = self.state();
        state.live = Some(Arc::clone(&live));
        drop(state);
        Ok(live)
    }

    async fn build(&self, version: Version) -> Result<Live, Error> {
        let config = &self.shared.config;
        let backend = self.backend();
        let failed = |error| Error::Store(chain(&error));
        self.forget_simulator(&backend, &self.namespace)
            .await
            .map_err(failed)?;
        let manager = PersistenceManager::new(Arc::clone(&backend) as Arc<_>)
            .await
            .map_err(failed)?;
        let manager = Arc::new(manager);
        let props = props(&config.device_name, self.choices.full_history);
        manager
            .process_command(DeviceCommand::SetDeviceProps(props))
            .await;
        if let Some(key) = self.shared.simulator_key() {
            trust_simulator(&manager, key).await;
        }
        let factory = Arc::new(Factory {
            target: Arc::clone(&self.shared.target),
            gate: Arc::clone(&self.gate),
            proxy: self.proxy.clone(),
            last_failure: Mutex::default(),
        });
        let caches = CacheConfig {
            chat_lanes_capacity: config
                .chat_lanes_max
                .clamp(*CHAT_LANES.start(), *CHAT_LANES.end()),
            ..CacheConfig::default()
        };
        let hook = Hook {
            intake: Arc::clone(&self.intake),
            gate: Arc::clone(&self.gate),
            backend: Arc::clone(&backend),
        };
        let build = Client::builder()
            .with_runtime(TokioRuntime)
            .with_persistence_manager(manager)
            .with_transport_factory_arc(Arc::clone(&factory) as Arc<_>)
            .with_http_client_arc(Arc::clone(&self.http) as Arc<_>)
            .with_version_override(version)
            .with_cache_config(caches)
            .with_inbound_durability_hook(hook)
            .with_skip_history_sync(false)
            .with_wanted_pre_key_count(config.pre_key_count.clamp(PRE_KEYS_MIN, PRE_KEYS_MAX))
            .with_background_saver_interval(SAVE_EVERY);
        let client = Box::pin(build.build())
            .await
            .map_err(|error| Error::Other(chain(&error)))?
            .into_client();
        // Rule R-16: reconnecting is the session's decision, after its fence was asked.
        client
            .enable_auto_reconnect
            .store(false, std::sync::atomic::Ordering::Release);
        let events = Arc::new(Queue::default());
        let handler = Handler::new(&events, &self.owed, &backend);
        let _subscription = client.subscribe_handler(Arc::new(handler));
        let _stanzas = client.acquire_raw_node_forwarding();
        Ok(Live {
            client,
            backend,
            factory,
            events,
            version,
            unlearnt: Mutex::default(),
            _subscription,
            _stanzas,
        })
    }

    /// Removes the trace of a simulator before the real WhatsApp is spoken to: its placeholder is no login.
    async fn forget_simulator(
        &self,
        backend: &Backend,
        namespace: &Namespace,
    ) -> wacore::store::error::Result<()> {
        if self.shared.simulator_key().is_some() {
            return Ok(());
        }
        let device = backend.load().await?;
        if device
            .and_then(|device| device.pn)
            .is_some_and(|jid| addresses::is_placeholder(&jid))
        {
            tracing::info!(%namespace, "removing what a simulator left in the session's keys");
            backend.erase().await?;
        }
        Ok(())
    }
}

/// What the phone is told of this device when it is linked. Source of the full history's row: whatsapp-rust 0.7.0,
/// `DevicePropsOverride::with_require_full_sync`.
fn props(name: &str, full_history: bool) -> DevicePropsOverride {
    let props = DevicePropsOverride::new().with_os(name.to_owned());
    if !full_history {
        return props;
    }
    props
        .with_platform_type(PlatformType::UWP)
        .with_require_full_sync(true)
        .with_history_sync_config(HistorySyncConfig {
            full_sync_days_limit: Some(FULL_HISTORY_DAYS),
            full_sync_size_mb_limit: Some(FULL_HISTORY_MB),
            on_demand_ready: Some(true),
            complete_on_demand_ready: Some(true),
            ..default_history_sync_config()
        })
}

/// Lets an unchanged client speak to a simulator: it never checks a chain it believes to know already.
///
/// The simulator's key goes where the key of WhatsApp's last certificate is kept, and an unpaired device gets a
/// placeholder for its number, because only a device with a number looks there.
async fn trust_simulator(manager: &PersistenceManager, key: [u8; 32]) {
    let certificate = || CachedNoiseCert {
        key,
        not_before: 0,
        not_after: i64::MAX,
    };
    let chain = CachedServerCertChain {
        intermediate: certificate(),
        leaf: certificate(),
    };
    manager
        .process_command(DeviceCommand::SetServerCertChain(chain))
        .await;
    if manager.get_device_snapshot().pn.is_none() {
        manager
            .process_command(DeviceCommand::SetId(Some(addresses::placeholder())))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waproto::whatsapp as wa;

    fn told(full_history: bool) -> wa::DeviceProps {
        use buffa::Message as _;
        let mut device = wacore::store::Device::new();
        device.set_device_props(props("Here", full_history));
        let payload = device.get_client_payload();
        let pairing = payload.device_pairing_data.into_option().unwrap();
        wa::DeviceProps::decode_from_slice(&pairing.device_props.unwrap()).unwrap()
    }

    #[test]
    fn the_phone_is_asked_for_everything_only_where_it_was_chosen() {
        let (usual, full) = (told(false), told(true));
        assert_eq!(
            (usual.os.as_deref(), full.os.as_deref()),
            (Some("Here"), Some("Here"))
        );
        assert_ne!(usual.require_full_sync, Some(true));
        assert_eq!(full.require_full_sync, Some(true));
        let config = full.history_sync_config.as_option().unwrap();
        assert_eq!(config.full_sync_days_limit, Some(FULL_HISTORY_DAYS));
    }
}
