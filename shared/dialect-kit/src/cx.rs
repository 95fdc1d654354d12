//! What a pure dialect function may know about the call it works on.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use switchboard_vocab::{MediaId, MessageId, OpError, SessionRef, Timestamp, UploadId};

use crate::input::{Input, Part};
use crate::links::MediaLinks;

/// Settings of the installation that dialects may show or use.
#[derive(Debug, Clone)]
pub struct Env {
    /// Makes the links under which callers fetch media.
    pub links: MediaLinks,
    /// The webhook that sessions created through wwebjs start with (that system's `BASE_WEBHOOK_URL`).
    pub wwebjs_webhook_url: Option<String>,
    /// Our release, for version calls.
    pub release: &'static str,
}

/// One call: its input, who it is for, the time, and a sequence of ids that a seed determines.
#[derive(Debug)]
pub struct Cx {
    input: Arc<Input>,
    session: Option<SessionRef>,
    token: Option<String>,
    now: Timestamp,
    env: Arc<Env>,
    ids: Mutex<ChaCha12Rng>,
}

impl Cx {
    /// The context of one call. `seed` decides every id the call makes up.
    #[must_use]
    pub fn new(
        input: Arc<Input>,
        session: Option<SessionRef>,
        token: Option<String>,
        now: Timestamp,
        env: Arc<Env>,
        seed: u64,
    ) -> Self {
        Self {
            input,
            session,
            token,
            now,
            env,
            ids: Mutex::new(ChaCha12Rng::seed_from_u64(seed)),
        }
    }

    /// The request as it came.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// A parameter of the route's path, percent-decoded. Empty when the route has none of that name.
    #[must_use]
    pub fn path(&self, name: &str) -> &str {
        self.input.params.get(name).map_or("", String::as_str)
    }

    /// The first query parameter of that name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.input.query(name)
    }

    /// The part of a multipart body of that name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.input.part(name)
    }

    /// The session the call is for.
    ///
    /// # Errors
    /// [`switchboard_vocab::ErrorCode::Internal`] on a route that has no session, which is a mistake in the table.
    pub fn session(&self) -> Result<&SessionRef, OpError> {
        self.session
            .as_ref()
            .ok_or_else(|| OpError::internal("the route has no session"))
    }

    /// The session the call is for, if it is for one.
    #[must_use]
    pub const fn session_if_any(&self) -> Option<&SessionRef> {
        self.session.as_ref()
    }

    /// The session token the caller showed, for the systems that repeat it in their webhooks.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// When the call came in.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Settings of the installation.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The link under which a caller can fetch a file of this session.
    #[must_use]
    pub fn media_link(&self, media: &MediaId) -> Option<String> {
        self.session
            .as_ref()
            .map(|session| self.env.links.link(session, media, self.now))
    }

    /// The next message id of this call.
    ///
    /// Its form is the one WhatsApp's web client uses: `3EB0` and 18 upper-case hex digits. Source: wacore 0.7.0.
    #[must_use]
    pub fn next_message_id(&self) -> MessageId {
        let text = format!("3EB0{}", hex::encode_upper(self.random::<9>()));
        // Hex digits are valid id characters, so parsing cannot fail.
        MessageId::parse(&text).unwrap_or_else(|_| unreachable!("a hex id is a valid message id"))
    }

    /// The next upload id of this call.
    #[must_use]
    pub fn next_upload_id(&self) -> UploadId {
        let text = hex::encode(self.random::<16>());
        UploadId::parse(&text).unwrap_or_else(|_| unreachable!("a hex id is a valid upload id"))
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0u8; N];
        // A poisoned lock means that a holder panicked between two draws; the generator is still sound.
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}
