//! Interactive messages: buttons, lists and links, as the official API writes them.

use serde::Deserialize;
use switchboard_dialect_kit::{Refusal, Reject, media};
use switchboard_vocab::content::{
    Action, BUTTONS_MAX, Button, Content, Interactive, MediaKind, OutgoingMedia, ROWS_MAX, Row,
    Section,
};

use super::outgoing::{MediaRef, media as file_of};
use crate::ids::{invalid, refused};

/// Longest words on a button, in characters. Source: the published page.
const BUTTON_TITLE_MAX: usize = 20;
/// Longest words of a row, in characters. Source: the published page.
const ROW_TITLE_MAX: usize = 23;
/// Longest small words of a row, in characters. Source: the published page.
const ROW_DESCRIPTION_MAX: usize = 72;

/// The kinds of interactive messages.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    List,
    Button,
    CtaUrl,
    Product,
    ProductList,
    Flow,
    CatalogMessage,
}

/// The field `interactive`.
#[derive(Deserialize)]
pub(super) struct InteractiveBody {
    #[serde(rename = "type")]
    kind: Kind,
    header: Option<Header>,
    body: Option<Words>,
    footer: Option<Words>,
    action: ActionBody,
}

#[derive(Deserialize)]
struct Words {
    text: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HeaderKind {
    Text,
    Image,
    Video,
    Document,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "type")]
    kind: HeaderKind,
    text: Option<String>,
    image: Option<MediaRef>,
    video: Option<MediaRef>,
    document: Option<MediaRef>,
}

#[derive(Deserialize)]
struct ActionBody {
    button: Option<String>,
    #[serde(default)]
    buttons: Vec<ReplyButton>,
    #[serde(default)]
    sections: Vec<SectionBody>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct ReplyButton {
    reply: IdTitle,
}

#[derive(Deserialize)]
struct IdTitle {
    id: String,
    title: String,
}

#[derive(Deserialize)]
struct SectionBody {
    #[serde(default)]
    title: String,
    #[serde(default)]
    rows: Vec<RowBody>,
}

#[derive(Deserialize)]
struct RowBody {
    id: String,
    title: String,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Parameters {
    display_text: String,
    url: String,
}

/// The content of an interactive message.
pub(super) fn content(body: InteractiveBody) -> Result<Content, Reject> {
    let action = match body.kind {
        Kind::Button => buttons(body.action)?,
        Kind::List => list(body.action)?,
        Kind::CtaUrl => link(body.action)?,
        Kind::Product | Kind::ProductList | Kind::CatalogMessage => {
            return Err(refused("interactive.type", Refusal::LaterRelease));
        }
        // Flows live at the official API's own servers.
        Kind::Flow => return Err(refused("interactive.type", Refusal::NotOnLinkedDevice)),
    };
    let text = body
        .body
        .ok_or_else(|| invalid("interactive.body", "it is missing"))?;
    if text.text.is_empty() {
        return Err(invalid("interactive.body.text", "it is empty"));
    }
    let (header, media) = body.header.map_or(Ok((None, None)), header)?;
    Ok(Content::Interactive(Interactive {
        header,
        media,
        body: text.text,
        footer: body.footer.map(|footer| footer.text),
        action,
    }))
}

fn header(header: Header) -> Result<(Option<String>, Option<OutgoingMedia>), Reject> {
    let missing = || invalid("interactive.header", "what its type names is missing");
    let file = |field: &str, file: Option<MediaRef>, kind| {
        file_of(field, file.ok_or_else(missing)?, kind).map(|media| (None, Some(media)))
    };
    match header.kind {
        HeaderKind::Text => Ok((Some(header.text.ok_or_else(missing)?), None)),
        HeaderKind::Image => file("interactive.header.image", header.image, MediaKind::Image),
        HeaderKind::Video => file("interactive.header.video", header.video, MediaKind::Video),
        HeaderKind::Document => {
            let field = "interactive.header.document";
            file(field, header.document, MediaKind::Document)
        }
    }
}

fn buttons(action: ActionBody) -> Result<Action, Reject> {
    let field = "interactive.action.buttons";
    counted(field, action.buttons.len(), BUTTONS_MAX)?;
    let button = |button: ReplyButton| {
        let IdTitle { id, title } = button.reply;
        within(field, &title, BUTTON_TITLE_MAX)?;
        Ok(Button::Reply { id, title })
    };
    Ok(Action::Buttons {
        buttons: action
            .buttons
            .into_iter()
            .map(button)
            .collect::<Result<_, Reject>>()?,
    })
}

fn list(action: ActionBody) -> Result<Action, Reject> {
    let field = "interactive.action.sections";
    let rows = action.sections.iter().map(|section| section.rows.len());
    counted(field, rows.sum(), ROWS_MAX)?;
    let label = action
        .button
        .filter(|label| !label.is_empty())
        .ok_or_else(|| invalid("interactive.action.button", "the words on it are expected"))?;
    within("interactive.action.button", &label, BUTTON_TITLE_MAX)?;
    let row = |row: RowBody| {
        within(field, &row.title, ROW_TITLE_MAX)?;
        let description = row.description.filter(|text| !text.is_empty());
        if let Some(text) = &description {
            within(field, text, ROW_DESCRIPTION_MAX)?;
        }
        Ok(Row {
            id: row.id,
            title: row.title,
            description,
        })
    };
    let section = |section: SectionBody| {
        Ok(Section {
            title: section.title,
            rows: section
                .rows
                .into_iter()
                .map(row)
                .collect::<Result<_, Reject>>()?,
        })
    };
    Ok(Action::List {
        label,
        sections: action
            .sections
            .into_iter()
            .map(section)
            .collect::<Result<_, Reject>>()?,
    })
}

fn link(action: ActionBody) -> Result<Action, Reject> {
    let given = action.parameters.ok_or_else(|| {
        invalid(
            "interactive.action.parameters",
            "display_text and url are expected",
        )
    })?;
    media::link(&given.url).map_err(|e| invalid("interactive.action.parameters.url", e.public))?;
    Ok(Action::Buttons {
        buttons: vec![Button::Url {
            title: given.display_text,
            url: given.url,
        }],
    })
}

fn counted(field: &str, count: usize, max: usize) -> Result<(), Reject> {
    if (1..=max).contains(&count) {
        return Ok(());
    }
    Err(invalid(field, format!("1 to {max} are possible")))
}

fn within(field: &str, text: &str, characters_max: usize) -> Result<(), Reject> {
    let count = text.chars().count();
    if (1..=characters_max).contains(&count) {
        return Ok(());
    }
    let reason = format!("words of 1 to {characters_max} characters are expected");
    Err(invalid(field, reason))
}
