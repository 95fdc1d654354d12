//! What a story says, and who sees it.

use serde::{Deserialize, Serialize};

use super::OutgoingMedia;
use crate::ids::UserId;

/// What a story says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StoryContent {
    /// Words on a colour.
    Text(StoryText),
    /// A picture, a film or a voice note. Its background is that of [`StoryText`] for voice notes.
    Media {
        /// The file.
        media: OutgoingMedia,
        /// The colour behind a voice note, as ARGB.
        #[serde(default)]
        background: Option<u32>,
    },
}

/// Words on a colour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryText {
    /// The words.
    pub body: String,
    /// The colour behind them, as ARGB.
    #[serde(default)]
    pub background: Option<u32>,
    /// Their colour, as ARGB.
    #[serde(default)]
    pub color: Option<u32>,
    /// Their font.
    #[serde(default)]
    pub font: Option<Font>,
}

/// The fonts of a story. Source: `ExtendedTextMessage.FontType` of WhatsApp's protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Font {
    /// `SYSTEM`.
    System,
    /// `SYSTEM_TEXT`.
    SystemText,
    /// `FB_SCRIPT`.
    FbScript,
    /// `SYSTEM_BOLD`.
    SystemBold,
    /// `MORNINGBREEZE_REGULAR`.
    MorningBreeze,
    /// `CALISTOGA_REGULAR`.
    Calistoga,
    /// `EXO2_EXTRABOLD`.
    Exo2ExtraBold,
    /// `COURIERPRIME_BOLD`.
    CourierPrimeBold,
}

/// Who sees a story.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Those that the account's status privacy names; without one, every saved contact.
    #[default]
    Contacts,
    /// These people.
    Only(Vec<UserId>),
    /// Every saved contact but these.
    Except(Vec<UserId>),
}
