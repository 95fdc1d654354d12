//! Operations on conversations. This release keeps what the message log needs; the full area is still to come.

/// Longest group subject and chat title kept, in characters.
pub const TITLE_LEN_MAX: usize = 256;
