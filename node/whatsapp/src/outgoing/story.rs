//! Stories: who can be reached with one, and what it looks like.

use std::collections::HashSet;

use buffa::{Message as _, MessageField};
use switchboard_vocab::UserId;
use switchboard_vocab::content::{Font, StoryText};
use switchboard_vocab::profile::StoryPrivacy;
use wa::message::extended_text_message::FontType;
use wacore::proto_helpers::MessageExt;
use wacore_binary::Jid;
use waproto::whatsapp as wa;
use whatsapp_rust::Client;
use whatsapp_rust::features::{StatusPrivacySetting, StatusSendOptions};

use super::{Form, build, file, judge, watched};
use crate::api::{Dispatched, Error, OutgoingStory, OutgoingStoryContent};
use crate::ask::ask;
use crate::{addresses, context_fields};

/// Most numbers that are asked for in one question. Source: WhatsApp's own client cuts larger ones too.
const ASKED_MAX: usize = 256;

/// Posts a story, or deletes one; `Ok` means that the frame was written to the socket.
pub(crate) async fn post(client: &Client, story: OutgoingStory) -> Result<Dispatched, Error> {
    let wanted = story.audience.len();
    let audience = resolve(client, &story.audience).await?;
    if audience.is_empty() {
        return Err(Error::NoRecipient(
            "nobody of the story's audience can be reached".to_owned(),
        ));
    }
    if audience.len() < wanted {
        // The library would leave them out without a word.
        let missing = wanted - audience.len();
        tracing::info!(id = %story.id, wanted, missing, "a story does not reach everybody: no account, or no lid");
    }
    let message = content(client, &story.content).await?;
    let form = Form::of(&message, &story.id);
    let options = StatusSendOptions {
        privacy: privacy(&story.privacy),
        message_id: Some(story.id.to_string()),
        ..StatusSendOptions::default()
    };
    let stories = client.status();
    let sending = Box::pin(stories.send_raw(message, &audience, options));
    let (result, stanza) = watched(client, story.id.as_str(), sending).await;
    judge(result, stanza.is_some(), story.id, form)
}

/// The audience by LID, each person once: stories go by LID only.
async fn resolve(client: &Client, audience: &[UserId]) -> Result<Vec<Jid>, Error> {
    let mut lids = Vec::with_capacity(audience.len());
    let mut unknown = Vec::new();
    for user in audience {
        match lid_of(client, user).await {
            Some(lid) => lids.push(lid),
            None => unknown.push(addresses::jid_of_user(user)),
        }
    }
    for asked in unknown.chunks(ASKED_MAX) {
        let contacts = client.contacts();
        let answers = ask("ask for the audience", contacts.is_on_whatsapp(asked)).await?;
        for answer in answers.into_iter().filter(|answer| answer.is_registered) {
            let told = answer.lid.filter(|lid| !lid.user.is_empty());
            match told {
                Some(lid) => lids.push(lid.to_non_ad()),
                None => {
                    let user = addresses::user(&answer.jid);
                    if let Some(user) = user {
                        lids.extend(lid_of(client, &user).await);
                    }
                }
            }
        }
    }
    let mut seen = HashSet::new();
    lids.retain(|lid| seen.insert(lid.user.to_string()));
    Ok(lids)
}

async fn lid_of(client: &Client, user: &UserId) -> Option<Jid> {
    let person = addresses::person(client, &addresses::jid_of_user(user), None).await?;
    [Some(person.main), person.alt]
        .into_iter()
        .flatten()
        .find(|user| matches!(user, UserId::Lid(_)))
        .as_ref()
        .map(addresses::jid_of_user)
}

const fn privacy(privacy: &StoryPrivacy) -> StatusPrivacySetting {
    match privacy {
        StoryPrivacy::Contacts => StatusPrivacySetting::Contacts,
        StoryPrivacy::Only(_) => StatusPrivacySetting::AllowList,
        StoryPrivacy::Except(_) => StatusPrivacySetting::DenyList,
    }
}

async fn content(client: &Client, content: &OutgoingStoryContent) -> Result<wa::Message, Error> {
    match content {
        OutgoingStoryContent::Text(words) => Ok(text(words)),
        OutgoingStoryContent::Media(file, background) => {
            let mut message = file::upload(client, file).await?;
            if let Some(sound) = message.audio_message.as_option_mut() {
                sound.background_argb = *background;
            }
            Ok(message)
        }
        OutgoingStoryContent::Copy(proto) => copy(proto),
        OutgoingStoryContent::Revoke(target) => {
            let protocol = wa::message::ProtocolMessage {
                key: MessageField::some(wa::MessageKey {
                    remote_jid: Some(Jid::status_broadcast().to_string()),
                    from_me: Some(true),
                    id: Some(target.to_string()),
                    ..Default::default()
                }),
                r#type: Some(wa::message::protocol_message::Type::REVOKE),
                ..Default::default()
            };
            Ok(wa::Message {
                protocol_message: MessageField::some(protocol),
                ..Default::default()
            })
        }
    }
}

pub(super) fn text(words: &StoryText) -> wa::Message {
    let text = wa::message::ExtendedTextMessage {
        text: Some(words.body.clone()),
        background_argb: words.background,
        text_argb: words.color,
        font: words.font.map(font),
        ..Default::default()
    };
    wa::Message {
        extended_text_message: MessageField::some(text),
        ..Default::default()
    }
}

const fn font(font: Font) -> FontType {
    match font {
        Font::System => FontType::SYSTEM,
        Font::SystemText => FontType::SYSTEM_TEXT,
        Font::FbScript => FontType::FB_SCRIPT,
        Font::SystemBold => FontType::SYSTEM_BOLD,
        Font::MorningBreeze => FontType::MORNINGBREEZE_REGULAR,
        Font::Calistoga => FontType::CALISTOGA_REGULAR,
        Font::Exo2ExtraBold => FontType::EXO2_EXTRABOLD,
        Font::CourierPrimeBold => FontType::COURIERPRIME_BOLD,
    }
}

/// A message of the log as a story: words, a picture, a film or sound, without what surrounded it.
pub(super) fn copy(proto: &[u8]) -> Result<wa::Message, Error> {
    let message = wa::Message::decode_from_slice(proto)
        .map_err(|error| build::refusal(format!("read the message of the log: {error}")))?;
    let mut message = message.into_base_message();
    message.message_context_info = MessageField::none();
    message.sender_key_distribution_message = MessageField::none();
    if let Some(words) = message.conversation.take() {
        message.extended_text_message = MessageField::some(wa::message::ExtendedTextMessage {
            text: Some(words),
            ..Default::default()
        });
    }
    let is_fit = message.extended_text_message.is_set()
        || message.image_message.is_set()
        || message.video_message.is_set()
        || message.audio_message.is_set();
    if !is_fit {
        return Err(build::refusal("a story cannot say what this message says"));
    }
    context_fields::clear(&mut message);
    Ok(message)
}
