//! One session's client.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_vocab::contacts::{Business, CheckedUser, Picture};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::media::MediaKeys;
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::profile::Privacy;
use switchboard_vocab::sessions::Identity;
use switchboard_vocab::{ChatId, MessageId, UserId};

use super::{
    AppStateChange, Dispatched, End, Error, Group, Outgoing, OutgoingStory, ProfileChange, Target,
    UserInfo,
};

/// One session's client.
#[async_trait]
pub trait Account: Send + Sync {
    /// Who the session is, once paired.
    fn identity(&self) -> Option<Identity>;

    /// Connects and stays until the connection ends. Reconnecting is the caller's decision; call it again for it.
    async fn run(&self) -> End;

    /// Asks for a pairing code; only while [`Account::run`] is connected without a login.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn request_code(&self, phone: &UserId) -> Result<Challenge, Error>;

    /// Sends a message. `Ok` means that the frame was written to the socket.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where it may have left; every other error means that it did not.
    async fn send(&self, message: Outgoing) -> Result<Dispatched, Error>;

    /// Tells the writer that messages were read.
    ///
    /// # Errors
    /// When there is no connection.
    async fn mark_read(
        &self,
        chat: &ChatId,
        sender: Option<&UserId>,
        ids: &[MessageId],
    ) -> Result<(), Error>;

    /// Downloads and decrypts a file.
    ///
    /// # Errors
    /// [`Error::Gone`] when the media host has it no more, [`Error::Media`] when it is damaged or larger than `size_max` bytes.
    async fn download(&self, media_keys: &[u8], size_max: u64) -> Result<Bytes, Error>;

    /// Posts a story, or deletes one. As [`Account::send`].
    ///
    /// # Errors
    /// As [`Account::send`]; [`Error::NoRecipient`] when nobody of the audience can be reached.
    async fn post_story(&self, story: OutgoingStory) -> Result<Dispatched, Error>;

    /// Changes the account's synchronised state. `Ok` means that WhatsApp took the change.
    ///
    /// # Errors
    /// As WhatsApp answers; [`Error::Refused`] for what the client cannot do, with the reason.
    async fn change_app_state(&self, change: AppStateChange) -> Result<(), Error>;

    /// Tells the writer that voice or video notes were played.
    ///
    /// # Errors
    /// When there is no connection.
    async fn mark_played(
        &self,
        chat: &ChatId,
        sender: Option<&UserId>,
        ids: &[MessageId],
    ) -> Result<(), Error>;

    /// Sets after how long messages of a conversation disappear; zero = they stay.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn set_timer(&self, chat: &ChatId, period: Duration) -> Result<(), Error>;

    /// Which numbers have an account, in the order of the question.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn check(&self, users: &[UserId]) -> Result<Vec<CheckedUser>, Error>;

    /// What people show of themselves, in the order of the question.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn user_info(&self, users: &[UserId]) -> Result<Vec<UserInfo>, Error>;

    /// Both addresses of a person, from what the client knows: number, LID.
    async fn addresses(&self, user: &UserId) -> (Option<UserId>, Option<UserId>);

    /// The picture of a person or group; `None` when there is none or it is hidden.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn picture(&self, chat: &ChatId, preview: bool) -> Result<Option<Picture>, Error>;

    /// The profile of a business; `None` when they are none.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn business(&self, user: &UserId) -> Result<Option<Business>, Error>;

    /// Changes the account's profile.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn change_profile(&self, change: ProfileChange) -> Result<(), Error>;

    /// Who sees what of the account.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn privacy(&self) -> Result<Privacy, Error>;

    /// Blocks or unblocks a person.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn block(&self, user: &UserId, blocked: bool) -> Result<(), Error>;

    /// Whom the account blocks.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn blocked(&self) -> Result<Vec<UserId>, Error>;

    /// Shows the account as online or offline.
    ///
    /// # Errors
    /// When there is no connection.
    async fn set_online(&self, online: bool) -> Result<(), Error>;

    /// Asks to be told when a person comes and goes.
    ///
    /// # Errors
    /// When there is no connection.
    async fn subscribe_presence(&self, user: &UserId) -> Result<(), Error>;

    /// Shows in a conversation that the account types, records, or neither.
    ///
    /// # Errors
    /// When there is no connection.
    async fn send_chat_state(&self, chat: &ChatId, state: ChatState) -> Result<(), Error>;

    /// The groups that the account is in.
    ///
    /// # Errors
    /// As WhatsApp answers.
    async fn groups(&self) -> Result<Vec<Group>, Error>;

    /// Asks the phone to upload a file again that is gone from WhatsApp's media host; the new keys.
    ///
    /// # Errors
    /// [`Error::Media`] when the phone does not have it, [`Error::PhoneSilent`] when it does not answer.
    async fn reupload(
        &self,
        chat: &ChatId,
        target: &Target,
        media_keys: &[u8],
    ) -> Result<Vec<u8>, Error>;

    /// Turns what a caller knows of a file into keys for [`Account::download`].
    ///
    /// # Errors
    /// [`Error::Media`] when something is missing or malformed.
    fn media_keys(&self, keys: &MediaKeys) -> Result<Vec<u8>, Error>;

    /// The release of WhatsApp Web that the client says it is.
    fn client_version(&self) -> Option<String>;

    /// Unlinks the device. The login is gone afterwards even when WhatsApp could not be told; `Ok(true)` = it was told.
    ///
    /// # Errors
    /// When the keys could not be removed from the store.
    async fn logout(&self) -> Result<bool, Error>;

    /// Flushes everything and closes the connection; [`Account::run`] then returns [`End::Stopped`]. It may be
    /// called again later.
    ///
    /// # Errors
    /// [`Error::Store`] when something could not be flushed: the store is then older than the connection.
    async fn shutdown(&self, limit: Duration) -> Result<(), Error>;

    /// Drops the connection without flushing (a fenced session must not write). For good: [`Account::run`] then
    /// returns [`End::Fenced`] each time; open the session anew to go on. Dropping the account does the same.
    fn abort(&self);
}
