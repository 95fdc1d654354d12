use wa::message::protocol_message::Type;

use super::super::{
    INBOX_BYTES_MAX, INBOX_MAX, Inbox, Kind, MediaDetails, MediaKind, MediaRef, Received, Record,
    StoredAt, TEXT_BYTES_MAX, media_message, read, seal_media,
};
use super::*;

fn received(id: &str) -> Received {
    Received {
        id: id.into(),
        from: "15550000001:2@s.whatsapp.net".into(),
        chat: "15550000001@s.whatsapp.net".into(),
        timestamp: NOW,
        own: false,
    }
}

fn record(message: &wa::Message) -> Record {
    read(received("ID"), message).unwrap()
}

fn key(id: &str) -> buffa::MessageField<wa::MessageKey> {
    wa::MessageKey {
        id: Some(id.into()),
        ..Default::default()
    }
    .into()
}

fn wrapped(message: wa::Message) -> buffa::MessageField<wa::message::FutureProofMessage> {
    wa::message::FutureProofMessage {
        message: message.into(),
    }
    .into()
}

fn protocol(kind: Type) -> wa::Message {
    let protocol = wa::message::ProtocolMessage {
        r#type: Some(kind),
        key: key("OLD"),
        ..Default::default()
    };
    wa::Message {
        protocol_message: protocol.into(),
        ..Default::default()
    }
}

/// A message with one part set.
macro_rules! message {
    ($part:ident: $type:ident { $($field:ident: $value:expr),* $(,)? }) => {
        wa::Message {
            $part: wa::message::$type { $($field: $value,)* ..Default::default() }.into(),
            ..Default::default()
        }
    };
}

#[test]
fn texts() {
    let plain = record(&text_message("hello", &mut rng(1)));
    assert_eq!(
        (plain.kind, plain.text.as_deref()),
        (Kind::Text, Some("hello"))
    );
    assert_eq!((plain.id.as_str(), plain.timestamp), ("ID", NOW));
    let context = wa::ContextInfo {
        stanza_id: Some("OLD".into()),
        mentioned_jid: vec!["1@lid".into()],
        is_forwarded: Some(true),
        expiration: Some(86_400),
        ..Default::default()
    };
    let answer = record(&message!(extended_text_message: ExtendedTextMessage {
        text: Some("@1 yes".into()),
        context_info: context.into(),
    }));
    assert_eq!(
        (answer.kind, answer.text.as_deref()),
        (Kind::Text, Some("@1 yes"))
    );
    assert_eq!(answer.quoted.as_deref(), Some("OLD"));
    assert_eq!(answer.mentions, ["1@lid"]);
    assert!(answer.forwarded && answer.ephemeral && !answer.view_once);
}

#[test]
fn files() {
    let mut rng = rng(2);
    for (kind, shown) in [
        (MediaKind::Image, Kind::Image),
        (MediaKind::Video, Kind::Video),
        (MediaKind::Audio, Kind::Audio),
        (MediaKind::Document, Kind::Document),
        (MediaKind::Sticker, Kind::Sticker),
    ] {
        let sealed = seal_media(kind, b"file", &mut rng).unwrap();
        let at = StoredAt {
            url: "u".into(),
            direct_path: "/p".into(),
        };
        let details = MediaDetails {
            mimetype: "a/b".into(),
            caption: Some("look".into()),
            file_name: Some("n.pdf".into()),
            ..MediaDetails::default()
        };
        let message = media_message(&sealed, at, details, NOW, &mut rng);
        let record = record(&message);
        assert_eq!(record.kind, shown);
        let captioned = !matches!(kind, MediaKind::Audio | MediaKind::Sticker);
        assert_eq!(record.text.is_some(), captioned);
        let media = record.media.unwrap();
        assert_eq!((media.size, media.opened), (4, false));
        assert_eq!(media.sha256, hex::encode(sealed.file_sha256));
        assert_eq!(media.mimetype.as_deref(), Some("a/b"));
        assert_eq!(media.file_name.is_some(), kind == MediaKind::Document);
    }
    let voice = record(&message!(audio_message: AudioMessage { ptt: Some(true) }));
    assert_eq!(voice.kind, Kind::Voice);
    let round = record(&message!(ptv_message: VideoMessage {}));
    assert_eq!(round.kind, Kind::Video);
}

#[test]
fn wrappers() {
    let mut rng = rng(3);
    let sealed = seal_media(MediaKind::Image, b"file", &mut rng).unwrap();
    let at = StoredAt {
        url: "u".into(),
        direct_path: "/p".into(),
    };
    let image = media_message(&sealed, at, MediaDetails::default(), NOW, &mut rng);
    let once = wa::Message {
        view_once_message_v2: wrapped(image),
        ..Default::default()
    };
    let both = wa::Message {
        ephemeral_message: wrapped(once),
        ..Default::default()
    };
    let shown = record(&both);
    assert_eq!(shown.kind, Kind::Image);
    assert!(shown.view_once && shown.ephemeral);
    assert!(MediaRef::of(&both).unwrap().is_some());

    let inline = message!(image_message: ImageMessage { view_once: Some(true) });
    assert!(record(&inline).view_once);

    let mut deep = text_message("deep", &mut rng);
    for _ in 0..50 {
        deep = wa::Message {
            ephemeral_message: wrapped(deep),
            ..Default::default()
        };
    }
    assert_eq!(record(&deep).kind, Kind::Other);
}

#[test]
fn places_and_people() {
    let place = record(&message!(location_message: LocationMessage {
        degrees_latitude: Some(52.5),
        degrees_longitude: Some(-13.25),
        name: Some("here".into()),
    }));
    let location = place.location.unwrap();
    assert_eq!(place.kind, Kind::Location);
    assert_eq!((location.latitude, location.longitude), (52.5, -13.25));
    assert_eq!(location.name.as_deref(), Some("here"));
    let live = record(&message!(live_location_message: LiveLocationMessage {}));
    assert_eq!(live.kind, Kind::LiveLocation);
    let card = |text: &str| wa::message::ContactMessage {
        vcard: Some(text.into()),
        ..Default::default()
    };
    let one = wa::Message {
        contact_message: card("A").into(),
        ..Default::default()
    };
    assert_eq!(
        (record(&one).kind, record(&one).text.as_deref()),
        (Kind::Contact, Some("A"))
    );
    let two = record(&message!(contacts_array_message: ContactsArrayMessage {
        contacts: vec![card("A"), card("B")],
    }));
    assert_eq!(
        (two.kind, two.text.as_deref()),
        (Kind::Contact, Some("A\nB"))
    );
}

#[test]
fn polls_and_what_is_about_others() {
    let option = |name: &str| wa::message::poll_creation_message::Option {
        option_name: Some(name.into()),
        ..Default::default()
    };
    let poll = record(&message!(poll_creation_message_v3: PollCreationMessage {
        name: Some("tea?".into()),
        options: vec![option("yes"), option("no")],
    }));
    assert_eq!(
        (poll.kind, poll.text.as_deref()),
        (Kind::Poll, Some("tea?"))
    );
    assert_eq!(poll.options, ["yes", "no"]);
    let vote = message!(poll_update_message: PollUpdateMessage {
        poll_creation_message_key: key("OLD"),
    });
    let liked = message!(reaction_message: ReactionMessage {
        key: key("OLD"),
        text: Some("👍".into()),
    });
    let withdrawn = message!(reaction_message: ReactionMessage { key: key("OLD") });
    let sealed = message!(enc_reaction_message: EncReactionMessage {
        target_message_key: key("OLD"),
    });
    let mut edit = protocol(Type::MESSAGE_EDIT);
    edit.protocol_message.get_or_insert_default().edited_message =
        text_message("better", &mut rng(4)).into();
    let wrapped_edit = wa::Message {
        edited_message: wrapped(edit.clone()),
        ..Default::default()
    };
    let sealed_edit = message!(secret_encrypted_message: SecretEncryptedMessage {
        target_message_key: key("OLD"),
    });
    let pin = message!(pin_in_chat_message: PinInChatMessage { key: key("OLD") });
    let check = |message: &wa::Message, kind: Kind, text: Option<&str>| {
        let record = record(message);
        assert_eq!((record.kind, record.text.as_deref()), (kind, text));
        assert_eq!(record.target.as_deref(), Some("OLD"));
    };
    check(&vote, Kind::PollVote, None);
    check(&liked, Kind::Reaction, Some("👍"));
    check(&withdrawn, Kind::Reaction, Some(""));
    check(&sealed, Kind::Reaction, None);
    check(&edit, Kind::Edit, Some("better"));
    check(&wrapped_edit, Kind::Edit, Some("better"));
    check(&sealed_edit, Kind::Edit, None);
    check(&protocol(Type::REVOKE), Kind::Revoke, None);
    check(&pin, Kind::Pin, None);
}

#[test]
fn housekeeping_is_not_shown_and_the_unknown_is() {
    let hidden = |message: &wa::Message| assert_eq!(read(received("ID"), message), None);
    hidden(&wa::Message::default());
    hidden(&phone(1).key_share_message(NOW));
    hidden(&protocol(Type::HISTORY_SYNC_NOTIFICATION));
    hidden(
        &message!(sender_key_distribution_message: SenderKeyDistributionMessage {
            group_id: Some("g".into()),
        }),
    );
    let mut timer = protocol(Type::EPHEMERAL_SETTING);
    timer
        .protocol_message
        .get_or_insert_default()
        .ephemeral_expiration = Some(86_400);
    assert_eq!(record(&timer).kind, Kind::Timer);
    assert_eq!(record(&timer).text.as_deref(), Some("86400"));
    let list = message!(list_message: ListMessage { title: Some("menu".into()) });
    assert_eq!(
        (record(&list).kind, record(&list).text.as_deref()),
        (Kind::Interactive, Some("menu"))
    );
    let event = message!(event_message: EventMessage { name: Some("party".into()) });
    assert_eq!(
        (record(&event).kind, record(&event).text.as_deref()),
        (Kind::Event, Some("party"))
    );
    let invite = message!(group_invite_message: GroupInviteMessage { group_jid: Some("g".into()) });
    assert_eq!(record(&invite).kind, Kind::GroupInvite);
    let unknown = message!(payment_invite_message: PaymentInviteMessage {
        expiry_timestamp: Some(1),
    });
    assert_eq!(record(&unknown).kind, Kind::Other);
}

#[test]
fn the_inbox_is_numbered_and_bounded() {
    let mut inbox = Inbox::default();
    for n in 1..=INBOX_MAX + 5 {
        let seq = inbox.push(record(&text_message(&n.to_string(), &mut rng(5))));
        assert_eq!(seq, u64::try_from(n).unwrap());
    }
    assert_eq!(inbox.since(0).count(), INBOX_MAX);
    assert_eq!(inbox.since(inbox.last_seq() - 2).count(), 2);
    assert_eq!(inbox.since(0).next().unwrap().text.as_deref(), Some("6"));

    let long = record(&text_message(&"ä".repeat(TEXT_BYTES_MAX), &mut rng(6)));
    for _ in 0..10 {
        inbox.push(long.clone());
    }
    let newest = inbox.since(inbox.last_seq() - 1).next().unwrap();
    assert_eq!(newest.text.as_ref().unwrap().len(), TEXT_BYTES_MAX);
    let bytes: usize = inbox.since(0).map(|r| r.text.as_ref().unwrap().len()).sum();
    assert!(bytes <= INBOX_BYTES_MAX, "{bytes}");
    assert!(inbox.since(0).count() >= 3);
}

#[test]
fn opened_files_are_marked() {
    let mut inbox = Inbox::default();
    let text = inbox.push(record(&text_message("x", &mut rng(7))));
    let file = inbox.push(record(&message!(document_message: DocumentMessage {})));
    assert!(!inbox.media_opened(text, 1));
    assert!(!inbox.media_opened(99, 1));
    assert!(inbox.media_opened(file, 17));
    let media = inbox.since(text).next().unwrap().media.clone().unwrap();
    assert_eq!((media.opened, media.size), (true, 17));
}

#[test]
fn records_survive_json() {
    let before = record(&message!(location_message: LocationMessage {
        degrees_latitude: Some(1.5),
    }));
    let json = serde_json::to_string(&before).unwrap();
    assert!(json.contains(r#""kind":"location""#), "{json}");
    assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), before);
}
