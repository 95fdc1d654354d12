//! The account's address book and block list.

use switchboard_vocab::contacts::{Block, Contact, ContactList, Delete, ListBlocked, Save};
use switchboard_vocab::{ErrorCode, OpError, UserId};
use switchboard_whatsapp::{AppStateChange, ContactFact, Fact};

use super::check_name;
use crate::execute::Execute;
use crate::execute::page::fit;
use crate::session::context::SessionCx;
use crate::session::remote;

impl Execute for Save {
    async fn execute(self, cx: SessionCx) -> Result<Contact, OpError> {
        if self.user.as_phone().is_none() {
            return Err(OpError::invalid(
                "only phone numbers can be saved as contacts",
            ));
        }
        check_name("the name", &self.name)?;
        if let Some(first_name) = &self.first_name {
            check_name("the first name", first_name)?;
        }
        if self.must_exist {
            saved(&self.user, &cx).await?;
        }
        let first_word = || self.name.split_whitespace().next().map(str::to_owned);
        let first_name = self.first_name.clone().or_else(first_word);
        let (account, _) = cx.connected().await?;
        let (user, name) = (self.user.clone(), self.name.clone());
        let change = AppStateChange::SaveContact(user, name, first_name.clone());
        let changed = account.change_app_state(change).await;
        changed.map_err(|e| remote(&e))?;
        let fact = ContactFact {
            saved: Some((self.name, first_name)),
            ..ContactFact::of(self.user.clone())
        };
        cx.journal().facts(vec![Fact::Contact(fact)]).await?;
        Ok(cx.journal().person(&self.user).await?)
    }
}

impl Execute for Delete {
    async fn execute(self, cx: SessionCx) -> Result<Contact, OpError> {
        let contact = saved(&self.user, &cx).await?;
        let (account, _) = cx.connected().await?;
        let change = AppStateChange::RemoveContact(contact.id.clone());
        let changed = account.change_app_state(change).await;
        changed.map_err(|e| remote(&e))?;
        let fact = Fact::ContactRemoved {
            user: contact.id.clone(),
        };
        cx.journal().facts(vec![fact]).await?;
        Ok(cx.journal().person(&contact.id).await?)
    }
}

async fn saved(user: &UserId, cx: &SessionCx) -> Result<Contact, OpError> {
    let contact = cx.journal().contact(user).await?;
    contact.filter(|contact| contact.saved).ok_or_else(|| {
        let text = format!("{user} is not in the address book");
        OpError::new(ErrorCode::NotFound, text)
    })
}

impl Execute for Block {
    async fn execute(self, cx: SessionCx) -> Result<Contact, OpError> {
        let (account, identity) = cx.connected().await?;
        if self.user == identity.phone || Some(&self.user) == identity.lid.as_ref() {
            return Err(OpError::invalid("an account cannot block itself"));
        }
        let blocked = account.block(&self.user, self.blocked).await;
        blocked.map_err(|e| remote(&e))?;
        cx.journal().block(self.user.clone(), self.blocked).await?;
        Ok(cx.journal().person(&self.user).await?)
    }
}

impl Execute for ListBlocked {
    async fn execute(self, cx: SessionCx) -> Result<ContactList, OpError> {
        let (account, _) = cx.connected().await?;
        let users = account.blocked().await.map_err(|e| remote(&e))?;
        cx.journal()
            .facts(vec![Fact::Blocked(users.clone())])
            .await?;
        let total = u64::try_from(users.len()).unwrap_or(u64::MAX);
        let mut contacts = Vec::with_capacity(users.len());
        for user in &users {
            contacts.push(cx.journal().person(user).await?);
        }
        fit(&mut contacts)?;
        Ok(ContactList { contacts, total })
    }
}
