//! Requests to send: the field `contentType` says what the field `content` holds; a reply tells it by its shape.

mod files;
mod kinds;
mod options;
mod stories;

use http::Method;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_dialect_kit::routes::{either, one, tried};
use switchboard_dialect_kit::{Cx, FromInput, Input, Reject, Reply, Routes, lenient};
use switchboard_vocab::chats::{Chat, MarkSeen};
use switchboard_vocab::content::{Audience, Content, LinkPreview, Text};
use switchboard_vocab::messages::{Quote, SendMessage, Sent, TEXT_LEN_MAX};
use switchboard_vocab::stories::Post;
use switchboard_vocab::{ChatId, ErrorCode, OpError, UserId};

use super::OneMessage;
use crate::body::{Request, success};
use crate::ids::{self, at_most, invalid};
use crate::messages::shown::Message;
use files::MessageMedia;
use kinds::{Buttons, List, Person, Place, Poll};
use options::Options;

/// What that system says of a `contentType` it does not know.
const UNKNOWN_TYPE: &str = "contentType invalid, must be string, MessageMedia, MessageMediaFromURL, Location, Buttons, \
     List, Contact or Poll";
/// How a text begins that the library turns into a contact card unless told not to.
const VCARD: &str = "BEGIN:VCARD";

/// The rows that send.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .endpoint(
            Method::POST,
            "/client/sendMessage/{sessionId}",
            either(
                stories::is_message,
                either(
                    marks_seen,
                    tried(send_seen, sent_seen),
                    one(send, |out: Sent, _| sent(&out)),
                ),
                one(post_story, |out: Sent, _| sent(&out)),
            ),
        )
        .endpoint(
            Method::POST,
            "/message/reply/{sessionId}",
            either(
                marks_seen,
                tried(reply_seen, replied_seen),
                one(reply, |out: Sent, _| replied(&out)),
            ),
        )
}

/// The body of `/client/sendMessage`.
struct SendRequest {
    chat_id: String,
    said: Said,
    options: Options,
}

/// `content`, by its type.
enum Said {
    Words(String),
    File(MessageMedia),
    Link(String),
    Place(Place),
    Person(Person),
    Poll(Poll),
    Buttons(Buttons),
    List(List),
}

/// Every field but the one whose type depends on another.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    chat_id: String,
    content_type: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    options: Options,
}

#[derive(Deserialize)]
struct Holding<T> {
    content: T,
}

impl FromInput for SendRequest {
    fn from_input(input: &Input) -> Result<Self, Reject> {
        let Request(head) = Request::<Head>::from_input(input)?;
        let said = match head.content_type.as_str() {
            "string" => Said::Words(content(input)?),
            "MessageMedia" => Said::File(content(input)?),
            "MessageMediaFromURL" => Said::Link(content(input)?),
            "Location" => Said::Place(content(input)?),
            "Contact" => Said::Person(content(input)?),
            "Poll" => Said::Poll(content(input)?),
            "Buttons" => Said::Buttons(content(input)?),
            "List" => Said::List(content(input)?),
            _ => return Err(OpError::new(ErrorCode::NotFound, UNKNOWN_TYPE).into()),
        };
        Ok(Self {
            chat_id: head.chat_id,
            said,
            options: head.options,
        })
    }
}

fn content<T: DeserializeOwned>(input: &Input) -> Result<T, Reject> {
    let Request(Holding { content }) = Request::from_input(input)?;
    Ok(content)
}

/// What of a request says whether the chat is marked as seen.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seeing {
    chat_id: Option<String>,
    destination_chat_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    options: SendSeen,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendSeen {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    send_seen: Option<bool>,
}

/// Sending marks the chat as seen unless told not to. Source: the library's default. Channels have no such mark.
fn marks_seen(cx: &Cx) -> Result<bool, Reject> {
    let Request(request) = Request::<Seeing>::from_input(cx.input())?;
    let chat = request.destination_chat_id.or(request.chat_id);
    let has_mark = chat.is_some_and(|chat| !chat.ends_with("@newsletter"));
    Ok(has_mark && request.options.send_seen != Some(false))
}

fn seen(send: SendMessage) -> (MarkSeen, SendMessage) {
    let chat = send.to.clone();
    (MarkSeen { chat }, send)
}

fn send_seen(request: SendRequest, cx: &Cx) -> Result<(MarkSeen, SendMessage), Reject> {
    send(request, cx).map(seen)
}

/// What became of the mark is not the row's matter, as in the library: a chat that does not exist yet has none.
fn sent_seen(
    _: Result<Chat, OpError>,
    out: Result<Sent, OpError>,
    _: &Cx,
) -> Result<Reply, OpError> {
    sent(&out?)
}

fn sent(out: &Sent) -> Result<Reply, OpError> {
    success(OneMessage {
        message: Message::of(&out.message, None),
    })
}

/// Decodes a request to send.
fn send(mut request: SendRequest, cx: &Cx) -> Result<SendMessage, Reject> {
    let to = ids::recipient("chatId", &request.chat_id)?;
    let quoted = request.options.quoted()?;
    message(to, request.said, request.options, quoted, cx)
}

/// Decodes a request to post a story, which that system takes for a message to one chat of its own.
fn post_story(mut request: SendRequest, cx: &Cx) -> Result<Post, Reject> {
    if request.options.quoted()?.is_some() {
        return Err(invalid(
            "options.quotedMessageId",
            "a story answers nothing",
        ));
    }
    Ok(Post {
        id: cx.next_message_id(),
        content: stories::content(content_of(request.said, request.options)?)?,
        audience: Audience::default(),
    })
}

/// The body of `/message/reply`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplyRequest {
    chat_id: String,
    message_id: String,
    content: ReplyContent,
    destination_chat_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    options: Options,
}

/// What a reply says, told by its shape.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "text, a file ({mimetype, data}) or a place ({latitude, longitude}) is expected"
)]
enum ReplyContent {
    Words(String),
    File(MessageMedia),
    Place(Place),
}

fn reply(Request(request): Request<ReplyRequest>, cx: &Cx) -> Result<SendMessage, Reject> {
    ids::chat_id("chatId", &request.chat_id)?;
    let elsewhere = request.destination_chat_id.filter(|text| !text.is_empty());
    let to = match elsewhere {
        Some(text) => ids::recipient("destinationChatId", &text)?,
        None => ids::recipient("chatId", &request.chat_id)?,
    };
    // That system finds the message or fails, so its writer is left to the log.
    let quoted = Quote {
        author: None,
        ..ids::message_id("messageId", &request.message_id)?
    };
    let said = match request.content {
        ReplyContent::Words(words) => Said::Words(words),
        ReplyContent::File(file) => Said::File(file),
        ReplyContent::Place(place) => Said::Place(place),
    };
    message(to, said, request.options, Some(quoted), cx)
}

fn reply_seen(request: Request<ReplyRequest>, cx: &Cx) -> Result<(MarkSeen, SendMessage), Reject> {
    reply(request, cx).map(seen)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replied<'a> {
    replied_message: Message<'a>,
}

fn replied_seen(
    _: Result<Chat, OpError>,
    out: Result<Sent, OpError>,
    _: &Cx,
) -> Result<Reply, OpError> {
    replied(&out?)
}

fn replied(out: &Sent) -> Result<Reply, OpError> {
    success(Replied {
        replied_message: Message::of(&out.message, None),
    })
}

fn message(
    to: ChatId,
    said: Said,
    options: Options,
    quoted: Option<Quote>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    Ok(SendMessage {
        id: cx.next_message_id(),
        to,
        content: content_of(said, options)?,
        quoted,
        typing: None,
    })
}

fn content_of(said: Said, mut options: Options) -> Result<Content, Reject> {
    options.check()?;
    let mentions = options.mentioned()?;
    let content = match (said, options.media.take()) {
        (Said::Words(body), Some(file)) => {
            let given = files::inline("options.media", file)?;
            Content::Media(files::file(given, Some(body), mentions, &options)?)
        }
        (Said::Link(link), _) => {
            let (given, caption) = (files::linked("content", &link)?, options.caption.clone());
            Content::Media(files::file(given, caption, mentions, &options)?)
        }
        (Said::File(file), _) => {
            let (given, caption) = (files::inline("content", file)?, options.caption.clone());
            Content::Media(files::file(given, caption, mentions, &options)?)
        }
        (_, Some(_)) => {
            return Err(invalid("options.media", "it goes with words only"));
        }
        (said, None) => {
            options.check_without_file()?;
            without_file(said, mentions, &options)?
        }
    };
    Ok(content)
}

fn without_file(said: Said, mentions: Vec<UserId>, options: &Options) -> Result<Content, Reject> {
    let is_card = matches!(&said, Said::Words(words) if words.starts_with(VCARD))
        && options.parse_vcards != Some(false);
    if !mentions.is_empty() && (is_card || !matches!(said, Said::Words(_))) {
        return Err(invalid(
            "options.mentions",
            "only words and captions have some",
        ));
    }
    match said {
        Said::Words(card) if is_card => kinds::card(card),
        Said::Words(body) => text(body, mentions, options),
        Said::Place(place) => place.content(),
        Said::Person(person) => person.content(),
        Said::Poll(poll) => poll.content(),
        Said::Buttons(buttons) => buttons.content(),
        Said::List(list) => list.content(),
        Said::File(_) | Said::Link(_) => Err(invalid("content", "words are expected")),
    }
}

/// Words, with the preview of their first link unless told not to. Source: the library's default.
fn text(body: String, mentions: Vec<UserId>, options: &Options) -> Result<Content, Reject> {
    if body.is_empty() {
        return Err(invalid("content", "it is empty"));
    }
    at_most("content", &body, TEXT_LEN_MAX)?;
    let preview = if options.link_preview == Some(false) {
        LinkPreview::Off
    } else {
        LinkPreview::Auto
    };
    Ok(Content::Text(Text {
        body,
        mentions,
        preview,
        ..Text::default()
    }))
}
