//! What the richer kinds of messages become.

use std::time::Duration;

use buffa::MessageField;
use switchboard_vocab::content::{
    Action, Body, Button, EventReply, Interactive, MediaKind, Reply, ReplyKind, Row, Section,
};
use wa::message::buttons_response_message::Response;
use wa::message::event_response_message::EventResponseType;
use wa::message::interactive_response_message::{
    InteractiveResponseMessage as Answer, NativeFlowResponseMessage,
};
use wa::message::pin_in_chat_message::Type as PinType;
use wacore::poll::compute_option_hash;

use super::tests::{body, key, read, text, wrapped};
use super::*;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn reply(kind: ReplyKind, description: Option<&str>) -> Body {
    Body::Reply(Reply {
        kind,
        id: "yes".to_owned(),
        title: "Yes".to_owned(),
        description: description.map(str::to_owned),
    })
}

#[test]
fn answers_to_buttons_and_lists() {
    let button = wa::Message {
        buttons_response_message: MessageField::some(wa::message::ButtonsResponseMessage {
            selected_button_id: some("yes"),
            response: Some(Response::SelectedDisplayText("Yes".to_owned())),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(body(&button), Some(reply(ReplyKind::Button, None)));
    let row = wa::message::list_response_message::SingleSelectReply {
        selected_row_id: some("yes"),
    };
    let list = wa::Message {
        list_response_message: MessageField::some(wa::message::ListResponseMessage {
            title: some("Yes"),
            description: some("below"),
            single_select_reply: MessageField::some(row),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(body(&list), Some(reply(ReplyKind::List, Some("below"))));
    let template = wa::Message {
        template_button_reply_message: MessageField::some(
            wa::message::TemplateButtonReplyMessage {
                selected_id: some("yes"),
                selected_display_text: some("Yes"),
                ..Default::default()
            },
        ),
        ..Default::default()
    };
    assert_eq!(body(&template), Some(reply(ReplyKind::Template, None)));
    let flow = NativeFlowResponseMessage {
        name: some("quick_reply"),
        params_json: some(r#"{"id":"yes"}"#),
        version: Some(3),
    };
    let words = wa::message::interactive_response_message::Body {
        text: some("Yes"),
        ..Default::default()
    };
    let native = wa::Message {
        interactive_response_message: MessageField::some(wa::message::InteractiveResponseMessage {
            body: MessageField::some(words),
            interactive_response_message: Some(Answer::NativeFlowResponseMessage(Box::new(flow))),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(body(&native), Some(reply(ReplyKind::Flow, None)));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of three kinds")]
fn old_buttons_lists_and_templates() {
    let button = wa::message::buttons_message::Button {
        button_id: some("yes"),
        button_text: MessageField::some(wa::message::buttons_message::button::ButtonText {
            display_text: some("Yes"),
        }),
        ..Default::default()
    };
    let yes = || Button::Reply {
        id: "yes".to_owned(),
        title: "Yes".to_owned(),
    };
    let expected = |header: Option<&str>, action| {
        Some(Body::Interactive(Interactive {
            header: header.map(str::to_owned),
            media: None,
            body: "Body".to_owned(),
            footer: some("Foot"),
            action,
        }))
    };
    let buttons = wa::Message {
        buttons_message: MessageField::some(wa::message::ButtonsMessage {
            content_text: some("Body"),
            footer_text: some("Foot"),
            buttons: vec![button],
            ..Default::default()
        }),
        ..Default::default()
    };
    let action = Action::Buttons {
        buttons: vec![yes()],
    };
    assert_eq!(body(&buttons), expected(None, action.clone()));
    let row = wa::message::list_message::Row {
        row_id: some("yes"),
        title: some("Yes"),
        description: None,
    };
    let list = wa::Message {
        list_message: MessageField::some(wa::message::ListMessage {
            title: some("Head"),
            description: some("Body"),
            footer_text: some("Foot"),
            button_text: some("Choose"),
            sections: vec![wa::message::list_message::Section {
                title: some("S"),
                rows: vec![row],
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let rows = Action::List {
        label: "Choose".to_owned(),
        sections: vec![Section {
            title: "S".to_owned(),
            rows: vec![Row {
                id: "yes".to_owned(),
                title: "Yes".to_owned(),
                description: None,
            }],
        }],
    };
    assert_eq!(body(&list), expected(Some("Head"), rows));
    let quick = wa::hydrated_template_button::HydratedQuickReplyButton {
        id: some("yes"),
        display_text: some("Yes"),
    };
    let quick = wa::HydratedTemplateButton {
        index: Some(1),
        hydrated_button: Some(
            wa::hydrated_template_button::HydratedButton::QuickReplyButton(Box::new(quick)),
        ),
    };
    let rows = wa::message::template_message::HydratedFourRowTemplate {
        hydrated_content_text: some("Body"),
        hydrated_footer_text: some("Foot"),
        hydrated_buttons: vec![quick],
        ..Default::default()
    };
    let template = wa::Message {
        template_message: MessageField::some(wa::message::TemplateMessage {
            hydrated_template: MessageField::some(rows),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(body(&template), expected(None, action));
}

#[test]
fn every_version_of_a_poll_is_one() {
    let poll = || {
        MessageField::some(wa::message::PollCreationMessage {
            name: some("Which?"),
            options: vec![wa::message::poll_creation_message::Option {
                option_name: some("A"),
                ..Default::default()
            }],
            selectable_options_count: Some(1),
            ..Default::default()
        })
    };
    let blank = wa::Message::default;
    let inner = wa::Message {
        poll_creation_message_v3: poll(),
        ..blank()
    };
    let versions = [
        wa::Message {
            poll_creation_message: poll(),
            ..blank()
        },
        wa::Message {
            poll_creation_message_v2: poll(),
            ..blank()
        },
        wa::Message {
            poll_creation_message_v3: poll(),
            ..blank()
        },
        wa::Message {
            poll_creation_message_v4: wrapped(inner),
            ..blank()
        },
        wa::Message {
            poll_creation_message_v5: poll(),
            ..blank()
        },
        wa::Message {
            poll_creation_message_v6: poll(),
            ..blank()
        },
    ];
    for (at, mut message) in versions.into_iter().enumerate() {
        let Some(Body::Poll(read)) = body(&message) else {
            panic!("version {at} is a poll");
        };
        assert_eq!((&*read.question, read.choices_max), ("Which?", Some(1)));
        assert_eq!(
            ballot(&message),
            None,
            "without a secret no vote can be read"
        );
        message.message_context_info = MessageField::some(wa::MessageContextInfo {
            message_secret: Some(vec![7; 32]),
            ..Default::default()
        });
        let kept = ballot(&message).unwrap();
        assert_eq!(
            (kept.secret, kept.options),
            (vec![7; 32], vec!["A".to_owned()])
        );
    }
    let hashes = [compute_option_hash("B").to_vec(), vec![1, 2, 3]];
    let options = ["A".to_owned(), "B".to_owned()];
    assert_eq!(named(&hashes, &options), ["B"]);
}

#[test]
fn what_is_sealed_stays_unread_without_its_secret() {
    let vote = wa::Message {
        poll_update_message: MessageField::some(wa::message::PollUpdateMessage {
            poll_creation_message_key: key("P1"),
            ..Default::default()
        }),
        ..Default::default()
    };
    let poll = MessageId::parse("P1").unwrap();
    let expected = Body::Vote {
        poll,
        options: None,
    };
    assert_eq!(body(&vote), Some(expected));
    let answers = [
        (Some(EventResponseType::GOING), EventReply::Going),
        (Some(EventResponseType::NOT_GOING), EventReply::NotGoing),
        (Some(EventResponseType::MAYBE), EventReply::Maybe),
        (None, EventReply::Unknown),
    ];
    for (told, expected) in answers {
        assert_eq!(event_reply(told), expected);
    }
}

#[test]
fn view_once_and_timers_and_pins_and_invites() {
    let image = wa::Message {
        image_message: MessageField::some(Default::default()),
        ..Default::default()
    };
    let once = wa::Message {
        view_once_message_v2: wrapped(image.clone()),
        ..Default::default()
    };
    assert!(read(&once).unwrap().message.context.view_once);
    assert!(!read(&image).unwrap().message.context.view_once);
    let timer = wa::Message {
        protocol_message: MessageField::some(wa::message::ProtocolMessage {
            r#type: Some(wa::message::protocol_message::Type::EPHEMERAL_SETTING),
            ephemeral_expiration: Some(86_400),
            ..Default::default()
        }),
        ..Default::default()
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(body(&timer), Some(Body::Timer { period: day }));
    let pin = |kind| wa::Message {
        pin_in_chat_message: MessageField::some(wa::message::PinInChatMessage {
            key: key("T1"),
            r#type: Some(kind),
            ..Default::default()
        }),
        message_context_info: MessageField::some(wa::MessageContextInfo {
            message_add_on_duration_in_secs: Some(86_400),
            ..Default::default()
        }),
        ..Default::default()
    };
    let pinned = |period| {
        Some(Body::Pinned {
            target: MessageId::parse("T1").unwrap(),
            period,
        })
    };
    assert_eq!(body(&pin(PinType::PIN_FOR_ALL)), pinned(Some(day)));
    assert_eq!(body(&pin(PinType::UNPIN_FOR_ALL)), pinned(None));
    let invite = wa::Message {
        group_invite_message: MessageField::some(wa::message::GroupInviteMessage {
            group_jid: some("1-2@g.us"),
            group_name: some("The group"),
            invite_code: some("C0DE"),
            invite_expiration: Some(1_900_000_000),
            ..Default::default()
        }),
        ..Default::default()
    };
    let Some(Body::Invite(invite)) = body(&invite) else {
        panic!("it is an invitation");
    };
    assert_eq!((&*invite.code, &*invite.name), ("C0DE", "The group"));
    assert_eq!(invite.expires_at, Some(Timestamp::from_secs(1_900_000_000)));
}

#[test]
fn a_quote_is_read_one_level_deep_and_a_large_thumbnail_not_at_all() {
    let deep = wa::ContextInfo {
        stanza_id: some("Q2"),
        quoted_message: MessageField::some(text("innermost")),
        ..Default::default()
    };
    let quoted = wa::Message {
        image_message: MessageField::some(wa::message::ImageMessage {
            caption: some("look"),
            jpeg_thumbnail: Some(vec![0; 100]),
            context_info: MessageField::some(deep),
            ..Default::default()
        }),
        ..Default::default()
    };
    let info = wa::ContextInfo {
        stanza_id: some("Q1"),
        quoted_message: MessageField::some(quoted),
        expiration: Some(60),
        non_jid_mentions: Some(1),
        ..Default::default()
    };
    let message = wa::Message {
        extended_text_message: MessageField::some(wa::message::ExtendedTextMessage {
            text: some("see https://example.org"),
            matched_text: some("https://example.org"),
            jpeg_thumbnail: Some(vec![0; 49_153]),
            context_info: MessageField::some(info),
            ..Default::default()
        }),
        ..Default::default()
    };
    let context = read(&message).unwrap().message.context;
    let Some(Body::Media(media)) = context.quoted_body.as_deref() else {
        panic!("a picture is quoted: {context:?}");
    };
    assert_eq!(
        (media.kind, media.caption.as_deref()),
        (MediaKind::Image, Some("look"))
    );
    assert!(media.thumbnail.is_some());
    let preview = context.preview.unwrap();
    assert_eq!(
        (&*preview.link, preview.thumbnail),
        ("https://example.org", None)
    );
    assert_eq!(context.ephemeral, Some(Duration::from_secs(60)));
    assert!(context.mention_all);
}
