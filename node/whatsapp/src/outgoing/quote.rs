//! The quoted message inside an answer, rebuilt from the log: enough for a phone to show the grey box.

use switchboard_vocab::content::{Body, MediaBody, MediaKind};
use switchboard_vocab::messages::Message;
use wacore::proto_helpers::MessageBuilderExt;
use waproto::whatsapp as wa;

use super::build;

/// The quoted message; an empty text where the log has nothing.
pub(super) fn body(original: Option<&Message>) -> wa::Message {
    let Some(message) = original else {
        return wa::Message::text("");
    };
    match &message.body {
        Body::Text(text) => wa::Message::text(&text.body),
        Body::Edited { body, .. } => wa::Message::text(body),
        Body::Media(media) => file(media),
        Body::Location(place) => build::location(place),
        Body::Contacts { cards } => contacts(cards.first()),
        Body::LiveLocation(place) => build::live_location(place),
        Body::Poll(poll) => wa::Message::text(&poll.question),
        Body::Event(event) => wa::Message::text(&event.name),
        Body::Interactive(interactive) => wa::Message::text(&interactive.body),
        Body::Reply(reply) => wa::Message::text(&reply.title),
        Body::Invite(invite) => wa::Message::text(&invite.name),
        Body::Reaction { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => wa::Message::text(""),
    }
}

fn contacts(card: Option<&switchboard_vocab::content::Card>) -> wa::Message {
    wa::Message {
        contact_message: buffa::MessageField::some(wa::message::ContactMessage {
            display_name: card.map(|card| card.name.clone()),
            vcard: card.map(|card| card.vcard.clone()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn file(media: &MediaBody) -> wa::Message {
    let mut message = wa::Message::default();
    let mimetype = Some(media.mime_type.clone());
    let caption = media.caption.clone();
    match media.kind {
        MediaKind::Image => {
            message.image_message = buffa::MessageField::some(wa::message::ImageMessage {
                mimetype,
                caption,
                ..Default::default()
            });
        }
        MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => {
            let video = buffa::MessageField::some(wa::message::VideoMessage {
                mimetype,
                caption,
                seconds: media.seconds,
                gif_playback: (media.kind == MediaKind::Gif).then_some(true),
                ..Default::default()
            });
            if media.kind == MediaKind::ShortVideo {
                message.ptv_message = video;
            } else {
                message.video_message = video;
            }
        }
        MediaKind::Audio | MediaKind::Voice => {
            message.audio_message = buffa::MessageField::some(wa::message::AudioMessage {
                mimetype,
                seconds: media.seconds,
                ptt: Some(media.kind == MediaKind::Voice),
                ..Default::default()
            });
        }
        MediaKind::Document => {
            message.document_message = buffa::MessageField::some(wa::message::DocumentMessage {
                mimetype,
                caption,
                file_name: media.file_name.clone(),
                title: media.file_name.clone(),
                ..Default::default()
            });
        }
        MediaKind::Sticker => {
            message.sticker_message = buffa::MessageField::some(wa::message::StickerMessage {
                mimetype,
                ..Default::default()
            });
        }
    }
    message
}
