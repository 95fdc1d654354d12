//! Buttons, lists, templates, native flows and the answers to them.

use wa::message::{buttons_message, interactive_message, list_message, template_message};
use waproto::whatsapp as wa;

use super::{ComposeError, text_of};
use crate::draft::{
    Button, Buttons, Card, Interactive, List, Outgoing, Reply, ReplyKind, Template,
};

/// Most buttons, rows or cards of a message. Source: our choice, above WhatsApp's own limits.
const CHOICES_MAX: usize = 100;

/// Puts interactive content into a message. Returns whether the draft has any.
pub(super) fn content(message: &mut wa::Message, out: &Outgoing) -> Result<bool, ComposeError> {
    if let Some(buttons) = &out.buttons {
        limited(buttons.buttons.len())?;
        message.buttons_message = with_buttons(buttons, &out.text).into();
    } else if let Some(list) = &out.list {
        limited(list.sections.iter().map(|s| s.rows.len()).sum())?;
        message.list_message = with_list(list, &out.text).into();
    } else if let Some(template) = &out.template {
        limited(template.buttons.len())?;
        message.template_message = with_template(template, &out.text).into();
    } else if let Some(interactive) = &out.interactive {
        limited(interactive.buttons.len().max(interactive.cards.len()))?;
        message.interactive_message = with_flow(interactive, &out.text)?.into();
    } else if let Some(reply) = &out.reply {
        answer(message, reply);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn limited(count: usize) -> Result<(), ComposeError> {
    if (1..=CHOICES_MAX).contains(&count) {
        Ok(())
    } else {
        Err(ComposeError::Invalid("1 to 100 choices"))
    }
}

fn with_buttons(draft: &Buttons, text: &str) -> wa::message::ButtonsMessage {
    use buttons_message::button::{ButtonText, Type};
    let header = draft.header.clone().map(buttons_message::Header::Text);
    let buttons = draft.buttons.iter().map(|b| buttons_message::Button {
        button_id: Some(b.id.clone()),
        button_text: ButtonText {
            display_text: Some(b.title.clone()),
        }
        .into(),
        r#type: Some(Type::RESPONSE),
        ..Default::default()
    });
    wa::message::ButtonsMessage {
        content_text: Some(text.to_owned()),
        footer_text: draft.footer.clone(),
        buttons: buttons.collect(),
        header_type: Some(if header.is_some() {
            buttons_message::HeaderType::TEXT
        } else {
            buttons_message::HeaderType::EMPTY
        }),
        header,
        ..Default::default()
    }
}

fn with_list(draft: &List, text: &str) -> wa::message::ListMessage {
    let sections = draft.sections.iter().map(|section| {
        let rows = section.rows.iter().map(|row| list_message::Row {
            title: Some(row.title.clone()),
            description: row.description.clone(),
            row_id: Some(row.id.clone()),
        });
        list_message::Section {
            title: Some(section.title.clone()),
            rows: rows.collect(),
        }
    });
    wa::message::ListMessage {
        title: draft.title.clone(),
        description: Some(text.to_owned()),
        button_text: Some(draft.button.clone()),
        list_type: Some(list_message::ListType::SINGLE_SELECT),
        sections: sections.collect(),
        footer_text: draft.footer.clone(),
        ..Default::default()
    }
}

fn with_template(draft: &Template, text: &str) -> wa::message::TemplateMessage {
    use template_message::hydrated_four_row_template::Title;
    let buttons = draft.buttons.iter().zip(0..).map(template_button);
    let rows = template_message::HydratedFourRowTemplate {
        hydrated_content_text: Some(text.to_owned()),
        hydrated_footer_text: draft.footer.clone(),
        hydrated_buttons: buttons.collect(),
        title: draft.title.clone().map(Title::HydratedTitleText),
        ..Default::default()
    };
    wa::message::TemplateMessage {
        hydrated_template: rows.clone().into(),
        format: Some(template_message::Format::HydratedFourRowTemplate(Box::new(
            rows,
        ))),
        ..Default::default()
    }
}

fn template_button((button, index): (&Button, u32)) -> wa::HydratedTemplateButton {
    use wa::hydrated_template_button as kind;
    let display_text = Some(button.title.clone());
    let content = if let Some(url) = &button.url {
        kind::HydratedButton::UrlButton(Box::new(kind::HydratedURLButton {
            display_text,
            url: Some(url.clone()),
            ..Default::default()
        }))
    } else if let Some(phone) = &button.phone {
        kind::HydratedButton::CallButton(Box::new(kind::HydratedCallButton {
            display_text,
            phone_number: Some(phone.clone()),
        }))
    } else {
        kind::HydratedButton::QuickReplyButton(Box::new(kind::HydratedQuickReplyButton {
            display_text,
            id: Some(button.id.clone()),
        }))
    };
    wa::HydratedTemplateButton {
        index: Some(index),
        hydrated_button: Some(content),
    }
}

fn with_flow(
    draft: &Interactive,
    text: &str,
) -> Result<wa::message::InteractiveMessage, ComposeError> {
    use interactive_message::InteractiveMessage as Payload;
    if draft.cards.is_empty() {
        return Ok(flow_part(
            draft.title.as_ref(),
            text,
            draft.footer.as_ref(),
            &draft.buttons,
        ));
    }
    if !draft.buttons.is_empty() {
        return Err(ComposeError::Invalid("a carousel has its buttons on cards"));
    }
    let card = |card: &Card| flow_part(card.title.as_ref(), &card.text, None, &card.buttons);
    let mut message = flow_part(draft.title.as_ref(), text, draft.footer.as_ref(), &[]);
    message.interactive_message = Some(Payload::CarouselMessage(Box::new(
        interactive_message::CarouselMessage {
            cards: draft.cards.iter().map(card).collect(),
            message_version: Some(1),
            ..Default::default()
        },
    )));
    Ok(message)
}

fn flow_part(
    title: Option<&String>,
    text: &str,
    footer: Option<&String>,
    buttons: &[Button],
) -> wa::message::InteractiveMessage {
    use interactive_message::InteractiveMessage as Payload;
    use interactive_message::native_flow_message::NativeFlowButton;
    let buttons = buttons.iter().map(|b| {
        let mut params = serde_json::json!({"display_text": b.title, "id": b.id});
        if let (Some(url), Some(params)) = (&b.url, params.as_object_mut()) {
            params.insert("url".to_owned(), url.as_str().into());
        }
        NativeFlowButton {
            name: Some(b.name.clone().unwrap_or_else(|| "quick_reply".to_owned())),
            button_params_json: Some(params.to_string()),
        }
    });
    wa::message::InteractiveMessage {
        header: title
            .map(|title| interactive_message::Header {
                title: Some(title.clone()),
                ..Default::default()
            })
            .into(),
        body: interactive_message::Body {
            text: Some(text.to_owned()),
        }
        .into(),
        footer: footer
            .map(|footer| interactive_message::Footer {
                text: Some(footer.clone()),
                ..Default::default()
            })
            .into(),
        interactive_message: Some(Payload::NativeFlowMessage(Box::new(
            interactive_message::NativeFlowMessage {
                buttons: buttons.collect(),
                message_version: Some(1),
                ..Default::default()
            },
        ))),
        ..Default::default()
    }
}

fn answer(message: &mut wa::Message, reply: &Reply) {
    match reply.kind {
        ReplyKind::Button => {
            use wa::message::buttons_response_message::{Response, Type};
            message.buttons_response_message = wa::message::ButtonsResponseMessage {
                selected_button_id: Some(reply.id.clone()),
                r#type: Some(Type::DISPLAY_TEXT),
                response: Some(Response::SelectedDisplayText(reply.title.clone())),
                ..Default::default()
            }
            .into();
        }
        ReplyKind::List => {
            use wa::message::list_response_message::{ListType, SingleSelectReply};
            message.list_response_message = wa::message::ListResponseMessage {
                title: Some(reply.title.clone()),
                description: reply.description.clone(),
                list_type: Some(ListType::SINGLE_SELECT),
                single_select_reply: SingleSelectReply {
                    selected_row_id: Some(reply.id.clone()),
                }
                .into(),
                ..Default::default()
            }
            .into();
        }
        ReplyKind::Template => {
            message.template_button_reply_message = wa::message::TemplateButtonReplyMessage {
                selected_id: Some(reply.id.clone()),
                selected_display_text: Some(reply.title.clone()),
                ..Default::default()
            }
            .into();
        }
        ReplyKind::Interactive => {
            use wa::message::interactive_response_message as response;
            let params = serde_json::json!({"id": reply.id, "title": reply.title});
            message.interactive_response_message = wa::message::InteractiveResponseMessage {
                body: response::Body {
                    text: text_of(&reply.title),
                    ..Default::default()
                }
                .into(),
                interactive_response_message: Some(
                    response::InteractiveResponseMessage::NativeFlowResponseMessage(Box::new(
                        response::NativeFlowResponseMessage {
                            name: Some("quick_reply".to_owned()),
                            params_json: Some(params.to_string()),
                            version: Some(3),
                        },
                    )),
                ),
                ..Default::default()
            }
            .into();
        }
    }
}
