//! Sending, marking read.

mod acts;
mod kinds;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, Reject, Reply, Routes, lenient, media};
use switchboard_vocab::content::{Content, MediaKind, OutgoingMedia, Text};
use switchboard_vocab::media::MediaSource;
use switchboard_vocab::messages::{CAPTION_LEN_MAX, MarkRead, SendMessage, Sent, TEXT_LEN_MAX};
use switchboard_vocab::{ErrorCode, MessageId, OpError, UserId};

use crate::ids;
use crate::input::{Payload, needed};
use crate::sessions::details;
use crate::webhooks::ok;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .op(Method::POST, "/chat/send/text", text, sent)
        .op(
            Method::POST,
            "/chat/send/audio",
            |p: Payload<Send>, cx| file(p, &AUDIO, cx),
            sent,
        )
        .op(
            Method::POST,
            "/chat/send/image",
            |p: Payload<Send>, cx| file(p, &IMAGE, cx),
            sent,
        )
        .op(
            Method::POST,
            "/chat/send/document",
            |p: Payload<Send>, cx| file(p, &DOCUMENT, cx),
            sent,
        )
        .op(
            Method::POST,
            "/chat/send/video",
            |p: Payload<Send>, cx| file(p, &VIDEO, cx),
            sent,
        )
        .op(
            Method::POST,
            "/chat/send/sticker",
            |p: Payload<Send>, cx| file(p, &STICKER, cx),
            sent,
        )
        .op(Method::POST, "/chat/markread", mark_read, |_, _| {
            details("Message(s) marked as read")
        });
    acts::routes(kinds::routes(routes))
}

/// Every field of every send call; each call looks at its own.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Send {
    #[serde(deserialize_with = "lenient::optional_text")]
    phone: Option<String>,
    body: Option<String>,
    id: Option<String>,
    contextinfo: Option<ContextInfo>,
    caption: Option<String>,
    filename: Option<String>,
    audio: Option<String>,
    image: Option<String>,
    document: Option<String>,
    video: Option<String>,
    sticker: Option<String>,
    jpegthumbnail: Option<String>,
    pngthumbnail: Option<String>,
}

#[derive(Deserialize)]
struct ContextInfo {
    stanzaid: Option<String>,
    participant: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    mentionedjid: Vec<String>,
}

impl Send {
    /// Who is mentioned.
    fn mentions(&self) -> Result<Vec<UserId>, Reject> {
        let context = self.contextinfo.as_ref();
        let mentioned = context.map_or(&[][..], |context| &context.mentionedjid);
        mentioned
            .iter()
            .map(|jid| ids::person("MentionedJID", jid))
            .collect()
    }

    /// Refuses mentions where the message has no words for them.
    fn no_mentions(&self) -> Result<(), Reject> {
        if self.mentions()?.is_empty() {
            return Ok(());
        }
        Err(OpError::invalid("MentionedJID: only words and captions have some").into())
    }

    /// The message around some content.
    fn message(&self, content: Content, cx: &Cx) -> Result<SendMessage, Reject> {
        let given = self.id.as_deref().filter(|id| !id.is_empty());
        let id: MessageId =
            given.map_or_else(|| Ok(cx.next_message_id()), |id| ids::message("Id", id))?;
        let context = self.contextinfo.as_ref();
        let quoted = ids::quote(
            context.and_then(|c| c.stanzaid.as_deref()),
            context.and_then(|c| c.participant.as_deref()),
        )?;
        Ok(SendMessage {
            id,
            to: ids::recipient(needed("Phone", self.phone.as_ref())?)?,
            content,
            quoted,
            typing: None,
        })
    }
}

fn text(Payload(request): Payload<Send>, cx: &Cx) -> Result<SendMessage, Reject> {
    needed("Phone", request.phone.as_ref())?;
    let body = needed("Body", request.body.as_ref())?;
    within("Body", body, TEXT_LEN_MAX)?;
    request.message(
        Content::Text(Text {
            body: body.to_owned(),
            mentions: request.mentions()?,
            ..Text::default()
        }),
        cx,
    )
}

/// What one of the file calls takes.
struct Form {
    field: &'static str,
    value: fn(&Send) -> Option<&String>,
    kind: MediaKind,
    /// How its data URI begins, and how that system says so.
    begins: &'static [&'static str],
    complaint: &'static str,
    has_caption: bool,
}

const AUDIO: Form = Form {
    field: "Audio",
    value: |send| send.audio.as_ref(),
    kind: MediaKind::Voice,
    begins: &["data:audio/ogg;"],
    complaint: "Audio data should start with \"data:audio/ogg;base64,\"",
    has_caption: false,
};
const IMAGE: Form = Form {
    field: "Image",
    value: |send| send.image.as_ref(),
    kind: MediaKind::Image,
    begins: &["data:image/"],
    complaint: "Image data should start with \"data:image/png;base64,\"",
    has_caption: true,
};
const DOCUMENT: Form = Form {
    field: "Document",
    value: |send| send.document.as_ref(),
    kind: MediaKind::Document,
    begins: &["data:"],
    complaint: "Document data should start with \"data:application/octet-stream;base64,\"",
    has_caption: true,
};
const VIDEO: Form = Form {
    field: "Video",
    value: |send| send.video.as_ref(),
    kind: MediaKind::Video,
    begins: &["data:"],
    complaint: "Data should start with \"data:mime/type;base64,\"",
    has_caption: true,
};
const STICKER: Form = Form {
    field: "Sticker",
    value: |send| send.sticker.as_ref(),
    kind: MediaKind::Sticker,
    ..VIDEO
};

fn file(Payload(request): Payload<Send>, form: &Form, cx: &Cx) -> Result<SendMessage, Reject> {
    needed("Phone", request.phone.as_ref())?;
    let data = needed(form.field, (form.value)(&request))?;
    if form.kind == MediaKind::Document {
        needed("FileName", request.filename.as_ref())?;
    }
    if !form.begins.iter().any(|prefix| data.starts_with(prefix)) {
        return Err(OpError::invalid(form.complaint).into());
    }
    let given = media::data_uri(data).map_err(|error| {
        OpError::invalid(format!(
            "Could not decode base64 encoded data from payload: {}",
            error.public
        ))
    })?;
    let caption = request
        .caption
        .as_ref()
        .filter(|caption| !caption.is_empty());
    if let Some(caption) = caption {
        if !form.has_caption {
            return Err(OpError::invalid(format!(
                "Caption: WhatsApp shows none with {}",
                form.field
            ))
            .into());
        }
        within("Caption", caption, CAPTION_LEN_MAX)?;
    }
    let mentions = request.mentions()?;
    if caption.is_none() {
        request.no_mentions()?;
    }
    let content = OutgoingMedia {
        mentions,
        thumbnail: thumbnail(&request)?,
        mime_type: given
            .mime_type
            .filter(|mime| mime != "application/octet-stream"),
        caption: caption.cloned(),
        file_name: request.filename.clone().or(given.file_name),
        ..OutgoingMedia::new(form.kind, given.source)
    };
    request.message(Content::Media(content), cx)
}

/// A picture shown before the file is there: base64, with or without the head of a data URI.
fn thumbnail(request: &Send) -> Result<Option<MediaSource>, Reject> {
    let given = request
        .jpegthumbnail
        .as_ref()
        .or(request.pngthumbnail.as_ref());
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let source = if text.starts_with("data:") {
        media::data_uri(text).map(|given| given.source)
    } else {
        media::base64(text).map(|bytes| media::Given::bytes(bytes, None, None).source)
    };
    let source = source.map_err(|e| OpError::invalid(format!("Thumbnail: {}", e.public)))?;
    Ok(Some(source))
}

fn within(field: &str, text: &str, max: usize) -> Result<(), Reject> {
    if text.chars().count() <= max {
        return Ok(());
    }
    Err(OpError::new(
        ErrorCode::TooLarge,
        format!("{field}: at most {max} characters are allowed"),
    )
    .into())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SentData<'a> {
    details: &'static str,
    id: &'a str,
    timestamp: String,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn sent(out: Sent, _: &Cx) -> Result<Reply, OpError> {
    let message = &out.message;
    Ok(ok(&SentData {
        details: "Sent",
        id: message.id.as_str(),
        timestamp: ids::time(message.at),
    }))
}

#[derive(Deserialize)]
struct Marking {
    #[serde(default, deserialize_with = "lenient::or_default")]
    id: Vec<String>,
    chat: Option<String>,
    sender: Option<String>,
}

fn mark_read(Payload(request): Payload<Marking>, _: &Cx) -> Result<MarkRead, Reject> {
    let chat = ids::chat("Chat", needed("Chat", request.chat.as_ref())?)?;
    if request.id.is_empty() {
        needed("Id", None)?;
    }
    let sender = request
        .sender
        .as_deref()
        .filter(|sender| !sender.is_empty());
    Ok(MarkRead {
        chat: Some(chat),
        sender: sender
            .map(|sender| ids::person("Sender", sender))
            .transpose()?,
        ids: request
            .id
            .iter()
            .map(|id| ids::message("Id", id))
            .collect::<Result<_, _>>()?,
        played: false,
    })
}
