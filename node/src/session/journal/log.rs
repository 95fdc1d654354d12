//! The rows of the message log: adding, changing, indexing, finding and removing messages.
//!
//! Owns that a message and its indexes agree. Must not know why a message changes.

use switchboard_keystore::ScanRange;
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::Message;
use switchboard_vocab::{ChatId, MessageId, UserId};

use super::rows::{self, Facts, MediaRow, Place, StoredMessage};
use super::writer::Write;
use super::{Error, same_writer};
use crate::session::{kinds, media_of, stored_media};

/// Most messages that can carry one id. Writers choose their ids, so a stranger may repeat one; beyond this the
/// oldest is no longer found by its id.
const SAME_ID_MAX: usize = 8;
/// Most rows of progress that one message has. Source: a group has at most 1,024 members.
const PROGRESS_MAX: usize = 1_100;

/// What comes with a new message.
#[derive(Debug, Default)]
pub(super) struct With<'a> {
    pub(super) media: Option<StoredMedia>,
    pub(super) keys: Option<Vec<u8>>,
    pub(super) proto: Option<&'a [u8]>,
}

const fn place(message: &Message) -> Place {
    Place {
        at: message.at,
        number: message.number,
    }
}

impl Write<'_, '_> {
    /// Gives the message the next number and writes it with its indexes.
    pub(super) async fn add(
        &mut self,
        mut stored: StoredMessage,
        with: With<'_>,
    ) -> Result<Message, Error> {
        let head = &mut self.txn.memory.head;
        head.last_number += 1;
        head.messages += 1;
        let number = head.last_number;
        stored.message.number = number;
        if stored.message.context.from_history {
            self.early_star(&mut stored.message).await?;
        }
        self.put_message(&stored, 0)?;
        self.index(&stored.message);
        let mut same = self.numbers_with_id(&stored.message.id).await?;
        same.push(number);
        let excess = same.len().saturating_sub(SAME_ID_MAX);
        self.write_numbers(&stored.message.id, same.get(excess..).unwrap_or_default())?;
        self.write_proto(number, with.proto).await?;
        self.write_media(with.media, with.keys, number).await?;
        Ok(stored.message)
    }

    /// Writes a message that the log has; `before` is what it was.
    pub(super) async fn rewrite(
        &mut self,
        before: &Message,
        stored: &StoredMessage,
    ) -> Result<(), Error> {
        let key = rows::number_key(stored.message.number);
        let old = self.txn.get(kinds::MESSAGE, &key).await?;
        self.put_message(stored, old.map_or(0, |row| row.len()))?;
        let moved = place(before) != place(&stored.message) || before.chat != stored.message.chat;
        if moved {
            self.unindex(before);
        }
        if moved || Facts::of(before) != Facts::of(&stored.message) {
            self.index(&stored.message);
        }
        if before.body.words() != stored.message.body.words() {
            self.unindexed(stored.message.number);
        }
        Ok(())
    }

    fn put_message(&mut self, stored: &StoredMessage, old_len: usize) -> Result<(), Error> {
        let row = rows::encode_message(stored)?;
        self.weigh(old_len, row.len());
        let key = rows::number_key(stored.message.number);
        self.txn.put(kinds::MESSAGE, key, row);
        Ok(())
    }

    fn weigh(&mut self, before: usize, after: usize) {
        let wide = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        let head = &mut self.txn.memory.head;
        head.bytes = head
            .bytes
            .saturating_sub(wide(before))
            .saturating_add(wide(after));
    }

    fn index(&mut self, message: &Message) {
        let (facts, place) = (Facts::of(message).encode(), place(message));
        self.txn
            .put(kinds::BY_TIME, rows::time_key(place), facts.clone());
        let key = rows::in_chat_key(&message.chat, place);
        self.txn.put(kinds::IN_CHAT, key, facts);
    }

    fn unindex(&mut self, message: &Message) {
        let place = place(message);
        self.txn.delete(kinds::BY_TIME, rows::time_key(place));
        let key = rows::in_chat_key(&message.chat, place);
        self.txn.delete(kinds::IN_CHAT, key);
    }

    /// Indexes a message of an earlier layout and counts it.
    pub(super) fn adopt(&mut self, message: &Message, len: usize) {
        self.index(message);
        self.weigh(0, len);
        self.txn.memory.head.messages += 1;
    }

    /// Tells the search index that a message is not what it has.
    pub(super) fn unindexed(&mut self, number: u64) {
        if self.limits.search {
            self.txn
                .put(kinds::UNINDEXED, rows::number_key(number), Vec::new());
        }
    }

    /// Keeps the message as it travelled.
    pub(super) async fn write_proto(
        &mut self,
        number: u64,
        proto: Option<&[u8]>,
    ) -> Result<(), Error> {
        let Some(proto) = proto else { return Ok(()) };
        let key = rows::number_key(number);
        let old = self.txn.get(kinds::PROTO, &key).await?;
        let row = rows::encode_bytes(proto);
        self.weigh(old.map_or(0, |row| row.len()), row.len());
        self.txn.put(kinds::PROTO, key, row);
        Ok(())
    }

    async fn forget_proto(&mut self, number: u64) -> Result<(), Error> {
        let key = rows::number_key(number);
        if let Some(row) = self.txn.get(kinds::PROTO, &key).await? {
            self.weigh(row.len(), 0);
            self.txn.delete(kinds::PROTO, key);
        }
        Ok(())
    }

    pub(super) async fn write_media(
        &mut self,
        media: Option<StoredMedia>,
        keys: Option<Vec<u8>>,
        number: u64,
    ) -> Result<(), Error> {
        let Some(meta) = media else { return Ok(()) };
        let key = meta.id.as_str().as_bytes().to_vec();
        let known = self.txn.get(kinds::MEDIA, &key).await?;
        let known = known
            .map(|row| rows::decode::<MediaRow>("media", &row))
            .transpose()?;
        let keys = keys
            .map(hex::encode)
            .or_else(|| known.and_then(|row| row.keys));
        let row = rows::encode("media", &MediaRow { meta, keys, number })?;
        self.txn.put(kinds::MEDIA, key, row);
        Ok(())
    }

    /// What a message said is gone: its protobuf and what is needed to open its file.
    pub(super) async fn forget_content(&mut self, message: &Message) -> Result<(), Error> {
        self.forget_proto(message.number).await?;
        let Some(media) = media_of(&message.body).map(stored_media) else {
            return Ok(());
        };
        let key = media.id.as_str().as_bytes().to_vec();
        let row = self.txn.get(kinds::MEDIA, &key).await?;
        let row = row
            .map(|row| rows::decode::<MediaRow>("media", &row))
            .transpose()?;
        if row.is_some_and(|row| row.number == message.number) {
            self.txn.delete(kinds::MEDIA, key);
        }
        Ok(())
    }

    /// Removes a message with everything that hangs on it.
    pub(super) async fn remove(&mut self, number: u64) -> Result<Option<Message>, Error> {
        let key = rows::number_key(number);
        let Some(row) = self.txn.get(kinds::MESSAGE, &key).await? else {
            return Ok(None);
        };
        let message = rows::decode_message(&row)?.message;
        self.txn.delete(kinds::MESSAGE, key.clone());
        self.weigh(row.len(), 0);
        let head = &mut self.txn.memory.head;
        head.messages = head.messages.saturating_sub(1);
        self.unindex(&message);
        let mut same = self.numbers_with_id(&message.id).await?;
        same.retain(|other| *other != number);
        self.write_numbers(&message.id, &same)?;
        self.forget_content(&message).await?;
        if message.from_me {
            self.txn.delete(kinds::AUDIENCE, key.clone());
            let range = ScanRange::prefix(&key, PROGRESS_MAX);
            for (key, _) in self.txn.scan(kinds::PROGRESS, range).await? {
                self.txn.delete(kinds::PROGRESS, key);
            }
        }
        self.unindexed(number);
        Ok(Some(message))
    }

    async fn numbers_with_id(&mut self, id: &MessageId) -> Result<Vec<u64>, Error> {
        let row = self.txn.get(kinds::BY_ID, &rows::id_key(id)).await?;
        row.map_or_else(|| Ok(Vec::new()), |row| rows::decode("message id", &row))
    }

    fn write_numbers(&mut self, id: &MessageId, numbers: &[u64]) -> Result<(), Error> {
        if numbers.is_empty() {
            self.txn.delete(kinds::BY_ID, rows::id_key(id));
        } else {
            self.txn.put(
                kinds::BY_ID,
                rows::id_key(id),
                rows::encode("message id", &numbers)?,
            );
        }
        Ok(())
    }

    pub(super) async fn with_id(&mut self, id: &MessageId) -> Result<Vec<StoredMessage>, Error> {
        let mut found = Vec::new();
        for number in self.numbers_with_id(id).await? {
            let key = rows::number_key(number);
            if let Some(row) = self.txn.get(kinds::MESSAGE, &key).await? {
                found.push(rows::decode_message(&row)?);
            }
        }
        Ok(found)
    }

    pub(super) async fn find_own(
        &mut self,
        id: &MessageId,
    ) -> Result<Option<StoredMessage>, Error> {
        let found = self.with_id(id).await?;
        Ok(found.into_iter().find(|stored| stored.message.from_me))
    }

    pub(super) async fn find_same(
        &mut self,
        message: &Message,
    ) -> Result<Option<StoredMessage>, Error> {
        let candidates = self.with_id(&message.id).await?;
        Ok(candidates
            .into_iter()
            .find(|stored| same_writer(&stored.message, message)))
    }

    /// The message with this id in this conversation, under either of its addresses; the newest, where several are.
    pub(super) async fn find_in(
        &mut self,
        chat: &ChatId,
        alt: Option<&UserId>,
        id: &MessageId,
    ) -> Result<Option<StoredMessage>, Error> {
        let other = match alt {
            Some(alt) => Some(ChatId::User(alt.clone())),
            None => self.other_chat(chat).await?,
        };
        let mut found = self.with_id(id).await?;
        found.retain(|stored| {
            let there = &stored.message.chat;
            there == chat || Some(there) == other.as_ref()
        });
        Ok(found.pop())
    }
}
