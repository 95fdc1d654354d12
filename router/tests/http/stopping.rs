//! Stopping: what is under way finishes, what is new is refused, what lasts too long is cut off.

use std::time::Duration;

use serde_json::json;

use crate::owner::{Does, sent};
use crate::support::{World, eventually, soon, world, world_with};

async fn with_a_call_under_way() -> (
    World,
    tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>,
) {
    let world = world().await;
    let a = world.session("a").await;
    world.owner.does(|call| Does::Holds(sent(call)));
    let body = json!({ "to": "15550002", "body": "x" });
    let call = world
        .post("/messages/text")
        .bearer_auth(&a.token)
        .json(&body)
        .send();
    let call = tokio::spawn(call);
    eventually("the call is under way", || async {
        !world.owner.calls().is_empty()
    })
    .await;
    (world, call)
}

#[tokio::test]
async fn a_call_under_way_finishes_and_new_ones_are_refused() {
    let (mut world, call) = with_a_call_under_way().await;
    let router = world.router.take().unwrap();
    let stopped = tokio::spawn(router.shutdown(Duration::from_secs(30)));
    let refused = || async {
        crate::support::client()
            .get(format!("http://{}/livez", world.addr))
            .send()
            .await
            .is_err()
    };
    eventually("new connections are refused", refused).await;
    world.owner.release();
    let response = soon("the call ends", call).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(soon("the router stops", stopped).await.unwrap(), 0);
}

#[tokio::test]
async fn what_lasts_longer_than_the_deadline_is_cut_off() {
    let (mut world, call) = with_a_call_under_way().await;
    let router = world.router.take().unwrap();
    assert_eq!(
        soon(
            "the router stops",
            router.shutdown(Duration::from_millis(50))
        )
        .await,
        1
    );
    assert!(soon("the call ends", call).await.unwrap().is_err());
    world.owner.release();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_a_stop_up() {
    let mut world = world_with(|c| c.limits.header_read_timeout = Duration::from_secs(600)).await;
    // The client keeps its connection.
    assert_eq!(world.get("/livez").send().await.unwrap().status(), 200);
    let router = world.router.take().unwrap();
    assert_eq!(
        soon(
            "the router stops",
            router.shutdown(Duration::from_secs(600))
        )
        .await,
        0
    );
}

#[tokio::test]
async fn a_router_that_is_dropped_stops() {
    let mut world = world().await;
    drop(world.router.take());
    let gone = || async {
        crate::support::client()
            .get(format!("http://{}/livez", world.addr))
            .send()
            .await
            .is_err()
    };
    eventually("the listener is gone", gone).await;
}
