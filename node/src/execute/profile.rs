//! Operations on the account's own profile.

use switchboard_vocab::profile::{
    ABOUT_LEN_MAX, Change, Get, GetPrivacy, NAME_LEN_MAX, OwnProfile, PictureChange, Privacy,
    SetOnline, Shown,
};
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, ErrorCode, OpError};
use switchboard_whatsapp::{Account, Fact, ProfileChange, is_sent_as_address};

use super::Execute;
use crate::session::context::SessionCx;
use crate::session::remote;

impl Execute for Get {
    async fn execute(self, cx: SessionCx) -> Result<OwnProfile, OpError> {
        let (account, identity) = cx.connected().await?;
        own(identity, &*account, &cx).await
    }
}

async fn own(
    mut identity: Identity,
    account: &dyn Account,
    cx: &SessionCx,
) -> Result<OwnProfile, OpError> {
    let me = identity.phone.clone();
    let found = account.user_info(std::slice::from_ref(&me)).await;
    let found = found.map_err(|e| remote(&e))?;
    let picture = account.picture(&ChatId::User(me.clone()), false).await;
    let picture = picture.map_err(|e| remote(&e))?;
    let contact = cx.journal().contact(&me).await?;
    let name = contact.and_then(|contact| contact.push_name);
    identity.push_name = name.or(identity.push_name);
    Ok(OwnProfile {
        identity,
        about: found.into_iter().find_map(|info| info.about),
        picture,
    })
}

impl Execute for Change {
    async fn execute(self, cx: SessionCx) -> Result<OwnProfile, OpError> {
        self.check()?;
        let (account, identity) = cx.connected().await?;
        let picture = match &self.picture {
            Some(PictureChange::Set(source)) => {
                let media = &cx.ports().media;
                Some(ProfileChange::Picture(
                    media.portrait(cx.scope(), source).await?,
                ))
            }
            Some(PictureChange::Remove) => Some(ProfileChange::RemovePicture),
            None => None,
        };
        let change = async |change| {
            let changed = account.change_profile(change).await;
            changed.map_err(|e| remote(&e))
        };
        if let Some(name) = self.name {
            change(ProfileChange::Name(name.clone())).await?;
            cx.journal().facts(vec![Fact::OwnName(name)]).await?;
        }
        if let Some(about) = self.about {
            change(ProfileChange::About(about)).await?;
        }
        if let Some(picture) = picture {
            change(picture).await?;
        }
        own(identity, &*account, &cx).await
    }
}

trait Check {
    fn check(&self) -> Result<(), OpError>;
}

impl Check for Change {
    fn check(&self) -> Result<(), OpError> {
        if self.name.is_none() && self.about.is_none() && self.picture.is_none() {
            return Err(OpError::invalid("name at least one change of the profile"));
        }
        let too_long = |what: &str, max: usize| {
            let text = format!("{what} is longer than {max} characters");
            Err(OpError::new(ErrorCode::TooLarge, text))
        };
        if let Some(name) = &self.name {
            if name.trim().is_empty() {
                return Err(OpError::invalid("the name is empty"));
            }
            if name.chars().count() > NAME_LEN_MAX {
                return too_long("the name", NAME_LEN_MAX);
            }
            if is_sent_as_address(name) {
                let text = "a name with an @ would reach whatsapp as an address: write it without";
                return Err(OpError::invalid(text));
            }
        }
        let about = self.about.as_deref().unwrap_or_default();
        if about.chars().count() > ABOUT_LEN_MAX {
            return too_long("the about text", ABOUT_LEN_MAX);
        }
        Ok(())
    }
}

impl Execute for GetPrivacy {
    async fn execute(self, cx: SessionCx) -> Result<Privacy, OpError> {
        let (account, _) = cx.connected().await?;
        account.privacy().await.map_err(|e| remote(&e))
    }
}

impl Execute for SetOnline {
    async fn execute(self, cx: SessionCx) -> Result<Shown, OpError> {
        let (account, _) = cx.connected().await?;
        account
            .set_online(self.online)
            .await
            .map_err(|e| remote(&e))?;
        Ok(Shown {})
    }
}
