//! Pairing by a code that is typed on the phone.

use std::sync::Arc;
use std::time::Duration;

use switchboard_vocab::UserId;
use switchboard_vocab::pairing::Challenge;
use whatsapp_rust::Client;
use whatsapp_rust::error::ErrorChainExt;
use whatsapp_rust::pair_code::{PairCodeError, PairCodeOptions, PairError};

use super::Session;
use crate::api::{Account, Error};
use crate::clock;
use crate::outgoing::chain;

/// Longest wait for the connection that carries the request.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a code is good. Source: protocol notes, section 5.
const CODE_LIFE: Duration = Duration::from_secs(180);

impl Session {
    pub(super) async fn pair_by_code(&self, phone: &UserId) -> Result<Challenge, Error> {
        if self.identity().is_some() {
            return Err(Error::AlreadyPaired);
        }
        let digits = phone.as_phone().ok_or_else(|| Error::Refused {
            code: None,
            text: "a pairing code needs a phone number".to_owned(),
        })?;
        let live = self.live().ok_or(Error::NotConnected)?;
        let client = &live.client;
        Box::pin(client.wait_for_socket(SOCKET_TIMEOUT))
            .await
            .map_err(|_| Error::NotConnected)?;
        let asked_at = clock::now();
        let code = match ask(client, digits).await {
            Err(PairError::PairCode(PairCodeError::CodeAlreadyOutstanding { .. })) => {
                // Whoever asks again has lost the first code, or wants another number.
                Box::pin(client.cancel_pair_code()).await;
                ask(client, digits).await
            }
            result => result,
        };
        match code {
            Ok(code) => Ok(Challenge::Code {
                code,
                expires_at: asked_at.plus(CODE_LIFE),
            }),
            Err(error) => Err(failed(&error)),
        }
    }
}

async fn ask(client: &Arc<Client>, digits: &str) -> Result<String, PairError> {
    let options = PairCodeOptions {
        phone_number: digits.to_owned(),
        ..PairCodeOptions::default()
    };
    Box::pin(client.pair_with_code(options)).await
}

fn failed(error: &PairError) -> Error {
    if error.is_transport_unavailable() || error.is_timeout() {
        return Error::NotConnected;
    }
    match (error.server_rejection(), error.rejection()) {
        // WhatsApp answers 400 to requests that come too fast, too.
        (Some(rejection), status) => {
            let text = rejection.text.to_owned();
            if rejection.code == 429 || status.is_some_and(|status| status.is_throttled()) {
                Error::RateLimited(text)
            } else {
                Error::Refused {
                    code: Some(rejection.code),
                    text,
                }
            }
        }
        (None, _) => Error::Refused {
            code: None,
            text: chain(error),
        },
    }
}
