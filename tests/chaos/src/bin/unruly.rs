//! The program with safety rules switched off by name: `UNRULY_RULES_OFF`, comma-separated. It exists so that tests can show what a
//! rule is good for, and is never shipped.

use std::process::ExitCode;

use switchboard_ownership::{Rule, Rules};

/// Names the rules; outside of the prefix that the program itself reads its configuration from, and refuses what it does not know.
const VARIABLE: &str = "UNRULY_RULES_OFF";

fn main() -> ExitCode {
    let names = std::env::var(VARIABLE).unwrap_or_default();
    let off: Result<Vec<Rule>, String> = names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::parse)
        .collect();
    match off {
        Ok(off) => switchboard::main_with(Rules::without(off)),
        Err(unknown) => {
            eprintln!("error: {VARIABLE}: {unknown}");
            ExitCode::FAILURE
        }
    }
}
