//! Every kind of message as it is shown.

use std::time::Duration;

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{get, samples};
use switchboard_vocab::content::{
    Action, Body, Button, Card, CarouselCard, Context, EventAnswer, EventBody, EventReply,
    Interactive, Invite, LiveLocation, Location, Marks, MediaKind, Poll, PollOption, PreviewBody,
    Reaction, Reply, ReplyKind, Row, Section, Text,
};
use switchboard_vocab::messages::{GetMessage, Message, Quote};

use super::answered;
use crate::ids;

fn shown(message: Message) -> String {
    let path = format!("/messages/{}", ids::message(&message.id));
    answered::<GetMessage>(get(&path), Ok(message))
}

fn all(bodies: impl IntoIterator<Item = Body>) -> String {
    let texts = bodies.into_iter();
    let texts: Vec<_> = texts
        .map(|body| shown(samples::incoming_with(body)))
        .collect();
    texts.join("\n")
}

#[test]
fn every_kind_of_file_is_shown() {
    use MediaKind::*;
    let kinds = [
        Image, Video, Gif, ShortVideo, Audio, Voice, Document, Sticker,
    ];
    let with_more = |kind| {
        let mut file = samples::media(kind);
        file.waveform = (kind == Voice).then(|| vec![0, 50, 100]);
        file.thumbnail = (kind == Image).then(|| "/9j/".to_owned());
        Body::Media(file)
    };
    assert_snapshot!(all(kinds.map(with_more)));
}

fn card(name: &str) -> Card {
    Card {
        name: name.to_owned(),
        vcard: "BEGIN:VCARD".to_owned(),
    }
}

fn place() -> Location {
    Location {
        latitude: 52.5,
        longitude: 13.4,
        name: Some("Office".to_owned()),
        address: None,
        url: Some("https://office.test".to_owned()),
        accuracy: Some(12),
        speed: Some(1.6),
        heading: Some(90),
        comment: Some("second floor".to_owned()),
    }
}

#[test]
fn words_places_and_cards_are_shown() {
    assert_snapshot!(all([
        Body::Text(Text {
            body: "@4915100000001".to_owned(),
            mentions: vec![samples::own()],
            ..Text::default()
        }),
        Body::Location(place()),
        Body::LiveLocation(LiveLocation {
            latitude: 52.5,
            longitude: 13.4,
            accuracy: Some(5),
            speed: Some(1.6),
            heading: Some(90),
            caption: Some("on my way".to_owned()),
            sequence: Some(3),
            time_offset: Some(60),
        }),
        Body::Contacts {
            cards: vec![card("A")],
        },
        Body::Contacts {
            cards: vec![card("A"), card("B")],
        },
    ]));
}

fn event() -> EventBody {
    EventBody {
        name: "Party".to_owned(),
        description: Some("with cake".to_owned()),
        start: Some(samples::now()),
        end: Some(samples::now()),
        location: Some(place()),
        join_link: Some("https://call.whatsapp.com/video/x".to_owned()),
        cancelled: false,
        answers: vec![EventAnswer {
            user: samples::partner(),
            reply: EventReply::Maybe,
            at: samples::now(),
        }],
    }
}

#[test]
fn polls_events_and_invitations_are_shown() {
    let option = |name: &str, voters| PollOption {
        name: name.to_owned(),
        voters,
    };
    assert_snapshot!(all([
        Body::Poll(Poll {
            question: "Where to?".to_owned(),
            options: vec![
                option("Sea", vec![samples::partner(), samples::partner_lid()]),
                option("Hills", Vec::new()),
            ],
            choices_max: Some(1),
        }),
        Body::Event(event()),
        Body::Invite(Invite {
            group: samples::group(),
            name: "Crew".to_owned(),
            code: "AbCdEfGhIjKlMnOp".to_owned(),
            expires_at: None,
            caption: Some("join us".to_owned()),
        }),
    ]));
}

#[test]
fn an_events_place_without_degrees_has_none() {
    let event = EventBody {
        location: Some(Location {
            latitude: 0.0,
            longitude: 0.0,
            ..place()
        }),
        ..event()
    };
    let text = shown(samples::incoming_with(Body::Event(event)));
    assert!(text.contains("\"name\": \"Office\""), "{text}");
    assert!(!text.contains("itude"), "{text}");
}

fn tappable(action: Action) -> Body {
    Body::Interactive(Interactive {
        header: Some("Menu".to_owned()),
        media: None,
        body: "choose".to_owned(),
        footer: Some("soon".to_owned()),
        action,
    })
}

fn buttons() -> Vec<Button> {
    let text = str::to_owned;
    vec![
        Button::Reply {
            id: text("yes"),
            title: text("Yes"),
        },
        Button::Url {
            title: text("Shop"),
            url: text("https://shop.test"),
        },
        Button::Call {
            title: text("Call"),
            phone: text("+4915100000001"),
        },
        Button::Copy {
            title: text("Copy"),
            code: text("C0DE"),
        },
    ]
}

#[test]
fn tappable_messages_and_answers_are_shown() {
    let section = Section {
        title: "Food".to_owned(),
        rows: vec![Row {
            id: "1".to_owned(),
            title: "Soup".to_owned(),
            description: Some("hot".to_owned()),
        }],
    };
    let reply = |kind| {
        Body::Reply(Reply {
            kind,
            id: "1".to_owned(),
            title: "Soup".to_owned(),
            description: None,
        })
    };
    assert_snapshot!(all([
        tappable(Action::Buttons { buttons: buttons() }),
        tappable(Action::List {
            label: "Open".to_owned(),
            sections: vec![section],
        }),
        tappable(Action::Carousel {
            cards: vec![CarouselCard {
                media: None,
                body: "first".to_owned(),
                footer: None,
                buttons: buttons(),
            }],
        }),
        reply(ReplyKind::List),
        reply(ReplyKind::Button),
    ]));
}

/// Phones answer what this gateway sends in the forms of templates and of flows.
#[test]
fn answers_say_what_was_tapped() {
    let list = Action::List {
        label: "Open".to_owned(),
        sections: Vec::new(),
    };
    let buttons = Action::Buttons { buttons: buttons() };
    let answer = |kind, offered: Option<&Action>| {
        let mut message = samples::incoming_with(Body::Reply(Reply {
            kind,
            id: "1".to_owned(),
            title: "Soup".to_owned(),
            description: None,
        }));
        let offered = offered.map(|action| Box::new(tappable(action.clone())));
        message.context.quoted_body = offered;
        shown(message)
    };
    for kind in [ReplyKind::Template, ReplyKind::Flow] {
        let text = answer(kind, Some(&list));
        assert!(text.contains("\"list_reply\": {"), "{text}");
        let text = answer(kind, Some(&buttons));
        assert!(text.contains("\"buttons_reply\": {"), "{text}");
        let text = answer(kind, None);
        assert!(text.contains("\"buttons_reply\": {"), "{text}");
    }
}

#[test]
fn the_device_of_the_writer_is_the_source() {
    let from = |device, sent_here| {
        let mut message = samples::incoming("hello");
        (message.context.device, message.context.sent_here) = (device, sent_here);
        shown(message)
    };
    for (device, sent_here, source) in [
        (Some(0), false, "\"source\": \"mobile\""),
        (Some(3), false, "\"source\": \"web\""),
        (Some(3), true, "\"source\": \"api\""),
    ] {
        let text = from(device, sent_here);
        assert!(text.contains(source), "{source}: {text}");
    }
    assert!(!from(None, false).contains("source"));
}

#[test]
fn actions_are_shown() {
    let target = || samples::own_message("").id;
    let period = Some(Duration::from_secs(86_400));
    assert_snapshot!(all([
        Body::Reaction {
            to: target(),
            emoji: "👍".to_owned(),
        },
        Body::Edited {
            target: target(),
            body: "better".to_owned(),
        },
        Body::Revoked { target: target() },
        Body::Vote {
            poll: target(),
            options: Some(vec!["Sea".to_owned()]),
        },
        Body::Vote {
            poll: target(),
            options: None,
        },
        Body::EventReply {
            event: target(),
            reply: Some(EventReply::NotGoing),
        },
        Body::Pinned {
            target: target(),
            period,
        },
        Body::Pinned {
            target: target(),
            period: None,
        },
        Body::Timer {
            period: Duration::from_secs(604_800),
        },
    ]));
}

#[test]
fn what_has_no_words_is_shown() {
    assert_snapshot!(all([
        Body::Deleted {
            by: samples::partner(),
            at: samples::now(),
        },
        Body::Unreadable {
            reason: "no session".to_owned(),
        },
        Body::Other {
            field: "payment_invite_message".to_owned(),
        },
    ]));
}

#[test]
fn hidden_numbers_groups_quotes_and_marks_are_shown() {
    assert_snapshot!("by_lid", shown(samples::incoming_by_lid("hello")));
    let mut in_group = samples::incoming_in_group("see https://a.test");
    in_group.forwarded = true;
    in_group.quoted = Some(Quote {
        id: samples::own_message("").id,
        author: Some(samples::own()),
    });
    in_group.context = Context {
        mentions: vec![samples::own()],
        quoted_body: Some(Box::new(Body::Text(Text {
            body: "what I said".to_owned(),
            ..Text::default()
        }))),
        forwarding_score: Some(4),
        ephemeral: Some(Duration::from_secs(86_400)),
        preview: Some(PreviewBody {
            link: "https://a.test".to_owned(),
            title: Some("A".to_owned()),
            ..PreviewBody::default()
        }),
        sent_here: true,
        ..Context::default()
    };
    in_group.marks = Marks {
        starred: true,
        pinned_until: Some(samples::now()),
        edited_at: Some(samples::now()),
        reactions: vec![Reaction {
            user: samples::partner(),
            emoji: "👍".to_owned(),
            at: samples::now(),
        }],
    };
    assert_snapshot!("in_group", shown(in_group));
    let mut once = samples::incoming_with(Body::Media(samples::media(MediaKind::Image)));
    once.context.view_once = true;
    assert!(shown(once).contains("\"view_once\": true"));
}
