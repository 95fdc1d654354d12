//! Why a command failed.

use thiserror::Error;

/// Why a command failed.
#[derive(Debug, Clone, Error)]
pub enum Error {
    /// There is no connection now.
    #[error("not connected")]
    NotConnected,
    /// The session has no login.
    #[error("not paired")]
    NotPaired,
    /// The session has a login already.
    #[error("paired already")]
    AlreadyPaired,
    /// WhatsApp refused; nothing happened.
    #[error("whatsapp refused: {text}{}", coded(*code))]
    Refused {
        /// WhatsApp's code.
        code: Option<u16>,
        /// WhatsApp's text, or the client's.
        text: String,
    },
    /// The recipient is not on WhatsApp, no device of theirs could be encrypted for, or the group is not one of the account's.
    #[error("the recipient cannot be reached: {0}")]
    NoRecipient(String),
    /// WhatsApp asks to slow down.
    #[error("whatsapp asks to slow down: {0}")]
    RateLimited(String),
    /// It may have happened.
    #[error("the connection broke while {0} was under way")]
    Interrupted(String),
    /// The key store failed; nothing was sent.
    #[error("key store: {0}")]
    Store(String),
    /// Other devices of the account kept changing the same; nothing happened, and later it may go.
    #[error("other devices keep changing the same, try again: {0}")]
    Conflict(String),
    /// The file cannot be had: its bytes do not match, or neither the media host nor the phone has it.
    #[error("media: {0}")]
    Media(String),
    /// The file is gone from WhatsApp's media host. The phone may have it: [`Account::reupload`](crate::Account::reupload).
    #[error("media: {0}")]
    Gone(String),
    /// The account's phone did not answer in time: it may be switched off. Nothing happened.
    #[error("the account's phone does not answer: {0}")]
    PhoneSilent(String),
    /// Everything else.
    #[error("{0}")]
    Other(String),
}

/// WhatsApp's code behind its text, where it sent one.
fn coded(code: Option<u16>) -> String {
    code.map_or_else(String::new, |code| format!(" (code {code})"))
}
