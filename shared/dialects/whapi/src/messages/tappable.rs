//! Buttons, lists and carousels to send.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use switchboard_dialect_kit::media::Given;
use switchboard_dialect_kit::{Cx, FromInput, Input, Reject, lenient};
use switchboard_vocab::content::{
    Action, BUTTONS_MAX, Button, CARDS_MAX, CarouselCard, Content, Interactive, MediaKind,
    OutgoingMedia, ROWS_MAX, Row, Section,
};
use switchboard_vocab::messages::{SendMessage, TEXT_LEN_MAX};

use super::files::{self, FileFields};
use super::outgoing::{Structured, at_most, cannot_edit, message, optional_list, without_effect};
use crate::ids::invalid;

/// Longest words on a button, in characters.
const TITLE_LEN_MAX: usize = 256;
/// Longest id, code or address behind a button, in characters.
const VALUE_LEN_MAX: usize = 2_048;

#[derive(Default, Deserialize)]
struct Words {
    #[serde(default)]
    text: Option<String>,
}

impl Words {
    fn of(words: Option<Self>, field: &str) -> Result<Option<String>, Reject> {
        let text = words.and_then(|words| words.text);
        let text = text.filter(|text| !text.is_empty());
        if let Some(text) = &text {
            at_most(field, text, TEXT_LEN_MAX)?;
        }
        Ok(text)
    }
}

/// `SenderInteractive`.
#[derive(Deserialize)]
pub(crate) struct SenderInteractive {
    to: String,
    header: Option<Words>,
    body: Option<Words>,
    footer: Option<Words>,
    action: InteractiveAction,
    #[serde(rename = "type")]
    kind: Option<InteractiveType>,
    media: Option<String>,
    mime_type: Option<String>,
    caption: Option<String>,
    preview: Option<String>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    width: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    height: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    view_once: Option<bool>,
    quoted: Option<String>,
    edit: Option<String>,
}

/// A request of buttons, with the file that may stand beside its fields.
pub(crate) struct InteractiveRequest {
    fields: SenderInteractive,
    given: Option<Given>,
}

impl FromInput for InteractiveRequest {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let Structured(fields) = Structured::from_input(input)?;
        let files::Files { given, .. } = files::Files::<IgnoredAny>::from_input(input)?;
        Ok(Self { fields, given })
    }
}

#[derive(Deserialize)]
struct InteractiveAction {
    list: Option<ListAction>,
    buttons: Option<Vec<WireButton>>,
    product: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InteractiveType {
    List,
    Button,
    Product,
}

#[derive(Deserialize)]
struct ListAction {
    sections: Vec<WireSection>,
    label: String,
}

#[derive(Deserialize)]
struct WireSection {
    #[serde(default)]
    title: String,
    #[serde(default)]
    rows: Vec<WireRow>,
}

#[derive(Deserialize)]
struct WireRow {
    title: String,
    description: Option<String>,
    id: String,
}

/// `Button`.
#[derive(Deserialize)]
struct WireButton {
    #[serde(rename = "type")]
    kind: ButtonType,
    title: String,
    id: String,
    copy_code: Option<String>,
    phone_number: Option<String>,
    url: Option<String>,
    merchant_url: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ButtonType {
    QuickReply,
    Call,
    Copy,
    Url,
}

/// Decodes `POST /messages/interactive`.
pub(crate) fn send_interactive(
    request: InteractiveRequest,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    let InteractiveRequest { fields, given } = request;
    cannot_edit(fields.edit.as_ref())?;
    without_effect([("view_once", fields.view_once == Some(true))])?;
    let action = action(fields.action, fields.kind)?;
    let has_file = given.is_some() || fields.media.is_some();
    let file = FileFields {
        media: fields.media,
        mime_type: fields.mime_type,
        preview: fields.preview,
        width: fields.width,
        height: fields.height,
        ..FileFields::default()
    };
    let media = has_file
        .then(|| above(file, given, &fields.to))
        .transpose()?;
    let words = Words::of(fields.body, "body.text")?;
    let caption = fields.caption.filter(|caption| !caption.is_empty());
    let body = words.or(caption).unwrap_or_default();
    if body.is_empty() && media.is_none() {
        return Err(invalid("body.text", "it is empty"));
    }
    let content = Content::Interactive(Interactive {
        header: Words::of(fields.header, "header.text")?,
        media,
        body,
        footer: Words::of(fields.footer, "footer.text")?,
        action,
    });
    message(&fields.to, fields.quoted, content, cx)
}

/// The file above the words.
fn above(fields: FileFields, given: Option<Given>, to: &str) -> Result<OutgoingMedia, Reject> {
    let given = match (given, &fields.media) {
        (Some(given), _) => given,
        (None, Some(text)) => files::named("media", text)?,
        (None, None) => return Err(invalid("media", "a file, link, data uri or id is expected")),
    };
    let kind = files::guessed(fields.mime_type.as_deref(), &given, MediaKind::Image);
    if kind == MediaKind::Voice {
        return Err(invalid("media", "a picture, film or document is expected"));
    }
    files::outgoing(kind, fields, Some(given), to)
}

fn action(action: InteractiveAction, kind: Option<InteractiveType>) -> Result<Action, Reject> {
    let product = matches!(kind, Some(InteractiveType::Product)) || action.product.is_some();
    if product {
        let reason = "this release of the gateway does not send products of a catalogue yet";
        return Err(invalid("action.product", reason));
    }
    match (action.list, action.buttons, kind) {
        (Some(list), None, None | Some(InteractiveType::List)) => list_action(list),
        (None, Some(list), None | Some(InteractiveType::Button)) => Ok(Action::Buttons {
            buttons: buttons("action.buttons", list)?,
        }),
        (Some(list), Some(_), Some(InteractiveType::List)) => list_action(list),
        (Some(_), Some(list), Some(InteractiveType::Button)) => Ok(Action::Buttons {
            buttons: buttons("action.buttons", list)?,
        }),
        _ => Err(invalid(
            "action",
            "buttons are expected, or a list with type list",
        )),
    }
}

fn list_action(list: ListAction) -> Result<Action, Reject> {
    let rows: usize = list.sections.iter().map(|section| section.rows.len()).sum();
    if !(1..=ROWS_MAX).contains(&rows) {
        let reason = format!("1 to {ROWS_MAX} rows in all are possible");
        return Err(invalid("action.list.sections", reason));
    }
    let sections = list
        .sections
        .into_iter()
        .filter(|section| !section.rows.is_empty());
    let sections = sections
        .map(|section| {
            Ok(Section {
                title: section.title,
                rows: section
                    .rows
                    .into_iter()
                    .map(row)
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect::<Result<_, Reject>>()?;
    Ok(Action::List {
        label: short("action.list.label", list.label)?,
        sections,
    })
}

fn row(row: WireRow) -> Result<Row, Reject> {
    Ok(Row {
        id: value("action.list.sections.rows.id", Some(row.id))?,
        title: short("action.list.sections.rows.title", row.title)?,
        description: row.description.filter(|text| !text.is_empty()),
    })
}

fn buttons(field: &str, buttons: Vec<WireButton>) -> Result<Vec<Button>, Reject> {
    if !(1..=BUTTONS_MAX).contains(&buttons.len()) {
        return Err(invalid(field, format!("1 to {BUTTONS_MAX} are possible")));
    }
    buttons
        .into_iter()
        .enumerate()
        .map(|(at, wire)| button(&format!("{field}[{at}]"), wire))
        .collect()
}

fn button(field: &str, wire: WireButton) -> Result<Button, Reject> {
    let inner = |name: &str| format!("{field}.{name}");
    let title = short(&inner("title"), wire.title)?;
    Ok(match wire.kind {
        ButtonType::QuickReply => Button::Reply {
            id: value(&inner("id"), Some(wire.id))?,
            title,
        },
        ButtonType::Call => Button::Call {
            phone: value(&inner("phone_number"), wire.phone_number)?,
            title,
        },
        ButtonType::Copy => Button::Copy {
            code: value(&inner("copy_code"), wire.copy_code)?,
            title,
        },
        ButtonType::Url => {
            let url = value(&inner("url"), wire.url.or(wire.merchant_url))?;
            switchboard_dialect_kit::media::link(&url)
                .map_err(|_| invalid(&inner("url"), "an http or https address is expected"))?;
            Button::Url { url, title }
        }
    })
}

fn short(field: &str, text: String) -> Result<String, Reject> {
    if text.is_empty() {
        return Err(invalid(field, "it is empty"));
    }
    at_most(field, &text, TITLE_LEN_MAX)?;
    Ok(text)
}

fn value(field: &str, text: Option<String>) -> Result<String, Reject> {
    let text = text.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| invalid(field, "it is missing"))?;
    at_most(field, &text, VALUE_LEN_MAX)?;
    Ok(text)
}

/// `SenderCarousel`.
#[derive(Deserialize)]
pub(crate) struct SenderCarousel {
    to: String,
    body: Option<Words>,
    #[serde(default, deserialize_with = "optional_list")]
    cards: Option<Vec<WireCard>>,
    quoted: Option<String>,
    edit: Option<String>,
}

/// `CarouselCard`. Its id is read and goes nowhere: WhatsApp's cards have none.
#[derive(Deserialize)]
struct WireCard {
    #[serde(default)]
    text: String,
    #[serde(rename = "id")]
    _id: Value,
    buttons: Vec<WireButton>,
    media: WireMedia,
}

/// `SendMedia`, or only what its field `media` says.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireMedia {
    Whole {
        media: Option<String>,
        mime_type: Option<String>,
    },
    Named(String),
}

/// Decodes `POST /messages/carousel`.
pub(crate) fn send_carousel(
    Structured(request): Structured<SenderCarousel>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    cannot_edit(request.edit.as_ref())?;
    let cards = request.cards.unwrap_or_default();
    if !(1..=CARDS_MAX).contains(&cards.len()) {
        return Err(invalid("cards", format!("1 to {CARDS_MAX} are possible")));
    }
    let to = &request.to;
    let cards = cards
        .into_iter()
        .enumerate()
        .map(|(at, wire)| card(&format!("cards[{at}]"), wire, to))
        .collect::<Result<_, _>>()?;
    let content = Content::Interactive(Interactive {
        header: None,
        media: None,
        body: Words::of(request.body, "body.text")?.unwrap_or_default(),
        footer: None,
        action: Action::Carousel { cards },
    });
    message(to, request.quoted, content, cx)
}

fn card(field: &str, wire: WireCard, to: &str) -> Result<CarouselCard, Reject> {
    at_most(&format!("{field}.text"), &wire.text, TEXT_LEN_MAX)?;
    let (media, mime_type) = match wire.media {
        WireMedia::Whole { media, mime_type } => (media, mime_type),
        WireMedia::Named(media) => (Some(media), None),
    };
    let file = FileFields {
        media: media.filter(|media| !media.is_empty()),
        mime_type,
        ..FileFields::default()
    };
    let media = file
        .media
        .is_some()
        .then(|| above(file, None, to))
        .transpose()?;
    Ok(CarouselCard {
        media,
        body: wire.text,
        footer: None,
        buttons: buttons(&format!("{field}.buttons"), wire.buttons)?,
    })
}
