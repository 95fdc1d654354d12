//! Operations on messages.

use std::collections::BTreeMap;

use switchboard_vocab::messages::{
    Act, Forward, GetMessage, ListMessages, MarkRead, Marked, Message, MessageList, SendMessage,
    Sent,
};
use switchboard_vocab::{ChatId, MessageId, OpError, UserId};

use super::Execute;
use crate::session::context::SessionCx;
use crate::session::lanes::Lane;
use crate::session::outbound::{self, no_message};
use crate::session::remote;

/// Most messages one call marks as read.
const MARK_READ_MAX: usize = 500;
/// Most bytes of one listing, so that its answer fits into one message of the bus (1 MiB by default). A page that
/// would be larger ends early; its total says that there is more.
const LIST_BYTES_MAX: usize = 768 * 1024;

impl Execute for SendMessage {
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
        let mut room = LIST_BYTES_MAX;
        let mut fitting = 0;
        for message in &list.messages {
            let len = switchboard_vocab::codec::encode(message)?.len();
            let Some(left) = room.checked_sub(len) else {
                break;
            };
            room = left;
            fitting += 1;
        }
        // One message always fits: its parts are limited.
        list.messages.truncate(fitting.max(1));
        Ok(list)
    }
}

impl Execute for GetMessage {
    async fn execute(self, cx: SessionCx) -> Result<Message, OpError> {
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
