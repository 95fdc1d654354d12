//! Every kind of message on its way out, with another account as the witness.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use switchboard_vocab::content::{
    Action, Body, Button, Card, CarouselCard, Interactive, LiveLocation, Location, MediaKind,
    NewEvent, NewPoll, PreviewBody, Row, Section,
};
use switchboard_vocab::messages::Quote;
use switchboard_vocab::{MessageId, Timestamp};
use switchboard_whatsapp::{Error, Outgoing, OutgoingContent, OutgoingFile, Target};

use crate::bench::{Session, World, chat};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";

async fn two(world: &World) -> (Session, Session) {
    (
        world.linked("anna", ANNA).await,
        world.linked("bert", BERT).await,
    )
}

fn place() -> Location {
    Location {
        latitude: 52.5,
        longitude: 13.4,
        name: Some("Gate".to_owned()),
        address: Some("Square 1".to_owned()),
        url: Some("https://example.org/gate".to_owned()),
        accuracy: Some(12),
        speed: Some(1.5),
        heading: Some(90),
        comment: Some("by the gate".to_owned()),
    }
}

fn buttons() -> Vec<Button> {
    vec![
        Button::Reply {
            id: "yes".to_owned(),
            title: "Yes".to_owned(),
        },
        Button::Url {
            title: "Open".to_owned(),
            url: "https://example.org".to_owned(),
        },
        Button::Call {
            title: "Call".to_owned(),
            phone: "+15550009".to_owned(),
        },
        Button::Copy {
            title: "Copy".to_owned(),
            code: "C0DE".to_owned(),
        },
    ]
}

fn interactive(action: Action) -> OutgoingContent {
    OutgoingContent::Interactive {
        content: Interactive {
            header: Some("Head".to_owned()),
            media: None,
            body: "Body".to_owned(),
            footer: Some("Foot".to_owned()),
            action,
        },
        file: None,
        card_files: Vec::new(),
    }
}

fn target(id: &str, from_me: bool) -> Target {
    Target {
        id: MessageId::parse(id).unwrap(),
        from_me,
        sender: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one thing after the other")]
async fn what_is_said_arrives_as_it_was_said() {
    let world = World::new().await;
    let (anna, mut bert) = two(&world).await;
    let live = LiveLocation {
        latitude: 1.5,
        longitude: 2.5,
        accuracy: Some(3),
        speed: Some(4.5),
        heading: Some(5),
        caption: Some("moving".to_owned()),
        sequence: Some(6),
        time_offset: Some(7),
    };
    let card = |name: &str| Card {
        name: name.to_owned(),
        vcard: format!("BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nEND:VCARD"),
    };
    let sections = vec![Section {
        title: "S".to_owned(),
        rows: vec![Row {
            id: "r1".to_owned(),
            title: "Row".to_owned(),
            description: Some("below".to_owned()),
        }],
    }];
    let list = Action::List {
        label: "Choose".to_owned(),
        sections,
    };
    let cards = Action::Carousel {
        cards: vec![CarouselCard {
            media: None,
            body: "card".to_owned(),
            footer: None,
            buttons: buttons(),
        }],
    };
    let event = NewEvent {
        name: "Party".to_owned(),
        description: Some("bring cake".to_owned()),
        start: Timestamp::from_secs(1_900_000_000),
        end: Some(Timestamp::from_secs(1_900_003_600)),
        location: Some(place()),
    };
    let poll = NewPoll {
        question: "Which?".to_owned(),
        options: vec!["A".to_owned(), "B".to_owned(), "C".to_owned()],
        choices_max: None,
    };
    let said = [
        OutgoingContent::Location(place()),
        OutgoingContent::LiveLocation(live.clone()),
        OutgoingContent::Contacts(vec![card("Cora")]),
        OutgoingContent::Contacts(vec![card("Cora"), card("Dan")]),
        OutgoingContent::Poll(poll),
        OutgoingContent::Event(event.clone()),
        interactive(Action::Buttons { buttons: buttons() }),
        interactive(list.clone()),
        interactive(cards.clone()),
    ];
    let mut heard = Vec::new();
    for (at, content) in said.into_iter().enumerate() {
        let id = format!("K{at}");
        anna.send_content(&id, BERT, content).await.unwrap();
        let got = bert.incoming().await.message;
        assert_eq!(got.id.as_str(), id);
        heard.push(got.body);
    }
    assert_eq!(heard[0], Body::Location(place()));
    assert_eq!(heard[1], Body::LiveLocation(live));
    let one = vec![card("Cora")];
    assert_eq!(heard[2], Body::Contacts { cards: one });
    let both = vec![card("Cora"), card("Dan")];
    assert_eq!(heard[3], Body::Contacts { cards: both });
    let Body::Poll(poll) = &heard[4] else {
        panic!("it is a poll");
    };
    let names: Vec<&str> = poll.options.iter().map(|option| &*option.name).collect();
    assert_eq!((&*poll.question, names), ("Which?", vec!["A", "B", "C"]));
    let Body::Event(got) = &heard[5] else {
        panic!("it is an event");
    };
    assert_eq!(
        (&got.name, got.start, got.end),
        (&event.name, Some(event.start), event.end)
    );
    assert_eq!(
        (&got.description, &got.location),
        (&event.description, &event.location)
    );
    for (at, action) in [
        (6, Action::Buttons { buttons: buttons() }),
        (7, list),
        (8, cards),
    ] {
        let Body::Interactive(got) = &heard[at] else {
            panic!("it has buttons: {:?}", heard[at]);
        };
        assert_eq!(got.action, action);
        let texts = (got.header.as_deref(), &*got.body, got.footer.as_deref());
        assert_eq!(texts, (Some("Head"), "Body", Some("Foot")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_keep_their_preview_and_everybody() {
    let world = World::new().await;
    let (anna, mut bert) = two(&world).await;
    let preview = PreviewBody {
        link: "https://example.org".to_owned(),
        title: Some("Title".to_owned()),
        description: Some("About".to_owned()),
        canonical: None,
        thumbnail: Some(base64::engine::general_purpose::STANDARD.encode(b"jpeg")),
    };
    let (own, day) = (
        bert.account.identity().unwrap(),
        Duration::from_secs(86_400),
    );
    let content = OutgoingContent::Text {
        body: "see https://example.org @all".to_owned(),
        mentions: vec![own.phone.clone(), own.lid.clone().unwrap()],
        mention_all: true,
        preview: Some(preview.clone()),
    };
    let quoted = Quote {
        id: MessageId::parse("Q1").unwrap(),
        author: own.lid,
    };
    let outgoing = Outgoing {
        id: MessageId::parse("P1").unwrap(),
        to: chat(BERT),
        content,
        quoted: Some((quoted.clone(), None)),
        expires: Some(day),
    };
    anna.account.send(outgoing).await.unwrap();
    let got = bert.incoming().await.message;
    assert_eq!(got.context.preview, Some(preview));
    assert!(got.context.mention_all);
    // Phones name people by LIDs; the log has their numbers.
    assert_eq!(got.context.mentions, [own.phone.clone(), own.phone.clone()]);
    let answered = got.quoted.unwrap();
    assert_eq!((answered.id, answered.author), (quoted.id, Some(own.phone)));
    assert_eq!(got.context.ephemeral, Some(day));
    assert!(got.context.device.is_some_and(|device| device > 0));
    assert!(!got.context.sent_here && !got.context.from_history);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_keep_what_is_told_of_them() {
    let world = World::new().await;
    let (anna, mut bert) = two(&world).await;
    let file = |kind, mime: &str| OutgoingFile {
        thumbnail: Some(Bytes::from_static(b"thumb")),
        ..OutgoingFile::new(kind, mime, Bytes::from_static(b"the bytes of a file"))
    };
    let voice = OutgoingFile {
        seconds: Some(9),
        waveform: Some((0..64).collect()),
        ..file(MediaKind::Voice, "audio/ogg; codecs=opus")
    };
    let gif = OutgoingFile {
        seconds: Some(2),
        size: Some((32, 16)),
        caption: Some("round and round".to_owned()),
        ..file(MediaKind::Gif, "video/mp4")
    };
    let once = OutgoingFile {
        view_once: true,
        ..file(MediaKind::Image, "image/jpeg")
    };
    let once_voice = OutgoingFile {
        view_once: true,
        ..voice.clone()
    };
    let document = OutgoingFile {
        file_name: Some("a.pdf".to_owned()),
        caption: Some("read".to_owned()),
        ..file(MediaKind::Document, "application/pdf")
    };
    let files = [
        voice,
        gif,
        file(MediaKind::ShortVideo, "video/mp4"),
        once,
        once_voice,
        document,
        file(MediaKind::Sticker, "image/webp"),
    ];
    for (at, file) in files.into_iter().enumerate() {
        let id = format!("F{at}");
        let content = OutgoingContent::Media(file.clone());
        let sent = anna.send_content(&id, BERT, content).await.unwrap();
        let own = sent.media_keys.expect("the sender can read it again");
        let got = bert.incoming().await;
        let Body::Media(media) = &got.message.body else {
            panic!("{:?} is no file", got.message.body);
        };
        assert_eq!((media.kind, &media.mime_type), (file.kind, &file.mime_type));
        assert_eq!(
            (media.seconds, &media.waveform),
            (file.seconds, &file.waveform)
        );
        assert_eq!(
            (&media.caption, &media.file_name),
            (&file.caption, &file.file_name)
        );
        assert_eq!(media.width.zip(media.height), file.size);
        assert_eq!(got.message.context.view_once, file.view_once);
        let shown = !matches!(file.kind, MediaKind::Voice | MediaKind::Sticker);
        assert_eq!(media.thumbnail.is_some(), shown, "{:?}", file.kind);
        for (who, keys) in [(&bert, got.media_keys.unwrap()), (&anna, own)] {
            let bytes = who.account.download(&keys, 1 << 20).await.unwrap();
            assert_eq!(bytes, file.bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one thing after the other")]
async fn what_happens_to_earlier_messages() {
    let world = World::new().await;
    let (anna, mut bert) = two(&world).await;
    anna.send("M1", BERT, "first").await.unwrap();
    bert.incoming().await;
    let image = OutgoingFile {
        caption: Some("old".to_owned()),
        ..OutgoingFile::new(
            MediaKind::Image,
            "image/jpeg",
            Bytes::from_static(b"picture"),
        )
    };
    let sent = anna
        .send_content("M2", BERT, OutgoingContent::Media(image))
        .await
        .unwrap();
    let picture = bert.incoming().await;
    let react = OutgoingContent::Reaction {
        target: target("M1", true),
        emoji: "🎉".to_owned(),
    };
    let edit = |id: &str, proto| OutgoingContent::Edit {
        target: target(id, true),
        body: "new".to_owned(),
        mentions: Vec::new(),
        proto,
    };
    let pin = |period| OutgoingContent::Pin {
        target: target("M1", true),
        period,
    };
    let week = Some(Duration::from_secs(7 * 24 * 3_600));
    let forward = OutgoingContent::Forward {
        proto: picture.proto.clone().unwrap(),
        score: 1,
        words: None,
    };
    let revoke = OutgoingContent::Revoke {
        target: target("M1", true),
    };
    let acts = [
        react,
        edit("M1", None),
        edit("M2", sent.proto),
        pin(week),
        pin(None),
        forward,
        revoke,
    ];
    let mut heard = Vec::new();
    for (at, act) in acts.into_iter().enumerate() {
        anna.send_content(&format!("X{at}"), BERT, act)
            .await
            .unwrap();
        heard.push(bert.incoming().await.message);
    }
    let id = |id: &str| MessageId::parse(id).unwrap();
    assert_eq!(
        heard[0].body,
        Body::Reaction {
            to: id("M1"),
            emoji: "🎉".to_owned()
        }
    );
    assert_eq!(
        heard[1].body,
        Body::Edited {
            target: id("M1"),
            body: "new".to_owned()
        }
    );
    assert_eq!(
        heard[2].body,
        Body::Edited {
            target: id("M2"),
            body: "new".to_owned()
        }
    );
    assert_eq!(
        heard[3].body,
        Body::Pinned {
            target: id("M1"),
            period: week
        }
    );
    assert_eq!(
        heard[4].body,
        Body::Pinned {
            target: id("M1"),
            period: None
        }
    );
    let Body::Media(media) = &heard[5].body else {
        panic!("it is the picture again");
    };
    assert_eq!(media.caption.as_deref(), Some("old"));
    assert_eq!(
        (heard[5].forwarded, heard[5].context.forwarding_score),
        (true, Some(2))
    );
    assert_eq!(heard[6].body, Body::Revoked { target: id("M1") });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_is_refused_before_anything_leaves() {
    let world = World::new().await;
    let (anna, _bert) = two(&world).await;
    let day_and_a_half = Some(Duration::from_secs(36 * 3_600));
    let poll = |options: &[&str], choices_max| {
        OutgoingContent::Poll(NewPoll {
            question: "?".to_owned(),
            options: options.iter().map(|&name| name.to_owned()).collect(),
            choices_max,
        })
    };
    let refused = [
        OutgoingContent::Pin {
            target: target("M1", true),
            period: day_and_a_half,
        },
        OutgoingContent::Revoke {
            target: target("M1", false),
        },
        OutgoingContent::Edit {
            target: target("M1", false),
            body: "mine now".to_owned(),
            mentions: Vec::new(),
            proto: None,
        },
        poll(&["A"], None),
        poll(&["A", "A"], None),
        poll(&["A", "B"], Some(3)),
        OutgoingContent::Contacts(Vec::new()),
        OutgoingContent::Forward {
            proto: Bytes::from_static(b"\xFF\xFF"),
            score: 0,
            words: None,
        },
    ];
    for (at, content) in refused.into_iter().enumerate() {
        let sent = anna.send_content(&format!("N{at}"), BERT, content).await;
        assert!(
            matches!(sent, Err(Error::Refused { code: None, .. })),
            "{at}: {sent:?}"
        );
    }
}
