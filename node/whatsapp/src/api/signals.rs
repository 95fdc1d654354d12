//! What the node must know of a connection.

use switchboard_vocab::events::presence::{ChatStateChange, PresenceChange};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};

/// Something the node must know.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// A person can link the session now.
    Challenge(Challenge),
    /// The account was linked; the connection restarts with a login.
    Paired(Identity),
    /// Logged in; what waited is being drained.
    Syncing(Identity),
    /// Ready to send and receive.
    Connected(Identity),
    /// WhatsApp answered for a message this session sent.
    Acked {
        /// Which message.
        id: MessageId,
        /// Where it went.
        chat: ChatId,
        /// WhatsApp's error code, when it refused.
        error: Option<u16>,
        /// When.
        at: Timestamp,
    },
    /// Devices or people tell how far messages came.
    Receipt(Receipt),
    /// Somebody came online or went.
    Presence(PresenceChange),
    /// Somebody types.
    ChatState(ChatStateChange),
    /// Linking failed; the text is for an operator, the connection goes on or ends by itself.
    PairingFailed(String),
}

/// How far own messages came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The conversation.
    pub chat: ChatId,
    /// Whose device or eyes.
    pub user: UserId,
    /// Which messages.
    pub ids: Vec<MessageId>,
    /// What it says.
    pub kind: ReceiptKind,
    /// When.
    pub at: Timestamp,
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptKind {
    /// A device has them.
    Delivered,
    /// A person read them.
    Read,
    /// A person played them.
    Played,
}

/// Why a connection ended. It decides what the lifecycle does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// WhatsApp asked for a new connection at once (after pairing, stream error 515).
    Restart,
    /// The socket closed, or could not be opened; the text says how.
    Closed(String),
    /// WhatsApp asked to slow down (429, 503).
    Throttled(String),
    /// QR codes ran out without a scan.
    PairingExpired,
    /// The phone or WhatsApp unlinked the device. The keys are still there: [`Account::logout`](crate::Account::logout) removes them.
    LoggedOut(String),
    /// The number is banned.
    Banned {
        /// WhatsApp's reason.
        reason: String,
        /// When a temporary ban ends.
        until: Option<Timestamp>,
    },
    /// Another connection of this device took over.
    Replaced,
    /// WhatsApp wants a newer client.
    Outdated(String),
    /// The fence closed.
    Fenced,
    /// The node asked for it.
    Stopped,
}
