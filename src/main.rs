//! Switchboard: a WhatsApp gateway for thousands of numbers behind five REST APIs.

mod admin;
mod cli;
mod config;
mod keys;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
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
        Command::Up(flags) => run::up(&flags),
        Command::Node(flags) => run::node(&flags),
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
