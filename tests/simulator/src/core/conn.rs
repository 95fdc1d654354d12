//! One connection after its handshake: pairing or logged in, and how far.

use super::ids::DeviceId;
use super::pairing::Pairing;

/// A connection.
#[derive(Debug)]
pub struct Conn {
    /// The client's Noise static public key.
    pub noise_key: [u8; 32],
    /// What it is doing.
    pub phase: Phase,
}

/// What a connection is doing.
#[derive(Debug)]
pub enum Phase {
    /// Waiting for a phone to scan its code.
    Pairing(Box<Pairing>),
    /// Logged in.
    Login {
        /// As whom.
        device: DeviceId,
        /// How far.
        stage: Stage,
        /// Whether it announced itself as available.
        available: bool,
    },
}

/// How far a login is.
///
/// Source: protocol notes, section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// IQs are answered, nothing is pushed.
    Passive,
    /// The offline queue is being delivered.
    Draining(Drain),
    /// Everything is delivered as it comes.
    Active,
}

/// Progress of an offline queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// First sequence that was not sent.
    pub next: u64,
    /// Stanzas sent so far.
    pub sent: u64,
    /// Counts the requests, so that a timer can tell whether it is stale.
    pub round: u32,
}

impl Conn {
    /// The device that is logged in here.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        match &self.phase {
            Phase::Pairing(_) => None,
            Phase::Login { device, .. } => Some(*device),
        }
    }
}
