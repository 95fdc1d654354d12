//! What WhatsApp is asked of people each time.

use switchboard_vocab::contacts::{
    Addresses, Business, CommonGroups, ContactList, GetBusiness, GetPicture, GetProfiles,
    GroupNames, ListStoryViewers, Picture, Profile, Profiles, Resolve, Resolved,
};
use switchboard_vocab::{ChatId, ErrorCode, OpError, UserId};
use switchboard_whatsapp::{Account, ContactFact, Fact};

use super::{addresses, counted, info};
use crate::execute::Execute;
use crate::execute::page::fit;
use crate::session::context::SessionCx;
use crate::session::journal::CheckedRow;
use crate::session::{outbound, remote};

impl Execute for GetProfiles {
    async fn execute(self, cx: SessionCx) -> Result<Profiles, OpError> {
        counted(self.users.len())?;
        let (account, _) = cx.connected().await?;
        let found = info(&self.users, &*account, &cx).await?;
        let mut profiles = Vec::with_capacity(self.users.len());
        for user in &self.users {
            let info = found.iter().find(|info| info.user == *user);
            let has_picture = info.is_some_and(|info| info.picture_id.is_some());
            let picture = if self.pictures && has_picture {
                let chat = ChatId::User(user.clone());
                account
                    .picture(&chat, false)
                    .await
                    .map_err(|e| remote(&e))?
            } else {
                None
            };
            profiles.push(Profile {
                contact: cx.journal().person(user).await?,
                registered: info.is_some_and(|info| info.registered),
                about: info.and_then(|info| info.about.clone()),
                about_at: info.and_then(|info| info.about_at),
                picture,
                devices: info.map(|info| info.devices.clone()).unwrap_or_default(),
            });
        }
        Ok(Profiles { profiles })
    }
}

impl Execute for GetPicture {
    async fn execute(self, cx: SessionCx) -> Result<Picture, OpError> {
        let (account, _) = cx.connected().await?;
        let found = account.picture(&self.chat, self.preview).await;
        let found = found.map_err(|e| remote(&e))?;
        if let Some(user) = self.chat.as_user() {
            let fact = ContactFact {
                picture_id: Some(found.as_ref().map(|picture| picture.id.clone())),
                ..ContactFact::of(user.clone())
            };
            // Somebody of whom only this was asked is no news: the store learns of those it knows.
            if cx.journal().contact(user).await?.is_some() {
                cx.journal().facts(vec![Fact::Contact(fact)]).await?;
            }
        }
        found.ok_or_else(|| {
            let text = format!("{} has no picture, or hides it", self.chat);
            OpError::new(ErrorCode::NotFound, text)
        })
    }
}

impl Execute for GetBusiness {
    async fn execute(self, cx: SessionCx) -> Result<Business, OpError> {
        let (account, _) = cx.connected().await?;
        let found = account.business(&self.user).await.map_err(|e| remote(&e))?;
        found.ok_or_else(|| {
            let text = format!("{} is no business", self.user);
            OpError::new(ErrorCode::NotFound, text)
        })
    }
}

impl Execute for CommonGroups {
    async fn execute(self, cx: SessionCx) -> Result<GroupNames, OpError> {
        let (account, _) = cx.connected().await?;
        let (phone, lid) = addresses(&self.user, &cx).await?;
        let is_them =
            |member: &UserId| Some(member) == phone.as_ref() || Some(member) == lid.as_ref();
        let groups = account.groups().await.map_err(|e| remote(&e))?;
        let common = groups
            .into_iter()
            .filter(|group| group.members.iter().any(is_them));
        Ok(GroupNames {
            groups: common.map(|group| group.name).collect(),
        })
    }
}

impl Execute for Resolve {
    async fn execute(self, cx: SessionCx) -> Result<Resolved, OpError> {
        counted(self.users.len())?;
        let mut users = Vec::with_capacity(self.users.len());
        for user in self.users {
            let (phone, lid) = addresses(&user, &cx).await?;
            users.push(Addresses { user, phone, lid });
        }
        let unknown = users.iter().filter(|found| found.lid.is_none());
        let asked: Vec<UserId> = unknown.map(|found| found.user.clone()).collect();
        // Who is offline gets what is known.
        if !asked.is_empty()
            && let Ok((account, _)) = cx.connected().await
        {
            resolve(&asked, &*account, &mut users, &cx).await?;
        }
        Ok(Resolved { users })
    }
}

/// WhatsApp tells the LID of a number with the answer whether it has an account.
async fn resolve(
    asked: &[UserId],
    account: &dyn Account,
    users: &mut [Addresses],
    cx: &SessionCx,
) -> Result<(), OpError> {
    let answers = account.check(asked).await.map_err(|e| remote(&e))?;
    for found in users.iter_mut().filter(|found| found.lid.is_none()) {
        let answer = answers.iter().find(|answer| answer.user == found.user);
        found.lid = answer.and_then(|answer| answer.lid.clone());
    }
    let at = crate::clock::now();
    let rows = answers.into_iter().map(|user| CheckedRow { user, at });
    Ok(cx.journal().remember_checked(rows.collect()).await?)
}

impl Execute for ListStoryViewers {
    async fn execute(self, cx: SessionCx) -> Result<ContactList, OpError> {
        let (account, identity) = cx.connected().await?;
        let privacy = account.privacy().await.map_err(|e| remote(&e))?;
        let users = outbound::viewers(&privacy.stories, &identity, &cx).await?;
        let total = u64::try_from(users.len()).unwrap_or(u64::MAX);
        let mut contacts = Vec::with_capacity(users.len());
        for user in &users {
            contacts.push(cx.journal().person(user).await?);
        }
        fit(&mut contacts)?;
        Ok(ContactList { contacts, total })
    }
}
