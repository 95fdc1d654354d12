//! Files on their way from the owner to the caller.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_dialect_kit::MediaLinks;
use switchboard_vocab::envelope::{CHUNK_LEN_MAX, Verb};
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef, Timestamp};

use crate::owner::{Call, Does, usual};
use crate::support::{LINK_KEY, World, bus, check_error, config, read, start_speaking, world};

fn file(len: usize) -> Bytes {
    (0..len).map(|at| u8::try_from(at % 241).unwrap()).collect()
}

fn stored(len: usize) -> Value {
    json!({ "id": "m1", "kind": "image", "mime_type": "image/png", "size": len, "sha256": "00", "file_name": "ä.png" })
}

/// Serves one file of these bytes, said to be `len` long.
fn serve(world: &World, bytes: Bytes, len: usize) {
    world.owner.does(move |call: &Call| match &call.head.verb {
        Verb::ReadMedia { offset, len, .. } => {
            let from = usize::try_from(*offset).unwrap().min(bytes.len());
            let to = (from + usize::try_from(*len).unwrap()).min(bytes.len());
            Does::Sends(bytes.slice(from..to))
        }
        Verb::Run { name } if name == "media.open" => Does::Answers(stored(len)),
        Verb::Run { .. } | Verb::Stage { .. } => usual(call),
    });
}

#[tokio::test]
async fn a_file_is_streamed_piece_by_piece() {
    let world = world().await;
    let a = world.session("a").await;
    let bytes = file(2 * CHUNK_LEN_MAX + 77);
    serve(&world, bytes.clone(), bytes.len());
    let response = world
        .get("/media/m1")
        .bearer_auth(&a.token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-length"],
        bytes.len().to_string()
    );
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(
        response.headers()["content-disposition"],
        "inline; filename*=UTF-8''%C3%A4.png"
    );
    assert!(
        response.bytes().await.unwrap() == bytes,
        "the bytes arrived changed"
    );
    let reads = world.owner.calls_of("read");
    assert_eq!(reads.len(), 3);
    for read in reads {
        let Verb::ReadMedia { len, .. } = read.head.verb else {
            unreachable!()
        };
        assert!(usize::try_from(len).unwrap() <= CHUNK_LEN_MAX);
    }
}

#[tokio::test]
async fn an_empty_file_and_a_head_read_nothing() {
    let world = world().await;
    let a = world.session("a").await;
    serve(&world, Bytes::new(), 0);
    let response = world
        .get("/media/m1")
        .bearer_auth(&a.token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.bytes().await.unwrap().len()
        ),
        (200, 0)
    );
    serve(&world, file(9), 9);
    let head = world
        .request(Method::HEAD, "/media/m1")
        .bearer_auth(&a.token);
    let head = head.send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "9");
    assert!(world.owner.calls_of("read").is_empty());
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_mistaken_for_a_whole_one() {
    let world = world().await;
    let a = world.session("a").await;
    // At the first piece it can still be told.
    serve(&world, Bytes::new(), 10);
    let request = world.get("/media/m1").bearer_auth(&a.token);
    check_error(request, 500, "whapi", "internal").await;
    // Later the connection breaks.
    serve(&world, file(CHUNK_LEN_MAX), CHUNK_LEN_MAX + 10);
    let response = world
        .get("/media/m1")
        .bearer_auth(&a.token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    // The error of the owner comes in the dialect's words.
    world.owner.does_for(
        "media.open",
        Does::Fails(OpError::new(ErrorCode::NotFound, "no file")),
    );
    check_error(
        world.get("/media/m1").bearer_auth(&a.token),
        404,
        "whapi",
        "not_found",
    )
    .await;
}

#[tokio::test]
async fn a_signed_link_opens_its_file_and_nothing_else() {
    let world = world().await;
    world.session("a").await;
    let bytes = file(100);
    serve(&world, bytes.clone(), bytes.len());
    let session: SessionRef = "default/a".parse().unwrap();
    let far = Timestamp::from_secs(4_000_000_000);
    let path = |links: &MediaLinks, at: Timestamp| {
        links.link(&session, &MediaId::parse("m1").unwrap(), at)
    };
    let links = MediaLinks::new("", LINK_KEY);
    let good = path(&links, far);
    let response = world.get(&good).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-security-policy"],
        "default-src 'none'; sandbox"
    );
    assert!(response.bytes().await.unwrap() == bytes);
    let forged = path(&MediaLinks::new("", [8; 32]), far);
    let expired = path(&links, Timestamp::from_secs(1));
    let other = good.replace("/m1?", "/m2?");
    for bad in [
        forged,
        expired,
        other,
        "/files/default/a/m1".to_owned(),
        format!("{good}&x=%ff").replace("/a/", "/%ff/"),
    ] {
        let response = world.get(&bad).send().await.unwrap();
        assert_eq!(response.status(), 403, "{bad}");
        assert_eq!(read(response).await.1["code"], "forbidden");
    }
}

#[tokio::test]
async fn a_link_of_a_removed_session_opens_nothing() {
    let world = world().await;
    world.session("a").await;
    serve(&world, file(3), 3);
    world
        .admin_call(Method::DELETE, "/sessions/a", Value::Null, 204)
        .await;
    let session: SessionRef = "default/a".parse().unwrap();
    let links = MediaLinks::new("", LINK_KEY);
    let link = links.link(
        &session,
        &"m1".parse().unwrap(),
        Timestamp::from_secs(4_000_000_000),
    );
    assert_eq!(world.get(&link).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_file_inside_json_is_streamed_as_base64() {
    let world = start_speaking(config(), bus().await, switchboard_router::dialects()).await;
    let a = world.session("a").await;
    let bytes = file(2 * CHUNK_LEN_MAX + 77);
    let key = STANDARD.encode([1u8; 32]);
    let ask = || {
        let body = json!({ "Url": "https://mmg.whatsapp.net/x", "MediaKey": key, "Mimetype": "image/png" });
        let request = world.request(Method::POST, "/chat/downloadimage");
        request.header("token", &a.token).json(&body)
    };
    serve(&world, bytes.clone(), bytes.len());
    let response = ask().send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let len = response.content_length();
    let text = response.bytes().await.unwrap();
    assert_eq!(len, u64::try_from(text.len()).ok());
    let read: Value = serde_json::from_slice(&text).unwrap();
    let data = read["data"]["Data"].as_str().unwrap();
    let (head, data) = data.split_once(',').unwrap();
    assert_eq!(head, "data:image/png;base64");
    assert!(
        STANDARD.decode(data).unwrap() == bytes,
        "the bytes arrived changed"
    );
    assert_eq!(world.owner.calls_of("read").len(), 3);
    // What goes wrong at the first piece can still be told, in the dialect's words.
    serve(&world, Bytes::new(), 10);
    assert_eq!(ask().send().await.unwrap().status(), 500);
    // Later the connection breaks: nobody takes a part of a file for the whole.
    serve(&world, file(CHUNK_LEN_MAX), CHUNK_LEN_MAX + 10);
    let response = ask().send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    serve(&world, Bytes::new(), 0);
    let empty = read_value(ask().send().await.unwrap()).await;
    assert_eq!(empty["data"]["Data"], "data:image/png;base64,");
}

async fn read_value(response: reqwest::Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}
