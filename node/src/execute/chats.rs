//! Operations on conversations: WhatsApp takes the change first, then the store learns it; its echo changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_vocab::chats::{
    Change, Chat, ChatList, Clear, Delete, Get, Gone, List, MarkSeen, Mute, MuteChange,
};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, UserId};
use switchboard_whatsapp::{Account, AppStateChange, ChatFact, Fact};

use super::Execute;
use super::page::fit;
use crate::session::context::SessionCx;
use crate::session::journal::Emptying;
use crate::session::lanes::Lane;
use crate::session::remote;

/// After how long messages can disappear. Source: WhatsApp's own clients.
const TIMERS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(7 * 24 * 3_600),
    Duration::from_secs(90 * 24 * 3_600),
];

impl Execute for List {
    async fn execute(self, cx: SessionCx) -> Result<ChatList, OpError> {
        let mut list = cx.journal().chats(&self).await?;
        fit(&mut list.chats)?;
        Ok(list)
    }
}

impl Execute for Get {
    async fn execute(self, cx: SessionCx) -> Result<Chat, OpError> {
        known(&self.chat, &cx).await
    }
}

impl Execute for Change {
    fn lane(&self) -> Lane {
        Lane::Chat(self.chat.clone())
    }

    async fn execute(self, cx: SessionCx) -> Result<Chat, OpError> {
        let of_account = self.archived.is_some()
            || self.pinned.is_some()
            || self.muted.is_some()
            || self.unread.is_some();
        if !of_account && self.ephemeral.is_none() {
            return Err(OpError::invalid("name at least one change of the chat"));
        }
        if self
            .ephemeral
            .is_some_and(|period| !TIMERS.contains(&period))
        {
            let text = "messages disappear after 24 hours, 7 days, 90 days, or never";
            return Err(OpError::invalid(text));
        }
        if of_account {
            known(&self.chat, &cx).await?;
        }
        let (account, _) = cx.connected().await?;
        for step in steps(&self, &cx).await? {
            step.apply(&self.chat, &*account, &cx).await?;
        }
        known(&self.chat, &cx).await
    }
}

/// One change towards WhatsApp, and what the store learns by it.
struct Step {
    change: Towards,
    fact: ChatFact,
}

enum Towards {
    Account(AppStateChange),
    Timer(Duration),
}

impl Step {
    async fn apply(
        self,
        chat: &ChatId,
        account: &dyn Account,
        cx: &SessionCx,
    ) -> Result<(), OpError> {
        let changed = match self.change {
            Towards::Account(change) => account.change_app_state(change).await,
            Towards::Timer(period) => account.set_timer(chat, period).await,
        };
        changed.map_err(|e| remote(&e))?;
        Ok(cx.journal().facts(vec![Fact::Chat(self.fact)]).await?)
    }
}

async fn steps(change: &Change, cx: &SessionCx) -> Result<Vec<Step>, OpError> {
    let now = crate::clock::now();
    let chat = &change.chat;
    let fact = || ChatFact::of(chat.clone());
    let mut steps = Vec::new();
    let mut step = |change: AppStateChange, fact: ChatFact| {
        let change = Towards::Account(change);
        steps.push(Step { change, fact });
    };
    if let Some(archived) = change.archived {
        let tail = cx.journal().tail(chat).await?;
        let mut fact = fact();
        fact.archived = Some(archived);
        step(AppStateChange::Archive(tail, archived), fact);
    }
    if let Some(pinned) = change.pinned {
        let mut fact = fact();
        fact.pinned_at = Some(pinned.then_some(now));
        step(AppStateChange::Pin(chat.clone(), pinned), fact);
    }
    if let Some(muted) = change.muted {
        let muted = match muted {
            MuteChange::Off => None,
            MuteChange::On(mute) => Some(mute),
            MuteChange::For(period) => Some(Mute::Until(now.plus(period))),
        };
        let mut fact = fact();
        fact.muted = Some(muted);
        step(AppStateChange::Mute(chat.clone(), muted), fact);
    }
    if let Some(unread) = change.unread {
        let tail = cx.journal().tail(chat).await?;
        let mut fact = fact();
        fact.marked_unread = Some(unread);
        step(AppStateChange::MarkRead(tail, !unread), fact);
    }
    if let Some(period) = change.ephemeral {
        let mut fact = fact();
        fact.ephemeral = Some((!period.is_zero()).then_some(period));
        let change = Towards::Timer(period);
        steps.push(Step { change, fact });
    }
    Ok(steps)
}

impl Execute for MarkSeen {
    fn lane(&self) -> Lane {
        Lane::Chat(self.chat.clone())
    }

    async fn execute(self, cx: SessionCx) -> Result<Chat, OpError> {
        let chat = known(&self.chat, &cx).await?;
        let (account, _) = cx.connected().await?;
        let unread = cx.journal().unread(&self.chat).await?;
        let mut groups: BTreeMap<(ChatId, Option<UserId>), Vec<MessageId>> = BTreeMap::new();
        for message in unread {
            let sender = message.chat.is_group().then_some(message.sender);
            let group = groups.entry((message.chat, sender)).or_default();
            group.push(message.id);
        }
        for ((chat, sender), ids) in groups {
            let marked = account.mark_read(&chat, sender.as_ref(), &ids).await;
            marked.map_err(|e| remote(&e))?;
        }
        if chat.marked_unread {
            let tail = cx.journal().tail(&self.chat).await?;
            let change = AppStateChange::MarkRead(tail, true);
            let changed = account.change_app_state(change).await;
            changed.map_err(|e| remote(&e))?;
        }
        cx.journal().read_all_here(self.chat.clone()).await?;
        known(&self.chat, &cx).await
    }
}

impl Execute for Clear {
    fn lane(&self) -> Lane {
        Lane::Chat(self.chat.clone())
    }

    async fn execute(self, cx: SessionCx) -> Result<Gone, OpError> {
        empty(&self.chat, Emptying::Messages, &cx).await
    }
}

impl Execute for Delete {
    fn lane(&self) -> Lane {
        Lane::Chat(self.chat.clone())
    }

    async fn execute(self, cx: SessionCx) -> Result<Gone, OpError> {
        empty(&self.chat, Emptying::Whole, &cx).await
    }
}

async fn empty(chat: &ChatId, what: Emptying, cx: &SessionCx) -> Result<Gone, OpError> {
    known(chat, cx).await?;
    let (account, _) = cx.connected().await?;
    let tail = cx.journal().tail(chat).await?;
    let change = match what {
        Emptying::Whole => AppStateChange::Delete(tail),
        // With those that carry a star.
        Emptying::Messages | Emptying::ButStarred => AppStateChange::Clear(tail),
    };
    let changed = account.change_app_state(change).await;
    changed.map_err(|e| remote(&e))?;
    let messages = cx.journal().empty(chat, None, what).await?;
    Ok(Gone { messages })
}

async fn known(chat: &ChatId, cx: &SessionCx) -> Result<Chat, OpError> {
    cx.journal().chat(chat).await?.ok_or_else(|| {
        let text = format!("there is no chat {chat}");
        OpError::new(ErrorCode::NotFound, text)
    })
}
