//! What tests in the same process may have the users of phones do; the admin API offers the same.

use super::Handle;
use crate::core::phone_user::{ProfileChange, ProfileView, Reading, Typing};
use crate::core::signals::Signal;
use crate::operations::{self, Error, phone_user};
use crate::phone::Record;

impl Handle {
    /// Everything an account shows and hides.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn phone_profile(&self, number: &str) -> Result<ProfileView, Error> {
        phone_user::profile(&self.hub, number)
    }

    /// The user changes the profile on the phone.
    ///
    /// # Errors
    /// When a number belongs to nobody, or a value is not possible; then nothing has changed, except
    /// that texts too long are refused after others were set.
    pub fn change_profile(
        &self,
        number: &str,
        change: ProfileChange,
    ) -> Result<ProfileView, Error> {
        phone_user::change_profile(&self.hub, number, change)
    }

    /// The user takes up the phone or puts it away.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn phone_presence(&self, number: &str, available: bool) -> Result<(), Error> {
        phone_user::presence(&self.hub, number, available)
    }

    /// The user looks whether another is there; the answers are [`Self::phone_signals`].
    ///
    /// # Errors
    /// When no account has one of the numbers.
    pub fn phone_watches(&self, number: &str, other: &str) -> Result<(), Error> {
        phone_user::watch(&self.hub, number, other)
    }

    /// The user types in a chat.
    ///
    /// # Errors
    /// When there is no such account or chat.
    pub fn phone_types(&self, number: &str, to: &str, typing: Typing) -> Result<(), Error> {
        phone_user::typing(&self.hub, number, to, typing)
    }

    /// The user has read or played messages, or seen stories.
    ///
    /// # Errors
    /// When there is no such account or chat, or no id.
    pub fn phone_reads(&self, number: &str, reading: &Reading) -> Result<(), Error> {
        phone_user::read(&self.hub, number, reading)
    }

    /// A contact gets a token that the account trusts it.
    ///
    /// # Errors
    /// When no account has one of the numbers.
    pub fn phone_trusts(&self, number: &str, contact: &str) -> Result<(), Error> {
        phone_user::trust(&self.hub, number, contact)
    }

    /// Receipts, presence and typing that the user noticed after signal `since`, oldest first.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn phone_signals(&self, number: &str, since: u64) -> Result<Vec<Signal>, Error> {
        phone_user::signals(&self.hub, number, since)
    }

    /// The stories in the phone's inbox after record `since`, oldest first.
    ///
    /// # Errors
    /// When no account has the number.
    pub fn phone_stories(&self, number: &str, since: u64) -> Result<Vec<Record>, Error> {
        operations::phone_stories(&self.hub, number, since)
    }
}
