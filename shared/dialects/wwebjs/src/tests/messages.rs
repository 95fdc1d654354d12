//! Listing messages and looking one up.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, post, samples};
use switchboard_vocab::content::{Body, Card, PreviewBody, Reaction, Text};
use switchboard_vocab::messages::{GetMessage, ListMessages, Message, MessageList, Quote, Search};

use super::{answered, check_refused, decoded};

const FETCH: &str = "/chat/fetchMessages/sales";
const GET: &str = "/message/getClassInfo/sales";

fn fetch(options: &str) -> String {
    decoded(post(
        FETCH,
        &format!(r#"{{"chatId":"4915112345678@c.us"{options}}}"#),
    ))
}

fn listed(mut messages: Vec<Message>) -> String {
    for (number, message) in (1..).zip(&mut messages) {
        message.number = number;
    }
    let list = MessageList {
        total: 2,
        last_number: 8,
        messages,
    };
    let request = post(FETCH, r#"{"chatId":"4915112345678@c.us"}"#);
    answered::<ListMessages>(request, Ok(list))
}

#[test]
fn listings() {
    assert_snapshot!("fetch", fetch(""));
    assert_snapshot!(
        "fetch_own",
        fetch(r#","searchOptions":{"limit":20,"fromMe":true}"#)
    );
    assert_eq!(
        fetch(r#","searchOptions":{"limit":0}"#),
        fetch(r#","searchOptions":null"#)
    );
    assert!(fetch(r#","searchOptions":{"limit":100000}"#).contains("\"limit\": 500"));
    let newest_first = vec![
        samples::own_message("second"),
        samples::incoming_by_lid("first"),
    ];
    assert_snapshot!("fetched", listed(newest_first));
}

#[test]
fn pages_that_end_early_are_followed_by_the_rest() {
    let list = |count: u64, total| MessageList {
        messages: (1..=count)
            .map(|number| Message {
                number,
                ..samples::incoming("x")
            })
            .collect(),
        total,
        last_number: 900,
    };
    let fetch = |limit: u32| {
        post(
            FETCH,
            &format!(r#"{{"chatId":"4915112345678@c.us","searchOptions":{{"limit":{limit}}}}}"#),
        )
    };
    let next = |limit, count, total, seen| {
        let page = list(count, total);
        testing::next_page::<ListMessages>(&crate::dialect(), fetch(limit), &page, seen)
    };
    let rest = next(20, 5, 900, 10);
    assert!(
        rest.contains("\"offset\": 15") && rest.contains("\"limit\": 5\n"),
        "{rest}"
    );
    assert!(next(1_000, 500, 900, 0).contains("\"limit\": 500"));
    for (limit, count, total, seen) in [(20, 10, 900, 10), (20, 3, 13, 10), (20, 0, 900, 10)] {
        assert_eq!(next(limit, count, total, seen), "");
    }
    let pages = vec![Ok(list(2, 3)), Ok(list(2, 3))];
    let text = testing::answered::<ListMessages>(&crate::dialect(), fetch(20), pages);
    assert_eq!(
        text.matches("\"hasMedia\"").count(),
        2,
        "a message stands there twice"
    );

    let path = "/client/searchMessages/sales";
    let search = || post(path, r#"{"query":"x","options":{"page":3,"limit":20}}"#);
    let next = |count, total, seen| {
        testing::next_page::<Search>(&crate::dialect(), search(), &list(count, total), seen)
    };
    let rest = next(5, 900, 10);
    assert!(
        rest.contains("\"offset\": 55") && rest.contains("\"limit\": 5\n"),
        "{rest}"
    );
    assert_eq!(next(5, 45, 0), "");
    assert_eq!(next(10, 900, 10), "");
}

#[test]
fn changes_are_no_messages() {
    let target = samples::own_message("").id;
    let changes = [
        Body::Reaction {
            to: target.clone(),
            emoji: "x".to_owned(),
        },
        Body::Edited {
            target: target.clone(),
            body: "x".to_owned(),
        },
        Body::Revoked { target },
    ];
    let messages = changes.map(samples::incoming_with);
    assert!(listed(messages.into()).contains("\"messages\": []"));
}

#[test]
fn bad_listings() {
    let check = |json: &str, message: &str| check_refused(post(FETCH, json), 422, message);
    check("{}", "missing field `chatId`");
    check(r#"{"chatId":"4915112345678"}"#, "chatId: ");
    let options =
        |options: &str| format!(r#"{{"chatId":"4915112345678@c.us","searchOptions":{options}}}"#);
    check(&options(r#"{"limit":-1}"#), "searchOptions.limit: ");
    check(&options(r#"{"limit":"x"}"#), "searchOptions.limit: ");
    check(&options(r#"{"fromMe":5}"#), "searchOptions.fromMe: ");
    check(&options("5"), "searchOptions: invalid type");
}

#[test]
fn every_body() {
    let files = samples::file_bodies();
    let card = || Card {
        name: "A".to_owned(),
        vcard: "BEGIN:VCARD".to_owned(),
    };
    let two = Body::Contacts {
        cards: vec![card(), card()],
    };
    let poll = Body::Other {
        field: "list_message".to_owned(),
    };
    let bodies = files
        .into_iter()
        .chain(samples::bodies())
        .chain([two, poll]);
    assert_snapshot!(
        "every_body",
        listed(bodies.map(samples::incoming_with).collect())
    );
}

#[test]
fn groups_and_quotes() {
    let mut message = samples::incoming_in_group("");
    message.body = Body::Text(Text {
        body: "hi @4915100000001".to_owned(),
        mentions: vec![samples::own()],
        ..Text::default()
    });
    message.forwarded = true;
    message.quoted = Some(Quote {
        id: samples::own_message("").id,
        author: Some(samples::own()),
    });
    assert_snapshot!("in_group", listed(vec![message]));
}

#[test]
fn one_message() {
    let request =
        |chat: &str, id: &str| post(GET, &format!(r#"{{"chatId":"{chat}","messageId":"{id}"}}"#));
    let (chat, id) = ("4915112345678@c.us", "3A5B7C9D1E2F30415263");
    let serialized = format!("false_{chat}_{id}");
    assert_snapshot!("get", decoded(request(chat, id)));
    let by_serialized = decoded(request(chat, &serialized));
    assert!(
        by_serialized.contains("\"from_me\": false"),
        "{by_serialized}"
    );
    let found = |chat, message| answered::<GetMessage>(request(chat, id), Ok(message));
    assert_snapshot!("found", found(chat, samples::incoming("hello")));
    assert!(found(chat, samples::incoming_by_lid("x")).starts_with("200"));
    assert_snapshot!(
        "elsewhere",
        found("4915199999999@c.us", samples::incoming("x"))
    );
    check_refused(post(GET, r#"{"chatId":"1"}"#), 422, "messageId");
    check_refused(request(chat, "a b"), 422, "messageId: ");
}

#[test]
fn what_stands_around_a_message() {
    let mut message = samples::incoming("see https://example.com/a, and http://exämple.com");
    message.context.preview = Some(PreviewBody {
        link: "https://example.com/a".to_owned(),
        title: Some("Example".to_owned()),
        description: Some("An example".to_owned()),
        ..PreviewBody::default()
    });
    message.context.mentions = vec![samples::partner()];
    message.context.ephemeral = Some(std::time::Duration::from_secs(60));
    message.context.forwarding_score = Some(7);
    message.marks.starred = true;
    message.marks.edited_at = Some(samples::now());
    message.marks.reactions = vec![Reaction {
        user: samples::own(),
        emoji: "x".to_owned(),
        at: samples::now(),
    }];
    assert_snapshot!("around", listed(vec![message]));
}

#[test]
fn searches() {
    let path = "/client/searchMessages/sales";
    assert_snapshot!("search", decoded(post(path, r#"{"query":"soup"}"#)));
    let full =
        r#"{"query":"soup","options":{"chatId":"4915112345678@c.us","page":3,"limit":"20"}}"#;
    assert_snapshot!("search_full", decoded(post(path, full)));
    let list = MessageList {
        total: 1,
        last_number: 8,
        messages: vec![samples::incoming("soup")],
    };
    assert_snapshot!("matches", answered::<Search>(post(path, full), Ok(list)));
    let long = format!(r#"{{"query":"{}"}}"#, "x".repeat(257));
    check_refused(post(path, &long), 413, "query: at most 256");
    for (json, message) in [
        ("{}", "missing field `query`"),
        (r#"{"query":" "}"#, "query: it is empty"),
        (
            r#"{"query":"x","options":{"chatId":"x"}}"#,
            "options.chatId: ",
        ),
        (
            r#"{"query":"x","options":{"page":99999999999}}"#,
            "options.page: ",
        ),
        (r#"{"query":"x","options":{"page":-1}}"#, "options.page: "),
    ] {
        check_refused(post(path, json), 422, message);
    }
}

#[test]
fn messages_of_others_say_whom_they_were_sent_to() {
    let mut message = samples::incoming("hello");
    message.context.to = Some(samples::own());
    let request = post(
        "/message/getClassInfo/sales",
        r#"{"chatId":"4915112345678@c.us","messageId":"3A5B7C9D1E2F30415263"}"#,
    );
    let text = answered::<GetMessage>(request, Ok(message));
    let own = format!("\"to\": \"{}@c.us\"", samples::own().user());
    assert!(text.contains(&own), "{text}");
}
