//! Starting and stopping a router: listeners, surfaces, connections.
//!
//! Owns the sockets and the order of a stop: no new connections, calls under way finish, then the rest is cut off.

mod connections;
mod stall;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn;
use axum::routing::get;
use switchboard_bus::Bus;
use switchboard_dialect_kit::{Dialect, MediaLinks};
use switchboard_vocab::DialectName;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::connections::{Acceptor, Bounds};
use crate::app::App;
use crate::config::RouterConfig;
use crate::handler::{self, Mount};
use crate::problem::Problem;
use crate::table::{self, Table};
use crate::{admin, docs, files, health, task, trace};

/// Why a router could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The tables of the dialects cannot be served together.
    #[error("mount the tables of the dialects")]
    Table(#[from] table::Error),
    /// A listener names a dialect that was not handed in.
    #[error("listen on {addr} for {dialect}: this router does not serve that dialect")]
    Dialect {
        /// The listener's address.
        addr: SocketAddr,
        /// The dialect it names.
        dialect: DialectName,
    },
}

/// The stateless router: foreign REST APIs on one side, the bus on the other.
#[derive(Debug, Clone, Copy)]
pub struct Router;

/// A router that runs. Dropping it stops it at once.
#[derive(Debug)]
pub struct RouterHandle {
    local_addr: SocketAddr,
    dialect_addrs: Vec<(DialectName, SocketAddr)>,
    app: Arc<App>,
    listeners: Vec<JoinHandle<usize>>,
    mirrors: JoinHandle<()>,
    cut: CancellationToken,
    leave: CancellationToken,
    _guards: [DropGuard; 3],
}

impl Router {
    /// Starts a router. It listens when this returns; `/readyz` tells when it knows directory and owners.
    ///
    /// # Errors
    /// When an address cannot be listened on, or the tables collide.
    pub async fn start(
        config: RouterConfig,
        bus: Bus,
        dialects: Vec<Dialect>,
    ) -> Result<RouterHandle, Error> {
        let mut bound = vec![(None, bind(config.listen).await?, Table::new(&dialects)?)];
        for listener in &config.listeners {
            let (name, addr) = (listener.dialect, listener.addr);
            let found = dialects.iter().find(|dialect| dialect.name == name);
            let dialect = *found.ok_or(Error::Dialect {
                addr,
                dialect: name,
            })?;
            bound.push((Some(dialect), bind(addr).await?, Table::new(&[dialect])?));
        }
        let app = Arc::new(App::new(&config, bus, &dialects));
        let (cut, leave) = (CancellationToken::new(), CancellationToken::new());
        let places = Arc::new(Semaphore::new(
            config.limits.connections.min(Semaphore::MAX_PERMITS),
        ));
        let mut local = config.listen;
        let (mut dialect_addrs, mut listeners) = (Vec::new(), Vec::new());
        for (alone, listener, table) in bound {
            let addr = listener.local_addr().map_err(|source| Error::Listen {
                addr: config.listen,
                source,
            })?;
            match alone {
                None => local = addr,
                Some(dialect) => dialect_addrs.push((dialect.name, addr)),
            }
            let mount = Arc::new(Mount {
                app: Arc::clone(&app),
                table,
                alone,
            });
            let acceptor = Acceptor {
                listener,
                service: surfaces(&mount, config.console.as_ref()),
                bounds: Bounds::of(&config.limits),
                places: Arc::clone(&places),
                stop: app.stopping.clone(),
                cut: cut.clone(),
            };
            listeners.push(task::start(acceptor.run()));
        }
        let (directory, owners) = (Arc::clone(&app.directory), Arc::clone(&app.owners));
        let stop = leave.clone();
        let mirrors = task::start(async move {
            tokio::join!(directory.watch(&stop), owners.watch(&stop));
        });
        tracing::info!(addr = %local, "the router listens");
        Ok(RouterHandle {
            local_addr: local,
            dialect_addrs,
            _guards: [
                app.stopping.clone().drop_guard(),
                cut.clone().drop_guard(),
                leave.clone().drop_guard(),
            ],
            app,
            listeners,
            mirrors,
            cut,
            leave,
        })
    }
}

impl RouterHandle {
    /// The address of the listener for everything.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The addresses of the listeners for one dialect each.
    #[must_use]
    pub fn dialect_addrs(&self) -> &[(DialectName, SocketAddr)] {
        &self.dialect_addrs
    }

    /// Whether `/readyz` would say yes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.app.directory.is_current()
            && self.app.owners.is_current()
            && self.app.bus_is_healthy()
            && !self.app.stopping.is_cancelled()
    }

    /// Stops: takes no new connections, lets calls under way finish until `deadline`, then cuts off the rest.
    /// Returns how many connections were cut off.
    pub async fn shutdown(mut self, deadline: Duration) -> usize {
        self.app.stopping.cancel();
        let mut cut_off = 0;
        let all = join_all(&mut self.listeners, &mut cut_off);
        if tokio::time::timeout(deadline, all).await.is_err() {
            self.cut.cancel();
            join_all(&mut self.listeners, &mut cut_off).await;
        }
        self.leave.cancel();
        report("the mirrors", self.mirrors.await);
        tracing::info!(cut_off, "the router has stopped");
        cut_off
    }
}

/// Joins the listeners one by one, so that one that was joined is not joined again when this is repeated.
async fn join_all(listeners: &mut Vec<JoinHandle<usize>>, cut_off: &mut usize) {
    while let Some(listener) = listeners.last_mut() {
        match listener.await {
            Ok(cut) => *cut_off += cut,
            Err(error) => report("a listener", Err(error)),
        }
        listeners.pop();
    }
}

fn report(task: &str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, task, "a task of the router failed");
    }
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr)
        .await
        .map_err(|source| Error::Listen { addr, source })
}

/// Everything one listener serves. What no surface has goes to the one handler.
fn surfaces(mount: &Arc<Mount>, console: Option<&axum::Router>) -> axum::Router {
    let shared = axum::Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route(MediaLinks::ROUTE, get(files::file));
    let shared = match mount.alone {
        Some(_) => shared,
        None => shared
            .route("/metrics", get(health::metrics))
            .route("/docs", get(docs::index))
            .route("/docs/{dialect}/openapi.json", get(docs::document)),
    };
    let shared = shared
        .method_not_allowed_fallback(|| async { Problem::method() })
        .with_state(Arc::clone(&mount.app));
    let dialects = axum::Router::new()
        .fallback(handler::handle)
        .with_state(Arc::clone(mount));
    let mut all = shared.fallback_service(dialects);
    if mount.alone.is_none() {
        all = all.nest("/admin/v1", admin::surface(&mount.app));
        if let Some(console) = console {
            all = all.nest("/console", console.clone());
        }
    }
    all.layer(from_fn(trace::layer))
}
