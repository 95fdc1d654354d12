//! The scenarios, and the table: which row of the failure table is played by which of them, and which rule it shows.

mod disk;
mod dying;
mod network;
mod records;
pub mod table;

use std::time::Duration;

/// Traffic before anything breaks.
const CALM: Duration = Duration::from_millis(300);
/// How long every session may take to work again, detection included: a limit of the test on a busy machine, not the promise.
const RECOVER_MAX: Duration = Duration::from_secs(15);
