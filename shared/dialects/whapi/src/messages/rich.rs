//! Places, contact cards, polls and events to send.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use switchboard_dialect_kit::{Cx, Fields, Reject, lenient};
use switchboard_vocab::content::{
    Card, Content, LiveLocation, Location, NewEvent, NewPoll, POLL_OPTIONS_MAX, POLL_OPTIONS_MIN,
};
use switchboard_vocab::messages::SendMessage;
use switchboard_vocab::{Timestamp, UserId};

use super::outgoing::{Structured, at_most, cannot_edit, message, optional_list, without_effect};
use crate::ids::{self, invalid};

/// Longest name, address, question or option, in characters.
const LINE_LEN_MAX: usize = 1_024;
/// Longest contact card, in characters.
const VCARD_LEN_MAX: usize = 16_384;
/// Most contact cards of one message. Source: WhatsApp's own clients.
const CARDS_MAX: usize = 257;
/// Numbers from here on are milliseconds: as seconds they would be the year 5138.
const MILLIS_FROM: f64 = 1e11;

/// `SenderLocation` and `SenderLiveLocation`. Numbers stand as text in forms.
#[derive(Deserialize)]
pub(crate) struct SenderLocation {
    to: String,
    latitude: Value,
    longitude: Value,
    address: Option<String>,
    name: Option<String>,
    url: Option<String>,
    preview: Option<String>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    accuracy: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    speed: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    degrees: Option<u64>,
    comment: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    view_once: Option<bool>,
    quoted: Option<String>,
    edit: Option<String>,
}

/// A number, or text that is one.
fn number(field: &str, value: &Value) -> Result<f64, Reject> {
    let read = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let read = read.filter(|number| number.is_finite());
    read.ok_or_else(|| invalid(field, "a number is expected"))
}

/// Degrees on the globe, north and east.
fn position(
    (north_name, north): (&str, &Value),
    (east_name, east): (&str, &Value),
) -> Result<(f64, f64), Reject> {
    let (latitude, longitude) = (number(north_name, north)?, number(east_name, east)?);
    if latitude.abs() > 90.0 {
        return Err(invalid(north_name, "-90 to 90 degrees are possible"));
    }
    if longitude.abs() > 180.0 {
        return Err(invalid(east_name, "-180 to 180 degrees are possible"));
    }
    Ok((latitude, longitude))
}

impl SenderLocation {
    /// North and east; `unknown` are the fields of the other kind of place.
    fn position<const N: usize>(&self, unknown: [(&str, bool); N]) -> Result<(f64, f64), Reject> {
        cannot_edit(self.edit.as_ref())?;
        without_effect(unknown)?;
        without_effect([
            ("preview", self.preview.is_some()),
            ("view_once", self.view_once == Some(true)),
        ])?;
        position(("latitude", &self.latitude), ("longitude", &self.longitude))
    }
}

/// Decodes `POST /messages/location`.
pub(crate) fn send_location(
    Fields(request): Fields<SenderLocation>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    let (latitude, longitude) = request.position([])?;
    let content = Content::Location(Location {
        latitude,
        longitude,
        accuracy: small("accuracy", request.accuracy)?.map(u32::from),
        speed: small("speed", request.speed)?.map(f32::from),
        heading: heading(request.degrees)?,
        comment: line("comment", request.comment)?,
        name: line("name", request.name)?,
        address: line("address", request.address)?,
        url: line("url", request.url)?,
    });
    message(&request.to, request.quoted, content, cx)
}

/// Decodes `POST /messages/live_location`.
pub(crate) fn send_live_location(
    Fields(request): Fields<SenderLocation>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    let (latitude, longitude) = request.position([
        ("name", request.name.is_some()),
        ("address", request.address.is_some()),
        ("url", request.url.is_some()),
    ])?;
    let content = Content::LiveLocation(LiveLocation {
        latitude,
        longitude,
        accuracy: small("accuracy", request.accuracy)?.map(u32::from),
        speed: small("speed", request.speed)?.map(f32::from),
        heading: heading(request.degrees)?,
        caption: line("comment", request.comment)?,
        sequence: None,
        time_offset: None,
    });
    message(&request.to, request.quoted, content, cx)
}

fn heading(degrees: Option<u64>) -> Result<Option<u32>, Reject> {
    match degrees {
        Some(degrees) if degrees > 360 => Err(invalid("degrees", "0 to 360 are possible")),
        degrees => Ok(small("degrees", degrees)?.map(u32::from)),
    }
}

fn small(field: &str, number: Option<u64>) -> Result<Option<u16>, Reject> {
    let Some(number) = number else {
        return Ok(None);
    };
    let read = u16::try_from(number).map(Some);
    read.map_err(|_| invalid(field, format!("at most {} is possible", u16::MAX)))
}

/// Text of one line or a few, empty being none.
fn line(field: &str, text: Option<String>) -> Result<Option<String>, Reject> {
    let text = text.filter(|text| !text.is_empty());
    if let Some(text) = &text {
        at_most(field, text, LINE_LEN_MAX)?;
    }
    Ok(text)
}

fn required_line(field: &str, text: String) -> Result<String, Reject> {
    line(field, Some(text))?.ok_or_else(|| invalid(field, "it is empty"))
}

/// `VCard`.
#[derive(Deserialize)]
struct VCard {
    #[serde(default)]
    name: String,
    vcard: Option<String>,
}

impl VCard {
    fn card(self, field: &str) -> Result<Card, Reject> {
        let inner = |name: &str| format!("{field}{name}");
        let vcard = self.vcard.unwrap_or_default();
        at_most(&inner("vcard"), &vcard, VCARD_LEN_MAX)?;
        if !vcard.trim_start().starts_with("BEGIN:VCARD") || !vcard.contains("END:VCARD") {
            return Err(invalid(
                &inner("vcard"),
                "a contact card is expected: BEGIN:VCARD … END:VCARD",
            ));
        }
        Ok(Card {
            name: required_line(&inner("name"), self.name)?,
            vcard,
        })
    }
}

/// `SenderContact`.
#[derive(Deserialize)]
pub(crate) struct SenderContact {
    to: String,
    name: String,
    vcard: String,
    quoted: Option<String>,
    edit: Option<String>,
}

/// Decodes `POST /messages/contact`.
pub(crate) fn send_contact(
    Fields(request): Fields<SenderContact>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    cannot_edit(request.edit.as_ref())?;
    let card = VCard {
        name: request.name,
        vcard: Some(request.vcard),
    };
    let cards = vec![card.card("")?];
    message(&request.to, request.quoted, Content::Contacts { cards }, cx)
}

/// `SenderContactList`.
#[derive(Deserialize)]
pub(crate) struct SenderContactList {
    to: String,
    #[serde(default, deserialize_with = "optional_list")]
    list: Option<Vec<VCard>>,
    quoted: Option<String>,
    edit: Option<String>,
}

/// Decodes `POST /messages/contact_list`.
pub(crate) fn send_contact_list(
    Structured(request): Structured<SenderContactList>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    cannot_edit(request.edit.as_ref())?;
    let list = request.list.unwrap_or_default();
    if list.is_empty() || list.len() > CARDS_MAX {
        return Err(invalid(
            "list",
            format!("1 to {CARDS_MAX} cards are possible"),
        ));
    }
    let cards = list
        .into_iter()
        .enumerate()
        .map(|(at, card)| card.card(&format!("list[{at}].")))
        .collect::<Result<_, _>>()?;
    message(&request.to, request.quoted, Content::Contacts { cards }, cx)
}

/// `SenderContactFromPhonebook`.
#[derive(Deserialize)]
pub(crate) struct SenderContactFromPhonebook {
    to: String,
    name: Option<String>,
    quoted: Option<String>,
    edit: Option<String>,
}

/// Decodes `POST /contacts/{ContactID}`: a card with the number, under the name the caller gives.
pub(crate) fn send_phonebook_contact(
    Fields(request): Fields<SenderContactFromPhonebook>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    cannot_edit(request.edit.as_ref())?;
    let user = ids::contact_id("ContactID", cx.path("ContactID"))?;
    let cards = vec![card_of(&user, line("name", request.name)?)?];
    message(&request.to, request.quoted, Content::Contacts { cards }, cx)
}

/// A card with a number and a name. Source: RFC 6350, `waid` as WhatsApp's own clients write it.
fn card_of(user: &UserId, name: Option<String>) -> Result<Card, Reject> {
    let number = user
        .as_phone()
        .ok_or_else(|| invalid("ContactID", "a phone number is expected"))?;
    let name = name.unwrap_or_else(|| format!("+{number}"));
    let escaped = name
        .replace('\\', "\\\\")
        .replace(['\r', '\n'], " ")
        .replace(',', "\\,")
        .replace(';', "\\;");
    let vcard = format!(
        "BEGIN:VCARD\nVERSION:3.0\nN:;{escaped};;;\nFN:{escaped}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD"
    );
    Ok(Card { name, vcard })
}

/// `SenderPoll`.
#[derive(Deserialize)]
pub(crate) struct SenderPoll {
    to: String,
    title: String,
    #[serde(default, deserialize_with = "optional_list")]
    options: Option<Vec<String>>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    count: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    view_once: Option<bool>,
    quoted: Option<String>,
    edit: Option<String>,
}

/// Decodes `POST /messages/poll`. `count` 1 lets people choose one option, 0 any number.
pub(crate) fn send_poll(
    Fields(request): Fields<SenderPoll>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    cannot_edit(request.edit.as_ref())?;
    without_effect([("view_once", request.view_once == Some(true))])?;
    let options = request.options.unwrap_or_default();
    if !(POLL_OPTIONS_MIN..=POLL_OPTIONS_MAX).contains(&options.len()) {
        let reason = format!("{POLL_OPTIONS_MIN} to {POLL_OPTIONS_MAX} options are possible");
        return Err(invalid("options", reason));
    }
    let options = options
        .into_iter()
        .map(|option| required_line("options", option))
        .collect::<Result<Vec<_>, _>>()?;
    if options.iter().collect::<BTreeSet<_>>().len() != options.len() {
        return Err(invalid("options", "every option can stand there once"));
    }
    let choices_max = match request.count {
        None | Some(0) => None,
        Some(1) => Some(1),
        Some(_) => {
            return Err(invalid(
                "count",
                "0 for any number of choices, or 1, is expected",
            ));
        }
    };
    let content = Content::Poll(NewPoll {
        question: required_line("title", request.title)?,
        options,
        choices_max,
    });
    message(&request.to, request.quoted, content, cx)
}

/// `CreateEventRequest`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateEventRequest {
    to: String,
    title: String,
    description: Option<String>,
    start_time: Value,
    end_time: Option<Value>,
    degrees_latitude: Option<Value>,
    degrees_longitude: Option<Value>,
    location_name: Option<String>,
    location_address: Option<String>,
    #[serde(
        default,
        rename = "view_once",
        deserialize_with = "lenient::optional_boolean"
    )]
    view_once: Option<bool>,
}

/// Decodes `POST /communities/event`.
pub(crate) fn send_event(
    Fields(request): Fields<CreateEventRequest>,
    cx: &Cx,
) -> Result<SendMessage, Reject> {
    without_effect([("view_once", request.view_once == Some(true))])?;
    ids::distant_recipient("to", &request.to)?;
    let start = moment("startTime", &request.start_time)?;
    let end = request.end_time.filter(|value| !value.is_null());
    let end = end.map(|value| moment("endTime", &value)).transpose()?;
    if end.is_some_and(|end| end < start) {
        return Err(invalid("endTime", "the event would end before it begins"));
    }
    let (name, address) = (
        line("locationName", request.location_name)?,
        line("locationAddress", request.location_address)?,
    );
    let location = match (request.degrees_latitude, request.degrees_longitude) {
        (Some(north), Some(east)) => {
            let (latitude, longitude) =
                position(("degreesLatitude", &north), ("degreesLongitude", &east))?;
            Some((latitude, longitude))
        }
        (None, None) if name.is_none() && address.is_none() => None,
        // A place by name only: zero is what WhatsApp's clients read where a number is absent.
        (None, None) => Some((0.0, 0.0)),
        (Some(_), None) => return Err(invalid("degreesLongitude", "it is missing")),
        (None, Some(_)) => return Err(invalid("degreesLatitude", "it is missing")),
    };
    let content = Content::Event(NewEvent {
        name: required_line("title", request.title)?,
        description: line("description", request.description)?,
        start,
        end,
        location: location.map(|(latitude, longitude)| Location {
            latitude,
            longitude,
            name,
            address,
            ..Location::default()
        }),
    });
    message(&request.to, None, content, cx)
}

/// A moment in Unix seconds, or in milliseconds where the number is that large.
fn moment(field: &str, value: &Value) -> Result<Timestamp, Reject> {
    /// The year 10000 in milliseconds.
    const MILLIS_MAX: f64 = 253_402_300_800_000.0;
    let number = number(field, value)?;
    let millis = if number >= MILLIS_FROM {
        number
    } else {
        number * 1_000.0
    };
    if !(0.0..=MILLIS_MAX).contains(&millis) {
        return Err(invalid(field, "a moment in unix seconds is expected"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above; parts of a millisecond are nothing"
    )]
    Ok(Timestamp::from_millis(millis as u64))
}
