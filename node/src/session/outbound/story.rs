//! Stories: who sees them, and how they leave.

use std::collections::BTreeSet;

use switchboard_vocab::content::{
    Audience, Body, LinkPreview, MediaKind, STORIES, StoryContent, StoryText, Text,
};
use switchboard_vocab::messages::Sent;
use switchboard_vocab::profile::StoryPrivacy;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::stories::{AUDIENCE_MAX, Copy, Post};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, UserId};
use switchboard_whatsapp::{Account, OutgoingStory, OutgoingStoryContent};

use super::{Letter, Parcel, check, dispatch, earlier, files, known, no_message, proto_of, record};
use crate::session::context::SessionCx;
use crate::session::journal::StoredMessage;
use crate::session::{media_of, remote, stored_media};

/// Longest story in words, in characters. Source: the limit WhatsApp's own clients enforce.
const STORY_LEN_MAX: usize = 700;

/// Where stories go.
pub(crate) fn stories() -> ChatId {
    ChatId::Broadcast(STORIES.into())
}

/// Posts a story.
pub(crate) async fn post(op: Post, cx: &SessionCx) -> Result<Sent, OpError> {
    check_content(&op.content)?;
    check_audience(&op.audience)?;
    if let Some(answer) = earlier(&op.id, &stories(), cx).await? {
        return answer;
    }
    cx.check_disk()?;
    let (account, identity) = cx.connected().await?;
    let (audience, privacy) = audience(op.audience, &*account, &identity, cx).await?;
    let (body, media, content) = match op.content {
        StoryContent::Text(text) => (words(&text), None, OutgoingStoryContent::Text(text)),
        StoryContent::Media { media, background } => {
            let (file, stored) = files::file(&media, cx).await?;
            let body = Body::Media(files::media_body(&file, &stored));
            let content = OutgoingStoryContent::Media(Box::new(file), background);
            (body, Some(stored), content)
        }
    };
    let message = record::message(&op.id, &stories(), &identity, body);
    let story = OutgoingStory {
        id: op.id,
        content,
        audience,
        privacy,
    };
    let letter = Letter::of(message, media, Parcel::Story(Box::new(story)));
    dispatch(letter, &*account, cx).await
}

/// Posts what a message of the log says.
pub(crate) async fn copy(op: Copy, cx: &SessionCx) -> Result<Sent, OpError> {
    check_audience(&op.audience)?;
    if let Some(answer) = earlier(&op.id, &stories(), cx).await? {
        return answer;
    }
    cx.check_disk()?;
    let found = known(&op.target, cx).await?;
    let proto = proto_of(&found, cx).await?;
    let body = record::fresh(found.message.body)?;
    if !matches!(body, Body::Text(_) | Body::Media(_)) {
        return Err(OpError::invalid(
            "only texts and files can be posted as a story",
        ));
    }
    let (account, identity) = cx.connected().await?;
    let (audience, privacy) = audience(op.audience, &*account, &identity, cx).await?;
    let media = media_of(&body).map(stored_media);
    let message = record::message(&op.id, &stories(), &identity, body);
    let story = OutgoingStory {
        id: op.id,
        content: OutgoingStoryContent::Copy(proto),
        audience,
        privacy,
    };
    let letter = Letter::of(message, media, Parcel::Story(Box::new(story)));
    dispatch(letter, &*account, cx).await
}

/// The deletion of an own story, for the people who got it.
pub(super) async fn revocation(
    id: &MessageId,
    target: &MessageId,
    identity: &Identity,
    stored: Option<&StoredMessage>,
    cx: &SessionCx,
) -> Result<Letter, OpError> {
    let stored = stored.ok_or_else(|| no_message(target))?;
    let audience = cx.journal().audience(stored.message.number).await?;
    let Some(audience) = audience else {
        let text = "who got the story is not known: it was posted from another device";
        return Err(OpError::new(ErrorCode::Refused, text));
    };
    let body = Body::Revoked {
        target: target.clone(),
    };
    let message = record::message(id, &stories(), identity, body);
    let story = OutgoingStory {
        id: id.clone(),
        content: OutgoingStoryContent::Revoke(target.clone()),
        privacy: StoryPrivacy::Only(audience.clone()),
        audience,
    };
    Ok(Letter::of(message, None, Parcel::Story(Box::new(story))))
}

fn words(text: &StoryText) -> Body {
    Body::Text(Text {
        body: text.body.clone(),
        mentions: Vec::new(),
        mention_all: false,
        preview: LinkPreview::Off,
    })
}

fn check_content(content: &StoryContent) -> Result<(), OpError> {
    match content {
        StoryContent::Text(text) => {
            check::filled("the story", &text.body)?;
            check::within("the story", &text.body, STORY_LEN_MAX)
        }
        StoryContent::Media { media, .. } => {
            let shown = matches!(
                media.as_kind,
                MediaKind::Image
                    | MediaKind::Video
                    | MediaKind::Gif
                    | MediaKind::Audio
                    | MediaKind::Voice
            );
            if !shown || media.view_once {
                let text = "a story is a picture, a film or a voice note, and not for one view";
                return Err(OpError::invalid(text));
            }
            check::media(media)
        }
    }
}

fn check_audience(audience: &Audience) -> Result<(), OpError> {
    match audience {
        Audience::Contacts => Ok(()),
        Audience::Only(users) if users.is_empty() => {
            Err(OpError::invalid("the audience of the story is empty"))
        }
        Audience::Only(users) | Audience::Except(users) if users.len() > AUDIENCE_MAX => {
            let text = format!("an audience names at most {AUDIENCE_MAX} people");
            Err(OpError::new(ErrorCode::TooLarge, text))
        }
        Audience::Only(_) | Audience::Except(_) => Ok(()),
    }
}

/// The people who see a story, and how they were chosen.
async fn audience(
    wanted: Audience,
    account: &dyn Account,
    identity: &Identity,
    cx: &SessionCx,
) -> Result<(Vec<UserId>, StoryPrivacy), OpError> {
    let privacy = match wanted {
        Audience::Only(users) => StoryPrivacy::Only(users),
        Audience::Except(users) => StoryPrivacy::Except(users),
        Audience::Contacts => account.privacy().await.map_err(|e| remote(&e))?.stories,
    };
    let users = viewers(&privacy, identity, cx).await?;
    if users.is_empty() {
        let text = "nobody would see the story: the account has no saved contacts in its audience";
        return Err(OpError::invalid(text));
    }
    Ok((users, privacy))
}

/// The people whom a status privacy names.
pub(crate) async fn viewers(
    privacy: &StoryPrivacy,
    identity: &Identity,
    cx: &SessionCx,
) -> Result<Vec<UserId>, OpError> {
    let mut users: BTreeSet<UserId> = match privacy {
        StoryPrivacy::Only(users) => users.iter().cloned().collect(),
        StoryPrivacy::Contacts | StoryPrivacy::Except(_) => cx
            .journal()
            .saved_contacts()
            .await?
            .into_iter()
            .map(|contact| contact.id)
            .collect(),
    };
    if let StoryPrivacy::Except(without) = privacy {
        for user in without {
            users.remove(user);
            if let Some(other) = cx.journal().other_address(user).await? {
                users.remove(&other);
            }
        }
    }
    users.retain(|user| !super::is_me(user, identity));
    Ok(users.into_iter().take(AUDIENCE_MAX).collect())
}
