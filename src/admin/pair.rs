//! Pairing from a terminal: the QR code drawn with block characters and kept fresh, or a code to type.

use std::io::Write;

use anyhow::{Context, Result, bail};
use http::Method;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde::{Deserialize, Serialize};
use switchboard_vocab::pairing::Challenge;
use switchboard_vocab::sessions::{SessionState, SessionStatus};

use super::client::Client;

/// Seconds one question to the router waits for something new.
const WAIT_SECS: &str = "25";
/// Questions asked before giving up: about half an hour of unscanned codes.
const QUESTIONS_MAX: usize = 120;

#[derive(Debug, Deserialize)]
struct Pairing {
    status: SessionStatus,
}

#[derive(Debug, Serialize)]
struct CodeRequest<'a> {
    phone: &'a str,
}

/// Draws the QR code and redraws it whenever it changes, until the session is connected.
pub(super) async fn by_qr(client: &Client, session: &str, tenant: Option<&str>) -> Result<()> {
    let mut shown = String::new();
    for _ in 0..QUESTIONS_MAX {
        let status = ask(client, session, tenant, &shown).await?;
        if let Some(Challenge::Qr { text, .. }) = &status.challenge {
            if *text != shown {
                draw(text)?;
                shown.clone_from(text);
            }
        } else if finished(session, &status)? {
            return Ok(());
        }
    }
    bail!("nobody scanned a code; run the command again")
}

/// Prints a code to type on the phone, then waits for the link.
pub(super) async fn by_code(
    client: &Client,
    session: &str,
    tenant: Option<&str>,
    phone: &str,
) -> Result<()> {
    let path = format!("sessions/{session}/pairing-code");
    let body = CodeRequest { phone };
    let answer = client
        .send(Method::POST, &path, &[("tenant", tenant)], Some(&body))
        .await?;
    let code = answer
        .get("code")
        .and_then(serde_json::Value::as_str)
        .context("no code in the answer")?;
    println!("On the phone: Linked devices > Link a device > Link with phone number instead");
    println!("{}", grouped(code));
    let mut shown = code.to_owned();
    for _ in 0..QUESTIONS_MAX {
        let status = ask(client, session, tenant, &shown).await?;
        if let Some(Challenge::Code { code, .. }) = &status.challenge {
            if *code != shown {
                println!("{}", grouped(code));
                shown.clone_from(code);
            }
        } else if finished(session, &status)? {
            return Ok(());
        }
    }
    bail!("nobody typed the code; run the command again")
}

/// Waits for a challenge other than the one shown, or for another state.
async fn ask(
    client: &Client,
    session: &str,
    tenant: Option<&str>,
    shown: &str,
) -> Result<SessionStatus> {
    let path = format!("sessions/{session}/pairing");
    let shown = Some(shown).filter(|shown| !shown.is_empty());
    let query = [
        ("tenant", tenant),
        ("wait", Some(WAIT_SECS)),
        ("shown", shown),
    ];
    let answer = client.call(Method::GET, &path, &query).await?;
    let pairing: Pairing = serde_json::from_value(answer).context("read the pairing state")?;
    Ok(pairing.status)
}

/// Whether the pairing is over; a final state without a login is an error.
fn finished(session: &str, status: &SessionStatus) -> Result<bool> {
    match status.state {
        SessionState::Connected => {
            let phone = status
                .identity
                .as_ref()
                .map_or_else(String::new, |me| format!(" as +{}", me.phone.user()));
            println!("{session} is connected{phone}");
            Ok(true)
        }
        SessionState::Banned
        | SessionState::Parked
        | SessionState::LoggedOut
        | SessionState::Replaced
        | SessionState::Stopped => {
            let reason = status.reason.as_deref().unwrap_or("no reason given");
            bail!("{session} is {:?}: {reason}", status.state)
        }
        SessionState::Pairing => {
            if let Some(Challenge::Passkey { .. }) = status.challenge {
                bail!("whatsapp asks for the account's passkey, which a terminal cannot answer");
            }
            Ok(false)
        }
        SessionState::Starting
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Waiting => Ok(false),
    }
}

fn draw(text: &str) -> Result<()> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).context("draw the qr code")?;
    // Dark terminals show light blocks: the colours are swapped so that cameras see dark on light.
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\n{picture}\nOn the phone: Linked devices > Link a device, then scan. A fresh code follows by itself."
    )?;
    out.flush()?;
    Ok(())
}

/// Eight characters as the phone shows them: four, a dash, four.
fn grouped(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((head, tail)) if !tail.is_empty() => format!("{head}-{tail}"),
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_grouped_as_the_phone_shows_them() {
        assert_eq!(grouped("ABCD1234"), "ABCD-1234");
        assert_eq!(grouped("ABC"), "ABC");
    }
}
