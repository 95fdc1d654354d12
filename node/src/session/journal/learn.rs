//! Facts that WhatsApp and the account's other devices tell, and the phone's history.

use switchboard_vocab::Timestamp;
use switchboard_vocab::events::Event;
use switchboard_vocab::events::sessions::{Event as SessionEvent, HistoryPart};
use switchboard_vocab::messages::Message;
use switchboard_vocab::{ChatId, MessageId};
use switchboard_whatsapp::{ChatFact, ContactFact, Fact, Incoming};

use super::Error;
use super::chats::all_read;
use super::rows::{self, ChatRow};
use super::writer::Write;
use crate::session::kinds;

/// Most stars kept for messages that the log does not have. Source: our choice; beyond it the message comes without.
const EARLY_STARS_MAX: u32 = 10_000;
/// Kinds of history parts that are counted at once. Source: WhatsApp's protocol has eight.
const PARTS_MAX: usize = 16;

/// What a piece of the history says of the whole part.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) part: String,
    pub(super) progress: Option<u32>,
    pub(super) last: bool,
}

impl Write<'_, '_> {
    /// Learns facts, in their order. What empties conversations is done apart, in steps.
    pub(super) async fn learn(&mut self, facts: Vec<Fact>, at: Timestamp) -> Result<(), Error> {
        for fact in facts {
            self.learn_one(fact, at).await?;
        }
        Ok(())
    }

    async fn learn_one(&mut self, fact: Fact, at: Timestamp) -> Result<(), Error> {
        match fact {
            Fact::Chat(fact) => self.learn_chat(fact, at).await,
            Fact::Contact(fact) => self.learn_contact(fact, at).await,
            Fact::ContactRemoved { user } => self.contact_removed(&user, at).await,
            Fact::Pair { phone, lid } => self.pair(&phone, &lid, at).await,
            Fact::NumberChanged { from, to } => self.number_changed(&from, &to, at).await,
            Fact::Blocked(users) => self.blocked(&users, at).await,
            Fact::Starred { chat, id, starred } => self.starred(&chat, &id, starred).await,
            Fact::DeletedForMe { chat, id, at } => match self.find_in(&chat, None, &id).await? {
                Some(stored) => self.deleted_for_me(&stored.message, at).await,
                None => Ok(()),
            },
            Fact::Unreadable(incoming) => self.take_one(*incoming).await.map(drop),
            Fact::OwnName(name) => {
                let Some(me) = self.me() else { return Ok(()) };
                self.change_contact(&me, at, |contact| contact.push_name = Some(name))
                    .await
            }
            Fact::ChatCleared { chat, until, .. } => {
                // Whoever asks for this removes the messages first; here is the rest.
                self.cleared(&chat, until, 0, at).await
            }
            Fact::ChatDeleted { chat, until } => self.chat_deleted(&chat, until, at).await,
        }
    }

    async fn learn_chat(&mut self, fact: ChatFact, at: Timestamp) -> Result<(), Error> {
        let ChatFact {
            chat,
            alt,
            name,
            last_at,
            unread,
            marked_unread,
            archived,
            pinned_at,
            muted,
            ephemeral,
            read_only,
            not_spam,
        } = fact;
        if let (Some(user), Some(alt)) = (chat.as_user(), &alt) {
            self.pair(user, alt, at).await?;
        }
        let last_number = self.txn.memory.head.last_number;
        let edit = |row: &mut ChatRow| {
            let known = &mut row.chat;
            known.name = name.or_else(|| known.name.take());
            known.last_at = known.last_at.max(last_at);
            known.unread = unread.unwrap_or(known.unread);
            known.marked_unread = marked_unread.unwrap_or(known.marked_unread);
            known.archived = archived.unwrap_or(known.archived);
            known.pinned_at = pinned_at.unwrap_or(known.pinned_at);
            known.muted = muted.unwrap_or(known.muted);
            known.ephemeral = ephemeral.unwrap_or(known.ephemeral);
            known.read_only = read_only.unwrap_or(known.read_only);
            known.not_spam = not_spam.or(known.not_spam);
            if marked_unread == Some(false) && unread.is_none() {
                all_read(row, last_number);
            }
        };
        self.change_chat(&chat, at, edit).await
    }

    async fn learn_contact(&mut self, fact: ContactFact, at: Timestamp) -> Result<(), Error> {
        let ContactFact {
            user,
            alt,
            saved,
            push_name,
            verified_name,
            business,
            about,
            picture_id,
        } = fact;
        if let Some(alt) = &alt {
            self.pair(&user, alt, at).await?;
        }
        self.change_contact(&user, at, |contact| {
            if let Some((name, first_name)) = saved {
                contact.saved = true;
                contact.name = Some(name);
                contact.first_name = first_name;
            }
            contact.push_name = push_name.or_else(|| contact.push_name.take());
            contact.verified_name = verified_name.or_else(|| contact.verified_name.take());
            contact.business = business.unwrap_or(contact.business);
            if let Some(about) = about {
                contact.about = about;
            }
            if let Some(picture_id) = picture_id {
                contact.picture_id = picture_id;
            }
        })
        .await
    }

    async fn starred(&mut self, chat: &ChatId, id: &MessageId, starred: bool) -> Result<(), Error> {
        if let Some(mut stored) = self.find_in(chat, None, id).await? {
            let before = stored.message.clone();
            if before.marks.starred == starred {
                return Ok(());
            }
            stored.message.marks.starred = starred;
            self.rewrite(&before, &stored).await?;
            return self.tell_change(before, stored.message, None);
        }
        let key = rows::early_key(chat, id);
        let is_known = self.txn.get(kinds::EARLY_STAR, &key).await?.is_some();
        let head = &mut self.txn.memory.head;
        match (is_known, starred) {
            (false, true) if head.early_stars < EARLY_STARS_MAX => {
                head.early_stars += 1;
                self.txn
                    .put(kinds::EARLY_STAR, key, rows::encode("star", &())?);
            }
            (true, false) => {
                head.early_stars = head.early_stars.saturating_sub(1);
                self.txn.delete(kinds::EARLY_STAR, key);
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives a message of the history the star that was told of before it came.
    pub(super) async fn early_star(&mut self, message: &mut Message) -> Result<(), Error> {
        if self.txn.memory.head.early_stars == 0 {
            return Ok(());
        }
        let other = message.chat_alt.clone().map(ChatId::User);
        for chat in [Some(message.chat.clone()), other].into_iter().flatten() {
            let key = rows::early_key(&chat, &message.id);
            if self.txn.get(kinds::EARLY_STAR, &key).await?.is_some() {
                self.txn.delete(kinds::EARLY_STAR, key);
                let head = &mut self.txn.memory.head;
                head.early_stars = head.early_stars.saturating_sub(1);
                message.marks.starred = true;
            }
        }
        Ok(())
    }

    /// Takes a piece of the history in: nothing of it is told by itself, the part as a whole is.
    pub(super) async fn history(
        &mut self,
        facts: Vec<Fact>,
        messages: Vec<Incoming>,
        piece: Piece,
        at: Timestamp,
    ) -> Result<(), Error> {
        let is_chat = |fact: &&Fact| matches!(fact, Fact::Chat(_));
        let chats = facts.iter().filter(is_chat).count();
        self.quiet = true;
        self.learn(facts, at).await?;
        let mut new = 0;
        let mut numbers = None;
        for mut incoming in messages {
            incoming.message.context.from_history = true;
            if self.take_one(incoming).await? {
                new += 1;
                let number = self.txn.memory.head.last_number;
                let (first, _) = numbers.unwrap_or((number, number));
                numbers = Some((first, number));
            }
        }
        self.quiet = false;
        let history = &mut self.txn.memory.history;
        if history.len() >= PARTS_MAX && !history.contains_key(&piece.part) {
            history.pop_first();
        }
        let so_far = history.entry(piece.part.clone()).or_default();
        so_far.chats += u64::try_from(chats).unwrap_or(u64::MAX);
        so_far.messages += new;
        if let Some((first, last)) = numbers {
            let (first, _) = so_far.numbers.unwrap_or((first, last));
            so_far.numbers = Some((first, last));
        }
        if !piece.last {
            return Ok(());
        }
        let part = HistoryPart {
            progress: piece.progress,
            ..history.remove(&piece.part).unwrap_or_default()
        };
        let part = HistoryPart {
            part: piece.part,
            ..part
        };
        self.emit(at, Event::Sessions(SessionEvent::HistoryTaken(part)))
    }
}
