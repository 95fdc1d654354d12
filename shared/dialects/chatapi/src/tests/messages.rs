//! Listings.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, post, samples};
use switchboard_vocab::content::Body;
use switchboard_vocab::messages::{
    ClearQueue, ListMessages, ListQueue, Message, MessageList, Queue, QueuedMessage, Quote,
};

use super::{answered, at, check_refused, decoded};

fn listed(query: &str, messages: Vec<Message>) -> String {
    let list = MessageList {
        total: 3,
        last_number: 9,
        messages,
    };
    answered::<ListMessages>(get(&at(&format!("/messages?{query}"))), Ok(list))
}

#[test]
fn requests() {
    let list = |query: &str| decoded(get(&at(&format!("/messages?token=abc&{query}"))));
    assert_snapshot!("after", list("lastMessageNumber=99"));
    let newest = list("last=1&lastMessageNumber=99");
    assert_snapshot!("newest", newest);
    for last in ["true", "100"] {
        assert_eq!(list(&format!("last={last}")), newest);
    }
    for off in ["", "last=", "last=0", "last=false", "lastMessageNumber="] {
        assert_eq!(list(off), list(""), "{off}");
    }
    let check = |query: &str| {
        let target = at(&format!("/messages?lastMessageNumber={query}"));
        check_refused(get(&target), 400, "lastMessageNumber: ");
    };
    check("-1");
    check("x");
}

#[test]
fn answers() {
    let messages = || {
        vec![
            samples::own_message("second"),
            samples::incoming_by_lid("first"),
        ]
    };
    assert_snapshot!("listed", listed("last=1", messages()));
    let last_number = |query: &str, messages| {
        let text = listed(query, messages);
        let (_, rest) = text.split_once("\"lastMessageNumber\": ").unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    assert_eq!(last_number("", messages()), "8");
    assert_eq!(last_number("lastMessageNumber=5", Vec::new()), "5");
    assert_eq!(last_number("lastMessageNumber=99", Vec::new()), "9");
    assert_eq!(last_number("", Vec::new()), "9");
    let untold = vec![samples::incoming_with(Body::Other {
        field: "x".to_owned(),
    })];
    assert_eq!(last_number("lastMessageNumber=6", untold), "7");
}

#[test]
fn every_body() {
    let bodies = samples::file_bodies().into_iter().chain(samples::bodies());
    assert_snapshot!(listed("", bodies.map(samples::incoming_with).collect()));
}

#[test]
fn queues() {
    assert_snapshot!("queue", decoded(get(&at("/showMessagesQueue"))));
    let clear = decoded(get(&at("/clearMessagesQueue")));
    assert_eq!(decoded(post(&at("/clearMessagesQueue"), "")), clear);
    assert!(clear.starts_with("messages.clear_queue"), "{clear}");
    let waiting = |words: &str| QueuedMessage {
        id: samples::own_message("").id,
        to: samples::partner().into(),
        summary: words.to_owned(),
        at: samples::now(),
    };
    let queue = |count: usize| Queue {
        messages: (0..count).map(|_| waiting("hello")).collect(),
    };
    let shown = answered::<ListQueue>(get(&at("/showMessagesQueue")), Ok(queue(1)));
    assert_snapshot!("queue_shown", shown);
    let many = answered::<ListQueue>(get(&at("/showMessagesQueue")), Ok(queue(101)));
    assert!(many.contains("\"totalMessages\": 101"), "{many}");
    assert!(!many.contains("\"id\": 101"), "{many}");
    let cleared = answered::<ClearQueue>(get(&at("/clearMessagesQueue")), Ok(queue(2)));
    assert_snapshot!("queue_cleared", cleared);
}

#[test]
fn groups_and_quotes() {
    let mut in_group = samples::incoming_in_group("hello");
    in_group.forwarded = true;
    let quoting = |author| {
        let mut message = samples::incoming_by_lid("answer");
        let id = samples::own_message("").id;
        message.quoted = Some(Quote { id, author });
        message
    };
    let messages = vec![
        in_group,
        quoting(Some(samples::own())),
        quoting(Some(samples::partner())),
        quoting(None),
    ];
    assert_snapshot!(listed("", messages));
}
