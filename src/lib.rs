//! Switchboard: a WhatsApp gateway for thousands of numbers behind five REST APIs.
//!
//! The program itself, as a library: [`main_with`] is all of it. The shipped binary calls it with every safety rule in force; nothing
//! in the configuration reaches the switches. Only a test program of its own may call it with rules off.

mod admin;
mod cli;
mod config;
mod keys;
mod run;

use std::process::ExitCode;

use clap::Parser;
use switchboard_ownership::Rules;

use crate::cli::{Cli, Command};

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
        Command::Up(flags) => run::up(&flags, rules),
        Command::Node(flags) => run::node(&flags, rules),
        Command::Router(flags) => run::router(&flags),
        Command::Admin(command) => admin::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
