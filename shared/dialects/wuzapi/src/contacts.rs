//! People: numbers, details, pictures, the address book, and the account's own presence.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{Page, paged};
use switchboard_dialect_kit::{Cx, FromInput, NoBody, Reject, Reply, Routes, lenient};
use switchboard_vocab::contacts::{
    CHECK_MAX, Check, Checked, Contact, ContactList, GetPicture, GetProfiles, LIST_LIMIT_MAX, List,
    Picture, Profile, Profiles,
};
use switchboard_vocab::profile::{SetOnline, Shown};
use switchboard_vocab::{ChatId, ErrorCode, OpError, UserId};

use crate::ids;
use crate::input::{Payload, needed};
use crate::sessions::details;
use crate::webhooks::ok;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(Method::POST, "/user/info", info, informed)
        .op(Method::POST, "/user/check", check, checked)
        .op(Method::GET, "/user/avatar", avatar, pictured)
        .endpoint(Method::GET, "/user/contacts", paged(list, count, listed))
        .aliases(true)
        .op(Method::POST, "/user/avatar", avatar, pictured)
        .op(Method::POST, "/user/presence", presence, |_: Shown, _| {
            // Spelt as that system spells it.
            details("Presence set successfuly")
        })
        .aliases(false)
}

/// The body of the calls on several people.
#[derive(Deserialize)]
struct People {
    #[serde(default, deserialize_with = "lenient::or_default")]
    phone: Vec<String>,
}

impl People {
    fn users(&self) -> Result<Vec<UserId>, Reject> {
        if self.phone.is_empty() {
            needed("Phone", None)?;
        }
        if self.phone.len() > CHECK_MAX {
            let text = format!("Phone: at most {CHECK_MAX} numbers are possible");
            return Err(OpError::new(ErrorCode::TooLarge, text).into());
        }
        let all = self.phone.iter();
        all.map(|phone| ids::person("Phone", phone)).collect()
    }
}

fn info(Payload(request): Payload<People>, _: &Cx) -> Result<GetProfiles, Reject> {
    Ok(GetProfiles {
        users: request.users()?,
        pictures: true,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Users<T> {
    users: T,
}

/// `types.UserInfo` of that system's client library: what of it WhatsApp tells a gateway.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Info<'a> {
    verified_name: Option<VerifiedName<'a>>,
    status: &'a str,
    #[serde(rename = "PictureID")]
    picture_id: &'a str,
    devices: Vec<String>,
}

/// The certificate itself is not kept.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VerifiedName<'a> {
    details: NameDetails<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NameDetails<'a> {
    verified_name: &'a str,
}

/// Those that have an account, by address.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn informed(out: Profiles, _: &Cx) -> Result<Reply, OpError> {
    let known = out.profiles.iter().filter(|profile| profile.registered);
    let users: BTreeMap<String, Info<'_>> = known
        .map(|profile| (address(&profile.contact).to_string(), of_profile(profile)))
        .collect();
    Ok(ok(&Users { users }))
}

fn of_profile(profile: &Profile) -> Info<'_> {
    let person = &profile.contact;
    let picture = profile.picture.as_ref().map(|picture| &picture.id);
    let address = address(person);
    let devices = profile.devices.iter();
    Info {
        verified_name: person.verified_name.as_deref().map(|name| VerifiedName {
            details: NameDetails {
                verified_name: name,
            },
        }),
        status: profile.about.as_deref().unwrap_or_default(),
        picture_id: picture.map_or("", String::as_str),
        devices: devices.map(|device| device_of(address, *device)).collect(),
    }
}

/// The person's number, where it is known.
fn address(person: &Contact) -> &UserId {
    let alt = person.alt.as_ref().filter(|alt| alt.as_phone().is_some());
    match (&person.id, alt) {
        (UserId::Lid(_), Some(number)) => number,
        (id, _) => id,
    }
}

/// The address of a device; the phone has that of its user.
fn device_of(user: &UserId, device: u16) -> String {
    match (device, user) {
        (0, user) => user.to_string(),
        (device, UserId::Phone(digits)) => format!("{digits}:{device}@s.whatsapp.net"),
        (device, UserId::Lid(digits)) => format!("{digits}:{device}@lid"),
    }
}

fn check(Payload(request): Payload<People>, _: &Cx) -> Result<Check, Reject> {
    Ok(Check {
        users: request.users()?,
        fresh: false,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CheckedNumber<'a> {
    query: &'a str,
    is_in_whatsapp: bool,
    #[serde(rename = "JID")]
    jid: String,
    verified_name: &'a str,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn checked(out: Checked, _: &Cx) -> Result<Reply, OpError> {
    let users: Vec<_> = out
        .users
        .iter()
        .map(|user| CheckedNumber {
            query: user.user.user(),
            is_in_whatsapp: user.registered,
            jid: user.phone.as_ref().unwrap_or(&user.user).to_string(),
            verified_name: user.verified_name.as_deref().unwrap_or_default(),
        })
        .collect();
    Ok(ok(&Users { users }))
}

#[derive(Deserialize)]
struct Avatar {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    phone: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    preview: Option<bool>,
}

fn avatar(Payload(request): Payload<Avatar>, _: &Cx) -> Result<GetPicture, Reject> {
    let chat = ids::recipient(needed("Phone", request.phone.as_ref())?)?;
    if matches!(chat, ChatId::Newsletter(_) | ChatId::Broadcast(_)) {
        let text = "Could not parse Phone: neither a person nor a group";
        return Err(OpError::invalid(text).into());
    }
    Ok(GetPicture {
        chat,
        preview: request.preview == Some(true),
    })
}

#[derive(Serialize)]
struct AvatarData {
    #[serde(rename = "URL")]
    url: String,
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "DirectPath")]
    direct_path: String,
}

fn pictured(out: Picture, cx: &Cx) -> Result<Reply, OpError> {
    let Payload(request) = Payload::<Avatar>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let (kind, url) = if request.preview == Some(true) {
        ("preview", out.preview_url)
    } else {
        ("image", out.url)
    };
    let Some(url) = url else {
        return Err(OpError::new(
            ErrorCode::NotFound,
            "whatsapp told no address",
        ));
    };
    Ok(ok(&AvatarData {
        url,
        id: out.id,
        kind,
        direct_path: out.direct_path.unwrap_or_default(),
    }))
}

fn list(_: NoBody, seen: u64, _: &Cx) -> Result<List, Reject> {
    Ok(List {
        saved: None,
        offset: u32::try_from(seen).unwrap_or(u32::MAX),
        limit: LIST_LIMIT_MAX,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every count")]
const fn count(page: &ContactList, _: &Cx) -> Result<Page, Reject> {
    Ok(Page {
        entries: page.contacts.len(),
        total: page.total,
    })
}

/// `types.ContactInfo` of that system's client library.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Known<'a> {
    found: bool,
    first_name: &'a str,
    full_name: &'a str,
    push_name: &'a str,
    business_name: &'a str,
}

impl<'a> Known<'a> {
    fn of(person: &'a Contact) -> Self {
        let text = |name: &'a Option<String>| name.as_deref().unwrap_or_default();
        Self {
            found: true,
            first_name: text(&person.first_name),
            full_name: text(&person.name),
            push_name: text(&person.push_name),
            business_name: text(&person.verified_name),
        }
    }
}

/// Everybody the store knows, by address.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(pages: Vec<ContactList>, _: &Cx) -> Result<Reply, OpError> {
    let all = pages.iter().flat_map(|page| &page.contacts);
    let known: BTreeMap<String, Known<'_>> = all
        .map(|person| (address(person).to_string(), Known::of(person)))
        .collect();
    Ok(ok(&known))
}

#[derive(Deserialize)]
struct OwnPresence {
    #[serde(rename = "type")]
    kind: Option<String>,
}

fn presence(Payload(request): Payload<OwnPresence>, _: &Cx) -> Result<SetOnline, Reject> {
    match needed("Type", request.kind.as_ref())? {
        "available" => Ok(SetOnline { online: true }),
        "unavailable" => Ok(SetOnline { online: false }),
        _ => Err(OpError::invalid("Type: available or unavailable is expected").into()),
    }
}
