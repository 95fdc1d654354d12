//! Callbacks.

use bytes::Bytes;
use insta::assert_snapshot;
use switchboard_dialect_kit::EventCx;
use switchboard_dialect_kit::testing::{env, payloads, samples};
use switchboard_vocab::DialectName;
use switchboard_vocab::chats::Chat;
use switchboard_vocab::contacts::Contact;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::messages::{Deletion, MessageChange, StatusChange};
use switchboard_vocab::events::sessions::StateChange;
use switchboard_vocab::events::{Event, chats, contacts, messages, presence, sessions};
use switchboard_vocab::messages::{DeliveryStatus, Message};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::SessionState;
use switchboard_vocab::webhooks::Subscription;

const NOTHING: &str = "no payload\n";

fn subscription() -> Subscription {
    let mut subscription = samples::subscription(DialectName::Wwebjs);
    let key = ("x-api-key".to_owned(), "the-key".to_owned());
    subscription.options.extend([key]);
    subscription
}

fn told(event: Event) -> String {
    payloads(
        &crate::dialect(),
        &samples::envelope(event),
        &subscription(),
    )
}

fn received(message: Message) -> Event {
    Event::Messages(messages::Event::Received(message))
}

fn state(from: SessionState, to: SessionState) -> String {
    let change = StateChange {
        from,
        to,
        reason: None,
        next_try_at: None,
    };
    told(Event::Sessions(sessions::Event::StateChanged(change)))
}

#[test]
fn messages_of_either_side() {
    assert_snapshot!(
        "received",
        told(received(samples::incoming_by_lid("hello")))
    );
    let own = messages::Event::Sent(samples::own_message("hi"));
    assert_snapshot!("created", told(Event::Messages(own)));
    assert_snapshot!(
        "received_in_group",
        told(received(samples::incoming_in_group("hello")))
    );
}

#[test]
fn files_come_along() {
    let message = samples::incoming_with(Body::Media(samples::media(MediaKind::Image)));
    let envelope = samples::envelope(received(message));
    let dialect = crate::dialect();
    assert!((dialect.wants_media)(&envelope, &subscription()));
    let text = samples::envelope(received(samples::incoming("hello")));
    assert!(!(dialect.wants_media)(&text, &subscription()));
    let own = samples::own_message("");
    let own = samples::envelope(Event::Messages(messages::Event::Sent(Message {
        body: Body::Media(samples::media(MediaKind::Image)),
        ..own
    })));
    assert!(!(dialect.wants_media)(&own, &subscription()));

    let (links, identity) = (env().links, samples::identity());
    let (file, bytes) = (
        samples::stored(MediaKind::Image),
        Bytes::from_static(&[0, 1, 2]),
    );
    let session = samples::session();
    let mut cx = EventCx {
        session: &session,
        identity: Some(&identity),
        now: samples::now(),
        links: &links,
        media: Some((&file, &bytes)),
        message: None,
        chat: None,
        history: None,
    };
    let all = (dialect.events)(&envelope, &subscription(), &cx);
    let texts: Vec<_> = all
        .iter()
        .map(|payload| String::from_utf8_lossy(&payload.body).into_owned())
        .collect();
    assert_snapshot!("media", texts.join("\n"));
    cx.media = None;
    let without = (dialect.events)(&envelope, &subscription(), &cx);
    assert_eq!(without.len() + 1, all.len(), "no file, no callback for it");
}

#[test]
fn changes_of_messages() {
    let target = samples::own_message("").id;
    let bodies = [
        Body::Reaction {
            to: target.clone(),
            emoji: "👍".to_owned(),
        },
        Body::Edited {
            target: target.clone(),
            body: "new words".to_owned(),
        },
        Body::Revoked {
            target: target.clone(),
        },
        Body::Vote {
            poll: target,
            options: None,
        },
    ];
    let [reaction, edit, revoke, vote] =
        bodies.map(|body| told(received(samples::incoming_with(body))));
    assert_snapshot!("reaction", reaction);
    // These are told when the log's message changes.
    assert_eq!(
        (edit.as_str(), revoke.as_str(), vote.as_str()),
        (NOTHING, NOTHING, NOTHING)
    );
}

#[test]
fn reactions_name_the_whole_message_where_the_protobuf_tells() {
    let reacted = |group: bool, own: bool, key: &str| {
        let to = samples::own_message("").id;
        let body = Body::Reaction {
            to,
            emoji: "x".to_owned(),
        };
        let message = Message {
            chat: if group {
                samples::group()
            } else {
                samples::partner().into()
            },
            from_me: own,
            sender: if own {
                samples::own()
            } else {
                samples::partner()
            },
            body,
            proto_json: Some(format!(
                r#"{{"reactionMessage":{{"key":{key},"text":"x"}}}}"#
            )),
            ..samples::incoming("")
        };
        told(received(message))
    };
    let check = |text: String, id: &str| {
        assert!(
            text.contains(&format!("\"_serialized\": \"{id}\"")),
            "{id}: {text}"
        );
    };
    let id = "3EB0A1B2C3D4E5F6071829";
    let (chat, group) = ("4915112345678@c.us", "120363025343298765@g.us");
    check(
        reacted(false, false, r#"{"fromMe":false}"#),
        &format!("true_{chat}_{id}"),
    );
    check(
        reacted(false, false, r#"{"fromMe":true}"#),
        &format!("false_{chat}_{id}"),
    );
    check(
        reacted(false, true, r#"{"fromMe":true}"#),
        &format!("true_{chat}_{id}"),
    );
    let by = |participant: &str| format!(r#"{{"fromMe":false,"participant":"{participant}"}}"#);
    let mine = format!("true_{group}_{id}_4915100000001@c.us");
    check(
        reacted(true, false, &by("4915100000001@s.whatsapp.net")),
        &mine,
    );
    check(reacted(true, false, &by("90000000000001@lid")), &mine);
    check(
        reacted(true, false, &by("4915133333333@s.whatsapp.net")),
        &format!("false_{group}_{id}_4915133333333@c.us"),
    );
    check(
        reacted(true, false, r#"{"fromMe":true}"#),
        &format!("false_{group}_{id}_{chat}"),
    );
}

#[test]
fn edits_and_deletions() {
    let before = samples::incoming("old words");
    let mut after = samples::incoming("new words");
    after.marks.edited_at = Some(samples::now());
    let changed = |before: &Message, after: &Message| {
        told(Event::Messages(messages::Event::Changed(MessageChange {
            before: before.clone(),
            after: after.clone(),
            trigger: None,
        })))
    };
    assert_snapshot!("edited", changed(&before, &after));
    let mut starred = before.clone();
    starred.marks.starred = true;
    assert_eq!(changed(&before, &starred), NOTHING);

    let deleted = |before: Option<Message>, for_everyone| {
        told(Event::Messages(messages::Event::Deleted(Deletion {
            chat: samples::partner().into(),
            id: samples::incoming("").id,
            before: before.map(Box::new),
            for_everyone,
            by: samples::partner(),
            at: samples::now(),
        })))
    };
    assert_snapshot!("revoked", deleted(Some(before.clone()), true));
    assert_snapshot!("revoked_unknown", deleted(None, true));
    assert_snapshot!("deleted_for_me", deleted(Some(before), false));
}

#[test]
fn files_that_were_sent_and_texts_that_cannot_be_read() {
    let mut own = samples::own_message("");
    own.body = Body::Media(samples::media(MediaKind::Image));
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("\"dataType\""));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let sent = |message: &Message| told(Event::Messages(messages::Event::Sent(message.clone())));
    let created = "\"dataType\": \"message_create\",";
    assert_eq!(names(&sent(&own)), [created]);
    own.context.sent_here = true;
    assert_eq!(
        names(&sent(&own)),
        [created, "\"dataType\": \"media_uploaded\","]
    );
    let unreadable = samples::incoming_with(Body::Unreadable {
        reason: "view once".to_owned(),
    });
    let text = told(received(unreadable));
    assert_eq!(names(&text), ["\"dataType\": \"message_ciphertext\","]);
}

#[test]
fn chats_and_people() {
    let changed = |change: fn(&mut Chat)| {
        let before = samples::chat();
        let mut after = samples::chat();
        change(&mut after);
        told(Event::Chats(chats::Event::Changed(chats::ChatChange {
            before,
            after,
        })))
    };
    assert_snapshot!("archived", changed(|chat| chat.archived = true));
    assert_snapshot!(
        "unread",
        changed(|chat| {
            chat.unread = 0;
            chat.marked_unread = true;
        })
    );
    assert_eq!(changed(|chat| chat.pinned_at = None), NOTHING);
    assert_eq!(
        told(Event::Chats(chats::Event::Added(samples::chat()))),
        NOTHING
    );
    let removed = chats::Event::Removed {
        chat: samples::group(),
    };
    assert_snapshot!("removed", told(Event::Chats(removed)));

    let person = |change: fn(&mut Contact)| {
        let before = samples::contact();
        let mut after = samples::contact();
        change(&mut after);
        told(Event::Contacts(contacts::Event::Changed(
            contacts::ContactChange { before, after },
        )))
    };
    let moved = person(|who| who.id = switchboard_vocab::UserId::phone("4915199999999").unwrap());
    assert_snapshot!("moved", moved);
    assert_eq!(person(|who| who.name = None), NOTHING);
}

#[test]
fn loading_and_refused_logins() {
    let part = |progress| {
        told(Event::Sessions(sessions::Event::HistoryTaken(
            sessions::HistoryPart {
                part: "RECENT".to_owned(),
                progress,
                chats: 1,
                messages: 2,
                numbers: None,
            },
        )))
    };
    assert_snapshot!("loading", part(Some(40)));
    assert_eq!(part(None), NOTHING);
    assert_snapshot!(
        "refused",
        state(SessionState::Connecting, SessionState::LoggedOut)
    );
}

#[test]
fn acknowledgements() {
    use DeliveryStatus::*;
    let ack = |status, group: bool| {
        told(Event::Messages(messages::Event::StatusChanged(
            StatusChange {
                chat: if group {
                    samples::group()
                } else {
                    samples::partner_lid().into()
                },
                chat_alt: (!group).then(samples::partner),
                id: samples::own_message("").id,
                number: Some(8),
                recipient: Some(samples::partner()),
                status,
                at: samples::now(),
                error: None,
            },
        )))
    };
    assert_snapshot!("delivered", ack(Delivered, false));
    assert_snapshot!("delivered_in_group", ack(Delivered, true));
    for (status, number) in [
        (Failed, -1),
        (Pending, 0),
        (Server, 1),
        (Read, 3),
        (Played, 4),
    ] {
        let text = ack(status, false);
        assert!(text.contains(&format!("\"ack\": {number}\n")), "{text}");
    }
}

/// The callbacks of an event with what the node found around it.
fn told_around(event: Event, message: Option<&Message>, chat: Option<&Chat>) -> String {
    let (links, identity) = (env().links, samples::identity());
    let session = samples::session();
    let cx = EventCx {
        session: &session,
        identity: Some(&identity),
        now: samples::now(),
        links: &links,
        media: None,
        message,
        chat,
        history: None,
    };
    let all = (crate::dialect().events)(&samples::envelope(event), &subscription(), &cx);
    let texts = all.iter().map(|p| String::from_utf8_lossy(&p.body));
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn acknowledgements_carry_the_message() {
    let change = StatusChange {
        chat: samples::partner().into(),
        chat_alt: None,
        id: samples::own_message("").id,
        number: Some(8),
        recipient: Some(samples::partner()),
        status: DeliveryStatus::Read,
        at: samples::now(),
        error: None,
    };
    let event = Event::Messages(messages::Event::StatusChanged(change));
    let text = told_around(event, Some(&samples::own_message("hello")), None);
    assert!(text.contains(r#""body":"hello""#), "{text}");
    // The message's own status and that of the call are the one that is told.
    assert_eq!(text.matches(r#""ack":3"#).count(), 2, "{text}");
}

#[test]
fn what_is_unread_is_told_with_a_message() {
    let event = || received(samples::incoming("hello"));
    let mut chat = samples::chat();
    let text = told_around(event(), None, Some(&chat));
    assert!(text.contains(r#""dataType":"unread_count""#) && text.contains(r#""unreadCount":2"#));
    chat.unread = 0;
    let text = told_around(event(), None, Some(&chat));
    assert!(!text.contains("unread_count"), "{text}");
}

#[test]
fn the_session_itself() {
    use SessionState::*;
    let challenge = |challenge| told(Event::Sessions(sessions::Event::ChallengeIssued(challenge)));
    assert_snapshot!("qr", challenge(samples::challenge()));
    let passkey = Challenge::Passkey {
        request_json: "{}".to_owned(),
    };
    assert_eq!(challenge(passkey), NOTHING);
    let paired = Event::Sessions(sessions::Event::Paired(samples::identity()));
    assert_snapshot!("authenticated", told(paired));
    assert_snapshot!("ready", state(Syncing, Connected));
    assert_snapshot!("logged_out", state(Connected, LoggedOut));
    assert_snapshot!("replaced", state(Connected, Replaced));
    assert_snapshot!("waiting", state(Connected, Waiting));
    assert_snapshot!("stopped", state(Connected, Stopped));
    assert_eq!(state(Connecting, Syncing), NOTHING);
}

#[test]
fn presence_is_not_told() {
    let event = presence::Event::Changed(presence::PresenceChange {
        user: samples::partner(),
        online: true,
        last_seen: None,
    });
    assert_eq!(told(Event::Presence(event)), NOTHING);
}

#[test]
fn without_a_key_there_is_no_header() {
    let plain = samples::subscription(DialectName::Wwebjs);
    let envelope = samples::envelope(received(samples::incoming("hello")));
    let text = payloads(&crate::dialect(), &envelope, &plain);
    assert!(!text.contains("x-api-key"), "{text}");
}
