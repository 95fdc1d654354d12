//! Buttons, lists and cards in messages, and the answers to them.

use serde_json::Value;
use switchboard_vocab::content::{
    Action, Body, Button, CarouselCard, Interactive, Reply, ReplyKind, Row, Section,
};
use wa::hydrated_template_button::HydratedButton;
use wa::message::interactive_message::InteractiveMessage as Payload;
use waproto::whatsapp as wa;

use super::body::Said;

/// Most buttons, rows or cards of one message that are kept.
const PARTS_MAX: usize = 100;

/// Reads buttons, a list, cards, or an answer to them.
pub(super) fn read(message: &wa::Message) -> Option<Said> {
    read_native(message)
        .or_else(|| read_buttons(message))
        .or_else(|| read_list(message))
        .or_else(|| read_template(message))
        .or_else(|| read_reply(message))
}

fn read_native(message: &wa::Message) -> Option<Said> {
    let native = message.interactive_message.as_option()?;
    let body = Body::Interactive(of_native(native)?);
    Some(Said::with(body, native.context_info.as_option()))
}

fn of_native(native: &wa::message::InteractiveMessage) -> Option<Interactive> {
    let action = match native.interactive_message.as_ref()? {
        Payload::NativeFlowMessage(flow) => of_flow(flow),
        Payload::CarouselMessage(carousel) => Action::Carousel {
            cards: carousel.cards.iter().take(PARTS_MAX).map(card).collect(),
        },
        // Shops and collections have no buttons of their own.
        Payload::ShopStorefrontMessage(_) | Payload::CollectionMessage(_) => return None,
    };
    let header = native.header.as_option();
    Some(Interactive {
        header: header.and_then(|header| filled(header.title.as_ref())),
        media: None,
        body: words(native),
        footer: footer(native),
        action,
    })
}

fn words(native: &wa::message::InteractiveMessage) -> String {
    let body = native.body.as_option();
    body.and_then(|body| body.text.clone()).unwrap_or_default()
}

fn footer(native: &wa::message::InteractiveMessage) -> Option<String> {
    filled(native.footer.as_option()?.text.as_ref())
}

fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn card(card: &wa::message::InteractiveMessage) -> CarouselCard {
    let buttons = match card.interactive_message.as_ref() {
        Some(Payload::NativeFlowMessage(flow)) => flow_buttons(flow),
        Some(_) | None => Vec::new(),
    };
    CarouselCard {
        media: None,
        body: words(card),
        footer: footer(card),
        buttons,
    }
}

fn of_flow(flow: &wa::message::interactive_message::NativeFlowMessage) -> Action {
    let list = flow
        .buttons
        .iter()
        .find(|button| button.name.as_deref() == Some("single_select"));
    if let Some(list) = list {
        let params = params(list.button_params_json.as_deref());
        return Action::List {
            label: string(&params, "title"),
            sections: sections(&params),
        };
    }
    Action::Buttons {
        buttons: flow_buttons(flow),
    }
}

fn params(json: Option<&str>) -> Value {
    json.and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or(Value::Null)
}

fn string(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(_) | None => String::new(),
    }
}

fn sections(params: &Value) -> Vec<Section> {
    let list = |value: &Value, name: &str| -> Vec<Value> {
        let items = value.get(name).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .take(PARTS_MAX)
            .cloned()
            .collect()
    };
    let row = |row: &Value| Row {
        id: string(row, "id"),
        title: string(row, "title"),
        description: Some(string(row, "description")).filter(|text| !text.is_empty()),
    };
    list(params, "sections")
        .iter()
        .map(|section| Section {
            title: string(section, "title"),
            rows: list(section, "rows").iter().map(row).collect(),
        })
        .collect()
}

fn flow_buttons(flow: &wa::message::interactive_message::NativeFlowMessage) -> Vec<Button> {
    flow.buttons
        .iter()
        .take(PARTS_MAX)
        .map(|button| {
            let params = params(button.button_params_json.as_deref());
            let title = string(&params, "display_text");
            match button.name.as_deref() {
                Some("cta_url") => Button::Url {
                    title,
                    url: string(&params, "url"),
                },
                Some("cta_call") => Button::Call {
                    title,
                    phone: string(&params, "phone_number"),
                },
                Some("cta_copy") => Button::Copy {
                    title,
                    code: string(&params, "copy_code"),
                },
                Some(_) | None => Button::Reply {
                    id: string(&params, "id"),
                    title,
                },
            }
        })
        .collect()
}

fn read_buttons(message: &wa::Message) -> Option<Said> {
    use wa::message::buttons_message::Header;
    let buttons = message.buttons_message.as_option()?;
    let header = match buttons.header.as_ref() {
        Some(Header::Text(text)) => Some(text.clone()),
        Some(_) | None => None,
    };
    let button = |button: &wa::message::buttons_message::Button| Button::Reply {
        id: button.button_id.clone().unwrap_or_default(),
        title: button
            .button_text
            .as_option()
            .and_then(|text| text.display_text.clone())
            .unwrap_or_default(),
    };
    let body = Body::Interactive(Interactive {
        header,
        media: None,
        body: buttons.content_text.clone().unwrap_or_default(),
        footer: filled(buttons.footer_text.as_ref()),
        action: Action::Buttons {
            buttons: buttons.buttons.iter().take(PARTS_MAX).map(button).collect(),
        },
    });
    Some(Said::with(body, buttons.context_info.as_option()))
}

fn read_list(message: &wa::Message) -> Option<Said> {
    let list = message.list_message.as_option()?;
    let row = |row: &wa::message::list_message::Row| Row {
        id: row.row_id.clone().unwrap_or_default(),
        title: row.title.clone().unwrap_or_default(),
        description: filled(row.description.as_ref()),
    };
    let section = |section: &wa::message::list_message::Section| Section {
        title: section.title.clone().unwrap_or_default(),
        rows: section.rows.iter().take(PARTS_MAX).map(row).collect(),
    };
    let body = Body::Interactive(Interactive {
        header: filled(list.title.as_ref()),
        media: None,
        body: list.description.clone().unwrap_or_default(),
        footer: filled(list.footer_text.as_ref()),
        action: Action::List {
            label: list.button_text.clone().unwrap_or_default(),
            sections: list.sections.iter().take(PARTS_MAX).map(section).collect(),
        },
    });
    Some(Said::with(body, list.context_info.as_option()))
}

fn read_template(message: &wa::Message) -> Option<Said> {
    use wa::message::template_message::Format;
    use wa::message::template_message::hydrated_four_row_template::Title;
    let template = message.template_message.as_option()?;
    let info = template.context_info.as_option();
    let rows = match template.format.as_ref() {
        Some(Format::HydratedFourRowTemplate(rows)) => Some(&**rows),
        Some(Format::InteractiveMessageTemplate(native)) => {
            return Some(Said::with(Body::Interactive(of_native(native)?), info));
        }
        Some(Format::FourRowTemplate(_)) | None => template.hydrated_template.as_option(),
    }?;
    let header = match rows.title.as_ref() {
        Some(Title::HydratedTitleText(text)) => Some(text.clone()),
        Some(_) | None => None,
    };
    let buttons = rows.hydrated_buttons.iter().take(PARTS_MAX);
    let body = Body::Interactive(Interactive {
        header,
        media: None,
        body: rows.hydrated_content_text.clone().unwrap_or_default(),
        footer: filled(rows.hydrated_footer_text.as_ref()),
        action: Action::Buttons {
            buttons: buttons.filter_map(template_button).collect(),
        },
    });
    Some(Said::with(body, info))
}

fn template_button(button: &wa::HydratedTemplateButton) -> Option<Button> {
    Some(match button.hydrated_button.as_ref()? {
        HydratedButton::QuickReplyButton(reply) => Button::Reply {
            id: reply.id.clone().unwrap_or_default(),
            title: reply.display_text.clone().unwrap_or_default(),
        },
        HydratedButton::UrlButton(url) => Button::Url {
            title: url.display_text.clone().unwrap_or_default(),
            url: url.url.clone().unwrap_or_default(),
        },
        HydratedButton::CallButton(call) => Button::Call {
            title: call.display_text.clone().unwrap_or_default(),
            phone: call.phone_number.clone().unwrap_or_default(),
        },
    })
}

fn read_reply(message: &wa::Message) -> Option<Said> {
    use wa::message::buttons_response_message::Response;
    use wa::message::interactive_response_message::InteractiveResponseMessage as Answer;
    let said = |reply: Reply, info| Some(Said::with(Body::Reply(reply), info));
    if let Some(reply) = message.buttons_response_message.as_option() {
        let title = match reply.response.as_ref() {
            Some(Response::SelectedDisplayText(text)) => text.clone(),
            None => String::new(),
        };
        let id = reply.selected_button_id.clone().unwrap_or_default();
        let reply_body = of_reply(ReplyKind::Button, id, title);
        return said(reply_body, reply.context_info.as_option());
    }
    if let Some(reply) = message.list_response_message.as_option() {
        let row = reply.single_select_reply.as_option();
        let id = row.and_then(|row| row.selected_row_id.clone());
        let mut body = of_reply(
            ReplyKind::List,
            id.unwrap_or_default(),
            reply.title.clone().unwrap_or_default(),
        );
        body.description = filled(reply.description.as_ref());
        return said(body, reply.context_info.as_option());
    }
    if let Some(reply) = message.template_button_reply_message.as_option() {
        let title = reply.selected_display_text.clone().unwrap_or_default();
        let id = reply.selected_id.clone().unwrap_or_default();
        let body = of_reply(ReplyKind::Template, id, title);
        return said(body, reply.context_info.as_option());
    }
    let reply = message.interactive_response_message.as_option()?;
    let words = reply.body.as_option().and_then(|body| body.text.clone());
    let json = match reply.interactive_response_message.as_ref() {
        Some(Answer::NativeFlowResponseMessage(flow)) => flow.params_json.clone(),
        None => None,
    };
    let answer = params(json.as_deref());
    // A button or row names its id; a form has answers of its own, which are kept as they came.
    let id = match string(&answer, "id") {
        id if id.is_empty() => json.unwrap_or_default(),
        id => id,
    };
    let body = Reply {
        description: Some(string(&answer, "description")).filter(|text| !text.is_empty()),
        ..of_reply(ReplyKind::Flow, id, words.unwrap_or_default())
    };
    said(body, reply.context_info.as_option())
}

const fn of_reply(kind: ReplyKind, id: String, title: String) -> Reply {
    Reply {
        kind,
        id,
        title,
        description: None,
    }
}
