//! The cluster view, and orders to nodes.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_bus::Key;
use switchboard_vocab::cluster::{Incarnation, Kept, NodeOrder, NodeState, OrderAnswer};
use switchboard_vocab::{ErrorCode, OpError};
use tokio::task::JoinHandle;

use super::{check, post};
use crate::records::{moving, parked, put, up};
use crate::support::{World, eventually, node, soon, world};

type Says = Arc<Mutex<Option<OrderAnswer>>>;

/// A node that takes orders.
pub(super) struct Orders {
    taken: Arc<Mutex<Vec<NodeOrder>>>,
    says: Says,
    serving: JoinHandle<()>,
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Orders {
    /// Accepts every order for a node, until told otherwise.
    pub(super) async fn serve(world: &World, name: &str) -> Self {
        let subject = world.names.node_admin(name).unwrap();
        let mut requests = world.bus.rpc.serve(&subject).await.unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let says: Says = Arc::new(Mutex::new(Some(OrderAnswer::Accepted)));
        let (orders, answers) = (Arc::clone(&taken), Arc::clone(&says));
        let serving = tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let order: NodeOrder = serde_json::from_slice(&request.payload).unwrap();
                orders.lock().unwrap().push(order);
                let answer = answers.lock().unwrap().clone();
                let Some(answer) = answer else { continue };
                let answer = serde_json::to_vec(&answer).unwrap();
                request.replier.reply(answer.into()).await.unwrap();
            }
        });
        Self {
            taken,
            says,
            serving,
        }
    }

    /// Refuses from now on.
    pub(super) fn refuse(&self, words: &str) {
        let error = OpError::new(ErrorCode::Refused, words);
        *self.says.lock().unwrap() = Some(OrderAnswer::Refused { error });
    }

    /// Drops orders unanswered from now on.
    pub(super) fn drop_all(&self) {
        *self.says.lock().unwrap() = None;
    }

    pub(super) fn taken(&self) -> Vec<NodeOrder> {
        self.taken.lock().unwrap().clone()
    }
}

fn drain(world: &World, path: &str) -> reqwest::RequestBuilder {
    world.admin(Method::POST, &format!("/nodes/{path}"))
}

/// A node in every state, and a session in every phase.
async fn motley() -> World {
    let world = world().await;
    let mut leaving = up("n2");
    leaving.state = NodeState::Draining;
    leaving.weight = 3;
    let mut dead = up("n3");
    dead.state = NodeState::Fenced;
    let mut silent = up("n4");
    silent.lease_ms = 1;
    let mut gone = up("n5");
    gone.state = NodeState::Left;
    for record in [&leaving, &dead, &silent, &gone] {
        world.put_node(record).await;
    }
    let key = Key::node("n6").unwrap();
    put(&world.bus, &world.names.nodes(), &key, b"{}".to_vec()).await;
    for id in ["a", "b", "c", "d", "e", "f"] {
        world.session(id).await;
    }
    let mut replicated = world.owner_record("a", "n1", 5).await;
    replicated.kept = Kept::Log;
    world.put_owner(&replicated).await;
    world.phase("b", "n2", 2, moving("n1")).await;
    world.own("c", "n3", 1).await;
    world.phase("d", "n1", 1, parked("its disk is lost")).await;
    let mut former = world.owner_record("e", "n1", 1).await;
    former.incarnation = Incarnation("n1-0".to_owned());
    world.put_owner(&former).await;
    world
        .sees("every record", |view| view["totals"]["orphaned"] == 2)
        .await;
    world
        .sees("the silence", |view| view["nodes"][3]["state"] == "silent")
        .await;
    world
}

#[tokio::test]
async fn the_cluster_view_shows_nodes_moves_and_what_is_parked() {
    let world = motley().await;
    let view = world
        .admin_call(Method::GET, "/cluster", Value::Null, 200)
        .await;
    assert_eq!(view["cluster"], "test");
    assert_eq!(
        view["totals"],
        json!({ "sessions": 6, "owned": 1, "moving": 1, "orphaned": 2, "parked": 1, "unowned": 1, "replicated": 1 })
    );
    assert_eq!(
        view["moves"],
        json!([{ "session": "default/b", "from": "n2", "to": "n1", "epoch": 2 }])
    );
    assert_eq!(
        view["parked"],
        json!([{ "session": "default/d", "node": "n1", "reason": "its disk is lost" }])
    );
    let nodes = view["nodes"].as_array().unwrap();
    let shown: Vec<_> = nodes
        .iter()
        .map(|node| {
            let text = |name: &str| node[name].as_str().unwrap();
            (
                text("id"),
                text("state"),
                &node["sessions"],
                &node["moving"],
            )
        })
        .collect();
    let (zero, one, two) = (json!(0), json!(1), json!(2));
    assert_eq!(
        shown,
        [
            ("n1", "up", &two, &zero),
            ("n2", "draining", &zero, &one),
            ("n3", "fenced", &one, &zero),
            ("n4", "silent", &zero, &zero),
            ("n5", "left", &zero, &zero),
            ("n6", "unreadable", &zero, &zero),
        ]
    );
    let second = &nodes[1];
    assert_eq!(
        (
            &second["incarnation"],
            &second["weight"],
            &second["release"],
            &second["lease_ms"]
        ),
        (
            &json!("n2-1"),
            &json!(3),
            &json!("0.0.0-test"),
            &json!(3_600_000)
        )
    );
    assert!(second["lease_age_ms"].is_u64());
    assert_eq!(nodes[5]["weight"], Value::Null);
}

#[tokio::test]
async fn a_drain_is_an_order_that_is_accepted() {
    let world = world().await;
    let orders = Orders::serve(&world, "n1").await;
    world.session("a").await;
    world.own("a", "n1", 1).await;
    let answer = world
        .admin_call(Method::POST, "/nodes/n1/drain", Value::Null, 202)
        .await;
    assert_eq!(
        answer,
        json!({ "node": "n1", "draining": true, "sessions": 1, "done": false })
    );
    let answer = world
        .admin_call(Method::DELETE, "/nodes/n1/drain", Value::Null, 202)
        .await;
    assert_eq!(
        (&answer["draining"], &answer["done"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        orders.taken(),
        [
            NodeOrder::Drain { on: true },
            NodeOrder::Drain { on: false }
        ]
    );
}

#[tokio::test]
async fn who_waits_for_a_drain_is_answered_when_the_node_is_empty() {
    let world = world().await;
    let orders = Orders::serve(&world, "n1").await;
    world.put_node(&up("n2")).await;
    world.session("a").await;
    world.own("a", "n1", 1).await;
    world.session("b").await;
    world.phase("b", "n1", 1, parked("not counted")).await;
    let call = tokio::spawn(drain(&world, "n1/drain?wait=60").send());
    eventually("the order is there", || async { orders.taken().len() == 1 }).await;
    let mut leaving = up("n1");
    leaving.state = NodeState::Draining;
    world.put_node(&leaving).await;
    world.phase("a", "n1", 1, moving("n2")).await;
    assert!(!call.is_finished());
    world.own("a", "n2", 2).await;
    let response = soon("the drain ends", call).await.unwrap().unwrap();
    let (status, body) = crate::support::read(response).await;
    assert_eq!(
        (status, body),
        (
            200,
            json!({ "node": "n1", "draining": true, "sessions": 0, "done": true })
        )
    );
    // Until the wait is over it is only under way.
    world.own("a", "n1", 3).await;
    let answer = world
        .admin_call(Method::POST, "/nodes/n1/drain?wait=1", Value::Null, 202)
        .await;
    assert_eq!(answer["done"], false);
    // The end of a drain is the node's record, too.
    let call = world
        .admin(Method::DELETE, "/nodes/n1/drain?wait=60")
        .send();
    let call = tokio::spawn(call);
    eventually("the order is there", || async { orders.taken().len() == 3 }).await;
    world.put_node(&up("n1")).await;
    let response = soon("the drain is ended", call).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn orders_to_nodes_that_cannot_take_them_are_refused_by_name() {
    let world = world().await;
    check(drain(&world, "n7/drain"), 404, "not_found", None).await;
    check(drain(&world, "a.b/drain"), 400, "invalid_input", Some("id")).await;
    check(
        drain(&world, "n1/drain?wait=121"),
        400,
        "invalid_input",
        Some("wait"),
    )
    .await;
    check(
        drain(&world, "n1/drain?wait=x"),
        400,
        "invalid_input",
        Some("wait"),
    )
    .await;
    let body = post(&world, "/nodes/n1/drain", &json!({ "off": true }));
    check(body, 400, "invalid_input", Some("off")).await;
    let broken = world.admin(Method::POST, "/nodes/n1/drain").body("{");
    check(broken, 400, "invalid_input", None).await;
    // It is up by its record and takes no orders.
    let problem = check(drain(&world, "n1/drain"), 503, "unavailable", None).await;
    assert!(problem["maybe_executed"].is_null(), "{problem}");
    for (state, word) in [(NodeState::Fenced, "fenced"), (NodeState::Left, "left")] {
        let mut record = up("n2");
        record.state = state;
        world.put_node(&record).await;
        world
            .sees("the state", |view| view["nodes"][1]["state"] == word)
            .await;
        let problem = check(drain(&world, "n2/drain"), 409, "refused", None).await;
        assert!(
            problem["detail"].as_str().unwrap().contains(word),
            "{problem}"
        );
    }
    let mut silent = up("n2");
    silent.lease_ms = 1;
    world.put_node(&silent).await;
    world
        .sees("the silence", |view| view["nodes"][1]["state"] == "silent")
        .await;
    let problem = check(drain(&world, "n2/drain"), 409, "refused", None).await;
    assert!(problem["detail"].as_str().unwrap().contains("silent"));
    let orders = Orders::serve(&world, "n1").await;
    orders.refuse("it drains already");
    let problem = check(drain(&world, "n1/drain"), 422, "refused", None).await;
    assert_eq!(problem["detail"], "it drains already");
    orders.drop_all();
    let problem = check(drain(&world, "n1/drain"), 503, "unavailable", None).await;
    assert_eq!(problem["maybe_executed"], true);
}

#[tokio::test]
async fn a_weight_is_a_small_number() {
    let world = world().await;
    let orders = Orders::serve(&world, "n1").await;
    let put = |id: &str, body: Value| {
        world
            .admin(Method::PUT, &format!("/nodes/{id}/weight"))
            .json(&body)
    };
    for weight in [json!(65), json!(-1), json!("x"), json!(1.5), Value::Null] {
        let request = put("n1", json!({ "weight": weight }));
        check(request, 400, "invalid_input", Some("weight")).await;
    }
    let extra = put("n1", json!({ "weight": 1, "node": "n2" }));
    check(extra, 400, "invalid_input", Some("node")).await;
    check(put("n9", json!({ "weight": 1 })), 404, "not_found", None).await;
    assert!(orders.taken().is_empty());
    for weight in [0, 64] {
        let answer = world
            .admin_call(
                Method::PUT,
                "/nodes/n1/weight",
                json!({ "weight": weight }),
                202,
            )
            .await;
        assert_eq!(answer, json!({ "node": node("n1"), "weight": weight }));
    }
    assert_eq!(
        orders.taken(),
        [
            NodeOrder::Weigh { weight: 0 },
            NodeOrder::Weigh { weight: 64 }
        ]
    );
}
