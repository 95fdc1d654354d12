//! A client that follows a script.
//!
//! The trait has no bodies of its own, so that the product cannot forget one. What no script plays yet is refused here, in one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_vocab::contacts::{Business, CheckedUser, Picture};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::media::MediaKeys;
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::profile::{Privacy, StoryPrivacy};
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId, UserId};
use switchboard_whatsapp::{
    Account, AppStateChange, Dispatched, End, Error, Group, OpenRequest, Outgoing, OutgoingStory,
    ProfileChange, Target, UserInfo,
};
use tokio::sync::watch;

use super::{Remembered, Script, Stage};
use crate::session::Connect;

/// The keys under which the phone uploads a file again.
const FRESH_KEYS: &[u8] = b"fresh";

#[derive(Debug)]
pub(crate) struct ScriptedConnect(pub(crate) Arc<Script>);

#[async_trait]
impl Connect for ScriptedConnect {
    async fn open(&self, request: OpenRequest) -> Result<Arc<dyn Account>, Error> {
        self.0.choices.lock().unwrap().push(request.choices.clone());
        let remembered = {
            let mut logins = self.0.logins.lock().unwrap();
            logins.entry(request.session.clone()).or_default().clone()
        };
        Ok(Arc::new(ScriptedAccount {
            script: Arc::clone(&self.0),
            request,
            remembered,
            closing: watch::Sender::new(false),
        }))
    }
}

struct ScriptedAccount {
    script: Arc<Script>,
    request: OpenRequest,
    remembered: Remembered,
    closing: watch::Sender<bool>,
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Account for ScriptedAccount {
    fn identity(&self) -> Option<Identity> {
        self.remembered.login.lock().unwrap().clone()
    }

    async fn run(&self) -> End {
        self.closing.send_replace(false);
        let stage = Stage {
            session: self.request.session.clone(),
            run: self.remembered.runs.fetch_add(1, Ordering::SeqCst),
            signals: self.request.signals.clone(),
            intake: Arc::clone(&self.request.intake),
            login: Arc::clone(&self.remembered.login),
            closing: self.closing.subscribe(),
        };
        self.script.running.fetch_add(1, Ordering::SeqCst);
        let _counted = Counted(Arc::clone(&self.script.running));
        self.script.runs.send_modify(|runs| *runs += 1);
        (self.script.run)(stage).await
    }

    async fn request_code(&self, _: &UserId) -> Result<Challenge, Error> {
        let expires_at = crate::clock::now().plus(Duration::from_secs(180));
        Ok(Challenge::Code {
            code: "ABCD1234".to_owned(),
            expires_at,
        })
    }

    async fn send(&self, message: Outgoing) -> Result<Dispatched, Error> {
        self.script.sent.lock().unwrap().push(message.clone());
        (self.script.send)(message).await
    }

    async fn mark_read(
        &self,
        _: &ChatId,
        _: Option<&UserId>,
        _: &[MessageId],
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn download(&self, keys: &[u8], _: u64) -> Result<Bytes, Error> {
        if self.script.loses_files.load(Ordering::SeqCst) && keys != FRESH_KEYS {
            return Err(Error::Gone("the media host answered 404".to_owned()));
        }
        Ok(Bytes::from_static(b"file"))
    }

    async fn reupload(&self, _: &ChatId, target: &Target, _: &[u8]) -> Result<Vec<u8>, Error> {
        self.script.reuploads.lock().unwrap().push(target.clone());
        if self.script.phone_answers.load(Ordering::SeqCst) {
            Ok(FRESH_KEYS.to_vec())
        } else {
            Err(Error::PhoneSilent("upload the file again".to_owned()))
        }
    }

    async fn change_app_state(&self, change: AppStateChange) -> Result<(), Error> {
        if self.script.refuses.load(Ordering::SeqCst) {
            return Err(Error::Refused {
                code: Some(409),
                text: "conflict".to_owned(),
            });
        }
        self.script.changes.lock().unwrap().push(change);
        Ok(())
    }

    async fn privacy(&self) -> Result<Privacy, Error> {
        Ok(Privacy {
            settings: Vec::new(),
            stories: StoryPrivacy::Contacts,
        })
    }

    async fn post_story(&self, story: OutgoingStory) -> Result<Dispatched, Error> {
        self.script.stories.lock().unwrap().push(story.clone());
        Ok(Dispatched {
            id: story.id,
            at: crate::clock::now(),
            proto: None,
            media_keys: None,
        })
    }

    async fn logout(&self) -> Result<bool, Error> {
        *self.remembered.login.lock().unwrap() = None;
        self.closing.send_replace(true);
        Ok(true)
    }

    async fn shutdown(&self, limit: Duration) -> Result<(), Error> {
        if !self.script.closes {
            tokio::time::sleep(limit).await;
            return Err(Error::Other("it does not close".to_owned()));
        }
        self.closing.send_replace(true);
        Ok(())
    }

    fn abort(&self) {}

    async fn mark_played(
        &self,
        _: &ChatId,
        _: Option<&UserId>,
        _: &[MessageId],
    ) -> Result<(), Error> {
        unplayed()
    }

    async fn set_timer(&self, _: &ChatId, _: Duration) -> Result<(), Error> {
        unplayed()
    }

    async fn check(&self, _: &[UserId]) -> Result<Vec<CheckedUser>, Error> {
        unplayed()
    }

    async fn user_info(&self, _: &[UserId]) -> Result<Vec<UserInfo>, Error> {
        unplayed()
    }

    async fn addresses(&self, _: &UserId) -> (Option<UserId>, Option<UserId>) {
        (None, None)
    }

    async fn picture(&self, _: &ChatId, _: bool) -> Result<Option<Picture>, Error> {
        unplayed()
    }

    async fn business(&self, _: &UserId) -> Result<Option<Business>, Error> {
        unplayed()
    }

    async fn change_profile(&self, _: ProfileChange) -> Result<(), Error> {
        unplayed()
    }

    async fn block(&self, _: &UserId, _: bool) -> Result<(), Error> {
        unplayed()
    }

    async fn blocked(&self) -> Result<Vec<UserId>, Error> {
        unplayed()
    }

    async fn set_online(&self, _: bool) -> Result<(), Error> {
        unplayed()
    }

    async fn subscribe_presence(&self, _: &UserId) -> Result<(), Error> {
        unplayed()
    }

    async fn send_chat_state(&self, _: &ChatId, _: ChatState) -> Result<(), Error> {
        unplayed()
    }

    async fn groups(&self) -> Result<Vec<Group>, Error> {
        unplayed()
    }

    fn media_keys(&self, _: &MediaKeys) -> Result<Vec<u8>, Error> {
        unplayed()
    }

    fn client_version(&self) -> Option<String> {
        None
    }
}

/// What is answered to what no script plays.
fn unplayed<T>() -> Result<T, Error> {
    Err(Error::Other(
        "this double of an account does not play that".to_owned(),
    ))
}
