//! Events as webhook payloads: `{messages, instanceId}` for messages of either side, `{ack, instanceId}` for deliveries.

use serde::Serialize;
use switchboard_dialect_kit::{EventCx, Payload};
use switchboard_vocab::events::messages::{Event as MessageEvent, StatusChange};
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::messages::DeliveryStatus;
use switchboard_vocab::webhooks::Subscription;

use crate::ids;
use crate::messages::shown::Message;
use crate::webhooks;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<[Message; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<[Ack; 1]>,
    instance_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ack {
    id: String,
    /// The message's number in the log, when the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_number: Option<u64>,
    chat_id: String,
    status: &'static str,
}

/// The payloads of one event for one webhook.
pub(crate) fn payloads(
    envelope: &Envelope,
    subscription: &Subscription,
    cx: &EventCx<'_>,
) -> Vec<Payload> {
    let notice = Notice {
        messages: None,
        ack: None,
        instance_id: cx.session.session.as_str(),
    };
    let notice = match &envelope.event {
        Event::Messages(MessageEvent::Received(message) | MessageEvent::Sent(message)) => {
            let own = cx.identity.map(|identity| &identity.phone);
            let link = |media: &_| Some(cx.media_link(media));
            Message::of(message, own, &link).map(|message| Notice {
                messages: Some([message]),
                ..notice
            })
        }
        Event::Messages(MessageEvent::StatusChanged(change))
            if webhooks::acks(subscription.events.as_ref()) =>
        {
            ack(change).map(|ack| Notice {
                ack: Some([ack]),
                ..notice
            })
        }
        // This system tells of messages only.
        Event::Messages(
            MessageEvent::StatusChanged(_) | MessageEvent::Changed(_) | MessageEvent::Deleted(_),
        )
        | Event::Sessions(_)
        | Event::Presence(_)
        | Event::Chats(_)
        | Event::Contacts(_) => None,
    };
    notice.iter().map(Payload::json).collect()
}

fn ack(change: &StatusChange) -> Option<Ack> {
    let status = match change.status {
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read | DeliveryStatus::Played => "viewed",
        DeliveryStatus::Failed | DeliveryStatus::Pending | DeliveryStatus::Server => return None,
    };
    let chat_id = ids::chat(&change.chat, change.chat_alt.as_ref());
    Some(Ack {
        id: ids::message(&change.id, true, &chat_id),
        queue_number: change.number,
        chat_id,
        status,
    })
}
