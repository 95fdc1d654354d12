//! The past of a phone: what it is given, or made up from a seed.

use rand::RngExt as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use waproto::whatsapp as wa;

use super::Error;
use super::app_state::{find, lock};
use super::sending::file_message;
use crate::draft::OutgoingFile;
use crate::phone::{self, ChatName, Kept, MediaRef};
use crate::shell::hub::Hub;

/// Most messages in one call, given or made up.
pub const PAST_MESSAGES_MAX: usize = 200_000;
/// Every so many made-up messages is a picture.
const PICTURE_EVERY: usize = 25;
/// Seconds between two made-up messages of a chat.
const STEP_S: u64 = 600;
/// The numbers of made-up chats count up from here. Source: a range reserved for fiction, beyond the one
/// from which the simulator hands out numbers.
const FIRST_NUMBER: u64 = 15_559_000_000;

/// What a phone is to have from before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Past {
    /// Chats with their messages.
    pub chats: Vec<PastChat>,
    /// Chats and messages to make up.
    pub generate: Option<Generate>,
}

/// A chat from before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PastChat {
    /// Number or address of the other, address of a group, or `status@broadcast`.
    pub with: String,
    /// Its name, for groups.
    pub name: Option<String>,
    /// Messages that were not read.
    pub unread: u32,
    /// After how many seconds messages disappear; 0 is never.
    pub ephemeral: u32,
    /// Its messages.
    pub messages: Vec<PastMessage>,
}

/// A message from before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PastMessage {
    /// Its id; made up if absent.
    pub id: Option<String>,
    /// Whether the phone sent it.
    pub from_me: bool,
    /// Number or address of the author, in groups and for status updates.
    pub author: Option<String>,
    /// What the author calls himself.
    pub push_name: Option<String>,
    /// Unix seconds; now if absent.
    pub timestamp: Option<u64>,
    /// The text, or the caption of the file.
    pub text: String,
    /// A file.
    pub media: Option<OutgoingFile>,
}

/// How much to make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// How many chats. Their accounts are set up if they do not exist.
    pub chats: usize,
    /// How many messages in each.
    pub messages: usize,
    /// Decides what is in them.
    #[serde(default)]
    pub seed: u64,
}

/// How much a phone was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Chats.
    pub chats: usize,
    /// Messages.
    pub messages: usize,
}

/// Gives a phone a past. Companions that are linked already do not get it unless they ask.
pub(crate) fn give_past(hub: &Hub, number: &str, past: Past) -> Result<Given, Error> {
    let (_, phone) = find(hub, number)?;
    let made_up = past
        .generate
        .map_or(0, |g| g.chats.saturating_mul(g.messages));
    let given: usize = past.chats.iter().map(|c| c.messages.len()).sum();
    if made_up.saturating_add(given) > PAST_MESSAGES_MAX {
        return Err(Error::Bad(format!(
            "give history: more than {PAST_MESSAGES_MAX} messages"
        )));
    }
    let mut total = Given::default();
    let generated = past
        .generate
        .map(|g| (0..g.chats).map(move |n| made_up_chat(g, n)));
    let now_s = hub.clock.now_ms() / 1000;
    let mut rng = hub.with(|server| {
        let number = server.stanza_number();
        server.seeds.rng("past", number)
    });
    let picture = match past.generate {
        Some(_) => Some(picture(hub, &mut rng)?),
        None => None,
    };
    for chat in past.chats {
        let (name, kept) = read_chat(hub, &mut rng, &chat, now_s)?;
        total.chats += 1;
        total.messages += kept.len();
        lock(&phone)?
            .give_past(&name, kept, chat.unread, chat.ephemeral)
            .map_err(|e| Error::Refused(e.to_string()))?;
    }
    for (number, texts) in generated.into_iter().flatten() {
        hub.with(|server| server.add_phone(&number, &format!("person {number}")))?;
        let name = chat_name(hub, &number, None)?;
        let kept = made_up_messages(&number, &texts, now_s, picture.as_ref(), &mut rng);
        total.chats += 1;
        total.messages += kept.len();
        lock(&phone)?
            .give_past(&name, kept, 0, 0)
            .map_err(|e| Error::Refused(e.to_string()))?;
    }
    Ok(total)
}

/// Lets the file of a message that the phone has expire on the media host: who downloads it is told that it
/// is gone, until the phone has uploaded it again.
pub(crate) fn expire_media(hub: &Hub, number: &str, id: &str) -> Result<(), Error> {
    let (_, phone) = find(hub, number)?;
    let message = lock(&phone)?.kept_message("", id);
    let message = message
        .ok_or_else(|| Error::NotFound(format!("expire media: the phone has no message {id:?}")))?;
    let file = MediaRef::of(&message)
        .map_err(|e| Error::Refused(e.to_string()))?
        .filter(|file| hub.media.expire(file.file_enc_sha256));
    file.map(drop)
        .ok_or_else(|| Error::NotFound(format!("expire media: no file of message {id:?} is there")))
}

fn chat_name(hub: &Hub, with: &str, name: Option<String>) -> Result<ChatName, Error> {
    let named = hub
        .with(|server| server.named(with))
        .ok_or_else(|| Error::Bad(format!("give history: {with:?} is no number or address")))?;
    Ok(ChatName {
        shown: named.shown,
        lid: named.lid,
        name,
    })
}

fn read_chat(
    hub: &Hub,
    rng: &mut ChaCha20Rng,
    chat: &PastChat,
    now_s: u64,
) -> Result<(ChatName, Vec<Kept>), Error> {
    let name = chat_name(hub, &chat.with, chat.name.clone())?;
    let mut kept = Vec::with_capacity(chat.messages.len());
    for past in &chat.messages {
        let message = match &past.media {
            None => phone::text_message(&past.text, rng),
            Some(file) => file_message(hub, rng, file, &past.text, false)?,
        };
        let author = match &past.author {
            Some(author) => Some(chat_name(hub, author, None)?.shown),
            None => None,
        };
        kept.push(Kept {
            id: past.id.clone().unwrap_or_else(|| new_id(rng)),
            at_s: past.timestamp.unwrap_or(now_s),
            from_me: past.from_me,
            author,
            push_name: past.push_name.clone(),
            message,
        });
    }
    Ok((name, kept))
}

fn new_id(rng: &mut ChaCha20Rng) -> String {
    format!("3EB0{:016X}", rng.random::<u64>())
}

/// A picture that all made-up pictures show.
fn picture(hub: &Hub, rng: &mut ChaCha20Rng) -> Result<wa::Message, Error> {
    use base64::Engine as _;
    let pixels: Vec<u8> = (0..2048).map(|_| rng.random()).collect();
    let file = OutgoingFile {
        kind: "image".to_owned(),
        mimetype: "image/jpeg".to_owned(),
        data: base64::engine::general_purpose::STANDARD.encode(pixels),
        ..OutgoingFile::default()
    };
    file_message(hub, rng, &file, "a picture", false)
}

/// The number and the texts of a made-up chat.
fn made_up_chat(generate: Generate, chat: usize) -> (String, Vec<String>) {
    let number = FIRST_NUMBER + chat as u64;
    let texts = (0..generate.messages)
        .map(|n| format!("message {n} of chat {chat}, seed {}", generate.seed));
    (number.to_string(), texts.collect())
}

/// Messages back and forth, the newest of them now.
fn made_up_messages(
    number: &str,
    texts: &[String],
    now_s: u64,
    picture: Option<&wa::Message>,
    rng: &mut ChaCha20Rng,
) -> Vec<Kept> {
    let count = texts.len() as u64;
    let numbered = (0_u64..).zip(texts).enumerate();
    let kept = numbered.map(|(place, (n, text))| {
        let from_me = rng.random_range(0..2) == 0;
        let is_picture = (place % PICTURE_EVERY) == PICTURE_EVERY - 1;
        let message = match picture.filter(|_| is_picture) {
            Some(picture) => picture.clone(),
            None => phone::text_message(text, rng),
        };
        Kept {
            id: new_id(rng),
            at_s: now_s.saturating_sub((count - n).saturating_mul(STEP_S)),
            from_me,
            author: None,
            push_name: (!from_me).then(|| format!("person {number}")),
            message,
        }
    });
    kept.collect()
}
