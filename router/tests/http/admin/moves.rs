//! Orders about one session.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_vocab::cluster::{NodeOrder, NodeState, RestoreFrom};

use super::nodes::Orders;
use super::{check, post};
use crate::records::{moving, parked, up};
use crate::support::{World, eventually, node, read, soon, world};

fn to(world: &World, id: &str, target: &str) -> RequestBuilder {
    let path = format!("/sessions/{id}/move");
    post(world, &path, &json!({ "node": target }))
}

/// A session `a` at n1, a second node, and n1's orders.
async fn at_n1() -> (World, Orders) {
    let world = world().await;
    world.put_node(&up("n2")).await;
    world.session("a").await;
    world.own("a", "n1", 4).await;
    world
        .sees("both nodes", |view| {
            view["nodes"].as_array().unwrap().len() == 2
        })
        .await;
    let orders = Orders::serve(&world, "n1").await;
    (world, orders)
}

/// Sends, and expects a refusal with these words.
async fn refused(request: RequestBuilder, status: u16, code: &str, words: &str) {
    let problem = check(request, status, code, None).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(words), "{detail}");
}

#[tokio::test]
async fn a_move_is_an_order_to_the_owner() {
    let (world, orders) = at_n1().await;
    let (status, answer) = read(to(&world, "a", "n2").send().await.unwrap()).await;
    let expected =
        json!({ "session": "default/a", "from": "n1", "to": "n2", "epoch": 4, "done": false });
    assert_eq!((status, answer), (202, expected));
    let order = NodeOrder::Move {
        session: "default/a".parse().unwrap(),
        target: node("n2"),
    };
    assert_eq!(orders.taken(), [order]);
}

#[tokio::test]
async fn who_waits_for_a_move_learns_how_it_ended() {
    let (world, orders) = at_n1().await;
    let order = |wait: u32| {
        let path = format!("/sessions/a/move?wait={wait}");
        tokio::spawn(post(&world, &path, &json!({ "node": "n2" })).send())
    };
    let taken = async |count: usize| {
        let there = || async { orders.taken().len() == count };
        eventually("the order is there", there).await;
    };
    let call = order(60);
    taken(1).await;
    world.phase("a", "n1", 4, moving("n2")).await;
    assert!(!call.is_finished());
    world.own("a", "n2", 5).await;
    let (status, answer) = read(soon("the move ends", call).await.unwrap().unwrap()).await;
    assert_eq!((status, &answer["done"]), (200, &json!(true)));
    // One that failed leaves the session where it was, at the next epoch.
    world.own("a", "n1", 6).await;
    let call = order(60);
    taken(2).await;
    world.own("a", "n1", 7).await;
    let (status, problem) = read(soon("the move fails", call).await.unwrap().unwrap()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("refused")));
    assert!(problem["detail"].as_str().unwrap().contains("failed"));
    let call = order(1);
    taken(3).await;
    let (status, answer) = read(soon("the wait ends", call).await.unwrap().unwrap()).await;
    assert_eq!((status, &answer["done"]), (202, &json!(false)));
}

#[tokio::test]
async fn a_move_that_cannot_be_says_why() {
    let (world, orders) = at_n1().await;
    let no_node = post(&world, "/sessions/a/move", &json!({}));
    check(no_node, 400, "invalid_input", Some("node")).await;
    check(to(&world, "a", "a.b"), 400, "invalid_input", Some("node")).await;
    let extra = json!({ "node": "n2", "force": true });
    let extra = post(&world, "/sessions/a/move", &extra);
    check(extra, 400, "invalid_input", Some("force")).await;
    let broken = world.admin(Method::POST, "/sessions/a/move").body("[");
    check(broken, 400, "invalid_input", None).await;
    let long = post(
        &world,
        "/sessions/a/move?wait=121",
        &json!({ "node": "n2" }),
    );
    check(long, 400, "invalid_input", Some("wait")).await;
    refused(to(&world, "b", "n2"), 404, "session_not_found", "b").await;
    refused(to(&world, "a", "n9"), 404, "not_found", "n9").await;
    refused(to(&world, "a", "n1"), 409, "refused", "on node n1 already").await;
    world.session("b").await;
    refused(to(&world, "b", "n2"), 409, "refused", "no node owns").await;
    world.phase("b", "n1", 1, moving("n2")).await;
    refused(to(&world, "b", "n2"), 409, "refused", "moving to node n2").await;
    world.phase("b", "n1", 1, parked("no disk")).await;
    refused(to(&world, "b", "n2"), 409, "refused", "parked: no disk").await;
    let mut record = up("n2");
    for (state, words) in [
        (NodeState::Draining, "draining"),
        (NodeState::Fenced, "fenced"),
    ] {
        record.state = state;
        world.put_node(&record).await;
        world
            .sees("the state", |view| view["nodes"][1]["state"] == words)
            .await;
        refused(to(&world, "a", "n2"), 409, "refused", words).await;
    }
    world.put_node(&up("n2")).await;
    let mut dead = up("n1");
    dead.state = NodeState::Fenced;
    world.put_node(&dead).await;
    world
        .sees("both changes", |view| {
            view["nodes"][0]["state"] == "fenced" && view["nodes"][1]["state"] == "up"
        })
        .await;
    refused(to(&world, "a", "n2"), 503, "unavailable", "n1").await;
    assert!(orders.taken().is_empty());
    world.put_node(&up("n1")).await;
    world
        .sees("its return", |view| view["nodes"][0]["state"] == "up")
        .await;
    orders.refuse("it is busy with another move");
    refused(to(&world, "a", "n2"), 422, "refused", "another move").await;
}

#[tokio::test]
async fn only_a_parked_session_is_restored() {
    let (world, orders) = at_n1().await;
    let restore = |body: Value| post(&world, "/sessions/a/restore", &body);
    let nothing = || restore(json!({ "from": "nothing" }));
    refused(nothing(), 409, "refused", "not parked").await;
    world.phase("a", "n1", 4, parked("no disk")).await;
    for (body, field) in [
        (json!({}), "from"),
        (json!({ "from": "x" }), "from"),
        (json!({ "from": 5 }), "from"),
        (json!({ "from": "folder" }), "path"),
        (json!({ "from": "folder", "path": "" }), "path"),
        (json!({ "from": "folder", "path": "a/b" }), "path"),
        (
            json!({ "from": "folder", "path": "/x".repeat(2049) }),
            "path",
        ),
        (json!({ "from": "log", "path": "/a" }), "path"),
        (json!({ "from": "log", "node": "a.b" }), "node"),
        (json!({ "from": "log", "sure": true }), "sure"),
    ] {
        check(restore(body), 400, "invalid_input", Some(field)).await;
    }
    let absent = post(&world, "/sessions/b/restore", &json!({ "from": "log" }));
    check(absent, 404, "session_not_found", None).await;
    assert!(orders.taken().is_empty());
    let sources = [
        (json!({ "from": "log" }), RestoreFrom::Log),
        (json!({ "from": "nothing" }), RestoreFrom::Nothing),
        (
            json!({ "from": "folder", "path": "/backup" }),
            RestoreFrom::Folder {
                path: "/backup".to_owned(),
            },
        ),
    ];
    for (body, from) in sources {
        let answer = world
            .admin_call(Method::POST, "/sessions/a/restore", body.clone(), 202)
            .await;
        assert_eq!(
            (&answer["node"], &answer["from"]),
            (&json!("n1"), &body["from"])
        );
        let order = NodeOrder::Restore {
            session: "default/a".parse().unwrap(),
            from,
        };
        assert_eq!(orders.taken().last(), Some(&order));
    }
    orders.refuse("the log of it is empty");
    refused(nothing(), 422, "refused", "the log of it is empty").await;
}

#[tokio::test]
async fn a_restore_goes_to_the_last_owner_or_where_the_operator_says() {
    let (world, first) = at_n1().await;
    let second = Orders::serve(&world, "n2").await;
    world.phase("a", "n1", 4, parked("no disk")).await;
    let restore = |body: Value| post(&world, "/sessions/a/restore", &body);
    let to_second = json!({ "from": "folder", "path": "/backup", "node": "n2" });
    assert_eq!(restore(to_second).send().await.unwrap().status(), 202);
    assert_eq!((first.taken().len(), second.taken().len()), (0, 1));
    let mut gone = up("n1");
    gone.state = NodeState::Left;
    world.put_node(&gone).await;
    world
        .sees("its end", |view| view["nodes"][0]["state"] == "left")
        .await;
    // What lies in the log any node can restore; a folder lies on one.
    let log = restore(json!({ "from": "log" }));
    assert_eq!(log.send().await.unwrap().status(), 202);
    assert_eq!((first.taken().len(), second.taken().len()), (0, 2));
    let folder = || restore(json!({ "from": "folder", "path": "/backup" }));
    refused(folder(), 409, "refused", "n1").await;
    let there = restore(json!({ "from": "log", "node": "n1" }));
    refused(there, 409, "refused", "left").await;
    let nowhere = restore(json!({ "from": "log", "node": "n9" }));
    refused(nowhere, 404, "not_found", "n9").await;
}
