//! Words to send, with what every request to send has: recipient, quote, mentions, and the message it edits.

use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use switchboard_dialect_kit::input::from_fields;
use switchboard_dialect_kit::{Body, Cx, Fields, FromInput, Input, Reject, lenient};
use switchboard_vocab::content::{Content, GivenPreview, LinkPreview, Text};
use switchboard_vocab::messages::{
    Act, MessageAction, MessageRef, Quote, SendMessage, TEXT_LEN_MAX, TYPING_MAX,
};
use switchboard_vocab::{ErrorCode, OpError, UserId};

use super::files::{self, Files};
use crate::ids::{self, invalid};

/// Longest headline or description of a link, in characters.
const PREVIEW_LEN_MAX: usize = 1_024;

/// `SenderText`.
#[derive(Deserialize)]
pub(crate) struct SenderText {
    to: String,
    body: String,
    quoted: Option<String>,
    edit: Option<String>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    typing_time: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    no_link_preview: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    wide_link_preview: Option<bool>,
    #[serde(default, deserialize_with = "optional_list")]
    mentions: Option<Vec<String>>,
}

/// `SenderLinkPreview`.
#[derive(Deserialize)]
pub(crate) struct SenderLinkPreview {
    to: String,
    body: String,
    title: String,
    description: Option<String>,
    canonical: Option<String>,
    preview: Option<String>,
    media: Option<String>,
    quoted: Option<String>,
    edit: Option<String>,
    #[serde(default, deserialize_with = "optional_list")]
    mentions: Option<Vec<String>>,
}

/// Decodes `POST /messages/text`.
pub(crate) fn send_text(
    Fields(request): Fields<SenderText>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    without_effect([("wide_link_preview", request.wide_link_preview == Some(true))])?;
    let linked = has_link(&request.body) && request.no_link_preview != Some(true);
    let preview = if linked {
        LinkPreview::Auto
    } else {
        LinkPreview::Off
    };
    let text = text(&request.to, request.body, request.mentions, preview)?;
    let typing = seconds_of_typing("typing_time", request.typing_time)?;
    let message = message(&request.to, request.quoted, Content::Text(text), cx)?;
    Ok(SendMessage { typing, ..message })
}

/// Decodes `POST /messages/text` with `edit`.
pub(crate) fn edit_text(Fields(request): Fields<SenderText>, cx: &Cx) -> Result<Act, Reject> {
    edit(
        &request.to,
        request.edit,
        request.body,
        request.mentions,
        cx,
    )
}

/// Decodes `POST /messages/link_preview`.
pub(crate) fn send_link(request: Files<SenderLinkPreview>, cx: &Cx) -> Result<SendMessage, Reject> {
    let Files { fields, given } = request;
    at_most("title", &fields.title, PREVIEW_LEN_MAX)?;
    if let Some(description) = &fields.description {
        at_most("description", description, PREVIEW_LEN_MAX)?;
    }
    if !has_link(&fields.body) {
        return Err(invalid("body", "a link is expected in it"));
    }
    let picture = match (given, fields.media.or(fields.preview)) {
        (Some(given), _) => Some(given.source),
        (None, Some(text)) => Some(files::named("media", &text)?.source),
        (None, None) => None,
    };
    let preview = LinkPreview::Given(GivenPreview {
        link: None,
        title: fields.title,
        description: fields.description,
        canonical: fields.canonical,
        thumbnail: picture,
    });
    let text = text(&fields.to, fields.body, fields.mentions, preview)?;
    message(&fields.to, fields.quoted, Content::Text(text), cx)
}

/// Decodes `POST /messages/link_preview` with `edit`: the words change, the preview stays.
pub(crate) fn edit_link(request: Files<SenderLinkPreview>, cx: &Cx) -> Result<Act, Reject> {
    let fields = request.fields;
    edit(&fields.to, fields.edit, fields.body, fields.mentions, cx)
}

fn text(
    to: &str,
    body: String,
    mentions: Option<Vec<String>>,
    preview: LinkPreview,
) -> Result<Text, Reject> {
    if body.is_empty() {
        return Err(invalid("body", "it is empty"));
    }
    at_most("body", &body, TEXT_LEN_MAX)?;
    let Mentioned { users, all } = mentioned(to, mentions)?;
    Ok(Text {
        body,
        mentions: users,
        mention_all: all,
        preview,
    })
}

/// A message with this content.
pub(crate) fn message(
    to: &str,
    quoted: Option<String>,
    content: Content,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    Ok(SendMessage {
        quoted: quote(quoted)?,
        ..SendMessage::new(cx.next_message_id(), ids::recipient("to", to)?, content)
    })
}

/// New words for an earlier message.
pub(crate) fn edit(
    to: &str,
    target: Option<String>,
    body: String,
    mentions: Option<Vec<String>>,
    cx: &Cx,
) -> Result<Act, Reject> {
    if body.is_empty() {
        return Err(invalid("edit", "the new words are missing"));
    }
    at_most("body", &body, TEXT_LEN_MAX)?;
    let target = target.unwrap_or_default();
    Ok(Act {
        id: cx.next_message_id(),
        target: MessageRef {
            id: ids::message_id("edit", &target)?,
            chat: Some(ids::recipient("to", to)?),
            from_me: Some(true),
        },
        action: MessageAction::Edit {
            body,
            mentions: mentioned(to, mentions)?.users,
        },
    })
}

/// Whether a request sends, and does not edit. A body that does not name the field is not read twice for it.
pub(crate) fn sends(cx: &Cx) -> Result<bool, Reject> {
    #[derive(Deserialize)]
    struct Edit {
        edit: Option<String>,
    }
    const NAME: &[u8] = b"edit";
    let input = cx.input();
    let named = match &input.body {
        Body::Empty => false,
        Body::Bytes { bytes, .. } => {
            files::carries_fields(input) && bytes.windows(NAME.len()).any(|part| part == NAME)
        }
        Body::Multipart(parts) => parts.iter().any(|part| part.name == "edit"),
    };
    if !named && input.query("edit").is_none() {
        return Ok(true);
    }
    let fields: Edit = files::fields(input)?;
    Ok(fields.edit.is_none_or(|id| id.is_empty()))
}

/// Refuses an edit of what has no words.
pub(crate) fn cannot_edit(edit: Option<&String>) -> Result<(), Reject> {
    if edit.is_some_and(|id| !id.is_empty()) {
        return Err(invalid(
            "edit",
            "whatsapp lets words and captions be edited only",
        ));
    }
    Ok(())
}

/// Whom words mention.
pub(crate) struct Mentioned {
    /// People.
    pub(crate) users: Vec<UserId>,
    /// Everybody in the group they go to.
    pub(crate) all: bool,
}

/// Reads `Mentions`: phone numbers, or the group that the message goes to for everybody in it.
pub(crate) fn mentioned(to: &str, mentions: Option<Vec<String>>) -> Result<Mentioned, Reject> {
    let mut found = Mentioned {
        users: Vec::new(),
        all: false,
    };
    for text in mentions.unwrap_or_default() {
        if text.ends_with("@g.us") {
            let group = ids::chat_id("mentions", &text)?;
            if ids::recipient("to", to)? != group {
                let reason = "everybody in the group can be mentioned in that group only";
                return Err(invalid("mentions", reason));
            }
            found.all = true;
            continue;
        }
        let digits = text.strip_suffix("@s.whatsapp.net").unwrap_or(&text);
        found.users.push(ids::contact_id("mentions", digits)?);
    }
    Ok(found)
}

fn quote(quoted: Option<String>) -> Result<Option<Quote>, Reject> {
    let Some(text) = quoted.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let id = ids::message_id("quoted", &text)?;
    Ok(Some(Quote { id, author: None }))
}

/// Reads how long typing or recording is shown before the message. Source: the maximum of `typing_time`.
pub(crate) fn seconds_of_typing(
    field: &str,
    seconds: Option<u64>,
) -> Result<Option<Duration>, Reject> {
    let period = Duration::from_secs(seconds.unwrap_or(0));
    if period > TYPING_MAX {
        let reason = format!("0 to {} seconds are possible", TYPING_MAX.as_secs());
        return Err(invalid(field, reason));
    }
    Ok(Some(period).filter(|period| !period.is_zero()))
}

/// Refuses text that is too long.
pub(crate) fn at_most(field: &str, text: &str, characters_max: usize) -> Result<(), Reject> {
    if text.chars().count() <= characters_max {
        return Ok(());
    }
    let reason = format!("{field}: at most {characters_max} characters are possible");
    Err(OpError::new(ErrorCode::TooLarge, reason).into())
}

/// Refuses the first field that would be accepted without effect.
pub(crate) fn without_effect<const N: usize>(fields: [(&str, bool); N]) -> Result<(), Reject> {
    match fields.into_iter().find(|(_, present)| *present) {
        Some((field, _)) => Err(invalid(field, "this gateway cannot do this")),
        None => Ok(()),
    }
}

fn has_link(body: &str) -> bool {
    body.contains("https://") || body.contains("http://")
}

/// A list, where forms have one text per entry, or JSON as text.
pub(crate) fn optional_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) if text.starts_with('[') => {
            serde_json::from_str(&text).map_err(D::Error::custom)?
        }
        single @ Value::String(_) => Value::Array(vec![single]),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other,
    };
    Vec::<T>::deserialize(value)
        .map(Some)
        .map_err(D::Error::custom)
}

/// Fields of which some are objects or lists; forms carry those as JSON text.
pub(crate) struct Structured<T>(pub(crate) T);

impl<T: DeserializeOwned> FromInput for Structured<T> {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let Fields(mut fields) = Fields::<Map<String, Value>>::from_input(input)?;
        if matches!(input.body, Body::Multipart(_)) {
            for value in fields.values_mut() {
                if let Value::String(text) = value
                    && text.starts_with(['{', '['])
                    && let Ok(read) = serde_json::from_str(text)
                {
                    *value = read;
                }
            }
        }
        from_fields(fields).map(Self)
    }
}
