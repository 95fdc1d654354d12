//! A router with one or two scripted owners, and a client.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use switchboard_bus::{Bus, Limits as BusLimits, Names, in_process};
use switchboard_dialect_kit::{Dialect, Env, MediaLinks};
use switchboard_ownership::Rules;
use switchboard_router::{AdminKey, Limits, Router, RouterConfig, RouterHandle};
use switchboard_vocab::NodeId;

use crate::dialects;
use crate::owner::Owner;
use crate::records;

pub(crate) const ADMIN_KEY: &str = "an-admin-key-of-these-tests";
/// Signs the links of these tests.
pub(crate) const LINK_KEY: [u8; 32] = [7; 32];
/// How long any wait of a test may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running router.
pub(crate) struct World {
    pub(crate) bus: Bus,
    pub(crate) names: Names,
    pub(crate) router: Option<RouterHandle>,
    pub(crate) owner: Owner,
    pub(crate) http: reqwest::Client,
    pub(crate) addr: SocketAddr,
}

/// A session with its token.
pub(crate) struct Held {
    pub(crate) token: String,
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

pub(crate) fn names() -> Names {
    Names::new("test").unwrap()
}

pub(crate) async fn bus() -> Bus {
    in_process::open_in_memory(BusLimits::default())
        .await
        .unwrap()
}

pub(crate) fn config() -> RouterConfig {
    RouterConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        listeners: Vec::new(),
        names: names(),
        rules: Rules::all(),
        admin_key: Some(AdminKey::new(ADMIN_KEY)),
        env: Env {
            links: MediaLinks::new("http://gateway.test", LINK_KEY),
            wwebjs_webhook_url: None,
            release: "0.0.0-test",
        },
        metrics: None,
        console: None,
        cors: false,
        limits: Limits::default(),
    }
}

/// A router with the usual settings and one owner that does everything asked.
pub(crate) async fn world() -> World {
    world_with(|_| {}).await
}

pub(crate) async fn world_with(change: impl FnOnce(&mut RouterConfig)) -> World {
    let mut config = config();
    change(&mut config);
    start(config, bus().await).await
}

/// A router whose calls wait in vain only shortly.
pub(crate) async fn hasty() -> World {
    world_with(|c| c.limits.owner_wait = Duration::from_millis(200)).await
}

pub(crate) async fn start(config: RouterConfig, bus: Bus) -> World {
    start_speaking(config, bus, dialects::all()).await
}

/// A router that speaks these dialects.
pub(crate) async fn start_speaking(
    config: RouterConfig,
    bus: Bus,
    dialects: Vec<Dialect>,
) -> World {
    let names = config.names.clone();
    let owner = Owner::serve(&bus, &names, "n1").await;
    records::put_node(&bus, &names, &records::up("n1")).await;
    let router = Router::start(config, bus.clone(), dialects).await.unwrap();
    let addr = router.local_addr();
    let world = World {
        bus,
        names,
        router: Some(router),
        owner,
        http: client(),
        addr,
    };
    let ready = || async { world.get("/readyz").send().await.unwrap().status() == 200 };
    eventually("the router is ready", ready).await;
    world
}

/// A second router on the bus of the first.
pub(crate) async fn start_beside(first: &World) -> World {
    start(config(), first.bus.clone()).await
}

pub(crate) fn client() -> reqwest::Client {
    // Several tests of one process want it; the first installs it.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .build()
        .unwrap()
}

/// Polls until something holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let poll = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll)
        .await
        .unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("in vain: {what}"))
}

impl World {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.addr))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// A call of the admin API, with the key.
    pub(crate) fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &format!("/admin/v1{path}"))
            .bearer_auth(ADMIN_KEY)
    }

    /// Calls the admin API and expects this status.
    pub(crate) async fn admin_call(
        &self,
        method: Method,
        path: &str,
        body: Value,
        status: u16,
    ) -> Value {
        let mut request = self.admin(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let (found, answer) = read(request.send().await.unwrap()).await;
        assert_eq!(found, status, "{path}: {answer}");
        answer
    }

    /// Creates a session of the default tenant.
    pub(crate) async fn session(&self, id: &str) -> Held {
        self.session_of("default", id).await
    }

    pub(crate) async fn session_of(&self, tenant: &str, id: &str) -> Held {
        let body = json!({ "id": id, "tenant": tenant });
        let created = self.admin_call(Method::POST, "/sessions", body, 201).await;
        Held {
            token: created["token"].as_str().unwrap().to_owned(),
        }
    }

    /// Creates a tenant and gives its key.
    pub(crate) async fn tenant(&self, id: &str) -> String {
        let created = self
            .admin_call(Method::POST, "/tenants", json!({ "id": id }), 201)
            .await;
        created["key"].as_str().unwrap().to_owned()
    }
}

/// Status and JSON body; null when the body is no JSON.
pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

/// Sends, and checks status, dialect and code of an error in the words of a test dialect.
pub(crate) async fn check_error(request: RequestBuilder, status: u16, dialect: &str, code: &str) {
    let (found, body) = read(request.send().await.unwrap()).await;
    assert_eq!(
        (found, body["dialect"].as_str(), body["code"].as_str()),
        (status, Some(dialect), Some(code)),
        "{body}"
    );
}

/// Sends, and checks code and outcome of the error.
pub(crate) async fn check_outcome(request: RequestBuilder, status: u16, code: &str, outcome: &str) {
    let (found, body) = read(request.send().await.unwrap()).await;
    assert_eq!(
        (found, body["code"].as_str(), body["outcome"].as_str()),
        (status, Some(code), Some(outcome)),
        "{body}"
    );
}
