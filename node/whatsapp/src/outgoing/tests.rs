use bytes::Bytes;
use switchboard_vocab::MessageId;
use switchboard_vocab::content::{Body, Context, Marks, MediaBody, MediaKind, Text};
use switchboard_vocab::messages::DeliveryStatus;
use switchboard_vocab::{MediaId, Timestamp};
use whatsapp_rust::anyhow::anyhow;
use whatsapp_rust::{ClientError, IqError};

use super::*;
use crate::api::OutgoingFile;
use crate::context_fields;
use switchboard_vocab::UserId;
use switchboard_vocab::messages::{Message, Quote};
use wacore::proto_helpers::MessageExt as _;

fn phone() -> UserId {
    UserId::phone("15550001").unwrap()
}

fn logged(body: Body) -> Message {
    Message {
        id: MessageId::parse("Q1").unwrap(),
        number: 1,
        chat: ChatId::User(phone()),
        chat_alt: None,
        sender: UserId::phone("15550002").unwrap(),
        sender_alt: None,
        from_me: false,
        push_name: None,
        at: Timestamp::from_secs(1),
        body,
        quoted: None,
        status: DeliveryStatus::Delivered,
        forwarded: false,
        context: Context::default(),
        marks: Marks::default(),
        proto_json: None,
    }
}

fn quote_of(author: Option<UserId>) -> Quote {
    Quote {
        id: MessageId::parse("Q1").unwrap(),
        author,
    }
}

#[test]
fn plain_words_go_as_conversation() {
    let message = build::text("hi", None);
    assert_eq!(message.conversation.as_deref(), Some("hi"));
    assert!(message.extended_text_message.is_unset());
}

#[test]
fn mentions_and_quotes_go_together() {
    let original = logged(Body::Text(Text {
        body: "before".to_owned(),
        ..Text::default()
    }));
    let mut message = build::text("hi", None);
    build::answer(
        &mut message,
        &quote_of(None),
        Some(&original),
        &ChatId::User(phone()),
    );
    context_fields::of_mut(&mut message).unwrap().mentioned_jid = vec!["77@lid".to_owned()];
    let context = message
        .extended_text_message
        .as_option()
        .unwrap()
        .context_info
        .as_option()
        .unwrap();
    assert_eq!(context.stanza_id.as_deref(), Some("Q1"));
    assert_eq!(
        context.participant.as_deref(),
        Some("15550002@s.whatsapp.net")
    );
    assert_eq!(context.mentioned_jid, ["77@lid"]);
    let quoted = context.quoted_message.as_option().unwrap();
    assert_eq!(quoted.conversation.as_deref(), Some("before"));
}

#[test]
fn a_quote_names_its_author_as_well_as_it_can() {
    let to = ChatId::User(phone());
    let author = |quote: &Quote, original: Option<&Message>| {
        let mut message = build::text("hi", None);
        build::answer(&mut message, quote, original, &to);
        context_fields::of(&message)
            .unwrap()
            .participant
            .clone()
            .unwrap()
    };
    let original = logged(Body::Revoked {
        target: MessageId::parse("Z").unwrap(),
    });
    assert_eq!(
        author(&quote_of(UserId::lid("9").ok()), Some(&original)),
        "9@lid"
    );
    assert_eq!(
        author(&quote_of(None), Some(&original)),
        "15550002@s.whatsapp.net"
    );
    assert_eq!(author(&quote_of(None), None), "15550001@s.whatsapp.net");
}

#[test]
fn a_quoted_file_is_shown_as_one() {
    let media = |kind| MediaBody {
        kind,
        id: MediaId::parse("m").unwrap(),
        mime_type: "a/b".to_owned(),
        size: 1,
        sha256: String::new(),
        caption: Some("c".to_owned()),
        file_name: Some("f".to_owned()),
        width: None,
        height: None,
        seconds: None,
        waveform: None,
        thumbnail: None,
    };
    let quoted = |kind| quote::body(Some(&logged(Body::Media(media(kind)))));
    assert_eq!(quoted(MediaKind::Image).get_caption(), Some("c"));
    assert_eq!(quoted(MediaKind::Video).get_caption(), Some("c"));
    assert_eq!(quoted(MediaKind::Document).get_caption(), Some("c"));
    assert_eq!(
        quoted(MediaKind::Voice)
            .audio_message
            .as_option()
            .unwrap()
            .ptt,
        Some(true)
    );
    assert!(quoted(MediaKind::Sticker).sticker_message.is_set());
    assert_eq!(quote::body(None).conversation.as_deref(), Some(""));
}

fn from_server(code: u16) -> SendError {
    SendError::Iq(IqError::ServerError {
        code,
        text: "no".to_owned(),
        error_type: None,
        backoff: None,
    })
}

#[test]
fn refusals_keep_what_whatsapp_said() {
    assert!(matches!(refused(&from_server(429)), Error::RateLimited(_)));
    let Error::Refused { code, text } = refused(&from_server(403)) else {
        panic!("whatsapp refused it");
    };
    assert_eq!((code, text.as_str()), (Some(403), "no"));
    let invalid = refused(&SendError::InvalidRequest("x".to_owned()));
    assert!(matches!(invalid, Error::Refused { code: None, .. }));
}

#[test]
fn what_never_left_is_not_interrupted() {
    for error in [
        SendError::Iq(IqError::Timeout),
        SendError::Client(ClientError::NotConnected),
        SendError::NotLoggedIn,
    ] {
        assert!(matches!(refused(&error), Error::NotConnected), "{error}");
    }
    let store = wacore::store::error::StoreError::Validation("v".to_owned());
    assert!(matches!(
        refused(&SendError::Internal(anyhow!(store))),
        Error::Store(_)
    ));
    assert!(matches!(
        refused(&SendError::Internal(anyhow!("other"))),
        Error::Other(_)
    ));
}

#[test]
fn each_kind_of_file_is_uploaded_as_it_is() {
    use wacore::download::MediaType;
    assert_eq!(file::media_type(MediaKind::Voice), MediaType::Audio);
    assert_eq!(file::media_type(MediaKind::Document), MediaType::Document);
    let file = OutgoingFile::new(MediaKind::Image, "image/png", Bytes::from_static(b"x"));
    assert_eq!(file::media_type(file.kind), MediaType::Image);
}

fn document(caption: Option<&str>) -> wa::Message {
    let document = wa::message::DocumentMessage {
        caption: caption.map(str::to_owned),
        ..Default::default()
    };
    wa::Message {
        document_message: buffa::MessageField::some(document),
        ..Default::default()
    }
}

#[test]
fn a_document_with_words_travels_in_its_wrapper() {
    let captioned = file::captioned_document(document(Some("look")));
    assert!(captioned.document_message.is_unset());
    let inner = captioned.get_base_message();
    assert!(inner.document_message.is_set());
    assert_eq!(inner.get_caption(), Some("look"));
    for bare in [None, Some("")] {
        let bare = file::captioned_document(document(bare));
        assert!(bare.document_message.is_set());
    }
}

#[test]
fn what_is_sent_on_has_its_newest_words() {
    let mut first = build::text("first", None);
    build::expire(&mut first, Duration::from_secs(86_400));
    let first = proto_json::bytes(&first);
    let sent_on = |words| target::forward(&first, 0, words).unwrap();
    assert_eq!(sent_on(None).text_content(), Some("first"));
    assert_eq!(sent_on(Some("second")).text_content(), Some("second"));
    let info = sent_on(None);
    let info = context_fields::of(&info).unwrap();
    assert_eq!((info.is_forwarded, info.expiration), (Some(true), None));
    let file = proto_json::bytes(&document(Some("first")));
    let file = target::forward(&file, 0, Some("second")).unwrap();
    assert_eq!(file.get_caption(), Some("second"));
}

#[test]
fn a_message_lasts_as_long_as_its_chat_says() {
    let mut message = build::text("hi", None);
    build::expire(&mut message, Duration::from_secs(86_400));
    let info = context_fields::of(&message).unwrap();
    assert_eq!(info.expiration, Some(86_400));
    assert_eq!(message.text_content(), Some("hi"));
}
