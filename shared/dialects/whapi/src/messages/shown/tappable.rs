//! Buttons, lists and carousels as this system shows them.
//!
//! The document's own `interactive` cannot stand here: it requires a file's id, type and size of every such message.

use serde::Serialize;
use switchboard_vocab::content::{self as vocab, Button, CarouselCard};

use super::content::Content;

/// `MessageContentButtons`. What the buttons do is ours: the document has their words only.
#[derive(Serialize)]
pub(super) struct Buttons {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<String>,
    buttons: Vec<WireButton>,
}

#[derive(Serialize, Default)]
struct WireButton {
    id: String,
    text: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_code: Option<String>,
}

impl WireButton {
    fn of(at: usize, button: &Button) -> Self {
        let flow = |text: &str| Self {
            id: at.to_string(),
            text: text.to_owned(),
            kind: "NATIVE_FLOW",
            ..Self::default()
        };
        match button {
            Button::Reply { id, title } => Self {
                id: id.clone(),
                kind: "RESPONSE",
                ..flow(title)
            },
            Button::Url { title, url } => Self {
                url: Some(url.clone()),
                ..flow(title)
            },
            Button::Call { title, phone } => Self {
                phone_number: Some(phone.clone()),
                ..flow(title)
            },
            Button::Copy { title, code } => Self {
                copy_code: Some(code.clone()),
                ..flow(title)
            },
        }
    }

    fn all(buttons: &[Button]) -> Vec<Self> {
        let numbered = buttons.iter().enumerate();
        numbered.map(|(at, button)| Self::of(at, button)).collect()
    }
}

/// `MessageContentList`.
#[derive(Serialize)]
pub(super) struct List {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    body: String,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<String>,
    sections: Vec<vocab::Section>,
}

/// Cards side by side.
#[derive(Serialize)]
pub(super) struct Carousel {
    body: String,
    cards: Vec<Card>,
}

#[derive(Serialize)]
struct Card {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<String>,
    buttons: Vec<WireButton>,
}

impl Card {
    fn of(card: &CarouselCard) -> Self {
        Self {
            text: card.body.clone(),
            footer: card.footer.clone(),
            buttons: WireButton::all(&card.buttons),
        }
    }
}

/// A message that can be answered by tapping.
pub(super) fn tappable(message: &vocab::Interactive) -> Content {
    let (header, footer) = (message.header.clone(), message.footer.clone());
    match &message.action {
        vocab::Action::Buttons { buttons } => Content::Buttons(Buttons {
            header,
            text: message.body.clone(),
            footer,
            buttons: WireButton::all(buttons),
        }),
        vocab::Action::List { label, sections } => Content::List(List {
            header,
            body: message.body.clone(),
            label: label.clone(),
            footer,
            sections: sections.clone(),
        }),
        vocab::Action::Carousel { cards } => Content::Carousel(Carousel {
            body: message.body.clone(),
            cards: cards.iter().map(Card::of).collect(),
        }),
    }
}
