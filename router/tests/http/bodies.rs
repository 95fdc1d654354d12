//! Bodies: broken, too large, too slow, in parts, and their media on the way to the owner.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::json;
use switchboard_vocab::envelope::{CHUNK_LEN_MAX, Verb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::owner::{Does, Owner, usual};
use crate::support::{World, check_error, hasty, read, soon, world, world_with};

fn form(bytes: Vec<u8>) -> Form {
    let file = Part::bytes(bytes)
        .file_name("a.png")
        .mime_str("image/png")
        .unwrap();
    Form::new().text("to", "15550002").part("file", file)
}

pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[tokio::test]
async fn broken_json_is_the_callers_mistake() {
    let world = world().await;
    let a = world.session("a").await;
    for body in ["{", "[]", "nonsense", r#"{"to":5}"#, ""] {
        let request = world.post("/messages/text").bearer_auth(&a.token);
        let request = request
            .header("content-type", "application/json")
            .body(body);
        check_error(request, 400, "whapi", "invalid_input").await;
    }
    assert!(world.owner.calls().is_empty());
}

#[tokio::test]
async fn media_goes_first_in_chunks_then_the_call_that_uses_it() {
    let world = world().await;
    let a = world.session("a").await;
    let bytes = pattern(2 * CHUNK_LEN_MAX + 5);
    let request = world.post("/messages/image").bearer_auth(&a.token);
    let request = request.multipart(form(bytes.clone()));
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    let calls = world.owner.calls();
    assert_eq!(calls.last().unwrap().name(), "messages.send");
    let staged = &calls.last().unwrap().body["content"]["source"]["staged"];
    assert_eq!(staged["size"], bytes.len());
    let mut rebuilt = vec![0; bytes.len()];
    for chunk in world.owner.calls_of("stage") {
        let Verb::Stage {
            upload,
            offset,
            total,
        } = &chunk.head.verb
        else {
            unreachable!()
        };
        assert_eq!(staged["upload"], upload.as_str());
        assert_eq!(*total, bytes.len() as u64);
        let at = usize::try_from(*offset).unwrap();
        rebuilt[at..at + chunk.blob.len()].copy_from_slice(&chunk.blob);
    }
    assert_eq!(world.owner.calls_of("stage").len(), 3);
    assert!(rebuilt == bytes, "the bytes arrived changed");
}

#[tokio::test]
async fn an_upload_follows_the_call_to_another_node() {
    let world = world().await;
    let a = world.session("a").await;
    let second = Owner::serve(&world.bus, &world.names, "n2").await;
    let send = || {
        world
            .post("/messages/image")
            .bearer_auth(&a.token)
            .multipart(form(vec![1]))
    };
    // The first node takes the bytes and then denies the call.
    world
        .owner
        .does_for("messages.send", Does::Denies(Some("n2")));
    assert_eq!(send().send().await.unwrap().status(), 200);
    assert_eq!(
        (
            second.calls_of("stage").len(),
            second.calls_of("messages.send").len()
        ),
        (1, 1)
    );
    // The first node denies the bytes already, and is not asked further.
    let before = world.owner.calls_of("messages.send").len();
    world.owner.does_for("stage", Does::Denies(Some("n2")));
    assert_eq!(send().send().await.unwrap().status(), 200);
    assert_eq!(
        (
            second.calls_of("stage").len(),
            second.calls_of("messages.send").len()
        ),
        (2, 2)
    );
    assert_eq!(world.owner.calls_of("messages.send").len(), before);
}

#[tokio::test]
async fn a_failed_upload_ends_the_call_with_nothing_done() {
    let world = hasty().await;
    let a = world.session("a").await;
    world.owner.does_for("stage", Does::Drops);
    let request = world
        .post("/messages/image")
        .bearer_auth(&a.token)
        .multipart(form(vec![1]));
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(
        (status, body["outcome"].as_str()),
        (503, Some("not_executed")),
        "{body}"
    );
    assert!(world.owner.calls_of("messages.send").is_empty());
}

fn small() -> impl FnOnce(&mut switchboard_router::RouterConfig) {
    |config| {
        config.limits.body_bytes = 64 * 1024;
        config.limits.json_bytes = 16 * 1024;
    }
}

#[tokio::test]
async fn bodies_over_their_limit_are_refused_whether_announced_or_not() {
    let world = world_with(small()).await;
    let a = world.session("a").await;
    let json = json!({ "to": "15550002", "body": "x".repeat(17 * 1024) }).to_string();
    let post = || {
        let request = world.post("/messages/text").bearer_auth(&a.token);
        request.header("content-type", "application/json")
    };
    check_error(post().body(json.clone()), 413, "whapi", "too_large").await;
    let pieces: Vec<_> = json.as_bytes().chunks(1000).map(<[u8]>::to_vec).collect();
    let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    check_error(
        post().body(reqwest::Body::wrap_stream(pieces)),
        413,
        "whapi",
        "too_large",
    )
    .await;
    let image = world.post("/messages/image").bearer_auth(&a.token);
    check_error(
        image.multipart(form(vec![0; 65 * 1024])),
        413,
        "whapi",
        "too_large",
    )
    .await;
    // A form may be larger than JSON.
    let image = world.post("/messages/image").bearer_auth(&a.token);
    let sent = image
        .multipart(form(vec![0; 32 * 1024]))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
}

#[tokio::test]
async fn without_a_key_a_large_body_costs_nothing() {
    let world = world_with(|c| c.limits.bodies_bytes = 1024).await;
    let request = world
        .post("/messages/image")
        .multipart(form(vec![0; 100 * 1024]));
    check_error(request, 401, "whapi", "unauthenticated").await;
}

#[tokio::test]
async fn memory_for_bodies_is_limited_and_given_back() {
    let world = world_with(|c| c.limits.bodies_bytes = 40 * 1024).await;
    let a = world.session("a").await;
    let send = |len| {
        world
            .post("/messages/image")
            .bearer_auth(&a.token)
            .multipart(form(vec![0; len]))
    };
    check_error(send(80 * 1024), 503, "whapi", "unavailable").await;
    for _ in 0..3 {
        assert_eq!(send(30 * 1024).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn broken_and_overfull_forms_are_refused() {
    let world = world().await;
    let a = world.session("a").await;
    let post = || world.post("/messages/image").bearer_auth(&a.token);
    let torn = post()
        .header("content-type", "multipart/form-data; boundary=b")
        .body("--b\r\nx");
    check_error(torn, 400, "whapi", "invalid_input").await;
    let boundless = post()
        .header("content-type", "multipart/form-data")
        .body("x");
    check_error(boundless, 400, "whapi", "invalid_input").await;
    let many = (0..65).fold(Form::new(), |form, at| form.text(format!("f{at}"), "x"));
    check_error(post().multipart(many), 413, "whapi", "too_large").await;
}

/// Writes raw bytes and reads until the router closes the connection.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("the router closes", stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn clients_that_dawdle_are_given_up() {
    let world = world_with(|c| {
        c.limits.header_read_timeout = Duration::from_millis(100);
        c.limits.idle_timeout = Duration::from_millis(100);
    })
    .await;
    let a = world.session("a").await;
    // Half a head.
    let answer = raw(&world, "GET /version HTTP/1.1\r\nHost: x\r\n").await;
    assert!(!answer.contains("200 OK"), "{answer}");
    // Half a body.
    let token = &a.token;
    let half = format!(
        "POST /messages/text HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{\"to\""
    );
    let answer = raw(&world, &half).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let world = world_with(|c| c.limits.header_bytes = 8 * 1024).await;
    let long = "x".repeat(20 * 1024);
    let request = format!("GET /version HTTP/1.1\r\nHost: x\r\nx-long: {long}\r\n\r\n");
    let answer = raw(&world, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let world = world_with(small()).await;
    let a = world.session("a").await;
    let token = &a.token;
    let request = format!(
        "POST /messages/text HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    );
    let answer = raw(&world, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    world.owner.does(usual);
}
