//! Questions to WhatsApp: each ends within a limit, and what it failed of is told in our words.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use whatsapp_rust::anyhow;
use whatsapp_rust::error::ErrorChainExt;

use crate::api::Error;
use crate::outgoing::{TOO_MANY, chain};

/// Longest wait for the answer to one question.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(40);

/// Asks; `what` names the question in errors.
pub(crate) async fn ask<T, E: StdError + Send + 'static>(
    what: &'static str,
    question: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, Error> {
    match tokio::time::timeout(ASK_TIMEOUT, Box::pin(question)).await {
        Ok(answer) => answer.map_err(|error| failed(what, &error)),
        Err(_) => Err(late(what)),
    }
}

/// Asks by a call of the library that tells its errors untyped.
pub(crate) async fn ask_untyped<T>(
    what: &'static str,
    question: impl Future<Output = anyhow::Result<T>> + Send,
) -> Result<T, Error> {
    match tokio::time::timeout(ASK_TIMEOUT, Box::pin(question)).await {
        Ok(answer) => answer.map_err(|error| failed(what, error.as_ref())),
        Err(_) => Err(late(what)),
    }
}

fn late(what: &str) -> Error {
    Error::Interrupted(format!("{what}: whatsapp did not answer"))
}

/// What a question failed of.
pub(crate) fn failed(what: &str, error: &(dyn StdError + 'static)) -> Error {
    if let Some(rejection) = error.server_rejection() {
        let text = format!("{what}: {}", rejection.text);
        return match rejection.code {
            TOO_MANY => Error::RateLimited(text),
            code => Error::Refused {
                code: Some(code),
                text,
            },
        };
    }
    if let Some(failure) = error.store_failure() {
        return Error::Store(format!("{what}: {}", chain(failure)));
    }
    if error.is_timeout() {
        return late(what);
    }
    if error.is_transport_unavailable() {
        return Error::NotConnected;
    }
    Error::Other(format!("{what}: {}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use whatsapp_rust::IqError;

    fn refused(code: u16) -> IqError {
        IqError::ServerError {
            code,
            text: "no".to_owned(),
            error_type: None,
            backoff: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_question_ends() {
        let never = std::future::pending::<Result<(), IqError>>();
        let Err(Error::Interrupted(text)) = ask("ask for nothing", never).await else {
            panic!("it is late");
        };
        assert!(text.starts_with("ask for nothing"));
    }

    #[tokio::test]
    async fn what_whatsapp_said_is_kept() {
        let refused = |code| async move { Err::<(), _>(refused(code)) };
        let Err(Error::Refused { code, text }) = ask("save", refused(403)).await else {
            panic!("it was refused");
        };
        assert_eq!((code, text.as_str()), (Some(403), "save: no"));
        let many = ask("save", refused(429)).await;
        assert!(matches!(many, Err(Error::RateLimited(_))));
        let gone = ask("save", async { Err::<(), _>(IqError::NotConnected) }).await;
        assert!(matches!(gone, Err(Error::NotConnected)), "{gone:?}");
        let untyped = ask_untyped("save", async { Err::<(), _>(anyhow::anyhow!("why")) });
        assert!(matches!(untyped.await, Err(Error::Other(_))));
    }
}
