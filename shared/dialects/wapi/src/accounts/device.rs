//! The record this system lists for an account: its client library's own device store, key names included.

use serde::Serialize;
use switchboard_vocab::SessionId;
use switchboard_vocab::sessions::{Identity, SessionStatus};

use crate::ids;

/// An account's address with its device number.
#[derive(Serialize)]
pub(super) struct Jid {
    device: u16,
    integrator: u16,
    #[serde(rename = "rawAgent")]
    raw_agent: u8,
    server: &'static str,
    user: String,
}

impl Jid {
    pub(super) fn of(identity: &Identity) -> Self {
        Self {
            device: identity.device,
            integrator: 0,
            raw_agent: 0,
            server: "s.whatsapp.net",
            user: ids::wa_id(&identity.phone, None),
        }
    }
}

/// The record. Keys stand under their names and are always empty: key material never leaves the store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceRecord {
    /// Which account it is; the original leaves callers to guess.
    account_id: SessionId,
    account: AccountKeys,
    adv_secret_key: &'static str,
    app_state: (),
    app_state_keys: (),
    business_name: &'static str,
    chat_settings: (),
    contacts: (),
    container: (),
    #[serde(rename = "facebookUUID")]
    facebook_uuid: &'static str,
    id: Option<Jid>,
    identities: (),
    identity_key: KeyPair,
    /// Whether there is a login.
    initialized: bool,
    log: (),
    msg_secrets: (),
    noise_key: KeyPair,
    platform: String,
    pre_keys: (),
    privacy_tokens: (),
    push_name: String,
    #[serde(rename = "registrationID")]
    registration_id: u32,
    sender_keys: (),
    sessions: (),
    signed_pre_key: SignedKeyPair,
}

/// Bytes that are never shown: always `[]`.
type Hidden = [u8; 0];

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct AccountKeys {
    account_signature: Hidden,
    account_signature_key: Hidden,
    details: Hidden,
    device_signature: Hidden,
}

#[derive(Serialize, Default)]
struct KeyPair {
    r#priv: Hidden,
    r#pub: Hidden,
}

#[derive(Serialize, Default)]
struct SignedKeyPair {
    #[serde(rename = "keyID")]
    key_id: u32,
    r#priv: Hidden,
    r#pub: Hidden,
    signature: Hidden,
}

impl DeviceRecord {
    /// The record of an account, as far as its status is known.
    pub(super) fn of(account_id: SessionId, status: Option<&SessionStatus>) -> Self {
        let identity = status.and_then(|status| status.identity.as_ref());
        let text = |field: Option<&String>| field.cloned().unwrap_or_default();
        Self {
            account_id,
            account: AccountKeys::default(),
            adv_secret_key: "",
            app_state: (),
            app_state_keys: (),
            business_name: "",
            chat_settings: (),
            contacts: (),
            container: (),
            facebook_uuid: "",
            id: identity.map(Jid::of),
            identities: (),
            identity_key: KeyPair::default(),
            initialized: identity.is_some(),
            log: (),
            msg_secrets: (),
            noise_key: KeyPair::default(),
            platform: text(identity.and_then(|identity| identity.platform.as_ref())),
            pre_keys: (),
            privacy_tokens: (),
            push_name: text(identity.and_then(|identity| identity.push_name.as_ref())),
            registration_id: 0,
            sender_keys: (),
            sessions: (),
            signed_pre_key: SignedKeyPair::default(),
        }
    }
}
