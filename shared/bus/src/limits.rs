//! Every bound of the bus in one place. A limit that an operator may move is a field of [`Limits`].

use std::time::Duration;

/// Default of [`Limits::payload_bytes_max`]. Source: nats-server's default `max_payload`, 1 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Room kept for headers below the payload limit, because nats-server counts both together.
pub const HEADER_BYTES_MAX: usize = 4 * 1024;
/// Default of [`Limits::value_bytes_max`]. Records are small; every watcher holds all of them.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;
/// Default of [`Limits::serve_queue_max`].
pub const SERVE_QUEUE_MAX: usize = 1024;
/// Default of [`Limits::in_flight_max`].
pub const IN_FLIGHT_MAX: usize = 16 * 1024;
/// Default of [`Limits::operation_deadline`]: how long one `Kv` or `EventLog` call may take.
pub const OPERATION_DEADLINE: Duration = Duration::from_secs(5);
/// The longest deadline that `Rpc::request` and `Consumer::fetch` honour; longer ones are cut to it.
pub const WAIT_MAX: Duration = Duration::from_secs(300);
/// The most messages that one `Consumer::fetch` returns; a larger wish is cut to it.
pub const FETCH_MAX: usize = 1000;
/// One `EventLog::read` ends after the message with which it holds this many bytes.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest event id in bytes.
pub const EVENT_ID_BYTES_MAX: usize = 256;
/// The longest escaped token in bytes.
pub const TOKEN_BYTES_MAX: usize = 255;
/// The longest cluster id in bytes.
pub const CLUSTER_BYTES_MAX: usize = 32;
/// The longest name of a process's own inbox in bytes.
pub const INBOX_BYTES_MAX: usize = 64;
/// The longest name of a durable consumer in bytes.
pub const CONSUMER_NAME_BYTES_MAX: usize = 64;

/// The bounds an operator may move. Both implementations of the bus honour all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest request, reply or event, in bytes. NATS lowers it further to the server's `max_payload`.
    pub payload_bytes_max: usize,
    /// The largest value of the key-value store, in bytes.
    pub value_bytes_max: usize,
    /// Requests that wait in one [`crate::RequestStream`]; one more is refused with `Busy`.
    pub serve_queue_max: usize,
    /// Requests of this process that wait for a reply; one more is refused with `Busy`.
    pub in_flight_max: usize,
    /// How long one call of `Kv` or `EventLog` may take before it ends in `Timeout`.
    pub operation_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            value_bytes_max: VALUE_BYTES_MAX,
            serve_queue_max: SERVE_QUEUE_MAX,
            in_flight_max: IN_FLIGHT_MAX,
            operation_deadline: OPERATION_DEADLINE,
        }
    }
}

impl Limits {
    /// The largest event: the payload limit less the room for the headers an event carries.
    #[must_use]
    pub fn event_bytes_max(&self) -> usize {
        self.payload_bytes_max.saturating_sub(HEADER_BYTES_MAX)
    }
}
