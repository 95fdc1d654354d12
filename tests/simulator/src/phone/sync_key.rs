//! The key that encrypts the account's app state, and its way to a new companion.
//!
//! A fresh companion waits up to ten seconds for this message before it goes on.

use rand::{CryptoRng, Rng};
use wa::message::protocol_message::Type;
use waproto::whatsapp as wa;

use super::{Bundle, DeviceAddress, Enc, Error, Phone};

/// An app-state key as companions store it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AppStateKey {
    /// Two bytes of device, four of epoch.
    pub id: [u8; 6],
    /// The key all others of the scheme are derived from.
    pub data: [u8; 32],
}

impl std::fmt::Debug for AppStateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppStateKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Phone {
    /// The account's app-state key: the same as long as the phone is not reinstalled.
    #[must_use]
    pub fn app_state_key(&self) -> AppStateKey {
        let [a, b, c, d] = self.root.word("app state epoch").to_be_bytes();
        AppStateKey {
            id: [0, 0, a, b, c, d],
            data: self.root.derive("app state key", 0),
        }
    }

    /// The message that hands the app-state key to an own companion.
    ///
    /// `now` is in Unix seconds.
    #[must_use]
    pub fn key_share_message(&self, now: u64) -> wa::Message {
        let key = self.app_state_key();
        let fingerprint = wa::message::AppStateSyncKeyFingerprint {
            raw_id: Some(self.raw_id()),
            current_index: Some(self.current_index()),
            device_indexes: self.valid_indexes(),
        };
        let data = wa::message::AppStateSyncKeyData {
            key_data: Some(key.data.to_vec()),
            fingerprint: fingerprint.into(),
            timestamp: i64::try_from(now.saturating_mul(1000)).ok(),
        };
        let id = wa::message::AppStateSyncKeyId {
            key_id: Some(key.id.to_vec()),
        };
        let share = wa::message::AppStateSyncKeyShare {
            keys: vec![wa::message::AppStateSyncKey {
                key_id: id.into(),
                key_data: data.into(),
            }],
        };
        let protocol = wa::message::ProtocolMessage {
            r#type: Some(Type::APP_STATE_SYNC_KEY_SHARE),
            app_state_sync_key_share: share.into(),
            ..Default::default()
        };
        wa::Message {
            protocol_message: protocol.into(),
            ..Default::default()
        }
    }

    /// [`Self::key_share_message`] encrypted for one companion, to be sent with `category="peer"`.
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    pub fn key_share<R: Rng + CryptoRng>(
        &mut self,
        companion: DeviceAddress,
        bundle: Option<&Bundle>,
        now: u64,
        rng: &mut R,
    ) -> Result<Enc, Error> {
        let message = self.key_share_message(now);
        self.encrypt(companion, bundle, &message, rng)
    }
}

/// Whether a message of an own companion asks for [`Phone::key_share`].
#[must_use]
pub fn asks_for_app_state_keys(message: &wa::Message) -> bool {
    let protocol = message.protocol_message.as_option();
    protocol.is_some_and(|protocol| protocol.r#type == Some(Type::APP_STATE_SYNC_KEY_REQUEST))
}
