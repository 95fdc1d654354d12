//! Switchboard: a WhatsApp gateway for thousands of numbers behind five REST APIs.
//!
//! The program itself, as a library: [`main_with`] is all of it. The shipped binary calls it with every safety rule in force; nothing
//! in the configuration reaches the switches. Only a test program of its own may call it with rules off.

mod admin;
mod cli;
mod config;
mod keys;
mod run;
mod supervise;
mod task;

use std::process::ExitCode;

use clap::Parser;
use switchboard_ownership::Rules;

use crate::cli::{Cli, Command};
use crate::config::ConfigError;

/// How a process ends whose configuration cannot be: starting it again would not help. 0 is a clean end, 1 every other failure, 2 a
/// command line that cannot be read. Source: `EX_CONFIG` of sysexits.h, which systemd knows too.
const EXIT_CONFIGURATION: u8 = 78;

/// Runs the program that the command line asks for.
#[must_use]
pub fn main_with(rules: Rules) -> ExitCode {
    let cli = Cli::parse();
    cli::start_logging(cli.log_format);
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("error: another tls provider is installed already");
        return ExitCode::FAILURE;
    }
    let result = match cli.command {
        Command::Up(flags) => run::up(&flags, rules).map(done),
        Command::Node(node) if node.supervised => supervise::run(&node.flags, rules),
        Command::Node(node) => run::node(&node.flags, rules).map(done),
        Command::Router(flags) => run::router(&flags, rules).map(done),
        Command::Admin(command) => admin::run(command).map(done),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<ConfigError>() {
                Some(_) => ExitCode::from(EXIT_CONFIGURATION),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
