//! Messages: every kind, and what is done to earlier ones.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_e2e::picture;

use super::desk::{Desk, OWN, PEER, id_of, peer_chat};

/// Sends every kind; the partner's phone shows what it says.
pub(crate) async fn kinds(desk: &Desk) -> Result<()> {
    let see = |kind: &'static str, text: &'static str| {
        move |m: &Value| m["kind"] == kind && m["text"] == text
    };
    desk.send("text", json!({"body": "hello", "typing_time": 1}))
        .await?;
    desk.peer_sees("a text", see("text", "hello")).await?;
    let data = format!("data:image/png;base64,{}", STANDARD.encode(picture(1)?));
    desk.send("image", json!({"media": data, "caption": "look"}))
        .await?;
    desk.peer_sees("a picture", see("image", "look")).await?;
    desk.send("sticker", json!({"media": data})).await?;
    desk.peer_sees("a sticker", |m| m["kind"] == "sticker")
        .await?;
    let text = format!("data:text/plain;base64,{}", STANDARD.encode("offer"));
    desk.send("document", json!({"media": text, "filename": "offer.txt"}))
        .await?;
    desk.peer_sees("a document", |m| {
        m["kind"] == "document" && m["media"]["file_name"] == "offer.txt"
    })
    .await?;
    let voice = include_bytes!("../../../../node/src/media/fixtures/rising.ogg");
    let voice = format!("data:audio/ogg;base64,{}", STANDARD.encode(voice));
    desk.send("voice", json!({"media": voice})).await?;
    desk.peer_sees("a voice note", |m| m["kind"] == "voice")
        .await?;
    let film = include_bytes!("../../../../node/src/media/fixtures/film.mp4");
    let film = format!("data:video/mp4;base64,{}", STANDARD.encode(film));
    for kind in ["video", "gif", "short"] {
        desk.send(kind, json!({"media": film})).await?;
    }
    switchboard_harness::wait::until("three films", async || {
        let inbox = desk.simulator.inbox(PEER).await;
        let inbox = inbox.map_err(|e| vec![Value::String(e.to_string())])?;
        let films = inbox.iter().filter(|m| m["kind"] == "video").count();
        (films == 3).then_some(()).ok_or(inbox)
    })
    .await?;
    desk.send(
        "location",
        json!({"latitude": 52.5, "longitude": 13.4, "name": "Office"}),
    )
    .await?;
    desk.peer_sees("a place", |m| {
        m["kind"] == "location" && m["location"]["name"] == "Office"
    })
    .await?;
    desk.send(
        "live_location",
        json!({"latitude": 52.5, "longitude": 13.4, "caption": "here"}),
    )
    .await?;
    desk.peer_sees("a moving place", |m| m["kind"] == "live_location")
        .await?;
    let card = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nTEL;waid=15550199999:+15550199999\nEND:VCARD";
    desk.send("contact", json!({"name": "Ada", "vcard": card}))
        .await?;
    desk.peer_sees("a contact", |m| {
        m["kind"] == "contact" && m["text"].as_str().is_some_and(|t| t.contains("FN:Ada"))
    })
    .await?;
    poll(desk).await?;
    buttons(desk).await
}

/// A poll, and the partner's vote in it.
async fn poll(desk: &Desk) -> Result<()> {
    let id = desk
        .send(
            "poll",
            json!({"title": "Lunch?", "options": ["Soup", "Salad"], "count": 1}),
        )
        .await?;
    let seen = desk
        .peer_sees("a poll", |m| m["kind"] == "poll" && m["text"] == "Lunch?")
        .await?;
    let vote = json!({"to": OWN, "vote": {"poll": seen["id"], "options": ["Salad"]}});
    desk.phone(Method::POST, &format!("{PEER}/send"), vote)
        .await?;
    let path = format!("/messages/{id}");
    desk.shows(&path, "the vote", |m| {
        let results = m["poll"]["results"].as_array().cloned().unwrap_or_default();
        results
            .iter()
            .any(|r| r["name"] == "Salad" && r["count"] == 1)
    })
    .await
    .map(drop)
}

/// Buttons, and the partner's answer to them.
async fn buttons(desk: &Desk) -> Result<()> {
    let body = json!({
        "type": "button",
        "body": {"text": "Choose"},
        "action": {"buttons": [{"type": "quick_reply", "title": "Yes", "id": "yes"}]},
    });
    desk.send("interactive", body).await?;
    let seen = desk
        .peer_sees("buttons", |m| m["kind"] == "interactive")
        .await?;
    let reply = json!({"to": OWN, "reply": {"to": seen["id"], "kind": "interactive", "id": "yes", "title": "Yes"}});
    desk.phone(Method::POST, &format!("{PEER}/send"), reply)
        .await?;
    desk.told("the answer to the buttons", |p| {
        let message = &p["messages"][0];
        message["reply"]["buttons_reply"]["id"] == "yes"
            && message["context"]["quoted_author"] == OWN
    })
    .await
    .map(drop)
}

/// What is done to own and others' messages.
pub(crate) async fn actions(desk: &Desk) -> Result<()> {
    let id = desk.send("text", json!({"body": "first words"})).await?;
    let seen = desk
        .peer_sees("a text", |m| m["text"] == "first words")
        .await?;
    desk.send("text", json!({"body": "better words", "edit": id}))
        .await?;
    desk.peer_sees("an edit", |m| {
        m["kind"] == "edit" && m["text"] == "better words" && m["target"] == seen["id"]
    })
    .await?;
    desk.shows(&format!("/messages/{id}"), "the edited message", |m| {
        m["text"]["body"] == "better words"
    })
    .await?;
    desk.post(&format!("/messages/{id}"), json!({"to": PEER}))
        .await?;
    desk.peer_sees("the better words sent on", |m| {
        m["text"] == "better words" && m["forwarded"] == true
    })
    .await?;

    on_theirs(desk).await?;
    desk.post(&format!("/messages/{id}/pin"), json!({"time": "day"}))
        .await?;
    desk.peer_sees("a pin", |m| m["kind"] == "pin").await?;
    desk.call(Method::DELETE, &format!("/messages/{id}"), Value::Null)
        .await?;
    desk.peer_sees("a deletion", |m| {
        m["kind"] == "revoke" && m["target"] == seen["id"]
    })
    .await?;
    statuses(desk).await
}

/// What is done to the partner's messages.
async fn on_theirs(desk: &Desk) -> Result<()> {
    let from = desk
        .simulator
        .phone_sends(PEER, OWN, "from the phone")
        .await?;
    let call = desk
        .told("the partner's text", |p| {
            p["messages"][0]["text"]["body"] == "from the phone"
        })
        .await?;
    let theirs = id_of(&call["messages"][0])?;
    let words = json!({"to": PEER, "body": "other words", "edit": theirs});
    let (status, answer) = desk.raw(Method::POST, "/messages/text", words).await?;
    let reason = answer.to_string();
    ensure!(
        !status.is_success() && reason.contains("messages of others"),
        "{status} {answer}"
    );
    desk.call(
        Method::PUT,
        &format!("/messages/{theirs}/reaction"),
        json!({"emoji": "👍"}),
    )
    .await?;
    desk.peer_sees("a reaction", |m| {
        m["kind"] == "reaction" && m["text"] == "👍"
    })
    .await?;
    desk.call(
        Method::DELETE,
        &format!("/messages/{theirs}/reaction"),
        Value::Null,
    )
    .await?;
    desk.peer_sees("no reaction any more", |m| {
        m["kind"] == "reaction" && m["text"] == ""
    })
    .await?;
    desk.send("text", json!({"body": "an answer", "quoted": theirs}))
        .await?;
    desk.peer_sees("a quote", |m| {
        m["text"] == "an answer" && m["quoted"] == from["id"]
    })
    .await?;

    desk.call(
        Method::PUT,
        &format!("/messages/{theirs}/star"),
        json!({"starred": true}),
    )
    .await?;
    desk.own_phone_shows("the star", |state| {
        state
            .to_string()
            .contains(from["id"].as_str().unwrap_or("?"))
    })
    .await?;
    desk.post(&format!("/messages/{theirs}"), json!({"to": PEER}))
        .await?;
    desk.peer_sees("a forwarded message", |m| m["text"] == "from the phone")
        .await?;
    desk.call(Method::PUT, &format!("/messages/{theirs}"), Value::Null)
        .await?;
    signal(desk, "read").await
}

async fn signal(desk: &Desk, kind: &str) -> Result<()> {
    let path = format!("{PEER}/signals");
    switchboard_harness::wait::until(kind, async || {
        let signals = desk.phone(Method::GET, &path, Value::Null).await;
        match signals {
            Ok(all) if all.to_string().contains(&format!("\"{kind}\"")) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// What becomes of an own message with its reader.
async fn statuses(desk: &Desk) -> Result<()> {
    let id = desk.send("text", json!({"body": "read me"})).await?;
    let seen = desk.peer_sees("a text", |m| m["text"] == "read me").await?;
    let read = json!({"chat": OWN, "ids": [seen["id"]]});
    desk.phone(Method::POST, &format!("{PEER}/read"), read)
        .await?;
    desk.shows(&format!("/statuses/{id}"), "the reader", |list| {
        list.to_string().contains("\"read\"") && list.to_string().contains(PEER)
    })
    .await
    .map(drop)
}

/// What a phone does to its messages is in webhooks and in the log.
pub(crate) async fn from_the_phone(desk: &Desk) -> Result<()> {
    let sent = desk.simulator.phone_sends(PEER, OWN, "wrong words").await?;
    let call = desk
        .told("a text", |p| {
            p["messages"][0]["text"]["body"] == "wrong words"
        })
        .await?;
    let id = id_of(&call["messages"][0])?;
    let edit = json!({"to": OWN, "text": "right words", "edit": sent["id"]});
    desk.phone(Method::POST, &format!("{PEER}/send"), edit)
        .await?;
    desk.told("the edit with what was before", |p| {
        let update = &p["messages_updates"][0];
        update["before_update"]["text"]["body"] == "wrong words"
            && update["after_update"]["text"]["body"] == "right words"
    })
    .await?;
    let react = json!({"to": OWN, "reaction": {"id": sent["id"], "emoji": "🎉"}});
    desk.phone(Method::POST, &format!("{PEER}/send"), react)
        .await?;
    desk.shows(&format!("/messages/{id}"), "the reaction", |m| {
        m.to_string().contains("🎉")
    })
    .await?;
    let revoke = json!({"to": OWN, "revoke": sent["id"]});
    desk.phone(Method::POST, &format!("{PEER}/send"), revoke)
        .await?;
    desk.told("the deletion", |p| {
        p["messages_removed"].to_string().contains(&id)
    })
    .await?;
    let (status, answer) = desk
        .raw(Method::GET, &format!("/messages/{id}"), Value::Null)
        .await?;
    ensure!(
        !answer.to_string().contains("right words"),
        "the log still shows a deleted message: {status} {answer}"
    );
    Ok(())
}

/// Listings by chat, with filters and pages.
pub(crate) async fn listings(desk: &Desk) -> Result<()> {
    for text in ["one", "two", "three"] {
        desk.send("text", json!({"body": text})).await?;
    }
    desk.simulator.phone_sends(PEER, OWN, "four").await?;
    let path = format!("/messages/list/{}", peer_chat());
    desk.shows(&path, "four messages", |list| list["total"] == 4)
        .await?;
    let bodies = |list: &Value| -> Vec<String> {
        let all = list["messages"].as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|m| m["text"]["body"].as_str().unwrap_or("?").to_owned())
            .collect()
    };
    let own = desk.get(&format!("{path}?from_me=true&sort=asc")).await?;
    ensure!(
        bodies(&own) == ["one", "two", "three"],
        "own messages: {own}"
    );
    let page = desk
        .get(&format!("{path}?count=2&offset=1&sort=asc"))
        .await?;
    ensure!(bodies(&page) == ["two", "three"], "a page: {page}");
    let all = desk.get("/messages/list?count=10").await?;
    ensure!(all["total"] == 4, "all chats: {all}");
    Ok(())
}

/// What cannot be sent is refused with a reason, and nothing reaches the partner.
pub(crate) async fn refusals(desk: &Desk) -> Result<()> {
    let cases = [
        ("text", json!({"to": PEER, "body": ""})),
        ("text", json!({"to": PEER})),
        ("text", json!({"to": "not a number", "body": "x"})),
        (
            "image",
            json!({"to": PEER, "media": "http://127.0.0.1:1/private.png"}),
        ),
        (
            "image",
            json!({"to": PEER, "media": "http://192.0.2.1.invalid/a.png"}),
        ),
        (
            "image",
            json!({"to": PEER, "media": "data:image/png;base64,AAAA"}),
        ),
        (
            "voice",
            json!({"to": PEER, "media": "data:audio/ogg;base64,T2dnUw=="}),
        ),
        (
            "poll",
            json!({"to": PEER, "title": "q", "options": ["only one"]}),
        ),
        (
            "location",
            json!({"to": PEER, "latitude": 123.0, "longitude": 0}),
        ),
    ];
    for (kind, body) in cases {
        let path = format!("/messages/{kind}");
        let (status, answer) = desk.raw(Method::POST, &path, body.clone()).await?;
        ensure!(status.is_client_error(), "{kind} {body}: {status} {answer}");
        ensure!(
            answer["error"]["message"].is_string(),
            "{kind}: no reason: {answer}"
        );
    }
    let unknown = "/messages/ABCDEFABCDEFABCDEF-abcdef";
    for (method, path) in [
        (Method::GET, unknown.to_owned()),
        (Method::DELETE, unknown.to_owned()),
        (Method::PUT, format!("{unknown}/star")),
    ] {
        let body = if method == Method::PUT {
            json!({"starred": true})
        } else {
            Value::Null
        };
        let (status, answer) = desk.raw(method, &path, body).await?;
        ensure!(status.is_client_error(), "{path}: {status} {answer}");
    }
    desk.send("text", json!({"body": "the only one"})).await?;
    desk.peer_sees("the only message", |m| m["text"] == "the only one")
        .await?;
    let inbox = desk.simulator.inbox(PEER).await?;
    ensure!(inbox.len() == 1, "more than one message arrived: {inbox:?}");
    let list = desk.get("/messages/list").await?;
    ensure!(list["total"] == 1, "half-stored messages: {list}");
    Ok(())
}
