//! Operator commands: a thin client of the admin API.

mod client;
mod cluster;
mod pair;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use http::Method;
use serde::Serialize;
use serde_json::Value;

use self::client::Client;

/// Where the router is and how to open its admin API.
#[derive(Debug, Args)]
pub(crate) struct AdminCommand {
    /// The router's address
    #[arg(
        long,
        env = "SWITCHBOARD_URL",
        default_value = "http://127.0.0.1:8080",
        global = true
    )]
    url: String,
    /// The admin key; read from the data folder when absent
    #[arg(
        long,
        env = "SWITCHBOARD_ADMIN_KEY",
        hide_env_values = true,
        global = true
    )]
    admin_key: Option<String>,
    /// The data folder of `switchboard up`, where it keeps its admin key
    #[arg(
        long,
        env = "SWITCHBOARD_DATA_DIR",
        default_value = "./data",
        global = true
    )]
    data_dir: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create, list, show, start, stop and remove sessions
    #[command(subcommand)]
    Session(Session),
    /// Link a session to a phone: draw the QR code here, or print a pairing code
    Pair {
        /// The session's id
        session: String,
        /// The tenant, where several have a session of that id
        #[arg(long)]
        tenant: Option<String>,
        /// Print a code for this phone number instead of drawing a QR code
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
    },
    /// Create tenants and rotate their keys
    #[command(subcommand)]
    Tenant(Tenant),
    /// Show nodes, how many sessions each runs, what moves and what is parked
    Cluster(cluster::Show),
    /// Let a node give its sessions to others and take none
    Drain(cluster::Drain),
    /// Hand a session to another node
    Move(cluster::Move),
    /// Change a node's share of the sessions
    Weight(cluster::Weight),
    /// Run a parked session again although something of it is lost
    Restore(cluster::Restore),
}

#[derive(Debug, Subcommand)]
enum Session {
    /// Create a session and print its token, which is shown only once
    Add {
        /// Its id; made up when absent
        id: Option<String>,
        /// Its tenant
        #[arg(long)]
        tenant: Option<String>,
    },
    /// List sessions with their state
    List {
        /// Only this tenant's
        #[arg(long)]
        tenant: Option<String>,
        /// Only in this state
        #[arg(long)]
        state: Option<String>,
    },
    /// Show one session
    Show(Named),
    /// Start a stopped session
    Start(Named),
    /// Close a session's connection and keep its login
    Stop(Named),
    /// Close a session's connection and connect again
    Restart(Named),
    /// Unlink a session from its phone
    Logout(Named),
    /// Make a new token for a session; the old one stops working
    Token(Named),
    /// Log a session out and delete everything it has
    Remove(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// The session's id
    id: String,
    /// The tenant, where several have a session of that id
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Tenant {
    /// Create a tenant and print its key, which is shown only once
    Add {
        /// Its id
        id: String,
    },
    /// Make a new key for a tenant; the old one stops working
    Key {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Serialize)]
struct NewSession {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

#[derive(Debug, Serialize)]
struct NewTenant {
    id: String,
}

/// Runs one operator command.
pub(crate) fn run(command: AdminCommand) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::new(&command.url, command.admin_key, &command.data_dir)?;
        match command.what {
            What::Session(session) => run_session(&client, session).await,
            What::Pair {
                session,
                tenant,
                phone: None,
            } => pair::by_qr(&client, &session, tenant.as_deref()).await,
            What::Pair {
                session,
                tenant,
                phone: Some(phone),
            } => pair::by_code(&client, &session, tenant.as_deref(), &phone).await,
            What::Tenant(Tenant::Add { id }) => print(
                &client
                    .send(Method::POST, "tenants", &[], Some(&NewTenant { id }))
                    .await?,
            ),
            What::Tenant(Tenant::Key { id }) => print(
                &client
                    .call(Method::POST, &format!("tenants/{id}/key"), &[])
                    .await?,
            ),
            What::Cluster(show) => cluster::show(&client, &show).await,
            What::Drain(order) => cluster::drain(&client, &order).await,
            What::Move(order) => cluster::move_session(&client, &order).await,
            What::Weight(order) => cluster::weigh(&client, &order).await,
            What::Restore(order) => cluster::restore(&client, &order).await,
        }
    })
}

async fn run_session(client: &Client, session: Session) -> Result<()> {
    let (method, named, action) = match session {
        Session::Add { id, tenant } => {
            let body = NewSession { id, tenant };
            return print(
                &client
                    .send(Method::POST, "sessions", &[], Some(&body))
                    .await?,
            );
        }
        Session::List { tenant, state } => {
            let query = [("tenant", tenant.as_deref()), ("state", state.as_deref())];
            return print(&client.call(Method::GET, "sessions", &query).await?);
        }
        Session::Show(named) => (Method::GET, named, ""),
        Session::Start(named) => (Method::POST, named, "/start"),
        Session::Stop(named) => (Method::POST, named, "/stop"),
        Session::Restart(named) => (Method::POST, named, "/restart"),
        Session::Logout(named) => (Method::POST, named, "/logout"),
        Session::Token(named) => (Method::POST, named, "/token"),
        Session::Remove(named) => (Method::DELETE, named, ""),
    };
    let path = format!("sessions/{}{action}", named.id);
    print(
        &client
            .call(method, &path, &[("tenant", named.tenant.as_deref())])
            .await?,
    )
}

fn print(answer: &Value) -> Result<()> {
    if !answer.is_null() {
        println!("{}", serde_json::to_string_pretty(answer)?);
    }
    Ok(())
}
