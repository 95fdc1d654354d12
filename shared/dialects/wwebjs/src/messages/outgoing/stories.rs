//! Stories: messages to `status@broadcast`.

use serde::Deserialize;
use switchboard_dialect_kit::{Cx, FromInput, Reject};
use switchboard_vocab::content::{Content, MediaKind, StoryContent, StoryText, is_stories};

use crate::body::Request;
use crate::ids::{self, invalid};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WhereTo {
    chat_id: Option<String>,
}

/// Whether the message goes anywhere but to where stories go.
pub(super) fn is_message(cx: &Cx) -> Result<bool, Reject> {
    let Request(request) = Request::<WhereTo>::from_input(cx.input())?;
    let chat = request.chat_id.map(|text| ids::chat_id("chatId", &text));
    Ok(!chat.transpose()?.is_some_and(|chat| is_stories(&chat)))
}

/// What a message says, as a story.
pub(super) fn content(content: Content) -> Result<StoryContent, Reject> {
    match content {
        Content::Text(text) => {
            if !text.mentions.is_empty() {
                return Err(invalid("options.mentions", "a story mentions nobody"));
            }
            Ok(StoryContent::Text(StoryText {
                body: text.body,
                background: None,
                color: None,
                font: None,
            }))
        }
        Content::Media(media)
            if matches!(
                media.as_kind,
                MediaKind::Image | MediaKind::Video | MediaKind::Gif | MediaKind::Voice
            ) && media.mentions.is_empty()
                && !media.view_once =>
        {
            Ok(StoryContent::Media {
                media,
                background: None,
            })
        }
        Content::Media(_)
        | Content::Location(_)
        | Content::LiveLocation(_)
        | Content::Contacts { .. }
        | Content::Person { .. }
        | Content::Poll(_)
        | Content::Event(_)
        | Content::Interactive(_) => Err(invalid(
            "content",
            "a story is words, a picture, a film or a voice note, without mentions and view once",
        )),
    }
}
