//! What the user of a phone sees: a bounded list of records about messages, edits, reactions and so on.
//!
//! The inbox keeps facts as they arrived. It does not apply edits or revocations to earlier records: tests want to see
//! both.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Records a phone keeps. The oldest go first.
pub const INBOX_MAX: usize = 64;

/// Bytes of text the records of a phone may have together. The oldest go first.
pub const INBOX_BYTES_MAX: usize = 256 * 1024;

/// Longest text of a record, in bytes of UTF-8; the rest is cut off. Source: WhatsApp allows 65536 characters.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Longest name, jid, id or option in a record, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// Mentions, options and the like in a record.
const LIST_MAX: usize = 64;

/// What happened in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text, perhaps with a link preview.
    Text,
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A sound file.
    Audio,
    /// A voice note.
    Voice,
    /// A file.
    Document,
    /// A sticker.
    Sticker,
    /// A place.
    Location,
    /// A place that keeps moving.
    LiveLocation,
    /// One or more contact cards; the text holds the vCards.
    Contact,
    /// A poll; the text is the question.
    Poll,
    /// A vote; the options are the chosen ones. Without options and with the detail `sealed` the phone
    /// does not know the poll.
    PollVote,
    /// A reaction; an empty text takes it back. Without a text it is encrypted once more, and the phone
    /// does not know its message.
    Reaction,
    /// A new text or caption for an earlier message. Without a text it is encrypted once more, and the
    /// phone does not know the message.
    Edit,
    /// An earlier message was deleted for everyone.
    Revoke,
    /// An event; the text is its name.
    Event,
    /// An answer to an event: `going`, `not_going` or `maybe`.
    EventResponse,
    /// Buttons, lists, templates and native flows; the options are what there is to press.
    Interactive,
    /// An answer to such; the text is what was shown, the detail `selected` its id.
    InteractiveReply,
    /// An invitation to a group; the text is its caption.
    GroupInvite,
    /// The head of an album.
    Album,
    /// A pack of stickers.
    StickerPack,
    /// An earlier message was pinned or unpinned.
    Pin,
    /// The chat's disappearing-message timer was set; the text is the seconds.
    Timer,
    /// Something else that a user would notice.
    Other,
}

/// The file of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// As the sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mimetype: Option<String>,
    /// As the sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Bytes of the plain file: as the sender says, and after `opened` as counted.
    pub size: u64,
    /// SHA-256 of the plain file in lower-case hex, as the sender says; verified when `opened`.
    pub sha256: String,
    /// Whether the file was downloaded, decrypted and found to be what the sender says.
    pub opened: bool,
}

/// The place of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Name of the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address of the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// One thing that arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts up from 1 for each phone, without gaps. Set by [`Inbox::push`].
    pub seq: u64,
    /// The message's id.
    pub id: String,
    /// Address of the author's device.
    pub from: String,
    /// Address of the chat.
    pub chat: String,
    /// Unix seconds of the stanza.
    pub timestamp: u64,
    /// What it is.
    pub kind: Kind,
    /// Text, caption, emoji: see [`Kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The id of the message that an edit, revocation, reaction, vote or pin is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The id of the message this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted: Option<String>,
    /// Addresses mentioned in the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// Options of a poll or a vote, buttons, rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What else it says, by name: sizes, lengths, titles, ids. See `phone/reading/details.rs`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// The file, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaInfo>,
    /// The place, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Whether it may be looked at once only.
    pub view_once: bool,
    /// Whether it disappears.
    pub ephemeral: bool,
    /// Whether it was forwarded.
    pub forwarded: bool,
    /// Whether the own account sent it from another device.
    pub own: bool,
}

impl Record {
    fn heap_bytes(&self) -> usize {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let list = |texts: &[String]| -> usize {
            texts
                .iter()
                .map(|text| size_of::<String>() + text.len())
                .sum()
        };
        let media = self.media.as_ref().map_or(0, |media| {
            media.sha256.len() + optional(&media.mimetype) + optional(&media.file_name)
        });
        let location = self
            .location
            .as_ref()
            .map_or(0, |place| optional(&place.name) + optional(&place.address));
        self.id.len()
            + self.from.len()
            + self.chat.len()
            + optional(&self.text)
            + optional(&self.target)
            + optional(&self.quoted)
            + list(&self.mentions)
            + list(&self.options)
            + self
                .details
                .iter()
                .map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len())
                .sum::<usize>()
            + media
            + location
    }

    fn cut(&mut self) {
        let names = [
            Some(&mut self.id),
            Some(&mut self.from),
            Some(&mut self.chat),
        ];
        let optional = [self.target.as_mut(), self.quoted.as_mut()];
        let media = self
            .media
            .as_mut()
            .map(|media| [media.mimetype.as_mut(), media.file_name.as_mut()]);
        let place = self
            .location
            .as_mut()
            .map(|place| [place.name.as_mut(), place.address.as_mut()]);
        self.mentions.truncate(LIST_MAX);
        self.options.truncate(LIST_MAX);
        let details = self.details.values_mut();
        let lists = self.mentions.iter_mut().chain(&mut self.options);
        let lists = lists.chain(details);
        names
            .into_iter()
            .chain(optional)
            .chain(media.into_iter().flatten())
            .chain(place.into_iter().flatten())
            .flatten()
            .chain(lists)
            .for_each(|name| cut(name, NAME_BYTES_MAX));
        if let Some(text) = &mut self.text {
            cut(text, TEXT_BYTES_MAX);
        }
    }
}

/// Shortens a text to a number of bytes, at a character's end.
fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        text.truncate(end);
        text.shrink_to_fit();
    }
}

/// The last things that arrived.
#[derive(Debug, Default)]
pub struct Inbox {
    records: VecDeque<Record>,
    last: u64,
    bytes: usize,
}

impl Inbox {
    /// Adds a record, numbers it and returns its number. Long texts are cut, old records go.
    pub fn push(&mut self, mut record: Record) -> u64 {
        self.last += 1;
        record.seq = self.last;
        record.cut();
        self.bytes += record.heap_bytes();
        self.records.push_back(record);
        while self.records.len() > INBOX_MAX
            || (self.bytes > INBOX_BYTES_MAX && self.records.len() > 1)
        {
            if let Some(old) = self.records.pop_front() {
                self.bytes = self.bytes.saturating_sub(old.heap_bytes());
            }
        }
        self.last
    }

    /// What is left of the records after number `seq`, oldest first. 0 gives all.
    pub fn since(&self, seq: u64) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .skip_while(move |record| record.seq <= seq)
    }

    /// The number of the newest record ever added, 0 before the first.
    #[must_use]
    pub const fn last_seq(&self) -> u64 {
        self.last
    }

    /// Notes that the file of a record was downloaded and opened, with its real size. Returns whether the record is
    /// still there and has a file.
    pub fn media_opened(&mut self, seq: u64, size: u64) -> bool {
        let record = self.records.iter_mut().find(|record| record.seq == seq);
        let Some(media) = record.and_then(|record| record.media.as_mut()) else {
            return false;
        };
        media.opened = true;
        media.size = size;
        true
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes + self.records.capacity() * size_of::<Record>()
    }
}
