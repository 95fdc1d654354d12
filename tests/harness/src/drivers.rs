//! The five APIs as their own clients speak them: written from each system's documentation, not from our handlers.

mod chatapi;
mod wapi;
mod whapi;
mod wuzapi;
mod wwebjs;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::LocalBoxFuture;
use serde_json::Value;

use crate::stack::Stack;
use crate::wait;
use crate::webhook::Call;

/// How a client hands over a picture.
#[derive(Debug, Clone)]
pub enum Picture {
    /// By address.
    Url(String),
    /// As base64 inside the call.
    Base64(Vec<u8>),
    /// By an upload of its own, or as a part of the call.
    Upload(Vec<u8>),
}

/// A message as a webhook told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The other side's phone number.
    pub from: String,
    /// The words.
    pub text: Option<String>,
    /// A link under which the file can be fetched.
    pub link: Option<String>,
    /// The file itself, when the payload carries it.
    pub has_file: bool,
}

/// One session, driven the way customers of one system drive it.
pub trait Driver: Send + Sync {
    /// The system's name.
    fn name(&self) -> &'static str;
    /// Begins the session the way that system does.
    fn start(&self) -> LocalBoxFuture<'_, Result<()>>;
    /// The text of the QR code, from whatever form that system has; read from the picture where there is only a picture.
    fn qr(&self) -> LocalBoxFuture<'_, Result<String>>;
    /// A pairing code for this number; `None` where that system has none.
    fn pairing_code(&self, phone: &str) -> LocalBoxFuture<'_, Result<Option<String>>>;
    /// Whether that system calls the session ready.
    fn is_connected(&self) -> LocalBoxFuture<'_, Result<bool>>;
    /// Points the webhooks at this address.
    fn set_webhook(&self, url: &str) -> LocalBoxFuture<'_, Result<()>>;
    /// Sends a text; returns the id that system gave the message, where it gives one.
    fn send_text(&self, to: &str, text: &str) -> LocalBoxFuture<'_, Result<Option<String>>>;
    /// Sends a picture; `false` where that system does not take this form.
    fn send_picture(
        &self,
        to: &str,
        picture: Picture,
        caption: &str,
    ) -> LocalBoxFuture<'_, Result<bool>>;
    /// The texts of that conversation; `None` where that system lists no messages.
    fn list(&self, with: &str) -> LocalBoxFuture<'_, Result<Option<Vec<String>>>>;
    /// The messages of others in a webhook call.
    fn heard(&self, call: &Call) -> Vec<Heard>;
    /// Whether a webhook call says that an own message was delivered.
    fn tells_delivery(&self, call: &Call) -> bool;
    /// Logs the session out.
    fn logout(&self) -> LocalBoxFuture<'_, Result<()>>;
}

/// The names of the five, in the order of the documentation.
pub const NAMES: [&str; 5] = ["whapi", "wapi", "chatapi", "wuzapi", "wwebjs"];

/// A driver for a new session. Sessions are created as the system's own documentation says where it has a way, else by the
/// admin API.
///
/// # Errors
/// When the session cannot be created.
pub async fn create(dialect: &str, stack: &Stack, id: &str) -> Result<Box<dyn Driver>> {
    let http = crate::http::client();
    Ok(match dialect {
        "wwebjs" => Box::new(wwebjs::Wwebjs::new(http, &stack.url, id, &stack.tenant_key)),
        "wapi" => Box::new(wapi::Wapi::new(http, &stack.url, id, &stack.tenant_key)),
        "whapi" => Box::new(whapi::Whapi::new(
            http,
            &stack.url,
            &stack.create_session(id).await?,
        )),
        "chatapi" => Box::new(chatapi::Chatapi::new(
            http,
            &stack.url,
            &stack.create_session(id).await?,
        )),
        "wuzapi" => Box::new(wuzapi::Wuzapi::new(
            http,
            &stack.url,
            &stack.create_session(id).await?,
        )),
        other => bail!("there is no driver for {other}"),
    })
}

/// A whapi driver for a session that exists.
#[must_use]
pub fn whapi(stack: &Stack, session: &crate::stack::NewSession) -> Box<dyn Driver> {
    Box::new(whapi::Whapi::new(
        crate::http::client(),
        &stack.url,
        session,
    ))
}

/// Pairs a session with the phone of that number by its QR code and waits until that system calls it ready.
///
/// # Errors
/// When it does not come that far in time.
pub async fn pair(
    driver: &dyn Driver,
    simulator: &crate::simulator::Simulator,
    number: &str,
) -> Result<()> {
    driver
        .start()
        .await
        .with_context(|| format!("{}: start", driver.name()))?;
    let qr = driver
        .qr()
        .await
        .with_context(|| format!("{}: qr code", driver.name()))?;
    simulator.scan(&qr, number).await?;
    connected(driver).await
}

/// Waits until that system calls the session ready.
///
/// # Errors
/// When it does not in time.
pub async fn connected(driver: &dyn Driver) -> Result<()> {
    wait::until(
        &format!("{} to be connected", driver.name()),
        async || match driver.is_connected().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("not connected".to_owned()),
            Err(error) => Err(format!("{error:#}")),
        },
    )
    .await
}

/// A call that must succeed, read as JSON.
async fn ok(request: reqwest::RequestBuilder) -> Result<Value> {
    let (status, text) = raw(request).await?;
    if !status.is_success() {
        bail!("answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("not json: {text}"))
}

/// A call's status and body.
async fn raw(request: reqwest::RequestBuilder) -> Result<(reqwest::StatusCode, String)> {
    let answer = request.send().await?;
    Ok((answer.status(), answer.text().await?))
}

/// Bytes as a data URI.
fn data_uri(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

/// Reads a QR code from a picture, given as PNG bytes, with a decoder that is not ours.
///
/// # Errors
/// When there is no readable code in it.
pub fn read_qr(png: &[u8]) -> Result<String> {
    let picture = image::load_from_memory(png)
        .context("the qr picture")?
        .to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let (x, y) = (u32::try_from(x).unwrap_or(0), u32::try_from(y).unwrap_or(0));
        picture.get_pixel(x, y).0[0]
    });
    let grids = prepared.detect_grids();
    let (_, text) = grids
        .first()
        .context("no qr code in the picture")?
        .decode()?;
    Ok(text)
}

/// Reads a QR code from a data URI.
fn read_qr_uri(uri: &str) -> Result<String> {
    let (_, data) = uri.split_once("base64,").context("not a base64 data uri")?;
    read_qr(&STANDARD.decode(data)?)
}

/// A field as text.
fn text_of(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// The digits of an address of any spelling.
fn digits(address: &str) -> String {
    address
        .split(['@', ':'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The items of an array field.
fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
