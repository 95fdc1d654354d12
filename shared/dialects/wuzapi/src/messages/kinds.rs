//! Sending what is neither words nor a file: places, contact cards, buttons and lists.
//!
//! Templates and buttons leave as native flows, the only form of them that phones still show; WhatsApp promises no delivery.

use http::Method;
use serde::Deserialize;
use switchboard_dialect_kit::{Cx, Reject, Routes, lenient};
use switchboard_vocab::OpError;
use switchboard_vocab::content::{
    Action, Button, Card, Content, Interactive, Location, ROWS_MAX, Row, Section,
};
use switchboard_vocab::messages::{SendMessage, TEXT_LEN_MAX};

use super::{Send, sent, within};
use crate::input::{Payload, needed};

/// Longest name of a place and words of a button or row, in characters.
const LABEL_LEN_MAX: usize = 255;
/// Most buttons that send an answer. Source: that system's reference.
const REPLIES_MAX: usize = 3;

/// The rows of these kinds.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .op(Method::POST, "/chat/send/template", template, sent)
        .op(Method::POST, "/chat/send/location", location, sent)
        .op(Method::POST, "/chat/send/contact", contact, sent)
        .aliases(true)
        .op(Method::POST, "/chat/send/buttons", buttons, sent)
        .op(Method::POST, "/chat/send/list", list, sent)
        .aliases(false)
}

#[derive(Deserialize)]
struct SendPlace {
    #[serde(flatten)]
    send: Send,
    latitude: Option<f64>,
    longitude: Option<f64>,
    name: Option<String>,
}

/// Zero counts as missing. Source: that system's code.
fn location(Payload(request): Payload<SendPlace>, cx: &Cx) -> Result<SendMessage, Reject> {
    needed("Phone", request.send.phone.as_ref())?;
    request.send.no_mentions()?;
    let degrees = |name: &str, value: Option<f64>, max: f64| {
        let Some(value) = value.filter(|value| *value != 0.0) else {
            return Err(OpError::invalid(format!("Missing {name} in Payload")));
        };
        if (-max..=max).contains(&value) {
            return Ok(value);
        }
        Err(OpError::invalid(format!(
            "{name}: -{max} to {max} is expected"
        )))
    };
    let latitude = degrees("Latitude", request.latitude, 90.0)?;
    let longitude = degrees("Longitude", request.longitude, 180.0)?;
    let name = request.name.filter(|name| !name.is_empty());
    within("Name", name.as_deref().unwrap_or_default(), LABEL_LEN_MAX)?;
    let place = Location {
        latitude,
        longitude,
        name,
        ..Location::default()
    };
    request.send.message(Content::Location(place), cx)
}

#[derive(Deserialize)]
struct SendCard {
    #[serde(flatten)]
    send: Send,
    name: Option<String>,
    vcard: Option<String>,
}

fn contact(Payload(request): Payload<SendCard>, cx: &Cx) -> Result<SendMessage, Reject> {
    needed("Phone", request.send.phone.as_ref())?;
    request.send.no_mentions()?;
    let name = needed("Name", request.name.as_ref())?.to_owned();
    let vcard = needed("Vcard", request.vcard.as_ref())?.to_owned();
    within("Name", &name, LABEL_LEN_MAX)?;
    within("Vcard", &vcard, TEXT_LEN_MAX)?;
    let cards = vec![Card { name, vcard }];
    request.send.message(Content::Contacts { cards }, cx)
}

#[derive(Deserialize)]
struct SendTemplate {
    #[serde(flatten)]
    send: Send,
    content: Option<String>,
    footer: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    buttons: Vec<TemplateButton>,
}

#[derive(Deserialize)]
struct TemplateButton {
    displaytext: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    phonenumber: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_text")]
    id: Option<String>,
}

fn template(Payload(request): Payload<SendTemplate>, cx: &Cx) -> Result<SendMessage, Reject> {
    needed("Phone", request.send.phone.as_ref())?;
    let content = needed("Content", request.content.as_ref())?.to_owned();
    let footer = needed("Footer", request.footer.as_ref())?.to_owned();
    if request.buttons.is_empty() {
        needed("Buttons", None)?;
    }
    let mut buttons = Vec::with_capacity(request.buttons.len());
    for (at, button) in request.buttons.into_iter().enumerate() {
        buttons.push(template_button(button, at + 1)?);
    }
    check_counts(&buttons)?;
    let action = Action::Buttons { buttons };
    interactive(&request.send, None, content, Some(footer), action, cx)
}

fn template_button(button: TemplateButton, place: usize) -> Result<Button, Reject> {
    let title = label("DisplayText", button.displaytext.as_ref())?;
    match button.kind.as_deref().unwrap_or_default() {
        "quickreply" => Ok(Button::Reply {
            id: given_or_place(button.id, place),
            title,
        }),
        "url" => {
            let url = needed("Url", button.url.as_ref())?.to_owned();
            if !(url.starts_with("http://") || url.starts_with("https://")) {
                return Err(OpError::invalid("Url: an http or https address is expected").into());
            }
            within("Url", &url, 2 * LABEL_LEN_MAX)?;
            Ok(Button::Url { title, url })
        }
        "call" => {
            let text = needed("PhoneNumber", button.phonenumber.as_ref())?;
            let phone = crate::ids::person("PhoneNumber", text)?;
            Ok(Button::Call {
                title,
                phone: format!("+{}", phone.user()),
            })
        }
        _ => Err(OpError::invalid("Type: quickreply, url or call is expected").into()),
    }
}

/// Source: that system's reference: at most three answers, one call, one page.
fn check_counts(buttons: &[Button]) -> Result<(), Reject> {
    let count = |is: fn(&Button) -> bool| buttons.iter().filter(|button| is(button)).count();
    let replies = count(|button| matches!(button, Button::Reply { .. }));
    let pages = count(|button| matches!(button, Button::Url { .. }));
    let calls = count(|button| matches!(button, Button::Call { .. }));
    if replies > REPLIES_MAX || pages > 1 || calls > 1 {
        let text = "Buttons: at most three quickreply, one call and one url are possible";
        return Err(OpError::invalid(text).into());
    }
    Ok(())
}

#[derive(Deserialize)]
struct SendButtons {
    #[serde(flatten)]
    send: Send,
    title: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    buttons: Vec<ReplyButton>,
}

#[derive(Deserialize)]
struct ReplyButton {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    buttonid: Option<String>,
    buttontext: Option<String>,
}

fn buttons(Payload(request): Payload<SendButtons>, cx: &Cx) -> Result<SendMessage, Reject> {
    needed("Phone", request.send.phone.as_ref())?;
    let body = needed("Title", request.title.as_ref())?.to_owned();
    if request.buttons.is_empty() {
        needed("Buttons", None)?;
    }
    let mut buttons = Vec::with_capacity(request.buttons.len());
    for (at, button) in request.buttons.into_iter().enumerate() {
        buttons.push(Button::Reply {
            id: given_or_place(button.buttonid, at + 1),
            title: label("ButtonText", button.buttontext.as_ref())?,
        });
    }
    if buttons.len() > REPLIES_MAX {
        let text = format!("Buttons: at most {REPLIES_MAX} are possible");
        return Err(OpError::invalid(text).into());
    }
    let action = Action::Buttons { buttons };
    interactive(&request.send, None, body, None, action, cx)
}

#[derive(Deserialize)]
struct SendList {
    #[serde(flatten)]
    send: Send,
    title: Option<String>,
    description: Option<String>,
    buttontext: Option<String>,
    footertext: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    sections: Vec<ListSection>,
}

#[derive(Deserialize)]
struct ListSection {
    title: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    rows: Vec<ListRow>,
}

#[derive(Deserialize)]
struct ListRow {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    rowid: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

fn list(Payload(request): Payload<SendList>, cx: &Cx) -> Result<SendMessage, Reject> {
    needed("Phone", request.send.phone.as_ref())?;
    let title = needed("Title", request.title.as_ref())?.to_owned();
    let body = needed("Description", request.description.as_ref())?.to_owned();
    let words = label("ButtonText", request.buttontext.as_ref())?;
    let count: usize = request
        .sections
        .iter()
        .map(|section| section.rows.len())
        .sum();
    if count == 0 {
        needed("Sections", None)?;
    }
    if count > ROWS_MAX {
        let text = format!("Sections: at most {ROWS_MAX} rows in all are possible");
        return Err(OpError::invalid(text).into());
    }
    let mut place = 0;
    let mut sections = Vec::with_capacity(request.sections.len());
    for section in request.sections {
        let mut rows = Vec::with_capacity(section.rows.len());
        for row in section.rows {
            place += 1;
            rows.push(Row {
                id: given_or_place(row.rowid, place),
                title: label("Title", row.title.as_ref())?,
                description: row.description.filter(|text| !text.is_empty()),
            });
        }
        let title = section.title.unwrap_or_default();
        sections.push(Section { title, rows });
    }
    let footer = request.footertext.filter(|text| !text.is_empty());
    let action = Action::List {
        label: words,
        sections,
    };
    interactive(&request.send, Some(title), body, footer, action, cx)
}

fn interactive(
    send: &Send,
    header: Option<String>,
    body: String,
    footer: Option<String>,
    action: Action,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    send.no_mentions()?;
    within("Content", &body, TEXT_LEN_MAX)?;
    let content = Interactive {
        header,
        media: None,
        body,
        footer,
        action,
    };
    send.message(Content::Interactive(content), cx)
}

/// The id somebody gave, or the place of the button, counted from one. Source: that system's code.
fn given_or_place(id: Option<String>, place: usize) -> String {
    id.filter(|id| !id.is_empty())
        .unwrap_or_else(|| place.to_string())
}

fn label(name: &str, text: Option<&String>) -> Result<String, Reject> {
    let text = needed(name, text)?;
    within(name, text, LABEL_LEN_MAX)?;
    Ok(text.to_owned())
}
