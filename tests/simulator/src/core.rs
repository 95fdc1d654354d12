//! The simulated service without any input or output: protocol state, routing and answers. It knows
//! no sockets, tasks or files; the shell drives it and carries out its effects.

pub mod account;
mod admin;
pub mod app_state;
pub mod conn;
mod damage;
pub mod groups;
pub mod handshake;
mod history;
pub mod ids;
mod iq;
pub mod keys;
mod login;
mod media_path;
mod messages;
pub mod newsletters;
pub mod pair_code;
pub mod pairing;
pub mod phone_sending;
mod phone_stanzas;
mod phone_state;
pub mod phone_user;
pub mod phones;
pub mod prekeys;
pub mod presence;
pub mod privacy;
pub mod profile;
pub mod queue;
mod receipts;
mod reupload;
pub mod server;
pub mod signals;
mod stories;
#[cfg(test)]
mod tests;
pub mod xml;

pub(crate) use iq::long as iq_long;
pub(crate) use media_path::{PATH as MEDIA_PATH, media_path};
