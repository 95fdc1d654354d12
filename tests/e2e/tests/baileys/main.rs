//! Another client's view: an account that speaks through Baileys exchanges every kind of message with a phone of the
//! simulator, and some with a session of ours. Both sides have to show the same.
//!
//! Without Node on the machine the tests say so and pass.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value gives null, it never panics"
)]

mod kinds;
mod phone;
mod session;
mod shows;

use anyhow::Result;
use switchboard_harness::baileys;

#[tokio::test(flavor = "multi_thread")]
async fn baileys_and_a_phone_show_each_other_the_same() -> Result<()> {
    if !baileys::node_is_there() {
        return Ok(());
    }
    phone::exchange().await
}

#[tokio::test(flavor = "multi_thread")]
async fn baileys_and_a_session_show_each_other_the_same() -> Result<()> {
    if !baileys::node_is_there() {
        return Ok(());
    }
    session::exchange().await
}
