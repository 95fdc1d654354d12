//! Operations on stories: messages to [`crate::content::STORIES`] that end after a day.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::content::{Audience, StoryContent};
use crate::ids::{MessageId, UserId};
use crate::media::MediaSource;
use crate::messages::{Message, MessageList, MessageRef, Sent};
use crate::operation::{Effect, Operation, Scope};
use crate::time::Timestamp;

/// How long a story is shown. Source: WhatsApp's own clients.
pub const LIFE: Duration = Duration::from_secs(24 * 3_600);
/// Most people named in an audience.
pub const AUDIENCE_MAX: usize = 5_000;

/// Posts a story; it is deleted by [`crate::messages::Act`], and who saw it is in [`crate::messages::GetInfo`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The story's id, chosen by the caller so that a retry is the same story.
    pub id: MessageId,
    /// What it says.
    pub content: StoryContent,
    /// Who sees it.
    #[serde(default)]
    pub audience: Audience,
}

impl Operation for Post {
    type Output = Sent;
    const NAME: &'static str = "stories.post";
    const SCOPE: Scope = Scope::Session;
    const EFFECT: Effect = Effect::Send;

    fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        match &mut self.content {
            StoryContent::Media { media, .. } => media.media_mut(),
            StoryContent::Text(_) => Vec::new(),
        }
    }
}

/// Posts what a message or story of the log says as an own story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The id of the new story.
    pub id: MessageId,
    /// What is copied.
    pub target: MessageRef,
    /// Who sees it.
    #[serde(default)]
    pub audience: Audience,
}
crate::operation!(Copy => Sent, "stories.copy", Effect::Send);

/// Lists stories that have not ended, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only those of this person.
    #[serde(default)]
    pub author: Option<UserId>,
    /// Only own (true) or only others' (false).
    #[serde(default)]
    pub from_me: Option<bool>,
    /// Only from this moment on.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Only up to this moment.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Skip this many.
    #[serde(default)]
    pub offset: u32,
    /// At most this many, at most [`crate::messages::LIST_LIMIT_MAX`].
    pub limit: u32,
}
crate::operation!(List => MessageList, "stories.list", Effect::Read);

/// Gets one story that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Which one.
    pub id: MessageId,
}
crate::operation!(Get => Message, "stories.get", Effect::Read);
