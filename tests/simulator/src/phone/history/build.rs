//! History as companions get it: pieces of a kind, in order, compressed.
//!
//! Source: WhatsApp Web's history sync as whatsapp-rust 0.7.0 and Baileys 7.0.0-rc14 read it.

use std::collections::BTreeMap;
use std::io::Write as _;

use buffa::Message as _;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use wa::conversation::EndOfHistoryTransferType;
use wa::history_sync::HistorySyncType;
use waproto::whatsapp as wa;

use super::{ChatLog, Logged, STATUS};
use crate::phone::{Chat, Phone, State};

/// Messages of a chat in the first piece, if the companion does not say. Source: our choice.
const FIRST_MESSAGES: usize = 20;
/// Messages in one of the later pieces. Source: our choice; the real number depends on the companion.
const PIECE_MESSAGES: usize = 2000;
/// Days of recent history, if the companion does not say. Source: WhatsApp Web asks for three months.
const RECENT_DAYS: u64 = 90;
/// Days of full history, if the companion does not say. Source: WhatsApp Desktop gets a year and more; here three.
const FULL_DAYS: u64 = 3 * 365;
/// Largest piece that is put into its announcement, compressed bytes. Source: our choice.
pub(super) const INLINE_BYTES_MAX: usize = 16 * 1024;
const DAY_S: u64 = 24 * 60 * 60;

/// What a companion wants of the past, from its registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// Whether it wants more than the recent past.
    pub full: bool,
    /// Whether the first piece may stand in its announcement.
    pub inline: bool,
    /// Days of recent history.
    pub recent_days: u64,
    /// Days of full history.
    pub full_days: u64,
    /// Bytes of full history, before compression.
    pub full_bytes: u64,
    /// Messages of a chat in the first piece.
    pub first_messages: usize,
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            full: false,
            inline: true,
            recent_days: RECENT_DAYS,
            full_days: FULL_DAYS,
            full_bytes: u64::MAX,
            first_messages: FIRST_MESSAGES,
        }
    }
}

impl Wants {
    /// From the properties with which a companion registers; without them, the usual.
    #[must_use]
    pub fn of(props: Option<&[u8]>) -> Self {
        let usual = Self::default();
        let decoded = props.and_then(|p| wa::DeviceProps::decode_from_slice(p).ok());
        let Some(props) = decoded else {
            return usual;
        };
        let config = props.history_sync_config.into_option().unwrap_or_default();
        let days = |said: Option<u32>, usual: u64| said.filter(|d| *d > 0).map_or(usual, u64::from);
        Self {
            full: props.require_full_sync == Some(true),
            inline: config.inline_initial_payload_in_e2_ee_msg == Some(true),
            recent_days: days(config.recent_sync_days_limit, usual.recent_days),
            full_days: days(config.full_sync_days_limit, usual.full_days),
            full_bytes: config
                .full_sync_size_mb_limit
                .filter(|mb| *mb > 0)
                .map_or(usual.full_bytes, |mb| u64::from(mb) * 1024 * 1024),
            first_messages: config
                .initial_sync_max_messages_per_chat
                .filter(|n| *n > 0)
                .map_or(usual.first_messages, |n| n as usize),
        }
    }
}

/// A piece of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// What kind of piece it is.
    pub kind: HistorySyncType,
    /// Its number among those of its kind, from 1.
    pub order: u32,
    /// How far this kind is with it, in percent.
    pub progress: u32,
    /// Time of its oldest message, in Unix seconds.
    pub oldest_s: Option<u64>,
    /// The content, compressed.
    pub bytes: Vec<u8>,
    /// Whether it may stand in its announcement.
    pub inline: bool,
}

/// A chat with the part of its messages that goes into a piece.
struct Part<'a> {
    shown: &'a str,
    log: &'a ChatLog,
    messages: Vec<&'a Logged>,
    end: Option<EndOfHistoryTransferType>,
}

/// Writes conversations.
pub(super) struct Writer {
    pub(super) state: State,
    pub(super) by_lid: bool,
}

impl Writer {
    /// Whether a message is still there for the user, who may have deleted it or its chat.
    pub(super) fn shows(&self, shown: &str, logged: &Logged) -> bool {
        let at_ms = i64::try_from(logged.at_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let chat = self.state.chats.get(shown);
        let emptied = chat.and_then(|c| c.deleted_at_ms.max(c.cleared_at_ms));
        let mut deleted = self.state.deleted_messages.iter();
        emptied.is_none_or(|emptied| at_ms > emptied)
            && !deleted.any(|m| m.chat == shown && *m.id == *logged.id)
    }

    /// Whether the chat itself was deleted and nothing came since.
    fn is_gone(&self, shown: &str, log: &ChatLog) -> bool {
        let chat = self.state.chats.get(shown);
        chat.is_some_and(|c| c.deleted_at_ms.is_some())
            && !log.messages.iter().any(|m| self.shows(shown, m))
    }

    /// Messages, newest first, as they stand in a conversation of the address `id`.
    fn messages(&self, shown: &str, logged: &[&Logged], id: &str) -> Vec<wa::HistorySyncMsg> {
        let mut out = Vec::with_capacity(logged.len());
        for (number, logged) in (1_u64..).zip(logged) {
            let Some(mut info) = logged.decode() else {
                continue;
            };
            if let Some(key) = info.key.as_option_mut() {
                key.remote_jid = Some(id.to_owned());
            }
            let mut starred = self.state.starred.iter();
            info.starred = starred
                .any(|m| m.chat == shown && *m.id == *logged.id)
                .then_some(true);
            out.push(wa::HistorySyncMsg {
                message: info.into(),
                msg_order_id: Some(number),
            });
        }
        out.reverse();
        out
    }

    fn conversation(&self, part: &Part<'_>) -> wa::Conversation {
        let newest = part.log.messages.back().map(|m| m.at_s);
        let lid = part.log.lid.as_deref().filter(|_| self.by_lid);
        let id = lid.unwrap_or(part.shown);
        let usual = Chat::default();
        let chat = self.state.chats.get(part.shown).unwrap_or(&usual);
        let contact = self.state.contacts.get(part.shown);
        let name = part.log.name.as_deref().map(str::to_owned);
        let name = name.or_else(|| contact.and_then(|c| c.full_name.clone()));
        wa::Conversation {
            id: id.to_owned(),
            messages: self.messages(part.shown, &part.messages, id),
            last_msg_timestamp: newest,
            conversation_timestamp: newest,
            unread_count: Some(part.log.unread),
            read_only: Some(false),
            end_of_history_transfer: Some(part.end.is_some()),
            end_of_history_transfer_type: part.end,
            ephemeral_expiration: Some(part.log.ephemeral_s),
            name,
            not_spam: Some(true),
            archived: Some(chat.archived),
            marked_as_unread: Some(chat.unread),
            pinned: Some(u32::from(chat.pinned)),
            mute_end_time: chat
                .muted_until_ms
                .map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            pn_jid: lid.map(|_| part.shown.to_owned()),
            lid_jid: part.log.lid.as_deref().map(str::to_owned),
            ..Default::default()
        }
    }

    /// A conversation with messages that were asked for.
    pub(super) fn on_demand(
        &self,
        id: &str,
        chat: Option<(&str, &ChatLog)>,
        found: &[&Logged],
        end: EndOfHistoryTransferType,
    ) -> wa::Conversation {
        let usual = ChatLog::default();
        let (shown, log) = chat.unwrap_or((id, &usual));
        let part = Part {
            shown,
            log,
            messages: Vec::new(),
            end: Some(end),
        };
        wa::Conversation {
            id: id.to_owned(),
            messages: self.messages(shown, found, id),
            ..self.conversation(&part)
        }
    }
}

/// Compresses a piece.
pub(super) fn chunk(sync: &wa::HistorySync, oldest_s: Option<u64>) -> Option<Chunk> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&sync.encode_to_vec()).ok()?;
    Some(Chunk {
        kind: sync.sync_type,
        order: sync.chunk_order.unwrap_or(1),
        progress: sync.progress.unwrap_or(100),
        oldest_s,
        bytes: encoder.finish().ok()?,
        inline: false,
    })
}

impl Phone {
    /// The chats as the user sees them, for what is written about them.
    pub(super) fn history_writer(&self, by_lid: bool) -> Writer {
        let mut names = BTreeMap::new();
        for (shown, log) in self.history.iter().flat_map(|h| &h.chats) {
            if let Some(lid) = &log.lid {
                names.insert(lid.to_string(), shown.to_string());
            }
        }
        Writer {
            state: State::of(&self.told(), &names),
            by_lid,
        }
    }

    /// The past for a companion that was just linked, piece by piece. `by_lid` is how chats are addressed.
    #[must_use]
    pub fn history_chunks(&self, wants: &Wants, now_s: u64, by_lid: bool) -> Vec<Chunk> {
        let writer = self.history_writer(by_lid);
        let empty = super::History::default();
        let history = self.history.as_deref().unwrap_or(&empty);
        let Split {
            first,
            recent,
            full,
        } = split(&writer, history, wants, now_s);
        let mut sync = self.sync(HistorySyncType::INITIAL_BOOTSTRAP, history);
        let parts: Vec<Part<'_>> = first.into_iter().map(|p| whole(p, None)).collect();
        sync.conversations = parts.iter().map(|p| writer.conversation(p)).collect();
        let mut chunks: Vec<Chunk> = chunk(&sync, oldest(&parts)).into_iter().collect();
        for chunk in &mut chunks {
            chunk.inline = wants.inline && chunk.bytes.len() <= INLINE_BYTES_MAX;
        }
        // A phone without any chat has nothing more to say.
        if history.chats.is_empty() {
            return chunks;
        }
        chunks.extend(self.names_and_status(history));
        let more = full.is_empty() && !wants.full;
        chunks.extend(pieces(
            &writer,
            HistorySyncType::RECENT,
            recent,
            u64::MAX,
            more,
        ));
        if wants.full {
            let bytes = wants.full_bytes;
            chunks.extend(pieces(&writer, HistorySyncType::FULL, full, bytes, false));
        }
        chunks
    }

    /// An empty piece with what belongs into each first one.
    fn sync(&self, kind: HistorySyncType, history: &super::History) -> wa::HistorySync {
        let mappings = history.chats.iter().filter_map(|(shown, log)| {
            Some(wa::PhoneNumberToLIDMapping {
                pn_jid: Some(shown.to_string()),
                lid_jid: Some(log.lid.as_deref()?.to_owned()),
            })
        });
        wa::HistorySync {
            sync_type: kind,
            chunk_order: Some(1),
            progress: Some(100),
            phone_number_to_lid_mappings: mappings.collect(),
            global_settings: wa::GlobalSettings {
                show_individual_notifications_preview: Some(true),
                show_group_notifications_preview: Some(true),
                auto_unarchive_chats: Some(true),
                ..Default::default()
            }
            .into(),
            ..Default::default()
        }
    }

    fn names_and_status(&self, history: &super::History) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut names = vec![(self.own_jid(), self.push_name().to_owned())];
        names.extend(
            history
                .names
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string())),
        );
        let pushnames: Vec<wa::Pushname> = names
            .into_iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(id, name)| wa::Pushname {
                id: Some(id),
                pushname: Some(name),
            })
            .collect();
        if !pushnames.is_empty() {
            let sync = wa::HistorySync {
                sync_type: HistorySyncType::PUSH_NAME,
                chunk_order: Some(1),
                progress: Some(100),
                pushnames,
                ..Default::default()
            };
            chunks.extend(chunk(&sync, None));
        }
        if let Some(log) = history.chats.get(STATUS) {
            let infos = log.messages.iter().filter_map(Logged::decode);
            let sync = wa::HistorySync {
                sync_type: HistorySyncType::INITIAL_STATUS_V3,
                chunk_order: Some(1),
                progress: Some(100),
                status_v3_messages: infos.collect(),
                ..Default::default()
            };
            chunks.extend(chunk(&sync, log.messages.front().map(|m| m.at_s)));
        }
        let sync = self.sync(HistorySyncType::NON_BLOCKING_DATA, history);
        chunks.extend(chunk(&sync, None));
        chunks
    }

    pub(super) fn own_jid(&self) -> String {
        format!("{}@s.whatsapp.net", self.number())
    }
}

type Chosen<'a> = (&'a str, &'a ChatLog, Vec<&'a Logged>);

/// What goes into pieces of which kind.
#[derive(Default)]
struct Split<'a> {
    first: Vec<Chosen<'a>>,
    recent: Vec<Chosen<'a>>,
    full: Vec<Chosen<'a>>,
}

fn split<'a>(writer: &Writer, history: &'a super::History, wants: &Wants, now_s: u64) -> Split<'a> {
    let recent_from = now_s.saturating_sub(wants.recent_days.saturating_mul(DAY_S));
    let full_from = now_s.saturating_sub(wants.full_days.saturating_mul(DAY_S));
    let mut split = Split::default();
    let chats = history.chats.iter().map(|(shown, log)| (&**shown, log));
    for (shown, log) in chats.filter(|(shown, log)| *shown != STATUS && !writer.is_gone(shown, log))
    {
        let shown_messages = log.messages.iter().filter(|m| writer.shows(shown, m));
        let (old, new): (Vec<&Logged>, Vec<&Logged>) =
            shown_messages.partition(|m| m.at_s < recent_from);
        let at = new.len().saturating_sub(wants.first_messages);
        let (earlier, newest) = new.split_at(at);
        let old: Vec<&Logged> = old.into_iter().filter(|m| m.at_s >= full_from).collect();
        split.first.push((shown, log, newest.to_vec()));
        if !earlier.is_empty() {
            split.recent.push((shown, log, earlier.to_vec()));
        }
        if wants.full && !old.is_empty() {
            split.full.push((shown, log, old));
        }
    }
    split
}

fn whole((shown, log, messages): Chosen<'_>, end: Option<EndOfHistoryTransferType>) -> Part<'_> {
    Part {
        shown,
        log,
        messages,
        end,
    }
}

fn oldest(parts: &[Part<'_>]) -> Option<u64> {
    parts
        .iter()
        .flat_map(|p| p.messages.first())
        .map(|m| m.at_s)
        .min()
}

/// Chats with many messages, in pieces of limited size. `more` is whether the phone has older ones.
fn pieces(
    writer: &Writer,
    kind: HistorySyncType,
    chosen: Vec<Chosen<'_>>,
    bytes_max: u64,
    more: bool,
) -> Vec<Chunk> {
    let end = if more {
        EndOfHistoryTransferType::COMPLETE_BUT_MORE_MESSAGES_REMAIN_ON_PRIMARY
    } else {
        EndOfHistoryTransferType::COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY
    };
    let mut pieces: Vec<Vec<Part<'_>>> = vec![Vec::new()];
    let mut room = PIECE_MESSAGES;
    let mut bytes = 0_u64;
    for (shown, log, mut messages) in chosen {
        // The newest go first, and beyond the limit nothing.
        while !messages.is_empty() && bytes <= bytes_max {
            let at = messages.len().saturating_sub(room);
            let now = messages.split_off(at);
            bytes += now.iter().map(|m| m.info.len() as u64).sum::<u64>();
            room -= now.len();
            let done = messages.is_empty().then_some(end);
            if let Some(piece) = pieces.last_mut() {
                piece.push(whole((shown, log, now), done));
            }
            if room == 0 {
                pieces.push(Vec::new());
                room = PIECE_MESSAGES;
            }
        }
    }
    if pieces.len() > 1 && pieces.last().is_some_and(Vec::is_empty) {
        pieces.pop();
    }
    let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX).max(1);
    let chunks = (1_u32..).zip(pieces).filter_map(|(order, parts)| {
        let sync = wa::HistorySync {
            sync_type: kind,
            conversations: parts.iter().map(|p| writer.conversation(p)).collect(),
            chunk_order: Some(order),
            progress: Some(order.saturating_mul(100) / count),
            ..Default::default()
        };
        chunk(&sync, oldest(&parts))
    });
    chunks.collect()
}
