//! The durable store of a Switchboard node: one sealed tree per session, fenced by epochs.
//!
//! Owns what "durable" means here (rules of the design): a commit is atomic, and it is
//! acknowledged only after the sync call returned. Must not know what the keys mean, who owns a
//! session, or any network.
//!
//! [`open()`] gives a [`KeyStore`]. Its way down: `running` (limits, sealing, queue) → `committer`
//! (one thread, one sync per group) → `ledger` (the account of a tree) → `engine` (sled or redb).

mod catalog;
mod clock;
mod committer;
mod convert;
mod disk;
mod engine;
mod error;
mod frames;
mod layout;
mod ledger;
mod namespace;
mod open;
mod reads;
mod receiving;
mod registry;
mod running;
mod seal;
mod sending;
mod store;
mod transfer;
mod witness;

pub use convert::convert;
pub use disk::{Admission, Disk, Watermarks};
pub use error::Error;
pub use namespace::{Error as NamespaceError, NAME_BYTES_MAX, Namespace};
pub use open::{
    Config, EngineKind, Error as OpenError, MovedAside, OnBroken, Opened, open, open_blocking,
};
pub use reads::measure;
pub use seal::{KEY_BYTES, MasterKey, TransferKey};
pub use store::{
    BATCH_BYTES_MAX, BATCH_OPS_MAX, Durable, Epoch, KEY_BYTES_MAX, KeyStore, Kind, MULTI_GET_MAX,
    Op, PAGE_BYTES_MAX, PAGE_ENTRIES_MAX, Page, Remains, ScanRange, Staged, Stats, VALUE_BYTES_MAX,
    Verified,
};
pub use transfer::{Export, FRAME_BYTES_MAX, Import, TransferReport};
