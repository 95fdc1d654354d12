//! Operations on who is online and who is typing.

use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::presence::{CHAT_STATE_MAX, Get, Presence, SendState, Subscribe};
use switchboard_vocab::profile::Shown;
use switchboard_vocab::{OpError, UserId};

use super::Execute;
use crate::session::context::SessionCx;
use crate::session::remote;

impl Execute for Subscribe {
    async fn execute(self, cx: SessionCx) -> Result<Presence, OpError> {
        let (account, _) = cx.connected().await?;
        let asked = account.subscribe_presence(&self.user).await;
        asked.map_err(|e| remote(&e))?;
        Ok(known(&self.user, &cx)
            .await?
            .unwrap_or_else(|| nothing(self.user)))
    }
}

impl Execute for Get {
    async fn execute(self, cx: SessionCx) -> Result<Presence, OpError> {
        if let Some(presence) = known(&self.user, &cx).await?
            && presence.online.is_some()
        {
            return Ok(presence);
        }
        Subscribe { user: self.user }.execute(cx).await
    }
}

/// What was last told of a person, under either address.
async fn known(user: &UserId, cx: &SessionCx) -> Result<Option<Presence>, OpError> {
    if let Some(found) = cx.session.presence.get(user) {
        return Ok(Some(found));
    }
    let other = cx.journal().other_address(user).await?;
    let found = other.and_then(|other| cx.session.presence.get(&other));
    Ok(found.map(|found| Presence {
        user: user.clone(),
        ..found
    }))
}

const fn nothing(user: UserId) -> Presence {
    Presence {
        user,
        online: None,
        last_seen: None,
        state: None,
    }
}

impl Execute for SendState {
    async fn execute(self, cx: SessionCx) -> Result<Shown, OpError> {
        if self.period.is_some_and(|period| period > CHAT_STATE_MAX) {
            let text = format!(
                "a state is shown for at most {} seconds",
                CHAT_STATE_MAX.as_secs()
            );
            return Err(OpError::invalid(text));
        }
        let (account, _) = cx.connected().await?;
        cx.session.showing.end(&self.chat);
        let shown = account.send_chat_state(&self.chat, self.state).await;
        shown.map_err(|e| remote(&e))?;
        if let Some(period) = self.period
            && self.state != ChatState::Paused
        {
            cx.session
                .showing
                .keep(account, self.chat, self.state, period);
        }
        Ok(Shown {})
    }
}
