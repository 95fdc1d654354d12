//! Operations on stories.

use switchboard_vocab::messages::{LIST_LIMIT_MAX, Message, MessageList, Sent};
use switchboard_vocab::stories::{Copy, Get, LIFE, List, Post};
use switchboard_vocab::{ErrorCode, OpError, Timestamp};

use super::Execute;
use super::page::fit;
use crate::session::context::SessionCx;
use crate::session::lanes::Lane;
use crate::session::outbound::{self, stories};

impl Execute for Post {
    fn lane(&self) -> Lane {
        Lane::Chat(stories())
    }

    async fn execute(self, cx: SessionCx) -> Result<Sent, OpError> {
        outbound::post(self, &cx).await
    }
}

impl Execute for Copy {
    fn lane(&self) -> Lane {
        Lane::Chat(stories())
    }

    async fn execute(self, cx: SessionCx) -> Result<Sent, OpError> {
        outbound::copy(self, &cx).await
    }
}

/// When the oldest story that has not ended was posted.
fn oldest() -> Timestamp {
    let life = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(crate::clock::now().as_millis().saturating_sub(life))
}

impl Execute for List {
    async fn execute(self, cx: SessionCx) -> Result<MessageList, OpError> {
        let since = oldest().max(self.from.unwrap_or_default());
        let mut found = cx.journal().said_since(&stories(), since).await?;
        let other = match &self.author {
            Some(author) => cx.journal().other_address(author).await?,
            None => None,
        };
        found.retain(|story| {
            let by = |author| {
                let sender = Some(&story.sender);
                sender == Some(author) || sender == other.as_ref()
            };
            self.author.as_ref().is_none_or(by)
                && self.from_me.is_none_or(|from_me| story.from_me == from_me)
                && self.until.is_none_or(|until| story.at <= until)
        });
        let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let page = found.into_iter().skip(wide(self.offset));
        let mut messages: Vec<_> = page.take(wide(self.limit.min(LIST_LIMIT_MAX))).collect();
        fit(&mut messages)?;
        Ok(MessageList {
            messages,
            total,
            last_number: cx.journal().last_number(),
        })
    }
}

impl Execute for Get {
    async fn execute(self, cx: SessionCx) -> Result<Message, OpError> {
        let mut found = cx.journal().said_since(&stories(), oldest()).await?;
        found.retain(|story| story.id == self.id);
        found.pop().ok_or_else(|| {
            let text = format!("there is no story {}, or it has ended", self.id);
            OpError::new(ErrorCode::NotFound, text)
        })
    }
}
