//! The shipped program: every safety rule in force.

use std::process::ExitCode;

use switchboard_ownership::Rules;

fn main() -> ExitCode {
    switchboard::main_with(Rules::all())
}
