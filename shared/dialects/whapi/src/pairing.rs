//! Linking the channel to a phone, and unlinking it.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::qr::{self, Look};
use switchboard_dialect_kit::routes::Outcomes;
use switchboard_dialect_kit::{Cx, FromInput, NoBody, Query, Reject, Reply, Routes, lenient};
use switchboard_vocab::pairing::{GetQr, PairingCode, QrCode, RequestCode};
use switchboard_vocab::sessions::{Logout, SessionStatus};
use switchboard_vocab::{ErrorCode, OpError, Timestamp};

use crate::ids::{self, invalid};
use crate::messages::Success;

/// How long a login call waits for WhatsApp's first code.
const QR_WAIT: Duration = Duration::from_secs(20);

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .each(Method::GET, "/users/login", get_qr, as_base64)
        .each(Method::GET, "/users/login/image", get_qr, as_picture)
        .each(Method::GET, "/users/login/rowdata", get_qr, as_text)
        .op(
            Method::GET,
            "/users/login/{PhoneNumber}",
            |_: NoBody, cx| {
                let phone = ids::contact_id("PhoneNumber", cx.path("PhoneNumber"))?;
                Ok(RequestCode { phone })
            },
            auth_code,
        )
        .op(
            Method::POST,
            "/users/logout",
            |_: NoBody, _| Ok(Logout {}),
            |_: SessionStatus, _| Ok(Success::reply()),
        )
}

/// Every field of the three QR calls; the one for raw data has only the first.
#[derive(Deserialize)]
struct LoginQuery {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    wakeup: Option<bool>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    width: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    height: Option<u64>,
    color_light: Option<String>,
    color_dark: Option<String>,
}

impl LoginQuery {
    /// How the picture should look.
    fn look(&self) -> Result<Look, Reject> {
        let mut look = Look::default();
        if let (Some(width), Some(height)) = (self.width, self.height)
            && width != height
        {
            return Err(invalid("height", "a qr code is as high as it is wide"));
        }
        if let Some(side) = self.width.or(self.height).or(self.size) {
            look.side = u32::try_from(side)
                .ok()
                .filter(|side| (1..=qr::SIDE_MAX).contains(side))
                .ok_or_else(|| {
                    invalid("size", format!("1 to {} pixels are possible", qr::SIDE_MAX))
                })?;
        }
        if let Some(text) = &self.color_light {
            look.light = color("color_light", text)?;
        }
        if let Some(text) = &self.color_dark {
            look.dark = color("color_dark", text)?;
        }
        Ok(look)
    }
}

/// A colour in the notation of style sheets: `#rgb` or `#rrggbb`, the `#` being optional.
fn color(field: &str, text: &str) -> Result<[u8; 3], Reject> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let full = match digits.len() {
        3 => digits.chars().flat_map(|c| [c, c]).collect(),
        _ => digits.to_owned(),
    };
    let mut parts = [0; 3];
    hex::decode_to_slice(&full, &mut parts)
        .map_err(|_| invalid(field, format!("{text:?} is not a colour such as #1a2b3c")))?;
    Ok(parts)
}

/// `QR`.
#[derive(Serialize)]
pub(crate) struct Qr {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rowdata: Option<String>,
    /// Seconds until the code expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    expire: Option<u64>,
}

impl Qr {
    /// A code that can be scanned now, drawn with the usual look as a data URI, and as text.
    pub(crate) fn full(text: &str, expires_at: Timestamp, now: Timestamp) -> Result<Self, OpError> {
        Ok(Self {
            base64: Some(picture(text, Look::default())?),
            ..Self::text(text.to_owned(), expires_at, now)
        })
    }

    fn text(text: String, expires_at: Timestamp, now: Timestamp) -> Self {
        Self {
            rowdata: Some(text),
            ..Self::drawn(None, expires_at, now)
        }
    }

    fn drawn(base64: Option<String>, expires_at: Timestamp, now: Timestamp) -> Self {
        Self {
            status: "OK",
            base64,
            rowdata: None,
            expire: Some(expires_at.as_secs().saturating_sub(now.as_secs())),
        }
    }

    const fn without_code(status: &'static str) -> Self {
        Self {
            status,
            base64: None,
            rowdata: None,
            expire: None,
        }
    }
}

fn picture(text: &str, look: Look) -> Result<String, OpError> {
    Ok(qr::data_uri(&qr::png(text, look)?))
}

fn get_qr(Query(query): Query<LoginQuery>, _: &Cx) -> Result<Vec<GetQr>, Reject> {
    // What cannot be drawn is refused before the channel is started.
    query.look()?;
    let start = query.wakeup.unwrap_or(true);
    Ok(vec![GetQr {
        wait: QR_WAIT,
        start,
    }])
}

type QrAnswers = Outcomes<GetQr>;

fn only(answers: QrAnswers) -> Result<QrCode, OpError> {
    let first = answers.into_iter().next();
    first.unwrap_or_else(|| Err(OpError::internal("no answer")))
}

/// This system answers 200 with a status word where there is no code yet.
fn or_status(
    answers: QrAnswers,
    show: impl FnOnce(QrCode) -> Result<Qr, OpError>,
) -> Result<Reply, OpError> {
    let shown = match only(answers) {
        Ok(code) => show(code)?,
        Err(error) if error.code == ErrorCode::Timeout => Qr::without_code("TIMEOUT"),
        Err(error) if error.code == ErrorCode::NotConnected => Qr::without_code("WAITING"),
        Err(error) => return Err(error),
    };
    Ok(Reply::ok(&shown))
}

fn asked_look(cx: &Cx) -> Result<Look, OpError> {
    let look = Query::<LoginQuery>::from_input(cx.input()).and_then(|query| query.0.look());
    look.map_err(|reject| reject.0)
}

fn as_base64(answers: QrAnswers, cx: &Cx) -> Result<Reply, OpError> {
    or_status(answers, |code| {
        let base64 = picture(&code.text, asked_look(cx)?)?;
        Ok(Qr::drawn(Some(base64), code.expires_at, cx.now()))
    })
}

fn as_picture(answers: QrAnswers, cx: &Cx) -> Result<Reply, OpError> {
    let code = only(answers)?;
    Ok(Reply::png(qr::png(&code.text, asked_look(cx)?)?))
}

fn as_text(answers: QrAnswers, cx: &Cx) -> Result<Reply, OpError> {
    or_status(answers, |code| {
        Ok(Qr::text(code.text, code.expires_at, cx.now()))
    })
}

/// `AuthCode`.
#[derive(Serialize)]
struct AuthCode {
    code: String,
}

/// The code as phones show it, a dash in the middle.
fn auth_code(out: PairingCode, _: &Cx) -> Result<Reply, OpError> {
    let mut code = out.code;
    let middle = code.len() / 2;
    if code.is_char_boundary(middle) {
        code.insert(middle, '-');
    }
    Ok(Reply::ok(&AuthCode { code }))
}
