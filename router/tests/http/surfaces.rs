//! The router's own paths besides the admin API, listeners for one dialect, and how a start can fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::Value;
use switchboard_bus::{
    Bucket, Bus, Entry, Health, Key, KeyPrefix, Kv, KvError, Revision, WatchStream,
};
use switchboard_router::{DialectListener, Error, Router};
use switchboard_vocab::DialectName;
use tokio::sync::watch;

use crate::dialects;
use crate::records::{moving, up};
use crate::support::{bus, check_error, config, eventually, read, start, world, world_with};

#[tokio::test]
async fn documents_are_written_from_the_tables() {
    let world = world().await;
    let index = world
        .get("/docs")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(index.contains("/docs/whapi/openapi.json"), "{index}");
    let (status, document) =
        read(world.get("/docs/whapi/openapi.json").send().await.unwrap()).await;
    assert_eq!((status, &document["openapi"]), (200, &Value::from("3.1.0")));
    let media = &document["paths"]["/media/{MediaID}"]["get"];
    assert_eq!(media["parameters"][0]["name"], "MediaID");
    assert_eq!(media["x-operation"], "media.open");
    assert!(
        media["security"]
            .as_array()
            .unwrap()
            .contains(&serde_json::json!({ "bearer": [] }))
    );
    let refused = &document["paths"]["/newsletters"]["post"];
    assert!(
        refused["x-refused"]
            .as_str()
            .unwrap()
            .contains("this release")
    );
    assert!(refused["responses"]["403"].is_object(), "{refused}");
    assert_eq!(
        document["paths"]["/version"]["get"]["security"],
        serde_json::json!([])
    );
    for unknown in ["wuzapi", "nothing"] {
        let path = format!("/docs/{unknown}/openapi.json");
        assert_eq!(world.get(&path).send().await.unwrap().status(), 404);
    }
}

#[tokio::test]
async fn metrics_are_shown_where_they_are_recorded() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // One process, one recorder: this is the only test that installs one.
    metrics::set_global_recorder(recorder).unwrap();
    let world = world_with(|c| {
        c.metrics = Some(handle);
        c.limits.owner_wait = std::time::Duration::from_millis(50);
    })
    .await;
    let a = world.session("a").await;
    world.session("b").await;
    world.phase("b", "n1", 1, moving("n1")).await;
    let stop = world.admin(reqwest::Method::POST, "/sessions/b/stop");
    assert_eq!(stop.send().await.unwrap().status(), 503);
    world
        .get("/health")
        .bearer_auth(&a.token)
        .send()
        .await
        .unwrap();
    world.get("/health").send().await.unwrap();
    let text = world
        .get("/metrics")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        r#"switchboard_http_requests_total{dialect="whapi",route="/health",operation="sessions.status",status="200"}"#,
        r#"switchboard_http_requests_total{dialect="whapi",route="/health",operation="sessions.status",status="401"}"#,
        r#"switchboard_router_operations_total{operation="sessions.status",outcome="ok"}"#,
        "switchboard_http_request_duration_seconds",
        r#"switchboard_router_owner_waits_total{outcome="in_vain"}"#,
        "switchboard_router_owner_wait_seconds",
        r#"switchboard_cluster_nodes{state="up"} 1"#,
        r#"switchboard_cluster_nodes{state="silent"} 0"#,
        r#"switchboard_cluster_sessions{phase="unowned"} 1"#,
        r#"switchboard_cluster_sessions{phase="moving"} 1"#,
        r#"switchboard_cluster_node_sessions{node="n1"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("default/a"), "a session stands in\n{text}");
    let without = crate::support::world().await;
    assert_eq!(without.get("/metrics").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_listener_for_one_dialect_knows_no_other() {
    let addr = "127.0.0.1:0".parse().unwrap();
    let listener = DialectListener {
        dialect: DialectName::Chatapi,
        addr,
    };
    let mut world = world_with(|c| c.listeners = vec![listener]).await;
    let a = world.session("a").await;
    let (name, alone) = world.router.as_ref().unwrap().dialect_addrs()[0];
    assert_eq!(name, DialectName::Chatapi);
    world.addr = alone;
    let status = world
        .get(&format!("/instancea/status?token={}", a.token))
        .send()
        .await
        .unwrap();
    assert_eq!(status.status(), 200);
    assert_eq!(world.get("/livez").send().await.unwrap().status(), 200);
    for other in [
        "/health",
        "/nothing",
        "/docs",
        "/metrics",
        "/admin/v1/cluster",
    ] {
        let request = world.get(other).bearer_auth(&a.token);
        check_error(request, 404, "chatapi", "unknown_route").await;
    }
}

#[tokio::test]
async fn a_start_that_cannot_work_says_why() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut busy = config();
    busy.listen = taken.local_addr().unwrap();
    let error = Router::start(busy, bus().await, dialects::all())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Listen { addr, .. } if addr == taken.local_addr().unwrap()));
    let mut missing = config();
    let addr = "127.0.0.1:0".parse().unwrap();
    missing.listeners = vec![DialectListener {
        dialect: DialectName::Wuzapi,
        addr,
    }];
    let error = Router::start(missing, bus().await, dialects::all())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Dialect {
            dialect: DialectName::Wuzapi,
            ..
        }
    ));
    let twice = [dialects::all(), dialects::all()].concat();
    let error = Router::start(config(), bus().await, twice)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Table(_)));
}

/// Records that nobody can watch until the gate opens.
#[derive(Debug)]
struct Gated {
    inner: Arc<dyn Kv>,
    open: watch::Receiver<bool>,
}

#[async_trait]
impl Kv for Gated {
    async fn create(&self, bucket: &Bucket, key: &Key, value: Bytes) -> Result<Revision, KvError> {
        self.inner.create(bucket, key, value).await
    }

    async fn update(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.inner.update(bucket, key, value, expected).await
    }

    async fn get(&self, bucket: &Bucket, key: &Key) -> Result<Option<Entry>, KvError> {
        self.inner.get(bucket, key).await
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &Key,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.inner.delete(bucket, key, expected).await
    }

    async fn watch(&self, bucket: &Bucket, prefix: &KeyPrefix) -> Result<WatchStream, KvError> {
        self.open.clone().wait_for(|open| *open).await.unwrap();
        self.inner.watch(bucket, prefix).await
    }
}

#[tokio::test]
async fn a_router_is_ready_only_when_it_knows_the_directory_and_the_bus_works() {
    let real = bus().await;
    let (gate, open) = watch::channel(false);
    let (health, healthy) = watch::channel(Health::Connected);
    let kv = Arc::new(Gated {
        inner: Arc::clone(&real.kv),
        open,
    });
    let gated = Bus::new(Arc::clone(&real.rpc), kv, Arc::clone(&real.log), healthy);
    let router = Router::start(config(), gated, dialects::all())
        .await
        .unwrap();
    let http = crate::support::client();
    let url = |path: &str| format!("http://{}{path}", router.local_addr());
    let status = async |path: &str| http.get(url(path)).send().await.unwrap().status().as_u16();
    assert_eq!(
        (status("/livez").await, status("/readyz").await),
        (200, 503)
    );
    assert!(!router.is_ready());
    // A key that may be good must not be called unknown.
    check_error(
        http.get(url("/health")).bearer_auth("x"),
        503,
        "whapi",
        "unavailable",
    )
    .await;
    gate.send(true).unwrap();
    eventually("the router is ready", async || {
        status("/readyz").await == 200
    })
    .await;
    check_error(
        http.get(url("/health")).bearer_auth("x"),
        401,
        "whapi",
        "unauthenticated",
    )
    .await;
    health.send(Health::Reconnecting).unwrap();
    assert_eq!(
        (status("/livez").await, status("/readyz").await),
        (200, 503)
    );
}

/// Records whose watches end with an error whenever the test says so, and tell nothing while it holds them.
#[derive(Debug)]
struct Torn {
    inner: Arc<dyn Kv>,
    tear: watch::Receiver<u64>,
    told: watch::Receiver<bool>,
    begun: AtomicUsize,
}

#[async_trait]
impl Kv for Torn {
    async fn create(&self, bucket: &Bucket, key: &Key, value: Bytes) -> Result<Revision, KvError> {
        self.inner.create(bucket, key, value).await
    }

    async fn update(
        &self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.inner.update(bucket, key, value, expected).await
    }

    async fn get(&self, bucket: &Bucket, key: &Key) -> Result<Option<Entry>, KvError> {
        self.inner.get(bucket, key).await
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &Key,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.inner.delete(bucket, key, expected).await
    }

    async fn watch(&self, bucket: &Bucket, prefix: &KeyPrefix) -> Result<WatchStream, KvError> {
        let inner = self.inner.watch(bucket, prefix).await?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.clone();
        let open = async move {
            told.wait_for(|told| *told).await.unwrap();
            inner
        };
        let inner = stream::once(open).flatten();
        let mut tear = self.tear.clone();
        tear.mark_unchanged();
        let torn = async move { drop(tear.changed().await) };
        let error = KvError::RolledBack {
            bucket: bucket.clone(),
            seen: 2,
            found: 1,
        };
        let end = stream::iter([Err(error)]);
        Ok(inner.take_until(torn).chain(end).boxed())
    }
}

#[tokio::test]
async fn watches_of_nodes_and_owners_that_end_begin_anew() {
    let real = bus().await;
    let (tear, torn) = watch::channel(0);
    let (tell, told) = watch::channel(true);
    let (_health, healthy) = watch::channel(Health::Connected);
    let kv = Arc::new(Torn {
        inner: Arc::clone(&real.kv),
        tear: torn,
        told,
        begun: AtomicUsize::new(0),
    });
    let records: Arc<dyn Kv> = Arc::<Torn>::clone(&kv);
    let torn = Bus::new(
        Arc::clone(&real.rpc),
        records,
        Arc::clone(&real.log),
        healthy,
    );
    let world = start(config(), torn).await;
    world.session("a").await;
    world.own("a", "n1", 1).await;
    for epoch in 2..4 {
        let begun = kv.begun.load(Ordering::Relaxed);
        tell.send_replace(false);
        tear.send_replace(epoch);
        let anew = || async { kv.begun.load(Ordering::Relaxed) == begun + 4 };
        eventually("four watches begin anew", anew).await;
        // What is known stays known until the new watches have told everything.
        let shown = world
            .admin_call(reqwest::Method::GET, "/sessions/a", Value::Null, 200)
            .await;
        assert_eq!(
            (&shown["epoch"], &shown["state"]),
            (&Value::from(epoch - 1), &Value::from("connected"))
        );
        world
            .sees("all nodes", |view| {
                view["nodes"].as_array().unwrap().len() as u64 == epoch - 1
            })
            .await;
        tell.send_replace(true);
        let name = format!("n{epoch}");
        world.put_node(&up(&name)).await;
        world.own("a", &name, epoch).await;
        world.own("a", "n1", epoch).await;
        world
            .sees("the new node", |view| {
                view["totals"]["owned"] == 1
                    && view["nodes"].as_array().unwrap().len() as u64 == epoch
            })
            .await;
    }
}
