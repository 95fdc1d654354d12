//! Listings that are put together from pages.

use serde_json::{Value, json};
use switchboard_dialect_kit::routes::PAGES_MAX;
use switchboard_vocab::{ErrorCode, OpError};

use crate::owner::{Call, Does, usual};
use crate::support::{World, bus, config, read, start_speaking};

async fn product() -> World {
    start_speaking(config(), bus().await, switchboard_router::dialects()).await
}

fn person(number: u64) -> Value {
    json!({ "id": format!("49151{number:08}@s.whatsapp.net") })
}

/// An owner of `total` people that gives `each` of them per page, whatever is asked for.
fn serve(world: &World, total: u64, each: u64) {
    world.owner.does(move |call: &Call| {
        if call.name() != "contacts.list" {
            return usual(call);
        }
        let from = call.body["offset"].as_u64().unwrap();
        let to = (from + each).min(total);
        let people: Vec<_> = (from..to).map(person).collect();
        Does::Answers(json!({ "contacts": people, "total": total }))
    });
}

async fn contacts(world: &World, token: &str) -> (u16, Value) {
    let request = world.get("/user/contacts").header("token", token);
    let (status, body) = read(request.send().await.unwrap()).await;
    (status, body["data"].clone())
}

fn offsets(world: &World) -> Vec<u64> {
    let calls = world.owner.calls_of("contacts.list");
    calls
        .iter()
        .map(|call| call.body["offset"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn pages_that_end_early_leave_no_gap() {
    let world = product().await;
    let token = world.session("a").await.token;
    serve(&world, 7, 3);
    let (status, people) = contacts(&world, &token).await;
    assert_eq!(status, 200);
    assert_eq!(people.as_object().unwrap().len(), 7);
    assert_eq!(offsets(&world), [0, 3, 6]);
}

#[tokio::test]
async fn one_page_is_one_call_and_no_page_ends_it() {
    let world = product().await;
    let token = world.session("a").await.token;
    serve(&world, 2, 1_000);
    contacts(&world, &token).await;
    assert_eq!(offsets(&world), [0]);
    serve(&world, 5, 0);
    let (status, people) = contacts(&world, &token).await;
    assert_eq!((status, people), (200, json!({})));
    assert_eq!(offsets(&world), [0, 0]);
}

#[tokio::test]
async fn a_listing_is_not_read_for_ever() {
    let world = product().await;
    let token = world.session("a").await.token;
    serve(&world, u64::from(u32::MAX), 1);
    let (status, people) = contacts(&world, &token).await;
    assert_eq!(status, 200);
    assert_eq!(people.as_object().unwrap().len(), PAGES_MAX);
    assert_eq!(offsets(&world).len(), PAGES_MAX);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_listing() {
    let world = product().await;
    let token = world.session("a").await.token;
    world.owner.does(|call: &Call| {
        if call.name() != "contacts.list" {
            return usual(call);
        }
        if call.body["offset"] == 0 {
            return Does::Answers(json!({ "contacts": [person(1)], "total": 2 }));
        }
        Does::Fails(OpError::new(ErrorCode::Unavailable, "not now"))
    });
    assert_eq!(contacts(&world, &token).await.0, 503);
}
