//! Stories.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::media::Given;
use switchboard_dialect_kit::{Cx, Fields, NoBody, Reject, Reply, Routes};
use switchboard_vocab::content::{Audience, Font, MediaKind, StoryContent, StoryText};
use switchboard_vocab::messages::{Sent, TEXT_LEN_MAX};
use switchboard_vocab::stories::{AUDIENCE_MAX, Copy, Get, List, Post};
use switchboard_vocab::{OpError, UserId};

use crate::ids::{self, invalid};
use crate::messages::files::{self, FileFields, Files};
use crate::messages::outgoing::{at_most, optional_list};
use crate::messages::{FilterQuery, Success, listed, sent, shown};
use crate::paging::Page;

/// The rows of this area. Every call that posts has two paths.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .op(Method::GET, "/stories", list, listed)
        .op(Method::GET, "/stories/{MessageID}", get, shown)
        .op(Method::PUT, "/stories/{MessageID}", copy, copied);
    let routes = ["/stories", "/messages/story"]
        .into_iter()
        .fold(routes, |rows, path| rows.op(Method::POST, path, post, sent));
    let routes = ["/stories/send/text", "/messages/story/text"]
        .into_iter()
        .fold(routes, |rows, path| {
            rows.op(Method::POST, path, post_text, sent)
        });
    let routes = ["/stories/send/media", "/messages/story/media"]
        .into_iter()
        .fold(routes, |rows, path| {
            rows.op(Method::POST, path, post_media, sent)
        });
    ["/stories/send/audio", "/messages/story/audio"]
        .into_iter()
        .fold(routes, |rows, path| {
            rows.op(Method::POST, path, post_audio, sent)
        })
}

fn list(_: NoBody, cx: &Cx) -> Result<List, Reject> {
    let (page, filter) = (Page::of(cx)?, FilterQuery::of(cx)?);
    Ok(List {
        author: filter.author()?,
        from_me: filter.from_me,
        from: page.from,
        until: page.until,
        offset: page.offset,
        limit: page.count,
    })
}

fn get(_: NoBody, cx: &Cx) -> Result<Get, Reject> {
    let id = ids::message_id("MessageID", cx.path("MessageID"))?;
    Ok(Get { id })
}

/// `CopyStories`.
#[derive(Deserialize)]
struct CopyStories {
    #[serde(default, deserialize_with = "optional_list")]
    contacts: Option<Vec<String>>,
    #[serde(default, deserialize_with = "optional_list")]
    exclude_contacts: Option<Vec<String>>,
}

fn copy(Fields(request): Fields<CopyStories>, cx: &Cx) -> Result<Copy, Reject> {
    let id = ids::message_id("MessageID", cx.path("MessageID"))?;
    Ok(Copy {
        id: cx.next_message_id(),
        target: id.into(),
        audience: audience(request.contacts, request.exclude_contacts)?,
    })
}

fn copied(_: Sent, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::json(StatusCode::CREATED, &Success::DONE))
}

/// `SenderStories`, `SenderStoriesText`, `SenderStoriesMedia` and `SenderStoriesAudio`: together they have these fields.
#[derive(Deserialize)]
struct SenderStories {
    media: Option<String>,
    mime_type: Option<String>,
    caption: Option<String>,
    preview: Option<String>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    seconds: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    width: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    height: Option<u64>,
    #[serde(default, deserialize_with = "optional_list")]
    contacts: Option<Vec<String>>,
    #[serde(default, deserialize_with = "optional_list")]
    exclude_contacts: Option<Vec<String>>,
    background_color: Option<String>,
    caption_color: Option<String>,
    font_type: Option<FontType>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum FontType {
    System,
    SystemText,
    FbScript,
    SystemBold,
    MorningbreezeRegular,
    CalistogaRegular,
    #[serde(rename = "EXO2_EXTRABOLD")]
    Exo2Extrabold,
    CourierprimeBold,
}

impl FontType {
    const fn font(self) -> Font {
        match self {
            Self::System => Font::System,
            Self::SystemText => Font::SystemText,
            Self::FbScript => Font::FbScript,
            Self::SystemBold => Font::SystemBold,
            Self::MorningbreezeRegular => Font::MorningBreeze,
            Self::CalistogaRegular => Font::Calistoga,
            Self::Exo2Extrabold => Font::Exo2ExtraBold,
            Self::CourierprimeBold => Font::CourierPrimeBold,
        }
    }
}

type Request = Files<SenderStories>;

/// Decodes `POST /stories`: a story with a file when there is one, with words otherwise.
fn post(request: Request, cx: &Cx) -> Result<Post, Reject> {
    match (&request.given, request.fields.media.as_deref()) {
        (None, None | Some("")) => post_text(request, cx),
        (Some(_), _) | (None, Some(_)) => post_file(request, None, cx),
    }
}

fn post_media(request: Request, cx: &Cx) -> Result<Post, Reject> {
    let pictures = [MediaKind::Image, MediaKind::Video];
    post_file(request, Some(&pictures), cx)
}

fn post_audio(request: Request, cx: &Cx) -> Result<Post, Reject> {
    post_file(request, Some(&[MediaKind::Voice]), cx)
}

fn post_text(request: Request, cx: &Cx) -> Result<Post, Reject> {
    let fields = request.fields;
    let body = fields.caption.filter(|caption| !caption.is_empty());
    let body = body.ok_or_else(|| invalid("caption", "it is missing"))?;
    at_most("caption", &body, TEXT_LEN_MAX)?;
    let content = StoryContent::Text(StoryText {
        body,
        background: color("background_color", fields.background_color)?,
        color: color("caption_color", fields.caption_color)?,
        font: fields.font_type.map(FontType::font),
    });
    Ok(Post {
        id: cx.next_message_id(),
        content,
        audience: audience(fields.contacts, fields.exclude_contacts)?,
    })
}

/// `kinds` are those the path allows; the first one is taken for a file that does not show what it is.
fn post_file(request: Request, kinds: Option<&[MediaKind]>, cx: &Cx) -> Result<Post, Reject> {
    const ANY: [MediaKind; 3] = [MediaKind::Image, MediaKind::Video, MediaKind::Voice];
    let Files { fields, given } = request;
    let given: Given = match (given, &fields.media) {
        (Some(given), _) => given,
        (None, Some(text)) => files::named("media", text)?,
        (None, None) => return Err(invalid("media", "a file, link, data uri or id is expected")),
    };
    let kinds = kinds.unwrap_or(&ANY);
    let first = kinds.first().copied().unwrap_or(MediaKind::Image);
    let kind = files::guessed(fields.mime_type.as_deref(), &given, first);
    if !kinds.contains(&kind) {
        let reason = "media: pictures, films and sound can be stories, each by its own call";
        return Err(OpError::new(switchboard_vocab::ErrorCode::UnsupportedMedia, reason).into());
    }
    let voice = kind == MediaKind::Voice;
    let background = color("background_color", fields.background_color)?;
    let file = FileFields {
        mime_type: fields.mime_type,
        caption: fields.caption.filter(|_| !voice),
        preview: fields.preview,
        seconds: fields.seconds.filter(|_| kind != MediaKind::Image),
        width: fields.width,
        height: fields.height,
        ..FileFields::default()
    };
    Ok(Post {
        id: cx.next_message_id(),
        content: StoryContent::Media {
            media: files::outgoing(kind, file, Some(given), "")?,
            background: background.filter(|_| voice),
        },
        audience: audience(fields.contacts, fields.exclude_contacts)?,
    })
}

/// `#rrggbb`, or `#aarrggbb` as Android writes colours. Source: the pattern of `background_color`.
fn color(field: &str, text: Option<String>) -> Result<Option<u32>, Reject> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let digits = text.strip_prefix('#').unwrap_or_default();
    let valid = (6..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let read = u32::from_str_radix(digits, 16).ok().filter(|_| valid);
    let wanted = || invalid(field, "a colour such as #1a2b3c or #ff1a2b3c is expected");
    let read = read.ok_or_else(wanted)?;
    // Six digits leave out how solid the colour is: wholly.
    let solid = if digits.len() == 6 { 0xff00_0000 } else { 0 };
    Ok(Some(read | solid))
}

fn audience(
    contacts: Option<Vec<String>>,
    excluded: Option<Vec<String>>,
) -> Result<Audience, Reject> {
    let people = |field: &str, list: Vec<String>| -> Result<Vec<UserId>, Reject> {
        if list.len() > AUDIENCE_MAX {
            return Err(invalid(
                field,
                format!("at most {AUDIENCE_MAX} are possible"),
            ));
        }
        list.iter()
            .map(|text| ids::contact_id(field, text))
            .collect()
    };
    let contacts = contacts.filter(|list| !list.is_empty());
    let excluded = excluded.filter(|list| !list.is_empty());
    match (contacts, excluded) {
        (None, None) => Ok(Audience::Contacts),
        (Some(list), None) => people("contacts", list).map(Audience::Only),
        (None, Some(list)) => people("exclude_contacts", list).map(Audience::Except),
        (Some(_), Some(_)) => {
            let reason = "either those who see it or those who do not can be named";
            Err(invalid("exclude_contacts", reason))
        }
    }
}
