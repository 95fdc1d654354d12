//! Why a connection ended: from the library's events, WhatsApp's stream errors, and our own switches.

use std::time::Duration;

use wacore::types::events::{ConnectFailure, ConnectFailureReason, Event, LoggedOut, TemporaryBan};

use crate::api::End;
use crate::clock;
use crate::events::Ending;
use crate::transport::Unreached;

/// Longest text of WhatsApp's that is passed on.
const TEXT_CHARS_MAX: usize = 200;

/// Takes down what an event says about the end. The first verdict stands.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum grows, and what is new means nothing to us"
)]
pub(crate) fn note(event: &Event, ending: &mut Ending) {
    let verdict = match event {
        Event::LoggedOut(out) => Some(logged_out(out)),
        Event::TemporaryBan(ban) => Some(banned(ban)),
        Event::StreamReplaced(_) => Some(End::Replaced),
        Event::ClientOutdated(_) => Some(End::Outdated(
            "whatsapp refuses this version of the client".to_owned(),
        )),
        Event::ConnectFailure(failure) => Some(refused(failure)),
        Event::PairSuccess(_) => {
            ending.is_paired = true;
            None
        }
        Event::PairingQrCodesExhausted(_) => {
            ending.is_exhausted = true;
            None
        }
        Event::StreamError(error) => {
            ending.closed = Some(format!("stream error {:?}", short(&error.code)));
            None
        }
        Event::Disconnected(gone) => {
            ending.closed.get_or_insert_with(|| gone.reason.to_string());
            None
        }
        _ => None,
    };
    if ending.verdict.is_none() {
        ending.verdict = verdict;
    }
}

/// What a finished connection ended of.
pub(crate) fn settle(
    ending: Ending,
    stream_error: Option<&str>,
    unreached: Option<Unreached>,
) -> End {
    if let Some(verdict) = ending.verdict {
        return verdict;
    }
    match stream_error {
        Some("515") => return End::Restart,
        Some(code @ ("429" | "503")) => return End::Throttled(format!("stream error {code}")),
        Some(_) | None => {}
    }
    if ending.is_paired {
        return End::Restart;
    }
    if ending.is_exhausted {
        return End::PairingExpired;
    }
    match unreached {
        Some(unreached) if unreached.is_throttled => End::Throttled(unreached.text),
        Some(unreached) => End::Closed(unreached.text),
        None => {
            let fallback = || "the connection ended without a reason".to_owned();
            End::Closed(ending.closed.unwrap_or_else(fallback))
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn logged_out(out: &LoggedOut) -> End {
    let shown = out
        .logout_message
        .as_ref()
        .and_then(|message| message.header.as_deref())
        .map(short);
    if out.reason == ConnectFailureReason::AccountLocked {
        let reason = shown.unwrap_or_else(|| "whatsapp locked the account".to_owned());
        return End::Banned {
            reason,
            until: None,
        };
    }
    let by_server = if out.on_connect {
        "whatsapp refused the login"
    } else {
        "the device was unlinked"
    };
    End::LoggedOut(shown.unwrap_or_else(|| by_server.to_owned()))
}

fn banned(ban: &TemporaryBan) -> End {
    let lasts = ban.expire.to_std().unwrap_or(Duration::ZERO);
    End::Banned {
        reason: ban.code.to_string(),
        until: Some(clock::now().plus(lasts)),
    }
}

fn refused(failure: &ConnectFailure) -> End {
    let said = failure.message.as_deref().map(short).unwrap_or_default();
    let text = format!(
        "whatsapp refused the connection: {:?} {said}",
        failure.reason
    );
    match failure.reason {
        ConnectFailureReason::TempBanned => End::Banned {
            reason: text,
            until: None,
        },
        ConnectFailureReason::AccountLocked => End::Banned {
            reason: text,
            until: None,
        },
        ConnectFailureReason::LoggedOut
        | ConnectFailureReason::UnknownLogout
        | ConnectFailureReason::NotFound => End::LoggedOut(text),
        ConnectFailureReason::ClientOutdated
        | ConnectFailureReason::BadUserAgent
        | ConnectFailureReason::ClientUnknown => End::Outdated(text),
        ConnectFailureReason::ServiceUnavailable | ConnectFailureReason::Unknown(429) => {
            End::Throttled(text)
        }
        ConnectFailureReason::Generic
        | ConnectFailureReason::CatExpired
        | ConnectFailureReason::CatInvalid
        | ConnectFailureReason::InternalServerError
        | ConnectFailureReason::Experimental
        | ConnectFailureReason::Unknown(_) => End::Closed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore::net::DisconnectReason;
    use wacore::types::events::{
        Disconnected, PairSuccess, PairingQrCodesExhausted, StreamReplaced, TempBanReason,
    };

    fn after(events: &[Event], stream_error: Option<&str>) -> End {
        let mut ending = Ending::default();
        for event in events {
            note(event, &mut ending);
        }
        settle(ending, stream_error, None)
    }

    fn gone() -> Event {
        Event::Disconnected(
            Disconnected::builder()
                .reason(DisconnectReason::StreamEnded)
                .build(),
        )
    }

    fn failure(reason: ConnectFailureReason) -> Event {
        Event::ConnectFailure(ConnectFailure::builder().reason(reason).build())
    }

    fn out(reason: ConnectFailureReason) -> Event {
        Event::LoggedOut(LoggedOut::builder().on_connect(true).reason(reason).build())
    }

    #[test]
    fn the_first_verdict_stands() {
        let replaced = Event::StreamReplaced(StreamReplaced::builder().build());
        assert_eq!(
            after(
                &[replaced, gone(), out(ConnectFailureReason::LoggedOut)],
                None
            ),
            End::Replaced
        );
    }

    #[test]
    fn a_closed_socket_is_told_with_its_reason() {
        assert_eq!(
            after(&[gone()], None),
            End::Closed("stream ended (EOF)".to_owned())
        );
        assert!(matches!(after(&[], None), End::Closed(_)));
        let refused = Unreached {
            text: "connect: refused".to_owned(),
            is_throttled: false,
        };
        let text = settle(Ending::default(), None, Some(refused));
        assert_eq!(text, End::Closed("connect: refused".to_owned()));
    }

    #[test]
    fn stream_errors_and_pairing() {
        let paired = Event::PairSuccess(
            PairSuccess::builder()
                .id("15550001:1@s.whatsapp.net".parse().unwrap())
                .lid("7:1@lid".parse().unwrap())
                .business_name(String::new())
                .platform("android".to_owned())
                .build(),
        );
        let spent = Event::PairingQrCodesExhausted(
            PairingQrCodesExhausted::builder()
                .disconnected(true)
                .build(),
        );
        assert_eq!(after(&[], Some("515")), End::Restart);
        assert_eq!(after(&[gone(), paired], None), End::Restart);
        assert_eq!(after(&[spent], None), End::PairingExpired);
        assert!(matches!(after(&[gone()], Some("429")), End::Throttled(_)));
    }

    #[test]
    fn refusals_are_sorted() {
        assert!(matches!(
            after(&[out(ConnectFailureReason::LoggedOut)], None),
            End::LoggedOut(_)
        ));
        assert!(matches!(
            after(&[out(ConnectFailureReason::AccountLocked)], None),
            End::Banned { .. }
        ));
        assert!(matches!(
            after(&[failure(ConnectFailureReason::ServiceUnavailable)], None),
            End::Throttled(_)
        ));
        assert!(matches!(
            after(&[failure(ConnectFailureReason::BadUserAgent)], None),
            End::Outdated(_)
        ));
        assert!(matches!(
            after(&[failure(ConnectFailureReason::Generic)], None),
            End::Closed(_)
        ));
        let ban = TemporaryBan::builder()
            .code(TempBanReason::BlockedByUsers)
            .expire(chrono::Duration::seconds(60))
            .build();
        let End::Banned {
            until: Some(until), ..
        } = after(&[Event::TemporaryBan(ban)], None)
        else {
            panic!("a temporary ban is a ban with an end");
        };
        assert!(until > clock::now());
    }
}
