//! The laboratory of faults: real processes on hosts of their own, in network namespaces that the program makes itself, under
//! traffic, while machines die, stand still and are cut off; and judges that know what must hold all the same.
//!
//! The program is `cargo xtask chaos`. Nothing here reaches inside a process: the evidence is witness lines, the simulator's
//! journal, webhooks, and the answers of the public API.

#![expect(
    clippy::disallowed_methods,
    reason = "a laboratory waits with a deadline between two looks, and joins what it starts"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value gives null, it never panics"
)]

mod clock;
pub mod complaint;
pub mod judge;
pub mod lab;
pub mod ledger;
pub mod rounds;
pub mod rows;
pub mod scenarios;
pub mod selftest;
pub mod timeline;
pub mod traffic;
pub mod trial;
pub mod world;
