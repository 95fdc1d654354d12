//! What comes from WhatsApp into the journal, and what calls change in it.

use async_trait::async_trait;
use switchboard_vocab::settings::Settings;
use switchboard_vocab::{ChatId, MessageId, Timestamp, UserId};
use switchboard_whatsapp::{Fact, History, Incoming, Intake, IntakeError};

use super::learn::Piece;
use super::writer::{Change, Reply};
use super::{CheckedRow, Emptying, Error, Journal};

/// Most messages one request takes in; a larger batch becomes several commits.
const TAKE_MAX: usize = 128;
/// Most facts one request learns.
const LEARN_MAX: usize = 128;

impl Journal {
    /// Learns facts in their order.
    pub(crate) async fn facts(&self, facts: Vec<Fact>) -> Result<(), Error> {
        let mut batch = Vec::new();
        for fact in facts {
            if let Some((chat, until, what)) = emptied(&fact) {
                self.learn_batch(std::mem::take(&mut batch)).await?;
                self.empty(chat, until, what).await?;
                continue;
            }
            batch.push(fact);
            if batch.len() >= LEARN_MAX {
                self.learn_batch(std::mem::take(&mut batch)).await?;
            }
        }
        self.learn_batch(batch).await
    }

    async fn learn_batch(&self, batch: Vec<Fact>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        self.call(Change::Learn(batch)).await.map(drop)
    }

    /// Removes what is asked for of a conversation, up to a moment: how many messages went.
    pub(crate) async fn empty(
        &self,
        chat: &ChatId,
        until: Option<Timestamp>,
        what: Emptying,
    ) -> Result<u64, Error> {
        let mut gone: u64 = 0;
        // Ends with the conversation's messages, of which the log has a limited number.
        loop {
            let step = Change::Clear {
                chat: chat.clone(),
                until,
                what,
            };
            let Reply::Step(count, true) = self.call(step).await? else {
                break;
            };
            gone = gone.saturating_add(count);
        }
        let last = if what == Emptying::Whole {
            Change::Learn(vec![Fact::ChatDeleted {
                chat: chat.clone(),
                until,
            }])
        } else {
            Change::Cleared {
                chat: chat.clone(),
                until,
                gone,
            }
        };
        self.call(last).await?;
        Ok(gone)
    }

    /// Messages of others were read here.
    pub(crate) async fn read_here(&self, ids: Vec<MessageId>) -> Result<(), Error> {
        self.call(Change::Read(ids)).await.map(drop)
    }

    /// Everything in a conversation was read here.
    pub(crate) async fn read_all_here(&self, chat: ChatId) -> Result<(), Error> {
        self.call(Change::ReadAll(chat)).await.map(drop)
    }

    /// The account blocks a person, or no longer.
    pub(crate) async fn block(&self, user: UserId, blocked: bool) -> Result<(), Error> {
        self.call(Change::Block { user, blocked }).await.map(drop)
    }

    /// Remembers what WhatsApp said of numbers.
    pub(crate) async fn remember_checked(&self, found: Vec<CheckedRow>) -> Result<(), Error> {
        self.call(Change::Checked(found)).await.map(drop)
    }

    /// Keeps the customer's settings.
    pub(crate) async fn set_settings(&self, settings: Settings) -> Result<(), Error> {
        self.call(Change::Settings(Box::new(settings)))
            .await
            .map(drop)
    }

    /// The search index has these messages as they are now.
    pub(crate) async fn indexed(&self, numbers: Vec<u64>) -> Result<(), Error> {
        self.call(Change::Indexed(numbers)).await.map(drop)
    }

    async fn history(&self, part: History) -> Result<(), Error> {
        let History {
            part,
            progress,
            facts,
            messages,
            last,
        } = part;
        let mut facts = facts.into_iter();
        let mut messages = messages.into_iter();
        loop {
            let some_facts: Vec<_> = facts.by_ref().take(LEARN_MAX).collect();
            let room = TAKE_MAX.saturating_sub(some_facts.len());
            let some_messages: Vec<_> = messages.by_ref().take(room).collect();
            let is_end = facts.len() == 0 && messages.len() == 0;
            let piece = Piece {
                part: part.clone(),
                progress,
                last: last && is_end,
            };
            self.call(Change::History {
                facts: some_facts,
                messages: some_messages,
                piece,
            })
            .await?;
            if is_end {
                return Ok(());
            }
        }
    }
}

/// The conversation that a fact empties, and how.
fn emptied(fact: &Fact) -> Option<(&ChatId, Option<Timestamp>, Emptying)> {
    if let Fact::ChatDeleted { chat, until } = fact {
        return Some((chat, *until, Emptying::Whole));
    }
    let Fact::ChatCleared {
        chat,
        until,
        keeps_starred,
    } = fact
    else {
        return None;
    };
    let what = if *keeps_starred {
        Emptying::ButStarred
    } else {
        Emptying::Messages
    };
    Some((chat, *until, what))
}

#[async_trait]
impl Intake for Journal {
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError> {
        let mut rest = batch;
        while !rest.is_empty() {
            let next = rest.split_off(rest.len().min(TAKE_MAX));
            let part = std::mem::replace(&mut rest, next);
            let taken = self.call(Change::Take(part)).await;
            taken.map_err(|e| IntakeError(e.to_string()))?;
        }
        Ok(())
    }

    async fn learn(&self, facts: Vec<Fact>) -> Result<(), IntakeError> {
        let learned = self.facts(facts).await;
        learned.map_err(|e| IntakeError(e.to_string()))
    }

    async fn take_history(&self, part: History) -> Result<(), IntakeError> {
        let taken = self.history(part).await;
        taken.map_err(|e| IntakeError(e.to_string()))
    }
}
