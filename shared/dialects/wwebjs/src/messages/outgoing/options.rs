//! `MessageSendOptions`: what is done is read, what would have no effect is refused by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use switchboard_dialect_kit::{Refusal, Reject, lenient};
use switchboard_vocab::UserId;
use switchboard_vocab::messages::Quote;

use super::files::MessageMedia;
use crate::ids::{self, invalid, refused};

/// `MessageSendOptions`. Whether the chat is marked as seen is read with the whole request.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    pub(super) caption: Option<String>,
    quoted_message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    mentions: Vec<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pub(super) send_audio_as_voice: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pub(super) send_video_as_gif: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pub(super) send_media_as_document: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pub(super) send_media_as_sticker: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pub(super) is_view_once: Option<bool>,
    pub(super) media: Option<MessageMedia>,
    #[serde(
        default,
        rename = "parseVCards",
        deserialize_with = "lenient::optional_boolean"
    )]
    pub(super) parse_vcards: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    pub(super) link_preview: Option<bool>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    group_mentions: Vec<IgnoredAny>,
    sticker_name: Option<IgnoredAny>,
    sticker_author: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    sticker_categories: Vec<IgnoredAny>,
    invoked_bot_wid: Option<IgnoredAny>,
    extra: Option<BTreeMap<String, IgnoredAny>>,
}

impl Options {
    /// The message that is answered. That system finds it or fails, so its writer is left to the log.
    pub(super) fn quoted(&mut self) -> Result<Option<Quote>, Reject> {
        let quoted = self.quoted_message_id.take().filter(|id| !id.is_empty());
        let quoted = quoted.map(|id| {
            let Quote { id, .. } = ids::message_id("options.quotedMessageId", &id)?;
            Ok(Quote { id, author: None })
        });
        quoted.transpose()
    }

    /// Who is mentioned.
    pub(super) fn mentioned(&self) -> Result<Vec<UserId>, Reject> {
        let mentioned = self.mentions.iter();
        mentioned
            .map(|text| ids::user_id("options.mentions", text))
            .collect()
    }

    /// Refuses the first option that would be accepted without effect.
    pub(super) fn check(&self) -> Result<(), Reject> {
        let fields = [
            ("options.groupMentions", !self.group_mentions.is_empty()),
            ("options.stickerName", self.sticker_name.is_some()),
            ("options.stickerAuthor", self.sticker_author.is_some()),
            (
                "options.stickerCategories",
                !self.sticker_categories.is_empty(),
            ),
            ("options.invokedBotWid", self.invoked_bot_wid.is_some()),
            (
                "options.extra",
                self.extra.as_ref().is_some_and(|extra| !extra.is_empty()),
            ),
        ];
        let found = fields.into_iter().find(|(_, present)| *present);
        found.map_or(Ok(()), |(field, _)| {
            Err(refused(field, Refusal::LaterRelease))
        })
    }

    /// Refuses what only a file has, for messages without one.
    pub(super) fn check_without_file(&self) -> Result<(), Reject> {
        if self.caption.as_ref().is_some_and(|text| !text.is_empty()) {
            return Err(invalid("options.caption", "only files have one"));
        }
        if self.is_view_once == Some(true) {
            return Err(invalid("options.isViewOnce", "a file is expected"));
        }
        Ok(())
    }
}
