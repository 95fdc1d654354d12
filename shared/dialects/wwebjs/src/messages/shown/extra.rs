//! The fields of a message that only some kinds have.

use serde::Serialize;
use switchboard_vocab::Timestamp;
use switchboard_vocab::content::{Action, Body, Button, Invite, Poll, ReplyKind};
use switchboard_vocab::messages::Message;

use crate::ids::{self, MessageKey};

/// Most links shown of one message.
const LINKS_MAX: usize = 64;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extra<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_v4: Option<InviteV4<'a>>,
    /// Of the preview of a link, or of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_edit_sender_timestamp_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_edit_msg_key: Option<MessageKey>,
    links: Vec<Link<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dynamic_reply_buttons: Option<Vec<ReplyButton<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_button_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_row_id: Option<&'a str>,
    #[serde(flatten)]
    poll: Option<PollFields<'a>>,
}

#[derive(Serialize)]
struct Location<'a> {
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InviteV4<'a> {
    invite_code: &'a str,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_code_exp: Option<u64>,
    group_id: String,
    group_name: &'a str,
    from_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link<'a> {
    link: &'a str,
    is_suspicious: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplyButton<'a> {
    button_id: &'a str,
    button_text: ButtonText<'a>,
    #[serde(rename = "type")]
    kind: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ButtonText<'a> {
    display_text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PollFields<'a> {
    poll_name: &'a str,
    poll_options: Vec<PollOption<'a>>,
    allow_multiple_answers: bool,
    poll_invalidated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PollOption<'a> {
    name: &'a str,
    local_id: usize,
}

impl<'a> Extra<'a> {
    /// `to` is whom the message was sent to.
    pub(super) fn of(message: &'a Message, key: &MessageKey, to: Option<&str>) -> Self {
        let body = &message.body;
        let preview = message.context.preview.as_ref();
        let edited = message.marks.edited_at;
        let header = if let Body::Interactive(interactive) = body {
            interactive.header.as_deref()
        } else {
            None
        };
        let selected = |wanted: &[ReplyKind]| {
            let Body::Reply(reply) = body else {
                return None;
            };
            wanted.contains(&reply.kind).then_some(&*reply.id)
        };
        Self {
            location: location(body),
            invite_v4: if let Body::Invite(invite) = body {
                Some(invited(invite, message, to))
            } else {
                None
            },
            title: header.or_else(|| preview.and_then(|preview| preview.title.as_deref())),
            description: preview.and_then(|preview| preview.description.as_deref()),
            latest_edit_sender_timestamp_ms: edited.map(Timestamp::as_millis),
            latest_edit_msg_key: edited.map(|_| key.clone()),
            links: links(body),
            dynamic_reply_buttons: buttons(body),
            selected_button_id: selected(&[ReplyKind::Button, ReplyKind::Template]),
            selected_row_id: selected(&[ReplyKind::List]),
            poll: if let Body::Poll(poll) = body {
                Some(poll_fields(poll))
            } else {
                None
            },
        }
    }
}

fn location(body: &Body) -> Option<Location<'_>> {
    if let Body::LiveLocation(place) = body {
        return Some(Location {
            latitude: place.latitude,
            longitude: place.longitude,
            name: None,
            address: None,
            url: None,
            description: String::new(),
        });
    }
    let Body::Location(place) = body else {
        return None;
    };
    let (name, address) = (place.name.as_deref(), place.address.as_deref());
    let described: Vec<&str> = [name, address].into_iter().flatten().collect();
    Some(Location {
        latitude: place.latitude,
        longitude: place.longitude,
        name,
        address,
        url: place.url.as_deref(),
        description: described.join("\n"),
    })
}

fn invited<'a>(invite: &'a Invite, message: &Message, to: Option<&str>) -> InviteV4<'a> {
    InviteV4 {
        invite_code: &invite.code,
        invite_code_exp: invite.expires_at.map(Timestamp::as_secs),
        group_id: ids::chat(&invite.group, None),
        group_name: &invite.name,
        from_id: ids::user(&message.sender, message.sender_alt.as_ref()),
        to_id: to.map(str::to_owned),
    }
}

/// The links in the words. One with characters that are not ASCII in its host may look like another host.
fn links(body: &Body) -> Vec<Link<'_>> {
    let words = body.words().unwrap_or_default().split_whitespace();
    let is_link = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
    let trimmed =
        |word: &'_ str| word.len() - word.trim_end_matches(['.', ',', ')', '!', '?']).len();
    words
        .filter(is_link)
        .take(LINKS_MAX)
        .map(|word| {
            let link = word.split_at(word.len() - trimmed(word)).0;
            let host = link.split('/').nth(2).unwrap_or_default();
            Link {
                link,
                is_suspicious: !host.is_ascii(),
            }
        })
        .collect()
}

fn buttons(body: &Body) -> Option<Vec<ReplyButton<'_>>> {
    let Body::Interactive(interactive) = body else {
        return None;
    };
    let Action::Buttons { buttons } = &interactive.action else {
        return None;
    };
    let replies = buttons.iter().filter_map(|button| match button {
        Button::Reply { id, title } => Some(ReplyButton {
            button_id: id,
            button_text: ButtonText {
                display_text: title,
            },
            kind: 1,
        }),
        Button::Url { .. } | Button::Call { .. } | Button::Copy { .. } => None,
    });
    Some(replies.collect())
}

fn poll_fields(poll: &Poll) -> PollFields<'_> {
    let options = poll.options.iter().enumerate();
    PollFields {
        poll_name: &poll.question,
        poll_options: options
            .map(|(local_id, option)| PollOption {
                name: &option.name,
                local_id,
            })
            .collect(),
        allow_multiple_answers: poll.choices_max != Some(1),
        poll_invalidated: false,
    }
}
