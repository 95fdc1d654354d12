//! Buttons, lists and carousels, and the answers to them. Baileys has no words for the first, we have none for the last.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_e2e::picture;

use super::rows::{Row, Seen, Theirs};

pub(super) fn rows() -> Result<Vec<Row>> {
    Ok(vec![
        buttons(),
        list(),
        carousel()?,
        old_buttons(),
        old_list(),
        template(),
        tap(),
        choice(),
    ])
}

fn interactive(body: Value) -> Option<(Method, &'static str, Value)> {
    Some((Method::POST, "/messages/interactive", body))
}

/// A button of a native flow, its parameters as the text that they are.
fn flow(name: &str, parameters: &Value) -> Value {
    json!({"name": name, "buttonParamsJson": parameters.to_string()})
}

fn buttons() -> Row {
    let ours = json!({"type": "button", "header": {"text": "Above"}, "body": {"text": "choose of ours"},
        "footer": {"text": "Below"}, "action": {"buttons": [
            {"type": "quick_reply", "title": "Yes", "id": "yes"},
            {"type": "url", "title": "Page", "id": "page", "url": "https://ours.example/"},
            {"type": "call", "title": "Call", "id": "call", "phone_number": "15550119999"},
            {"type": "copy", "title": "Copy", "id": "copy", "copy_code": "A1"}]}});
    // Words in JSON are compared by what they say, see `shows.rs`.
    let seen = json!({"interactiveMessage": {"header": {"title": "Above"}, "body": {"text": "choose of ours"},
        "footer": {"text": "Below"}, "nativeFlowMessage": {"buttons": [
            {"name": "quick_reply", "buttonParamsJson": {"display_text": "Yes", "id": "yes"}},
            {"name": "cta_url", "buttonParamsJson": {"display_text": "Page", "url": "https://ours.example/"}},
            {"name": "cta_call", "buttonParamsJson": {"display_text": "Call", "phone_number": "15550119999"}},
            {"name": "cta_copy", "buttonParamsJson": {"display_text": "Copy", "copy_code": "A1"}}]}}});
    let theirs = json!({"interactiveMessage": {"header": {"title": "Over"}, "body": {"text": "choose of theirs"},
        "footer": {"text": "Under"}, "nativeFlowMessage": {"buttons": [
            flow("quick_reply", &json!({"display_text": "No", "id": "no"})),
            flow("cta_url", &json!({"display_text": "Page", "url": "https://theirs.example/"}))]}}});
    Row {
        name: "buttons",
        we_send: interactive(ours),
        baileys_shows: Seen::Message(seen),
        baileys_sends: Theirs::message(theirs),
        we_show: json!({"type": "buttons", "buttons": {"header": "Over", "text": "choose of theirs", "footer": "Under",
            "buttons": [{"id": "no", "text": "No", "type": "RESPONSE"},
                {"text": "Page", "type": "NATIVE_FLOW", "url": "https://theirs.example/"}]}}),
        ..Row::default()
    }
}

fn list() -> Row {
    let sections =
        json!([{"title": "Soups", "rows": [{"id": "1", "title": "Tomato", "description": "hot"}]}]);
    let ours = json!({"type": "list", "body": {"text": "menu of ours"},
        "action": {"list": {"label": "Open", "sections": sections}}});
    let seen = json!({"interactiveMessage": {"body": {"text": "menu of ours"}, "nativeFlowMessage": {"buttons": [
        {"name": "single_select", "buttonParamsJson": {"title": "Open", "sections": sections}}]}}});
    let theirs = json!({"interactiveMessage": {"body": {"text": "menu of theirs"}, "nativeFlowMessage": {"buttons": [
        flow("single_select", &json!({"title": "Look", "sections": sections}))]}}});
    Row {
        name: "list",
        we_send: interactive(ours),
        baileys_shows: Seen::Message(seen),
        baileys_sends: Theirs::message(theirs),
        we_show: json!({"type": "list", "list": {"body": "menu of theirs", "label": "Look", "sections": sections}}),
        ..Row::default()
    }
}

fn carousel() -> Result<Row> {
    use base64::Engine as _;
    let picture = base64::engine::general_purpose::STANDARD.encode(picture(8)?);
    let picture = format!("data:image/png;base64,{picture}");
    let card = |text: &str| {
        json!({"text": text, "id": text, "media": {"media": picture},
        "buttons": [{"type": "quick_reply", "title": "Take", "id": text}]})
    };
    let seen = |text: &str| {
        json!({"header": {"hasMediaAttachment": true, "imageMessage": {"mimetype": "image/png"}},
        "body": {"text": text}, "nativeFlowMessage": {"buttons": [
            {"name": "quick_reply", "buttonParamsJson": {"display_text": "Take", "id": text}}]}})
    };
    let theirs = |text: &str| {
        json!({"body": {"text": text}, "nativeFlowMessage": {"buttons": [
        flow("quick_reply", &json!({"display_text": "Keep", "id": text}))]}})
    };
    let shown = |text: &str| json!({"text": text, "buttons": [{"id": text, "text": "Keep", "type": "RESPONSE"}]});
    Ok(Row {
        name: "carousel",
        we_send: Some((
            Method::POST,
            "/messages/carousel",
            json!({"body": {"text": "cards of ours"}, "cards": [card("one"), card("two")]}),
        )),
        baileys_shows: Seen::Message(
            json!({"interactiveMessage": {"body": {"text": "cards of ours"},
            "carouselMessage": {"cards": [seen("one"), seen("two")]}}}),
        ),
        baileys_sends: Theirs::message(
            json!({"interactiveMessage": {"body": {"text": "cards of theirs"},
            "carouselMessage": {"cards": [theirs("three"), theirs("four")]}}}),
        ),
        we_show: json!({"type": "carousel", "carousel": {"body": "cards of theirs", "cards": [shown("three"), shown("four")]}}),
        ..Row::default()
    })
}

/// The forms of earlier years, which come still and which nobody sends from here.
fn old_buttons() -> Row {
    Row {
        name: "buttons of the old form",
        baileys_sends: Theirs::message(
            json!({"buttonsMessage": {"contentText": "choose as of old", "footerText": "Under", "headerType": 1,
            "buttons": [{"buttonId": "a", "buttonText": {"displayText": "A"}, "type": 1}]}}),
        ),
        we_show: json!({"type": "buttons", "buttons": {"text": "choose as of old", "footer": "Under",
            "buttons": [{"id": "a", "text": "A", "type": "RESPONSE"}]}}),
        ..Row::default()
    }
}

fn old_list() -> Row {
    Row {
        name: "list of the old form",
        baileys_sends: Theirs::message(
            json!({"listMessage": {"title": "Menu", "description": "choose a row", "buttonText": "Open",
            "listType": 1, "sections": [{"title": "Soups", "rows": [{"rowId": "1", "title": "Tomato"}]}]}}),
        ),
        we_show: json!({"type": "list", "list": {"header": "Menu", "body": "choose a row", "label": "Open",
            "sections": [{"title": "Soups", "rows": [{"id": "1", "title": "Tomato"}]}]}}),
        ..Row::default()
    }
}

fn template() -> Row {
    Row {
        name: "template",
        baileys_sends: Theirs::message(
            json!({"templateMessage": {"hydratedTemplate": {"hydratedContentText": "from a template",
            "hydratedFooterText": "Under", "hydratedButtons": [
                {"index": 1, "quickReplyButton": {"displayText": "Fine", "id": "fine"}}]}}}),
        ),
        we_show: json!({"type": "buttons", "buttons": {"text": "from a template", "footer": "Under",
            "buttons": [{"id": "fine", "text": "Fine", "type": "RESPONSE"}]}}),
        ..Row::default()
    }
}

/// Baileys taps a button of ours.
fn tap() -> Row {
    Row {
        name: "tapped button",
        baileys_sends: Some(Theirs::Content(
            json!({"buttonReply": {"displayText": "Yes", "id": "yes", "index": 0}, "type": "plain"}),
            json!({"quoted": {"$message": "{buttons.our_id}"}}),
        )),
        we_show: json!({"type": "reply", "reply": {"type": "buttons_reply", "buttons_reply": {"id": "yes", "title": "Yes"}},
            "context": {"quoted_id": "{buttons.our_call}"}}),
        ..Row::default()
    }
}

/// Baileys chooses a row of our list.
fn choice() -> Row {
    Row {
        name: "chosen row",
        baileys_sends: Some(Theirs::Content(
            json!({"listReply": {"title": "Tomato", "listType": 1, "description": "hot",
                "singleSelectReply": {"selectedRowId": "1"}}}),
            json!({"quoted": {"$message": "{list.our_id}"}}),
        )),
        we_show: json!({"type": "reply", "reply": {"type": "list_reply",
            "list_reply": {"id": "1", "title": "Tomato", "description": "hot"}},
            "context": {"quoted_id": "{list.our_call}"}}),
        ..Row::default()
    }
}
