//! Messages with buttons, lists and cards, and the answers to them.

use serde::{Deserialize, Serialize};

use super::OutgoingMedia;
use crate::media::MediaSource;

/// Most buttons of one message or card. Source: WhatsApp's own limit for business messages.
pub const BUTTONS_MAX: usize = 10;
/// Most rows of a list, all sections together. Source: WhatsApp's own limit for business messages.
pub const ROWS_MAX: usize = 10;
/// Most cards of a carousel. Source: WhatsApp's own limit for business messages.
pub const CARDS_MAX: usize = 10;

/// A message that can be answered by tapping. In the log the files of a message that came in are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interactive {
    /// A headline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A picture, film or document above the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<OutgoingMedia>,
    /// The words.
    pub body: String,
    /// Small words below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// What can be tapped.
    pub action: Action,
}

impl Interactive {
    /// Its files.
    pub fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        let mut all: Vec<_> = self
            .media
            .iter_mut()
            .flat_map(OutgoingMedia::media_mut)
            .collect();
        if let Action::Carousel { cards } = &mut self.action {
            let media = cards.iter_mut().filter_map(|card| card.media.as_mut());
            all.extend(media.flat_map(OutgoingMedia::media_mut));
        }
        all
    }
}

/// What can be tapped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Buttons below the words.
    Buttons {
        /// At least one, at most [`BUTTONS_MAX`].
        buttons: Vec<Button>,
    },
    /// A list that one button opens.
    List {
        /// The words on the button.
        label: String,
        /// At least one row in all, at most [`ROWS_MAX`].
        sections: Vec<Section>,
    },
    /// Cards side by side.
    Carousel {
        /// At least one, at most [`CARDS_MAX`].
        cards: Vec<CarouselCard>,
    },
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Button {
    /// Sends an answer.
    Reply {
        /// Comes back in the answer.
        id: String,
        /// The words on it.
        title: String,
    },
    /// Opens a page.
    Url {
        /// The words on it.
        title: String,
        /// The page.
        url: String,
    },
    /// Calls a number.
    Call {
        /// The words on it.
        title: String,
        /// The number.
        phone: String,
    },
    /// Copies a text.
    Copy {
        /// The words on it.
        title: String,
        /// The text.
        code: String,
    },
}

/// Rows under a headline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The headline.
    #[serde(default)]
    pub title: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Comes back in the answer.
    pub id: String,
    /// The words.
    pub title: String,
    /// Small words below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A card of a carousel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarouselCard {
    /// A picture or film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<OutgoingMedia>,
    /// The words.
    #[serde(default)]
    pub body: String,
    /// Small words below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// Its buttons.
    pub buttons: Vec<Button>,
}

/// An answer to a message that can be answered by tapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What was tapped.
    #[serde(rename = "reply_kind")]
    pub kind: ReplyKind,
    /// The button's or row's id.
    pub id: String,
    /// Its words.
    pub title: String,
    /// Its small words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What was tapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// A button.
    Button,
    /// A row of a list.
    List,
    /// A button of a template.
    Template,
    /// A native flow.
    Flow,
}
