//! Switchboard's bus: how routers and nodes reach each other and what they agree on.
//!
//! Three small traits ([`Rpc`], [`Kv`], [`EventLog`]) with two implementations each: in-process (the embedded
//! default, no other server) and NATS. One conformance suite pins what both must do; a semantic that
//! the suite does not pin is not part of the traits.
//!
//! Owns: subjects and bucket names ([`subjects`]), payload limits ([`limits`]), deadlines, reconnecting.
//! Must not know: what the bytes mean (the vocabulary does), who owns a session, or any HTTP.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod event_log;
pub mod in_process;
pub mod kv;
pub mod limits;
pub mod nats;
pub mod rpc;
pub mod subjects;
#[cfg(feature = "test-server")]
pub mod test_server;

mod bus;
mod clock;
mod metered;
mod task;

pub use bus::{Bus, Health};
pub use event_log::{
    Appended, Consumer, ConsumerSpec, Delivery, EventLog, EventLogError, LogRecord, Overflow,
    StreamSpec,
};
pub use kv::{Entry, Kv, KvError, Revision, WatchEvent, WatchStream};
pub use limits::Limits;
pub use rpc::{Part, Replier, Request, RequestStream, Rpc, RpcError};
pub use subjects::{
    Bucket, ConsumerName, Key, KeyPrefix, Names, StreamName, Subject, SubjectFilter,
};

/// A cause from a layer below (a client library, a disk), kept for logs.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
