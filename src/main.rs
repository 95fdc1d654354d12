//! The shipped program: every safety rule in force.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use switchboard_ownership::Rules;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    switchboard::main_with(Rules::all())
}
