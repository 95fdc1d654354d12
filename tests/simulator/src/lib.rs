//! The WhatsApp server double: one port that speaks the wire protocol to unmodified clients, hosts
//! their media, and lets tests play the phone, inject faults and read a journal.
//!
//! [`core`] is the service without input or output, [`phone`] the primary device of each account,
//! [`faults`] and [`journal`] what tests add to it; the shell owns sockets, timers and workers.

pub mod clock;
pub mod core;
pub mod draft;
pub mod faults;
pub mod journal;
mod operations;
pub mod phone;
pub mod seeds;
mod shell;
mod simulator;

pub use draft::{Outgoing, OutgoingFile};
pub use operations::{
    ACTS_MAX, Error, Generate, Given, Info, PAST_MESSAGES_MAX, Past, PastChat, PastMessage,
    PhoneInfo, Sent,
};
pub use simulator::{Config, Handle, MEDIA_BYTES_DEFAULT, Simulator, StartError};
