//! What a message does to earlier ones, and to its conversation.
//!
//! Owns the rules: who may change what, and which of two changes counts. An effect that came before counts no more.

use switchboard_vocab::content::{
    Body, Context, EventAnswer, EventReply, Marks, REACTIONS_MAX, Reaction, is_stories,
};
use switchboard_vocab::events::Event;
use switchboard_vocab::events::messages::{Deletion, Event as MessageEvent, MessageChange};
use switchboard_vocab::messages::Message;
use switchboard_vocab::{MessageId, Timestamp, UserId};

use super::rows::StoredMessage;
use super::writer::Write;
use super::{Error, same_writer};

/// Most people of whom it is remembered when they took something back.
const VOTED_MAX: usize = 1_024;

impl Write<'_, '_> {
    /// Does to earlier messages what this one says.
    pub(super) async fn apply(&mut self, message: &Message) -> Result<(), Error> {
        match &message.body {
            Body::Reaction { to, emoji } => {
                let who = Person::of(self.canonical(&message.sender).await?);
                let (emoji, at) = (emoji.clone(), message.at);
                self.change_target(message, to, |target| react(target, who, emoji, at))
                    .await
            }
            Body::Edited { target, body } => {
                let (body, at) = (body.clone(), message.at);
                let mentions = message.context.mentions.clone();
                self.change_target(message, target, |target| {
                    if !same_writer(&target.message, message) {
                        return;
                    }
                    edit(&mut target.message, body, at, mentions);
                })
                .await
            }
            Body::Revoked { target } => self.revoke(message, target).await,
            Body::Vote {
                poll,
                options: Some(options),
            } => {
                let who = Person::of(self.canonical(&message.sender).await?);
                let at = message.at;
                self.change_target(message, poll, |target| vote(target, &who, options, at))
                    .await
            }
            Body::EventReply {
                event,
                reply: Some(reply),
            } => {
                let who = Person::of(self.canonical(&message.sender).await?);
                let (reply, at) = (*reply, message.at);
                self.change_target(message, event, |target| answer(target, who, reply, at))
                    .await
            }
            Body::Pinned { target, period } => {
                let until = period.map(|period| message.at.plus(period));
                self.change_target(message, target, |target| {
                    if !matches!(target.message.body, Body::Deleted { .. }) {
                        target.message.marks.pinned_until = until;
                    }
                })
                .await
            }
            Body::Timer { period } => {
                let period = (!period.is_zero()).then_some(*period);
                self.change_chat(&message.chat, message.at, |row| row.chat.ephemeral = period)
                    .await
            }
            Body::Vote { options: None, .. }
            | Body::EventReply { reply: None, .. }
            | Body::Text(_)
            | Body::Media(_)
            | Body::Location(_)
            | Body::LiveLocation(_)
            | Body::Contacts { .. }
            | Body::Poll(_)
            | Body::Event(_)
            | Body::Interactive(_)
            | Body::Reply(_)
            | Body::Invite(_)
            | Body::Deleted { .. }
            | Body::Unreadable { .. }
            | Body::Other { .. } => Ok(()),
        }
    }

    /// Changes the message that another one is about, where the log has it and something changes.
    async fn change_target(
        &mut self,
        trigger: &Message,
        target: &MessageId,
        edit: impl FnOnce(&mut StoredMessage),
    ) -> Result<(), Error> {
        let (chat, alt) = (&trigger.chat, trigger.chat_alt.as_ref());
        let Some(mut stored) = self.find_in(chat, alt, target).await? else {
            return Ok(());
        };
        let before = stored.clone();
        edit(&mut stored);
        if stored == before {
            return Ok(());
        }
        self.rewrite(&before.message, &stored).await?;
        if stored.message == before.message {
            return Ok(());
        }
        self.tell_change(before.message, stored.message, Some(trigger))
    }

    pub(super) fn tell_change(
        &mut self,
        before: Message,
        after: Message,
        trigger: Option<&Message>,
    ) -> Result<(), Error> {
        let at = trigger.map_or(after.at, |trigger| trigger.at);
        let change = MessageChange {
            before,
            after,
            trigger: trigger.map(|trigger| Box::new(trigger.clone())),
        };
        self.emit(at, Event::Messages(MessageEvent::Changed(change)))
    }

    /// The writer takes a message back, or in a group an admin does. Who is an admin the log does not know: WhatsApp's server
    /// checks it before it passes such a message on.
    async fn revoke(&mut self, trigger: &Message, target: &MessageId) -> Result<(), Error> {
        let (chat, alt) = (&trigger.chat, trigger.chat_alt.as_ref());
        let by = self.canonical(&trigger.sender).await?.0;
        let mut deletion = Deletion {
            chat: chat.clone(),
            id: target.clone(),
            before: None,
            for_everyone: true,
            by: by.clone(),
            at: trigger.at,
        };
        if let Some(mut stored) = self.find_in(chat, alt, target).await? {
            let before = stored.message.clone();
            let by_admin = chat.is_group() && !is_stories(chat);
            let is_gone = matches!(before.body, Body::Deleted { .. });
            if is_gone || !(by_admin || same_writer(&before, trigger)) {
                return Ok(());
            }
            stored.message.body = Body::Deleted { by, at: trigger.at };
            stored.message.quoted = None;
            stored.message.proto_json = None;
            stored.message.marks = Marks::default();
            stored.message.context = Context {
                to: before.context.to.clone(),
                sent_here: before.context.sent_here,
                from_history: before.context.from_history,
                ..Context::default()
            };
            stored.voted.clear();
            self.rewrite(&before, &stored).await?;
            self.forget_content(&before).await?;
            deletion.before = Some(Box::new(before));
        }
        let event = MessageEvent::Deleted(deletion);
        self.emit(trigger.at, Event::Messages(event))
    }

    /// A message is gone from the account's own devices.
    pub(super) async fn deleted_for_me(
        &mut self,
        message: &Message,
        at: Timestamp,
    ) -> Result<(), Error> {
        let Some(before) = self.remove(message.number).await? else {
            return Ok(());
        };
        let by = self.me().unwrap_or_else(|| before.sender.clone());
        let deletion = Deletion {
            chat: before.chat.clone(),
            id: before.id.clone(),
            before: Some(Box::new(before)),
            for_everyone: false,
            by,
            at,
        };
        self.emit(at, Event::Messages(MessageEvent::Deleted(deletion)))
    }
}

/// A person by the address their rows stand under, and by their other one.
struct Person {
    id: UserId,
    other: Option<UserId>,
}

impl Person {
    fn of((id, other): (UserId, Option<UserId>)) -> Self {
        Self { id, other }
    }

    fn is(&self, user: &UserId) -> bool {
        *user == self.id || Some(user) == self.other.as_ref()
    }

    /// Whether this is their last word on a message so far; it is from now on.
    fn is_last(&self, target: &mut StoredMessage, at: Timestamp) -> bool {
        let names = [Some(&self.id), self.other.as_ref()];
        let names = names.into_iter().flatten().map(ToString::to_string);
        let last = names.filter_map(|name| target.voted.get(&name)).max();
        if last.is_some_and(|last| *last > at) {
            return false;
        }
        let name = self.id.to_string();
        if target.voted.len() < VOTED_MAX || target.voted.contains_key(&name) {
            target.voted.insert(name, at);
        }
        true
    }
}

/// The last reaction of a person stands; an empty one takes it away.
fn react(target: &mut StoredMessage, who: Person, emoji: String, at: Timestamp) {
    if matches!(target.message.body, Body::Deleted { .. }) || !who.is_last(target, at) {
        return;
    }
    let reactions = &mut target.message.marks.reactions;
    reactions.retain(|reaction| !who.is(&reaction.user));
    if !emoji.is_empty() && reactions.len() < REACTIONS_MAX {
        reactions.push(Reaction {
            user: who.id,
            emoji,
            at,
        });
    }
}

fn edit(target: &mut Message, body: String, at: Timestamp, mentions: Vec<UserId>) {
    if target.marks.edited_at.is_some_and(|last| last > at) {
        return;
    }
    match &mut target.body {
        Body::Text(text) => {
            text.body = body;
            text.mentions.clone_from(&mentions);
        }
        Body::Media(media) => media.caption = Some(body),
        // Nothing else has words of its own that can be changed.
        Body::Location(_)
        | Body::LiveLocation(_)
        | Body::Contacts { .. }
        | Body::Poll(_)
        | Body::Event(_)
        | Body::Interactive(_)
        | Body::Reply(_)
        | Body::Invite(_)
        | Body::Reaction { .. }
        | Body::Edited { .. }
        | Body::Revoked { .. }
        | Body::Vote { .. }
        | Body::EventReply { .. }
        | Body::Pinned { .. }
        | Body::Timer { .. }
        | Body::Deleted { .. }
        | Body::Unreadable { .. }
        | Body::Other { .. } => return,
    }
    target.context.mentions = mentions;
    target.marks.edited_at = Some(at);
}

/// A person's last choice stands.
fn vote(target: &mut StoredMessage, who: &Person, options: &[String], at: Timestamp) {
    if !matches!(target.message.body, Body::Poll(_)) || !who.is_last(target, at) {
        return;
    }
    let Body::Poll(poll) = &mut target.message.body else {
        return;
    };
    for option in &mut poll.options {
        option.voters.retain(|voter| !who.is(voter));
        if options.contains(&option.name) {
            option.voters.push(who.id.clone());
        }
    }
}

/// A person's last answer stands.
fn answer(target: &mut StoredMessage, who: Person, reply: EventReply, at: Timestamp) {
    let Body::Event(event) = &mut target.message.body else {
        return;
    };
    let mut earlier = event.answers.iter().filter(|answer| who.is(&answer.user));
    if earlier.any(|earlier| earlier.at > at) {
        return;
    }
    event.answers.retain(|answer| !who.is(&answer.user));
    if event.answers.len() < VOTED_MAX {
        event.answers.push(EventAnswer {
            user: who.id,
            reply,
            at,
        });
    }
}
