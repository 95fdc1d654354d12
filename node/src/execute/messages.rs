//! Operations on messages.

use std::collections::BTreeMap;

use switchboard_vocab::contacts::ContactList;
use switchboard_vocab::messages::{
    Act, DeleteForMe, Deleted, Forward, GetInfo, GetMentions, GetMessage, GetQuoted,
    LIST_LIMIT_MAX, ListMessages, MarkRead, Marked, Message, MessageInfo, MessageList, MessageRef,
    QUERY_LEN_MAX, QueuedMessage, Search, SendMessage, Sent, Star,
};
use switchboard_vocab::{ChatId, ErrorCode, MessageId, OpError, UserId};
use switchboard_whatsapp::{AppStateChange, Fact};

use super::Execute;
use super::page::fit;
use super::queue::{entry, summary};
use crate::session::context::SessionCx;
use crate::session::lanes::Lane;
use crate::session::outbound::{self, no_message, target_of};
use crate::session::remote;

/// Most messages one call marks as read.
const MARK_READ_MAX: usize = 500;

impl Execute for SendMessage {
    fn queued(&self) -> Option<QueuedMessage> {
        Some(entry(&self.id, &self.to, summary(&self.content)))
    }

    fn lane(&self) -> Lane {
        Lane::Chat(self.to.clone())
    }

    async fn execute(self, cx: SessionCx) -> Result<Sent, OpError> {
        outbound::send(self, &cx).await
    }
}

impl Execute for Act {
    fn lane(&self) -> Lane {
        self.target.chat.clone().map_or(Lane::Free, Lane::Chat)
    }

    async fn execute(self, cx: SessionCx) -> Result<Sent, OpError> {
        outbound::act(self, &cx).await
    }
}

impl Execute for Forward {
    fn queued(&self) -> Option<QueuedMessage> {
        Some(entry(&self.id, &self.to, "a forwarded message"))
    }

    fn lane(&self) -> Lane {
        Lane::Chat(self.to.clone())
    }

    async fn execute(self, cx: SessionCx) -> Result<Sent, OpError> {
        outbound::forward(self, &cx).await
    }
}

impl Execute for ListMessages {
    async fn execute(self, cx: SessionCx) -> Result<MessageList, OpError> {
        let mut list = cx.journal().list(&self).await?;
        fit(&mut list.messages)?;
        Ok(list)
    }
}

impl Execute for GetMessage {
    async fn execute(self, cx: SessionCx) -> Result<Message, OpError> {
        Ok(outbound::known(&self.target, &cx).await?.message)
    }
}

impl Execute for Search {
    async fn execute(self, cx: SessionCx) -> Result<MessageList, OpError> {
        if self.query.chars().count() > QUERY_LEN_MAX {
            let text = format!("the query is longer than {QUERY_LEN_MAX} characters");
            return Err(OpError::new(ErrorCode::TooLarge, text));
        }
        let Some(search) = &cx.session.search else {
            let text = "the node has no search index";
            return Err(OpError::new(ErrorCode::Unavailable, text));
        };
        let mut chats = Vec::new();
        if let Some(chat) = self.chat {
            chats.extend(cx.journal().other_chat(&chat).await?);
            chats.push(chat);
        }
        let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let page = (wide(self.offset), wide(self.limit.min(LIST_LIMIT_MAX)));
        let found = search.find(cx.journal(), &self.query, &chats, page).await?;
        let mut messages = cx.journal().numbered(&found.numbers).await?;
        fit(&mut messages)?;
        Ok(MessageList {
            messages,
            total: found.total,
            last_number: cx.journal().last_number(),
        })
    }
}

impl Execute for GetQuoted {
    async fn execute(self, cx: SessionCx) -> Result<Message, OpError> {
        let message = outbound::known(&self.target, &cx).await?.message;
        let Some(quote) = message.quoted else {
            let text = format!("message {} quotes none", message.id);
            return Err(OpError::new(ErrorCode::NotFound, text));
        };
        let in_chat = MessageRef {
            chat: Some(message.chat),
            ..MessageRef::from(quote.id.clone())
        };
        if let Some(found) = cx.journal().find(&in_chat).await? {
            return Ok(found.message);
        }
        // What is quoted can stand in another conversation: a story, or a group answered in private.
        let found = cx.journal().message(&quote.id).await?;
        found
            .map(|stored| stored.message)
            .ok_or_else(|| no_message(&quote.id))
    }
}

impl Execute for GetMentions {
    async fn execute(self, cx: SessionCx) -> Result<ContactList, OpError> {
        let message = outbound::known(&self.target, &cx).await?.message;
        let mut contacts = Vec::with_capacity(message.context.mentions.len());
        let me = cx.status().identity;
        for user in &message.context.mentions {
            let mut person = cx.journal().person(user).await?;
            person.me |= me
                .as_ref()
                .is_some_and(|me| me.phone == person.id || me.lid.as_ref() == Some(&person.id));
            contacts.push(person);
        }
        let total = u64::try_from(contacts.len()).unwrap_or(u64::MAX);
        fit(&mut contacts)?;
        Ok(ContactList { contacts, total })
    }
}

impl Execute for GetInfo {
    async fn execute(self, cx: SessionCx) -> Result<MessageInfo, OpError> {
        let message = outbound::known(&self.target, &cx).await?.message;
        if !message.from_me {
            let text = format!("message {} is not an own message", message.id);
            return Err(OpError::new(ErrorCode::Forbidden, text));
        }
        let recipients = cx.journal().progress(message.number).await?;
        Ok(MessageInfo {
            message,
            recipients,
        })
    }
}

impl Execute for DeleteForMe {
    async fn execute(self, cx: SessionCx) -> Result<Deleted, OpError> {
        let message = outbound::known(&self.target, &cx).await?.message;
        let (account, _) = cx.connected().await?;
        let (chat, at) = (message.chat.clone(), message.at);
        let change = AppStateChange::DeleteForMe(chat.clone(), target_of(&message), at);
        let changed = account.change_app_state(change).await;
        changed.map_err(|e| remote(&e))?;
        let fact = Fact::DeletedForMe {
            chat,
            id: message.id,
            at: crate::clock::now(),
        };
        cx.journal().facts(vec![fact]).await?;
        Ok(Deleted {})
    }
}

impl Execute for Star {
    async fn execute(self, cx: SessionCx) -> Result<Message, OpError> {
        let message = outbound::known(&self.target, &cx).await?.message;
        let (account, _) = cx.connected().await?;
        let chat = message.chat.clone();
        let change = AppStateChange::Star(chat.clone(), target_of(&message), self.starred);
        let changed = account.change_app_state(change).await;
        changed.map_err(|e| remote(&e))?;
        let fact = Fact::Starred {
            chat,
            id: message.id.clone(),
            starred: self.starred,
        };
        cx.journal().facts(vec![fact]).await?;
        Ok(outbound::known(&self.target, &cx).await?.message)
    }
}

impl Execute for MarkRead {
    async fn execute(self, cx: SessionCx) -> Result<Marked, OpError> {
        if self.ids.is_empty() || self.ids.len() > MARK_READ_MAX {
            return Err(OpError::invalid(format!(
                "name 1 to {MARK_READ_MAX} messages"
            )));
        }
        let played = self.played;
        let groups = self.by_conversation(&cx).await?;
        let (account, _) = cx.connected().await?;
        for ((chat, sender), ids) in groups {
            let marked = if played {
                account.mark_played(&chat, sender.as_ref(), &ids).await
            } else {
                account.mark_read(&chat, sender.as_ref(), &ids).await
            };
            marked.map_err(|e| remote(&e))?;
            cx.journal().read_here(ids).await?;
        }
        Ok(Marked {})
    }
}

type Conversation = (ChatId, Option<UserId>);

trait ByConversation {
    /// The messages by conversation and, in groups, by writer: one receipt is for one of each.
    async fn by_conversation(
        self,
        cx: &SessionCx,
    ) -> Result<BTreeMap<Conversation, Vec<MessageId>>, OpError>;
}

impl ByConversation for MarkRead {
    async fn by_conversation(
        self,
        cx: &SessionCx,
    ) -> Result<BTreeMap<Conversation, Vec<MessageId>>, OpError> {
        if let Some(chat) = self.chat {
            if chat.is_group() && self.sender.is_none() {
                return Err(OpError::invalid(
                    "name the writer of the messages in a group",
                ));
            }
            return Ok(BTreeMap::from([((chat, self.sender), self.ids)]));
        }
        let mut groups: BTreeMap<Conversation, Vec<MessageId>> = BTreeMap::new();
        for id in self.ids {
            let found = cx
                .journal()
                .message(&id)
                .await?
                .ok_or_else(|| no_message(&id))?;
            let message = found.message;
            if message.from_me {
                return Err(OpError::invalid(format!("message {id} is an own message")));
            }
            let sender = message.chat.is_group().then_some(message.sender);
            groups.entry((message.chat, sender)).or_default().push(id);
        }
        Ok(groups)
    }
}
