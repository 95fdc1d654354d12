use buffa::MessageField;
use switchboard_vocab::content::{Body, MediaKind};
use wa::message::protocol_message::Type as ProtocolType;

use super::*;

pub(super) fn people() -> People {
    People {
        chat: "15550001@s.whatsapp.net".parse().unwrap(),
        chat_alt: Some(UserId::lid("77").unwrap()),
        sender: Person {
            main: UserId::phone("15550001").unwrap(),
            alt: UserId::lid("77").ok(),
        },
    }
}

pub(super) fn info() -> MessageInfo {
    MessageInfo {
        id: "3EB0AA".to_owned(),
        push_name: "Anna".to_owned(),
        timestamp: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        ..MessageInfo::default()
    }
}

pub(super) fn read(message: &wa::Message) -> Option<Incoming> {
    convert(message, &info(), people()).map(|converted| converted.incoming)
}

pub(super) fn body(message: &wa::Message) -> Option<Body> {
    read(message).map(|incoming| incoming.message.body)
}

pub(super) fn text(words: &str) -> wa::Message {
    wa::Message {
        conversation: Some(words.to_owned()),
        ..Default::default()
    }
}

pub(super) fn wrapped(inner: wa::Message) -> MessageField<wa::message::FutureProofMessage> {
    MessageField::some(wa::message::FutureProofMessage {
        message: MessageField::some(inner),
    })
}

pub(super) fn key(id: &str) -> MessageField<wa::MessageKey> {
    MessageField::some(wa::MessageKey {
        id: Some(id.to_owned()),
        ..Default::default()
    })
}

fn protocol(kind: ProtocolType) -> wa::message::ProtocolMessage {
    wa::message::ProtocolMessage {
        r#type: Some(kind),
        key: key("T1"),
        ..Default::default()
    }
}

fn with_protocol(protocol: wa::message::ProtocolMessage) -> wa::Message {
    wa::Message {
        protocol_message: MessageField::some(protocol),
        ..Default::default()
    }
}

#[test]
fn words_and_the_envelope() {
    let message = read(&text("hi")).unwrap().message;
    assert_eq!(
        message.body,
        Body::Text(switchboard_vocab::content::Text {
            body: "hi".to_owned(),
            ..switchboard_vocab::content::Text::default()
        })
    );
    assert_eq!(
        (message.id.as_str(), message.at.as_secs(), message.number),
        ("3EB0AA", 1_700_000_000, 0)
    );
    assert_eq!(
        (message.chat_phone(), message.sender_phone()),
        (Some("15550001"), Some("15550001"))
    );
    assert_eq!(message.push_name.as_deref(), Some("Anna"));
    assert_eq!(
        (message.from_me, message.status),
        (false, DeliveryStatus::Delivered)
    );
}

#[test]
fn own_messages_from_another_device_are_at_the_server() {
    let mut info = info();
    info.source.is_from_me = true;
    let copy = wa::message::DeviceSentMessage {
        message: MessageField::some(text("mine")),
        ..Default::default()
    };
    let message = wa::Message {
        device_sent_message: MessageField::some(copy),
        ..Default::default()
    };
    let read = convert(&message, &info, people()).unwrap().incoming.message;
    assert_eq!((read.from_me, read.status), (true, DeliveryStatus::Server));
    assert_eq!(Some(read.body), body(&text("mine")));
}

#[test]
fn wrappers_are_opened() {
    let plain = body(&text("x"));
    for message in [
        wa::Message {
            ephemeral_message: wrapped(text("x")),
            ..Default::default()
        },
        wa::Message {
            view_once_message_v2: wrapped(text("x")),
            ..Default::default()
        },
        wa::Message {
            ephemeral_message: wrapped(wa::Message {
                view_once_message: wrapped(text("x")),
                ..Default::default()
            }),
            ..Default::default()
        },
    ] {
        assert_eq!(body(&message), plain);
    }
    let mut deep = text("x");
    for _ in 0..100 {
        deep = wa::Message {
            ephemeral_message: wrapped(deep),
            ..Default::default()
        };
    }
    assert_eq!(
        body(&deep),
        Some(Body::Other {
            field: "ephemeral_message".to_owned()
        })
    );
}

#[test]
fn quotes_mentions_and_forwards() {
    let context = wa::ContextInfo {
        stanza_id: Some("Q1".to_owned()),
        participant: Some("15550002:4@s.whatsapp.net".to_owned()),
        mentioned_jid: vec![
            "88@lid".to_owned(),
            "bad".to_owned(),
            "15550003@s.whatsapp.net".to_owned(),
        ],
        is_forwarded: Some(true),
        ..Default::default()
    };
    let message = wa::Message {
        extended_text_message: MessageField::some(wa::message::ExtendedTextMessage {
            text: Some("hi @x".to_owned()),
            context_info: MessageField::some(context),
            ..Default::default()
        }),
        ..Default::default()
    };
    let read = read(&message).unwrap().message;
    let quoted = read.quoted.unwrap();
    assert_eq!(
        (quoted.id.as_str(), quoted.author),
        ("Q1", UserId::phone("15550002").ok())
    );
    let Body::Text(text) = read.body else {
        panic!("it is text")
    };
    assert_eq!(
        text.mentions,
        [
            UserId::lid("88").unwrap(),
            UserId::phone("15550003").unwrap()
        ]
    );
    assert!(read.forwarded);
}

#[test]
fn files_come_with_their_keys() {
    let image = wa::message::ImageMessage {
        mimetype: Some("image/png".to_owned()),
        caption: Some("look".to_owned()),
        direct_path: Some("/v/1".to_owned()),
        media_key: Some(vec![1; 32]),
        file_sha256: Some(vec![0xAB; 32]),
        file_enc_sha256: Some(vec![3; 32]),
        file_length: Some(9),
        width: Some(4),
        height: Some(5),
        ..Default::default()
    };
    let message = wa::Message {
        image_message: MessageField::some(image),
        ..Default::default()
    };
    let incoming = read(&message).unwrap();
    let Body::Media(media) = &incoming.message.body else {
        panic!("it is a file")
    };
    assert_eq!(
        (media.kind, media.mime_type.as_str(), media.size),
        (MediaKind::Image, "image/png", 9)
    );
    assert_eq!(
        (media.width, media.height, media.caption.as_deref()),
        (Some(4), Some(5), Some("look"))
    );
    assert_eq!(media.sha256, "ab".repeat(32));
    assert!(incoming.media_keys.is_some());
    let again = wa::Message {
        ephemeral_message: wrapped(message),
        ..Default::default()
    };
    let Some(Body::Media(second)) = body(&again) else {
        panic!("it is a file")
    };
    assert_eq!(media.id, second.id);
}

#[test]
fn each_kind_of_file_has_its_name() {
    let audio = |ptt| wa::Message {
        audio_message: MessageField::some(wa::message::AudioMessage {
            ptt,
            seconds: Some(3),
            ..Default::default()
        }),
        ..Default::default()
    };
    let document = wa::message::DocumentMessage {
        file_name: Some("a.pdf".to_owned()),
        ..Default::default()
    };
    let cases = [
        (audio(Some(true)), MediaKind::Voice),
        (audio(None), MediaKind::Audio),
        (
            wa::Message {
                video_message: MessageField::some(Default::default()),
                ..Default::default()
            },
            MediaKind::Video,
        ),
        (
            wa::Message {
                ptv_message: MessageField::some(Default::default()),
                ..Default::default()
            },
            MediaKind::ShortVideo,
        ),
        (
            wa::Message {
                document_message: MessageField::some(document.clone()),
                ..Default::default()
            },
            MediaKind::Document,
        ),
        (
            wa::Message {
                sticker_message: MessageField::some(Default::default()),
                ..Default::default()
            },
            MediaKind::Sticker,
        ),
    ];
    for (message, kind) in cases {
        let Some(Body::Media(media)) = body(&message) else {
            panic!("{kind:?} is a file")
        };
        assert_eq!(media.kind, kind);
        assert!(!media.mime_type.is_empty());
    }
    let inner = wa::Message {
        document_message: MessageField::some(document),
        ..Default::default()
    };
    let message = wa::Message {
        document_with_caption_message: wrapped(inner),
        ..Default::default()
    };
    let Some(Body::Media(media)) = body(&message) else {
        panic!("it is a file")
    };
    assert_eq!(media.file_name.as_deref(), Some("a.pdf"));
}

#[test]
fn edits_revokes_and_reactions_name_their_target() {
    let target = || MessageId::parse("T1").unwrap();
    let mut edit = protocol(ProtocolType::MESSAGE_EDIT);
    edit.edited_message = MessageField::some(text("new"));
    let edit = with_protocol(edit);
    let expected = Some(Body::Edited {
        target: target(),
        body: "new".to_owned(),
    });
    assert_eq!(body(&edit), expected);
    assert_eq!(
        body(&wa::Message {
            edited_message: wrapped(edit),
            ..Default::default()
        }),
        expected
    );
    assert_eq!(
        body(&with_protocol(protocol(ProtocolType::REVOKE))),
        Some(Body::Revoked { target: target() })
    );
    let reaction = wa::message::ReactionMessage {
        key: key("T1"),
        text: Some("+".to_owned()),
        ..Default::default()
    };
    let message = wa::Message {
        reaction_message: MessageField::some(reaction),
        ..Default::default()
    };
    assert_eq!(
        body(&message),
        Some(Body::Reaction {
            to: target(),
            emoji: "+".to_owned()
        })
    );
}

#[test]
fn places_and_cards() {
    let place = wa::message::LocationMessage {
        degrees_latitude: Some(1.5),
        degrees_longitude: Some(-2.0),
        name: Some("there".to_owned()),
        ..Default::default()
    };
    let message = wa::Message {
        location_message: MessageField::some(place),
        ..Default::default()
    };
    let Some(Body::Location(place)) = body(&message) else {
        panic!("it is a place")
    };
    assert_eq!(
        (place.latitude, place.longitude, place.name.as_deref()),
        (1.5, -2.0, Some("there"))
    );
    let card = || wa::message::ContactMessage {
        vcard: Some("BEGIN:VCARD".to_owned()),
        ..Default::default()
    };
    let one = wa::Message {
        contact_message: MessageField::some(card()),
        ..Default::default()
    };
    let many = wa::message::ContactsArrayMessage {
        contacts: vec![card(); 500],
        ..Default::default()
    };
    let many = wa::Message {
        contacts_array_message: MessageField::some(many),
        ..Default::default()
    };
    for (message, count) in [(one, 1), (many, 257)] {
        let Some(Body::Contacts { cards }) = body(&message) else {
            panic!("it is cards")
        };
        assert_eq!(cards.len(), count);
    }
}

#[test]
fn protocol_traffic_is_no_message() {
    for kind in [
        ProtocolType::APP_STATE_SYNC_KEY_SHARE,
        ProtocolType::HISTORY_SYNC_NOTIFICATION,
        ProtocolType::PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE,
        ProtocolType::LID_MIGRATION_MAPPING_SYNC,
    ] {
        assert_eq!(body(&with_protocol(protocol(kind))), None, "{kind:?}");
    }
    let keys_only = wa::Message {
        sender_key_distribution_message: MessageField::some(Default::default()),
        message_context_info: MessageField::some(Default::default()),
        ..Default::default()
    };
    assert_eq!(body(&keys_only), None);
    assert_eq!(body(&wa::Message::default()), None);
    let peer = MessageInfo {
        category: MessageCategory::Peer,
        ..info()
    };
    assert!(convert(&text("x"), &peer, people()).is_none());
}

#[test]
fn what_has_no_word_of_ours_is_named() {
    let message = wa::Message {
        payment_invite_message: MessageField::some(Default::default()),
        ..Default::default()
    };
    assert_eq!(
        body(&message),
        Some(Body::Other {
            field: "payment_invite_message".to_owned()
        })
    );
}

#[test]
fn an_id_that_is_none_of_ours_is_left_out() {
    let odd = MessageInfo {
        id: "a b".to_owned(),
        ..info()
    };
    assert!(convert(&text("x"), &odd, people()).is_none());
}
