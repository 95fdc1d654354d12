//! What is done to one message, and what can be asked about it.

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{either, one, tried};
use switchboard_dialect_kit::{Cx, FILE_HERE, FromInput, Refusal, Reject, Reply, Routes, lenient};
use switchboard_vocab::contacts::ContactList;
use switchboard_vocab::content::Body;
use switchboard_vocab::media::{MediaTarget, Open, StoredMedia};
use switchboard_vocab::messages::{
    self, Act, DeleteForMe, Deleted, Forward, GetInfo, GetMentions, GetMessage, GetQuoted,
    MessageAction, MessageInfo, Progress, Sent, Star,
};
use switchboard_vocab::{ErrorCode, OpError, Timestamp};

use super::{OfMessage, check_chat};
use crate::body::{Request, success};
use crate::chats::Nothing;
use crate::contacts::Contacts;
use crate::ids::{self, Wid};
use crate::messages::shown::Message;

/// Longest reaction, in bytes. Source: the longest emoji of Unicode (a family with skin tones) has 41.
const REACTION_LEN_MAX: usize = 64;

/// The rows of this area.
pub(super) fn routes(routes: Routes) -> Routes {
    let routes = asked(routes);
    routes
        .endpoint(
            Method::POST,
            "/message/delete/{sessionId}",
            either(
                for_everyone,
                one(revoke, |_: Sent, _| success(Nothing {})),
                one(delete, |_: Deleted, _| success(Nothing {})),
            ),
        )
        .op(
            Method::POST,
            "/message/forward/{sessionId}",
            forward,
            |_: Sent, _| success(Nothing {}),
        )
        .op(
            Method::POST,
            "/message/react/{sessionId}",
            react,
            |_: Sent, _| success(Nothing {}),
        )
        .op(
            Method::POST,
            "/message/star/{sessionId}",
            |request, _| star(request, true),
            |_: messages::Message, _| success(Nothing {}),
        )
        .op(
            Method::POST,
            "/message/unstar/{sessionId}",
            |request, _| star(request, false),
            |_: messages::Message, _| success(Nothing {}),
        )
}

/// The rows that only ask.
fn asked(routes: Routes) -> Routes {
    routes
        .endpoint(
            Method::POST,
            "/message/downloadMedia/{sessionId}",
            tried(download, downloaded),
        )
        .endpoint(
            Method::POST,
            "/message/getInfo/{sessionId}",
            tried(get_info, info),
        )
        .op(
            Method::POST,
            "/message/getMentions/{sessionId}",
            |Request(request): Request<OfMessage>, _| {
                Ok(GetMentions {
                    target: request.target()?,
                })
            },
            |out: ContactList, _| success(Contacts::of(&out.contacts)),
        )
        .endpoint(
            Method::POST,
            "/message/getQuotedMessage/{sessionId}",
            tried(quoted, quoted_or_none),
        )
        .refused(
            Method::POST,
            "/message/getOrder/{sessionId}",
            Refusal::LaterRelease,
        )
        .refused(
            Method::POST,
            "/message/getPayment/{sessionId}",
            Refusal::LaterRelease,
        )
}

/// The body of `/message/delete`, as far as it decides what becomes of the call.
#[derive(Deserialize)]
struct HowFar {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    everyone: Option<bool>,
}

fn for_everyone(cx: &Cx) -> Result<bool, Reject> {
    let Request(request) = Request::<HowFar>::from_input(cx.input())?;
    Ok(request.everyone == Some(true))
}

fn revoke(Request(request): Request<OfMessage>, cx: &Cx) -> Result<Act, Reject> {
    Ok(Act {
        id: cx.next_message_id(),
        target: request.target()?,
        action: MessageAction::Revoke,
    })
}

fn delete(Request(request): Request<OfMessage>, _: &Cx) -> Result<DeleteForMe, Reject> {
    Ok(DeleteForMe {
        target: request.target()?,
    })
}

/// The body of `/message/forward`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForwardRequest {
    #[serde(flatten)]
    message: OfMessage,
    destination_chat_id: String,
}

fn forward(Request(request): Request<ForwardRequest>, cx: &Cx) -> Result<Forward, Reject> {
    Ok(Forward {
        id: cx.next_message_id(),
        target: request.message.target()?,
        to: ids::recipient("destinationChatId", &request.destination_chat_id)?,
    })
}

/// The body of `/message/react`.
#[derive(Deserialize)]
struct ReactRequest {
    #[serde(flatten)]
    message: OfMessage,
    reaction: String,
}

/// An empty reaction takes the earlier one back.
fn react(Request(request): Request<ReactRequest>, cx: &Cx) -> Result<Act, Reject> {
    if request.reaction.len() > REACTION_LEN_MAX {
        return Err(ids::invalid("reaction", "one emoji is expected"));
    }
    Ok(Act {
        id: cx.next_message_id(),
        target: request.message.target()?,
        action: MessageAction::React {
            emoji: request.reaction,
        },
    })
}

fn star(Request(request): Request<OfMessage>, starred: bool) -> Result<Star, Reject> {
    Ok(Star {
        target: request.target()?,
        starred,
    })
}

fn download(Request(request): Request<OfMessage>, _: &Cx) -> Result<(GetMessage, Open), Reject> {
    let target = request.target()?;
    let open = Open {
        target: MediaTarget::Message(target.id.clone()),
    };
    Ok((GetMessage { target }, open))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Downloaded {
    message_media: MessageMedia,
}

/// `MessageMedia`, its bytes still to come.
#[derive(Serialize)]
struct MessageMedia {
    mimetype: String,
    data: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    filesize: u64,
}

/// The file, or nothing where the message has none or it is gone.
fn downloaded(
    message: Result<messages::Message, OpError>,
    file: Result<StoredMedia, OpError>,
    cx: &Cx,
) -> Result<Reply, OpError> {
    let message = message?;
    check_chat(&message, cx)?;
    if !matches!(message.body, Body::Media(_)) {
        return success(Nothing {});
    }
    let file = match file {
        Ok(file) => file,
        Err(error) if error.code == ErrorCode::NotFound => return success(Nothing {}),
        Err(error) => return Err(error),
    };
    // A sender chooses these texts; neither may look like the place of the file.
    let plain = |text: &str| text.replace('\0', "");
    let media = MessageMedia {
        mimetype: plain(&file.mime_type),
        data: FILE_HERE,
        filename: file.file_name.as_deref().map(plain),
        filesize: file.size,
    };
    let body = crate::body::Success::of(Downloaded {
        message_media: media,
    });
    Reply::around(&body, file)
}

/// `MessageInfo`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    delivery: Vec<At>,
    delivery_remaining: usize,
    played: Vec<At>,
    played_remaining: usize,
    read: Vec<At>,
    read_remaining: usize,
}

/// Who, and when in Unix seconds.
#[derive(Serialize)]
struct At {
    id: Wid,
    t: u64,
}

#[derive(Serialize)]
struct OneInfo {
    info: Option<Info>,
}

fn get_info(Request(request): Request<OfMessage>, _: &Cx) -> Result<(GetMessage, GetInfo), Reject> {
    let target = request.target()?;
    let info = GetInfo {
        target: target.clone(),
    };
    Ok((GetMessage { target }, info))
}

/// Who has an own message, read and played it; null for messages of others, of which nobody tells.
fn info(
    message: Result<messages::Message, OpError>,
    out: Result<MessageInfo, OpError>,
    cx: &Cx,
) -> Result<Reply, OpError> {
    let message = message?;
    check_chat(&message, cx)?;
    if !message.from_me {
        return success(OneInfo { info: None });
    }
    success(OneInfo {
        info: Some(progress(&out?.recipients)),
    })
}

fn progress(all: &[Progress]) -> Info {
    let at = |when: fn(&Progress) -> Option<Timestamp>| -> Vec<At> {
        let told = all.iter().filter_map(|one| Some((one, when(one)?)));
        told.map(|(one, at)| At {
            id: Wid::of(&one.user, one.user_alt.as_ref()),
            t: at.as_secs(),
        })
        .collect()
    };
    // Who read it has it, and who played it read it, whether or not WhatsApp told that too.
    let read_at = |one: &Progress| one.read_at.or(one.played_at);
    let has_at = |one: &Progress| one.delivered_at.or(one.read_at).or(one.played_at);
    let (delivery, read, played) = (at(has_at), at(read_at), at(|one| one.played_at));
    let remaining = |list: &Vec<At>| all.len().saturating_sub(list.len());
    Info {
        delivery_remaining: remaining(&delivery),
        played_remaining: remaining(&played),
        read_remaining: remaining(&read),
        delivery,
        played,
        read,
    }
}

fn quoted(Request(request): Request<OfMessage>, _: &Cx) -> Result<(GetMessage, GetQuoted), Reject> {
    let target = request.target()?;
    let quoted = GetQuoted {
        target: target.clone(),
    };
    Ok((GetMessage { target }, quoted))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Quoted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_message: Option<Message<'a>>,
}

/// The quoted message, or nothing where it quotes none or that is gone.
fn quoted_or_none(
    message: Result<messages::Message, OpError>,
    quoted: Result<messages::Message, OpError>,
    cx: &Cx,
) -> Result<Reply, OpError> {
    check_chat(&message?, cx)?;
    let quoted = match quoted {
        Ok(quoted) => Some(quoted),
        Err(error) if error.code == ErrorCode::NotFound => None,
        Err(error) => return Err(error),
    };
    success(Quoted {
        quoted_message: quoted.as_ref().map(|quoted| Message::of(quoted, None)),
    })
}
