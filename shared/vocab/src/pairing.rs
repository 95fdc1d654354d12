//! Linking a session to a phone: QR codes, pairing codes, passkeys.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::UserId;
use crate::operation::Effect;
use crate::time::Timestamp;

/// How a person can link the session right now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Challenge {
    /// A QR code is to be scanned.
    Qr {
        /// The text inside the QR code.
        text: String,
        /// When the code stops working; a fresh one follows by itself.
        expires_at: Timestamp,
    },
    /// A code is to be typed on the phone.
    Code {
        /// Eight characters.
        code: String,
        /// When the code stops working.
        expires_at: Timestamp,
    },
    /// WhatsApp wants the account's passkey to confirm the link.
    Passkey {
        /// The WebAuthn request options, JSON text as WhatsApp sent it.
        request_json: String,
    },
}

/// Gets the QR code of an unpaired session, starting the session when it is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetQr {
    /// How long to wait for a code when none is there yet; at most [`QR_WAIT_MAX`].
    pub wait: Duration,
    /// Whether a stopped session is started. Without it, [`crate::ErrorCode::NotConnected`].
    pub start: bool,
}
crate::operation!(GetQr => QrCode, "pairing.get_qr", Effect::Write);

/// Longest wait for a QR code.
pub const QR_WAIT_MAX: Duration = Duration::from_secs(25);

/// A QR code that can be scanned now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QrCode {
    /// The text inside the QR code.
    pub text: String,
    /// When the code stops working.
    pub expires_at: Timestamp,
}

/// Asks WhatsApp for a code that is typed on the phone instead of scanning, starting the session when it is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCode {
    /// The phone to be linked; a phone number.
    pub phone: UserId,
}
crate::operation!(RequestCode => PairingCode, "pairing.request_code", Effect::Write);

/// A code to type on the phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingCode {
    /// Eight characters, without the dash that phones show.
    pub code: String,
    /// When the code stops working.
    pub expires_at: Timestamp,
}
