//! Operations on people: what the store knows, and what WhatsApp tells.

mod ask;
mod book;

use switchboard_vocab::contacts::{
    CHECK_MAX, Check, Checked, CheckedUser, Contact, ContactList, Get, List, NAME_LEN_MAX,
};
use switchboard_vocab::{ErrorCode, OpError, UserId};
use switchboard_whatsapp::{Account, ContactFact, Fact, UserInfo};

use super::Execute;
use super::page::fit;
use crate::session::context::SessionCx;
use crate::session::journal::CheckedRow;
use crate::session::remote;

impl Execute for List {
    async fn execute(self, cx: SessionCx) -> Result<ContactList, OpError> {
        let mut list = cx.journal().contacts(&self).await?;
        fit(&mut list.contacts)?;
        Ok(list)
    }
}

impl Execute for Get {
    async fn execute(self, cx: SessionCx) -> Result<Contact, OpError> {
        if let Some(contact) = cx.journal().contact(&self.user).await? {
            return Ok(contact);
        }
        let (account, _) = cx.connected().await?;
        let found = info(std::slice::from_ref(&self.user), &*account, &cx).await?;
        if !found.iter().any(|info| info.registered) {
            let text = format!("{} is not on whatsapp", self.user);
            return Err(OpError::new(ErrorCode::NotFound, text));
        }
        Ok(cx.journal().person(&self.user).await?)
    }
}

impl Execute for Check {
    async fn execute(self, cx: SessionCx) -> Result<Checked, OpError> {
        counted(self.users.len())?;
        let mut found: Vec<Option<CheckedUser>> = Vec::with_capacity(self.users.len());
        for user in &self.users {
            found.push(at_hand(user, self.fresh, &cx).await?);
        }
        let missing = self
            .users
            .iter()
            .zip(&found)
            .filter(|(_, known)| known.is_none());
        let asked: Vec<UserId> = missing.map(|(user, _)| user.clone()).collect();
        let mut answers = Vec::new();
        if !asked.is_empty() {
            let (account, _) = cx.connected().await?;
            answers = account.check(&asked).await.map_err(|e| remote(&e))?;
            let at = crate::clock::now();
            let row = |user: &CheckedUser| CheckedRow {
                user: user.clone(),
                at,
            };
            let rows = answers.iter().map(row).collect();
            cx.journal().remember_checked(rows).await?;
        }
        let answered = |(user, known): (UserId, Option<CheckedUser>)| {
            let told = || answers.iter().find(|answer| answer.user == user).cloned();
            known.or_else(told).unwrap_or(CheckedUser {
                user,
                registered: false,
                phone: None,
                lid: None,
                verified_name: None,
            })
        };
        let users = self.users.into_iter().zip(found).map(answered).collect();
        Ok(Checked { users })
    }
}

/// What is known of a number without asking WhatsApp. A LID is never asked for: numbers only are.
async fn at_hand(
    user: &UserId,
    fresh: bool,
    cx: &SessionCx,
) -> Result<Option<CheckedUser>, OpError> {
    if user.as_phone().is_none() {
        let (phone, _) = addresses(user, cx).await?;
        let known = cx.journal().contact(user).await?;
        return Ok(Some(CheckedUser {
            user: user.clone(),
            registered: phone.is_some() || known.is_some(),
            phone,
            lid: Some(user.clone()),
            verified_name: known.and_then(|contact| contact.verified_name),
        }));
    }
    if fresh {
        return Ok(None);
    }
    let row = cx.journal().checked(user).await?;
    Ok(row.map(|row| row.user))
}

/// Number and LID of a person, from what is known: the store's, then the client's.
async fn addresses(
    user: &UserId,
    cx: &SessionCx,
) -> Result<(Option<UserId>, Option<UserId>), OpError> {
    let other = cx.journal().other_address(user).await?;
    if let Some(other) = other {
        return Ok(match user {
            UserId::Phone(_) => (Some(user.clone()), Some(other)),
            UserId::Lid(_) => (Some(other), Some(user.clone())),
        });
    }
    let known = match cx.account().await {
        Ok(account) => account.addresses(user).await,
        Err(_) => (None, None),
    };
    if let (Some(phone), Some(lid)) = &known {
        let pair = Fact::Pair {
            phone: phone.clone(),
            lid: lid.clone(),
        };
        cx.journal().facts(vec![pair]).await?;
    }
    Ok(match user {
        UserId::Phone(_) => (Some(user.clone()), known.1),
        UserId::Lid(_) => (known.0, Some(user.clone())),
    })
}

/// Asks WhatsApp what people show, and lets the store learn it.
async fn info(
    users: &[UserId],
    account: &dyn Account,
    cx: &SessionCx,
) -> Result<Vec<UserInfo>, OpError> {
    let found = account.user_info(users).await.map_err(|e| remote(&e))?;
    let mut facts = Vec::new();
    for info in found.iter().filter(|info| info.registered) {
        if let (Some(phone), Some(lid)) = (&info.phone, &info.lid) {
            facts.push(Fact::Pair {
                phone: phone.clone(),
                lid: lid.clone(),
            });
        }
        facts.push(Fact::Contact(ContactFact {
            verified_name: info.verified_name.clone(),
            business: Some(info.business),
            about: Some(info.about.clone()),
            picture_id: Some(info.picture_id.clone()),
            ..ContactFact::of(info.user.clone())
        }));
    }
    cx.journal().facts(facts).await?;
    Ok(found)
}

fn counted(count: usize) -> Result<(), OpError> {
    if count == 0 || count > CHECK_MAX {
        return Err(OpError::invalid(format!("name 1 to {CHECK_MAX} people")));
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), OpError> {
    if name.trim().is_empty() {
        return Err(OpError::invalid(format!("{what} is empty")));
    }
    if name.chars().count() > NAME_LEN_MAX {
        let text = format!("{what} is longer than {NAME_LEN_MAX} characters");
        return Err(OpError::new(ErrorCode::TooLarge, text));
    }
    Ok(())
}
