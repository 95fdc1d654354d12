//! What a phone is to send, as the admin API takes it: one kind of content and what modifies it. Only
//! data; [`crate::phone`] makes messages of it.

use serde::{Deserialize, Serialize};

/// What a phone is to send. At most one kind of content besides the text; without any it is the text.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outgoing {
    /// Number or address of the receiver, address of a group, or `status@broadcast` for a story.
    pub to: String,
    /// The text, the caption of the file, or what goes with the other kinds: see there.
    pub text: String,
    /// A file.
    pub media: Option<OutgoingFile>,
    /// A place.
    pub location: Option<OutgoingPlace>,
    /// Contact cards.
    pub contacts: Vec<ContactCard>,
    /// A poll.
    pub poll: Option<Poll>,
    /// A vote.
    pub vote: Option<Vote>,
    /// A reaction.
    pub reaction: Option<Reaction>,
    /// Id of an own message whose text or caption becomes `text`.
    pub edit: Option<String>,
    /// Id of a message to delete for everyone: an own one, or as admin of a group anyone's.
    pub revoke: Option<String>,
    /// A message to pin.
    pub pin: Option<Pin>,
    /// An event.
    pub event: Option<Event>,
    /// An answer to an event.
    pub event_response: Option<EventResponse>,
    /// Lifetime of messages in this chat from now on, in seconds; 0 is for ever.
    pub timer: Option<u32>,
    /// Buttons below `text`.
    pub buttons: Option<Buttons>,
    /// A list of choices below `text`.
    pub list: Option<List>,
    /// A template with `text`.
    pub template: Option<Template>,
    /// Native-flow buttons below `text`.
    pub interactive: Option<Interactive>,
    /// The answer to buttons, a list, a template or native-flow buttons. Quotes their message.
    pub reply: Option<Reply>,
    /// An invitation to a group, with `text` as caption.
    pub group_invite: Option<GroupInvite>,
    /// The head of an album: the files follow, each with `album_id`.
    pub album: Option<Album>,
    /// A whole message, base64 of its protobuf form, sent as it is.
    pub raw: Option<String>,

    /// Numbers or addresses mentioned in the text.
    pub mentions: Vec<String>,
    /// Id of the message this one answers.
    pub quote: Option<String>,
    /// The preview of a link in the text.
    pub preview: Option<LinkPreview>,
    /// The receiver may open the file once.
    pub view_once: bool,
    /// How often it was forwarded before.
    pub forwarded: Option<u32>,
    /// Lifetime of this message, in seconds.
    pub ephemeral: Option<u32>,
    /// Id of the album this file belongs to.
    pub album_id: Option<String>,
    /// Numbers that see a story; without it everyone in the address book.
    pub audience: Vec<String>,
    /// Background of a text story, 0xAARRGGBB.
    pub background: Option<u32>,
}

/// A file that a phone is to send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutgoingFile {
    /// `image`, `video`, `gif`, `ptv`, `audio`, `voice`, `document` or `sticker`.
    pub kind: String,
    /// MIME type.
    pub mimetype: String,
    /// The content, base64.
    pub data: String,
    /// Name, for documents.
    pub file_name: Option<String>,
    /// Length of a sound or film, in seconds.
    pub seconds: Option<u32>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Loudness of a voice note, base64 of 64 bytes from 0 to 100.
    pub waveform: Option<String>,
    /// Small JPEG, base64.
    pub thumbnail: Option<String>,
    /// Pages of a document.
    pub pages: Option<u32>,
    /// Whether a sticker moves.
    pub animated: bool,
}

/// A place that a phone is to send.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutgoingPlace {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Name of the place.
    pub name: Option<String>,
    /// Address of the place.
    pub address: Option<String>,
    /// Whether it moves; `text` is its caption then.
    pub live: bool,
    /// Counts the positions of a moving place.
    pub sequence: Option<i64>,
}

/// A contact card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactCard {
    /// What is shown.
    pub name: String,
    /// The card itself.
    pub vcard: String,
}

/// A poll; `text` is not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The answers to choose from.
    pub options: Vec<String>,
    /// How many may be chosen; 0 is any number.
    #[serde(default)]
    pub selectable: u32,
}

/// A vote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Id of the poll, which the phone has seen.
    pub poll: String,
    /// The chosen answers; none takes the vote back.
    pub options: Vec<String>,
}

/// A reaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reaction {
    /// Id of the message.
    pub id: String,
    /// The emoji; empty takes the reaction back.
    pub emoji: String,
}

/// A message to pin or unpin for everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Id of the message.
    pub id: String,
    /// For how long, in seconds; 0 unpins.
    pub seconds: u32,
}

/// An event; `text` is not used.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// When it starts, in Unix seconds.
    pub start: Option<i64>,
    /// When it ends, in Unix seconds.
    pub end: Option<i64>,
    /// Where.
    pub place: Option<OutgoingPlace>,
    /// Link to join a call.
    pub link: Option<String>,
    /// Whether it was called off.
    pub cancelled: bool,
}

/// An answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventResponse {
    /// Id of the event, which the phone has seen.
    pub event: String,
    /// The answer.
    pub answer: EventAnswer,
}

/// What one answers to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAnswer {
    /// Yes.
    Going,
    /// No.
    NotGoing,
    /// Perhaps.
    Maybe,
}

impl EventAnswer {
    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Going => "going",
            Self::NotGoing => "not_going",
            Self::Maybe => "maybe",
        }
    }
}

/// Something to press.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Button {
    /// Comes back with the answer.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// In templates: opens this page instead.
    pub url: Option<String>,
    /// In templates: calls this number instead.
    pub phone: Option<String>,
    /// In native flows: the kind of button, `quick_reply` if absent.
    pub name: Option<String>,
}

/// Buttons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Buttons {
    /// The buttons.
    pub buttons: Vec<Button>,
    /// Text above.
    pub header: Option<String>,
    /// Text below.
    pub footer: Option<String>,
}

/// A list of choices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct List {
    /// Title of the message.
    pub title: Option<String>,
    /// What opens the list.
    pub button: String,
    /// Text below.
    pub footer: Option<String>,
    /// The choices.
    pub sections: Vec<Section>,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// Its choices.
    pub rows: Vec<Row>,
}

/// A choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Row {
    /// Comes back with the answer.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// What is shown below.
    pub description: Option<String>,
}

/// A template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// Title above the text.
    pub title: Option<String>,
    /// Text below.
    pub footer: Option<String>,
    /// The buttons.
    pub buttons: Vec<Button>,
}

/// Native-flow buttons, or a carousel of cards with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interactive {
    /// Title above the text.
    pub title: Option<String>,
    /// Text below.
    pub footer: Option<String>,
    /// The buttons.
    pub buttons: Vec<Button>,
    /// Cards of a carousel; then there are no buttons here.
    pub cards: Vec<Card>,
}

/// A card of a carousel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Card {
    /// Its title.
    pub title: Option<String>,
    /// Its text.
    pub text: String,
    /// Its buttons.
    pub buttons: Vec<Button>,
}

/// The answer to an interactive message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Id of the message that offered the choice.
    pub to: String,
    /// What it offered.
    pub kind: ReplyKind,
    /// Id of the button or row.
    pub id: String,
    /// What was shown on it.
    #[serde(default)]
    pub title: String,
    /// What was shown below a row.
    #[serde(default)]
    pub description: Option<String>,
}

/// What an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// Buttons.
    Button,
    /// A list.
    List,
    /// A template.
    Template,
    /// Native-flow buttons.
    Interactive,
}

/// An invitation to a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupInvite {
    /// Address of the group.
    pub group: String,
    /// The code.
    pub code: String,
    /// Name of the group.
    #[serde(default)]
    pub name: String,
    /// Until when it holds, in Unix seconds.
    #[serde(default)]
    pub expires: Option<i64>,
}

/// The head of an album.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Album {
    /// Pictures to come.
    pub images: u32,
    /// Films to come.
    pub videos: u32,
}

/// The preview of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkPreview {
    /// The link, as it stands in the text.
    pub url: String,
    /// Title of the page.
    pub title: Option<String>,
    /// What the page is about.
    pub description: Option<String>,
    /// Small JPEG, base64.
    pub thumbnail: Option<String>,
}
