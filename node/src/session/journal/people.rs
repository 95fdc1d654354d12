//! People: two addresses of one person, and what is known of them.
//!
//! A person's rows stand under their number where it is known, under their LID otherwise.

use switchboard_vocab::contacts::Contact;
use switchboard_vocab::events::Event;
use switchboard_vocab::events::contacts::{ContactChange, Event as ContactEvent};
use switchboard_vocab::{ChatId, Timestamp, UserId};

use super::Error;
use super::rows;
use super::writer::Write;
use crate::session::kinds;

/// Most people read at once when the whole block list changes.
const BLOCKED_MAX: usize = 20_000;

impl Write<'_, '_> {
    /// The other address of a person.
    pub(super) async fn other(&self, user: &UserId) -> Result<Option<UserId>, Error> {
        let row = self
            .txn
            .get(kinds::ALIAS, user.to_string().as_bytes())
            .await?;
        let other: Option<ChatId> = row.map(|row| rows::decode("alias", &row)).transpose()?;
        Ok(other.and_then(|chat| chat.as_user().cloned()))
    }

    /// The other address of a conversation with one person.
    pub(super) async fn other_chat(&self, chat: &ChatId) -> Result<Option<ChatId>, Error> {
        match chat.as_user() {
            Some(user) => Ok(self.other(user).await?.map(ChatId::User)),
            None => Ok(None),
        }
    }

    /// The address under which the rows of a person stand, and their other one.
    pub(super) async fn canonical(&self, user: &UserId) -> Result<(UserId, Option<UserId>), Error> {
        let other = self.other(user).await?;
        Ok(match (user, other) {
            (UserId::Lid(_), Some(phone @ UserId::Phone(_))) => (phone, Some(user.clone())),
            (_, other) => (user.clone(), other),
        })
    }

    /// Remembers that two addresses are of one person; what is known under both becomes one.
    pub(super) async fn pair(
        &mut self,
        a: &UserId,
        b: &UserId,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (phone, lid) = match (a, b) {
            (UserId::Phone(_), UserId::Lid(_)) => (a, b),
            (UserId::Lid(_), UserId::Phone(_)) => (b, a),
            // Two of one kind are two people.
            _ => return Ok(()),
        };
        let mut is_new = false;
        for (from, to) in [(phone, lid), (lid, phone)] {
            let key = from.to_string().into_bytes();
            let row = rows::encode("alias", &ChatId::User(to.clone()))?;
            if self.txn.get(kinds::ALIAS, &key).await?.as_ref() != Some(&row) {
                self.txn.put(kinds::ALIAS, key, row);
                is_new = true;
            }
        }
        if is_new {
            self.merge_contacts(phone, lid, at).await?;
            self.merge_chats(phone, lid).await?;
        }
        Ok(())
    }

    async fn contact(&self, id: &UserId) -> Result<Option<Contact>, Error> {
        let row = self
            .txn
            .get(kinds::CONTACT, id.to_string().as_bytes())
            .await?;
        row.map(|row| rows::decode("contact", &row)).transpose()
    }

    /// The name to show for a person.
    pub(super) async fn name_of(&self, id: &UserId) -> Result<Option<String>, Error> {
        let contact = self.contact(id).await?;
        Ok(contact.and_then(|contact| contact.shown_name().map(str::to_owned)))
    }

    /// Changes what is known of a person, and tells it.
    pub(super) async fn change_contact(
        &mut self,
        user: &UserId,
        at: Timestamp,
        edit: impl FnOnce(&mut Contact),
    ) -> Result<(), Error> {
        let (id, other) = self.canonical(user).await?;
        let before = self.contact(&id).await?;
        let mut after = before.clone().unwrap_or_else(|| Contact::unknown(id));
        after.alt = other;
        after.me |= self.is_me(&after.id) || after.alt.as_ref().is_some_and(|alt| self.is_me(alt));
        edit(&mut after);
        if before.as_ref() == Some(&after) {
            return Ok(());
        }
        self.put_contact(before.as_ref(), &after)?;
        let event = match before {
            None => ContactEvent::Added(after),
            Some(before) => ContactEvent::Changed(ContactChange { before, after }),
        };
        self.emit(at, Event::Contacts(event))
    }

    async fn merge_contacts(
        &mut self,
        phone: &UserId,
        lid: &UserId,
        at: Timestamp,
    ) -> Result<(), Error> {
        let Some(loose) = self.contact(lid).await? else {
            if self.contact(phone).await?.is_some() {
                self.change_contact(phone, at, |_| {}).await?;
            }
            return Ok(());
        };
        self.drop_contact(&loose);
        let before = self.contact(phone).await?;
        let mut after = before
            .clone()
            .unwrap_or_else(|| Contact::unknown(phone.clone()));
        let Contact {
            name,
            first_name,
            push_name,
            verified_name,
            business,
            saved,
            blocked,
            me,
            about,
            picture_id,
            id: _,
            alt: _,
        } = loose.clone();
        after.alt = Some(lid.clone());
        after.name = after.name.or(name);
        after.first_name = after.first_name.or(first_name);
        after.push_name = after.push_name.or(push_name);
        after.verified_name = after.verified_name.or(verified_name);
        after.about = after.about.or(about);
        after.picture_id = after.picture_id.or(picture_id);
        after.business |= business;
        after.saved |= saved;
        after.blocked |= blocked;
        after.me |= me;
        self.put_contact(before.as_ref(), &after)?;
        let change = ContactChange {
            before: before.unwrap_or(loose),
            after,
        };
        self.emit(at, Event::Contacts(ContactEvent::Changed(change)))
    }

    pub(super) async fn contact_removed(
        &mut self,
        user: &UserId,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (id, _) = self.canonical(user).await?;
        let Some(before) = self.contact(&id).await? else {
            return Ok(());
        };
        if !before.saved {
            return Ok(());
        }
        let mut after = before.clone();
        after.saved = false;
        after.name = None;
        after.first_name = None;
        self.put_contact(Some(&before), &after)?;
        self.emit(at, Event::Contacts(ContactEvent::Removed(before)))
    }

    /// A person has a new number: what is known of them goes with them.
    pub(super) async fn number_changed(
        &mut self,
        from: &UserId,
        to: &UserId,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (old, other) = self.canonical(from).await?;
        if old == *to {
            return Ok(());
        }
        let Some(before) = self.contact(&old).await? else {
            return Ok(());
        };
        self.drop_contact(&before);
        let mut after = before.clone();
        after.id = to.clone();
        let there = self.contact(to).await?;
        self.put_contact(there.as_ref(), &after)?;
        if let (Some(lid @ UserId::Lid(_)), UserId::Phone(_)) = (&other, to) {
            self.txn.delete(kinds::ALIAS, old.to_string().into_bytes());
            self.pair(to, lid, at).await?;
        }
        let change = ContactChange { before, after };
        self.emit(at, Event::Contacts(ContactEvent::Changed(change)))
    }

    /// The block list is this one.
    pub(super) async fn blocked(&mut self, users: &[UserId], at: Timestamp) -> Result<(), Error> {
        let mut now = Vec::new();
        for user in users.iter().take(BLOCKED_MAX) {
            now.push(self.canonical(user).await?.0);
        }
        now.sort_unstable();
        now.dedup();
        let row = self.txn.get(kinds::BLOCKED, &[]).await?;
        let before: Option<Vec<UserId>> = row
            .map(|row| rows::decode("block list", &row))
            .transpose()?;
        let before = before.unwrap_or_default();
        if before == now {
            return Ok(());
        }
        for user in before
            .iter()
            .filter(|user| now.binary_search(user).is_err())
        {
            self.change_contact(user, at, |contact| contact.blocked = false)
                .await?;
        }
        for user in now
            .iter()
            .filter(|user| before.binary_search(user).is_err())
        {
            self.change_contact(user, at, |contact| contact.blocked = true)
                .await?;
        }
        let row = rows::encode("block list", &now)?;
        self.txn.put(kinds::BLOCKED, Vec::new(), row);
        Ok(())
    }

    /// One person is blocked, or no longer.
    pub(super) async fn block_one(
        &mut self,
        user: &UserId,
        blocked: bool,
        at: Timestamp,
    ) -> Result<(), Error> {
        let row = self.txn.get(kinds::BLOCKED, &[]).await?;
        let list: Option<Vec<UserId>> = row
            .map(|row| rows::decode("block list", &row))
            .transpose()?;
        let mut list = list.unwrap_or_default();
        let (id, _) = self.canonical(user).await?;
        list.retain(|other| *other != id);
        if blocked {
            list.push(id);
        }
        self.blocked(&list, at).await
    }

    /// Whether a person is the account itself.
    pub(super) fn is_me(&self, user: &UserId) -> bool {
        let me = self.txn.memory.me.as_ref();
        me.is_some_and(|me| me.phone == *user || me.lid.as_ref() == Some(user))
    }

    /// The account's own address.
    pub(super) fn me(&self) -> Option<UserId> {
        self.txn.memory.me.as_ref().map(|me| me.phone.clone())
    }
}
