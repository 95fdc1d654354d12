//! Everything with a socket or a clock tick: one listener for WebSocket, media and admin API, the
//! timers, and the workers that look after the phones. It holds no protocol state of its own.

pub(crate) mod admin;
pub(crate) mod files;
pub(crate) mod hub;
pub(crate) mod listener;
pub(crate) mod media;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod workers;
