//! What a device has not yet acknowledged, as encoded bytes. A stanza enters when it is routed and
//! leaves when the device acknowledges it; a reconnect delivers again what is still here.

use std::collections::VecDeque;

/// Most stanzas kept for a device. The oldest goes when one more arrives, and the journal counts it.
pub const QUEUED_STANZAS_MAX: usize = 20_000;
/// Most bytes kept for a device, with the same consequence.
pub const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What kind of stanza is queued. Acks name this class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// `<message>`
    Message,
    /// `<receipt>`
    Receipt,
    /// `<notification>`
    Notification,
}

impl Class {
    /// The class of a stanza by its tag, or by an ack's `class` attribute.
    #[must_use]
    pub fn of(tag: &str) -> Option<Self> {
        match tag {
            "message" => Some(Self::Message),
            "receipt" => Some(Self::Receipt),
            "notification" => Some(Self::Notification),
            _ => None,
        }
    }
}

/// A queued stanza.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Position in the order of arrival, for this device.
    pub sequence: u64,
    /// What it is.
    pub class: Class,
    /// Hash of the chat it belongs to, the same for both addresses of an account.
    pub chat: u64,
    /// Stanza id.
    pub id: Box<str>,
    /// Encoded stanza.
    pub bytes: Box<[u8]>,
}

/// The queue of one device.
#[derive(Debug, Default)]
pub struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    next: u64,
}

impl Queue {
    /// Appends a stanza and returns its sequence, and how many old ones had to go for it.
    pub fn push(&mut self, class: Class, chat: u64, id: &str, bytes: Vec<u8>) -> (u64, usize) {
        let sequence = self.next;
        self.next += 1;
        self.bytes += bytes.len();
        self.entries.push_back(Entry {
            sequence,
            class,
            chat,
            id: id.into(),
            bytes: bytes.into_boxed_slice(),
        });
        let mut lost = 0;
        while self.entries.len() > QUEUED_STANZAS_MAX || self.bytes > QUEUED_BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
            lost += 1;
        }
        (sequence, lost)
    }

    /// Removes the stanza `id` of `class`. When several chats use the same id, only that of `chat`.
    /// Returns whether there was one.
    pub fn acknowledge(&mut self, class: Class, chat: Option<u64>, id: &str) -> bool {
        let matching = |e: &Entry, chat: Option<u64>| {
            e.class == class && *e.id == *id && chat.is_none_or(|c| c == e.chat)
        };
        let position = self
            .entries
            .iter()
            .position(|e| matching(e, chat))
            .or_else(|| {
                let mut same_id = self
                    .entries
                    .iter()
                    .enumerate()
                    .filter(|(_, e)| matching(e, None));
                match (same_id.next(), same_id.next()) {
                    (Some((only, _)), None) => Some(only),
                    _ => None,
                }
            });
        let Some(entry) = position.and_then(|p| self.entries.remove(p)) else {
            return false;
        };
        self.bytes -= entry.bytes.len();
        if self.entries.is_empty() {
            // Give the memory back: most devices are idle most of the time.
            self.entries = VecDeque::new();
        }
        true
    }

    /// The first stanza at or after `sequence`.
    #[must_use]
    pub fn at_or_after(&self, sequence: u64) -> Option<&Entry> {
        let start = self.entries.partition_point(|e| e.sequence < sequence);
        self.entries.get(start)
    }

    /// Takes the oldest stanza out.
    pub fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.bytes.len();
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    /// How many stanzas wait, in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many stanzas of `class` wait.
    #[must_use]
    pub fn count(&self, class: Class) -> usize {
        self.entries.iter().filter(|e| e.class == class).count()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_once_in_any_order_and_by_chat_when_ids_collide() {
        let mut queue = Queue::default();
        for (chat, id) in [(1, "a"), (1, "b"), (2, "b")] {
            queue.push(Class::Message, chat, id, vec![0; 3]);
        }
        assert!(!queue.acknowledge(Class::Receipt, Some(1), "a"));
        assert!(
            !queue.acknowledge(Class::Message, Some(9), "b"),
            "ambiguous"
        );
        assert!(queue.acknowledge(Class::Message, Some(2), "b"));
        assert!(
            queue.acknowledge(Class::Message, Some(9), "a"),
            "unambiguous"
        );
        assert!(!queue.acknowledge(Class::Message, Some(1), "a"));
        assert_eq!(queue.at_or_after(0).map(|e| &*e.id), Some("b"));
        assert_eq!((queue.len(), queue.bytes), (1, 3));
    }

    #[test]
    fn bounded_by_count_and_bytes() {
        let mut queue = Queue::default();
        let half = QUEUED_BYTES_MAX / 2;
        assert_eq!(queue.push(Class::Message, 0, "a", vec![0; half]).1, 0);
        assert_eq!(queue.push(Class::Message, 0, "b", vec![0; half]).1, 0);
        assert_eq!(queue.push(Class::Message, 0, "c", vec![0; 1]).1, 1);
        for n in 0..QUEUED_STANZAS_MAX {
            queue.push(Class::Message, 0, &n.to_string(), Vec::new());
        }
        assert_eq!(queue.len(), QUEUED_STANZAS_MAX);
    }
}
