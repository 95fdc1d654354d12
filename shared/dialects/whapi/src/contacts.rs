//! Contacts: checking numbers, the address book, LIDs and the block list.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{
    Cx, Fields, FromInput, NoBody, Query, Reject, Reply, Routes, lenient, phone,
};
use switchboard_vocab::contacts::{
    self, Block, CHECK_MAX, Check, Checked, CheckedUser, ContactList, Delete, Get, GetProfiles,
    List, ListBlocked, NAME_LEN_MAX, Profiles, Resolve, Resolved, Save,
};
use switchboard_vocab::{ErrorCode, OpError, UserId};

use crate::ids::{self, invalid};
use crate::messages::outgoing::{at_most, optional_list};
use crate::messages::{Success, rich, sent};
use crate::paging::{Page, Paging};
use crate::profile::UserProfile;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    blocking(lids(routes))
        .op(Method::GET, "/contacts", list, listed)
        .op(Method::POST, "/contacts", check, checked)
        .op(Method::PUT, "/contacts", add, one_shown)
        .op(
            Method::GET,
            "/contacts/{ContactID}",
            |_: NoBody, cx| Ok(Get { user: named(cx)? }),
            one_shown,
        )
        .op(
            Method::POST,
            "/contacts/{ContactID}",
            rich::send_phonebook_contact,
            sent,
        )
        .op(Method::HEAD, "/contacts/{ContactID}", exists, existing)
        .op(Method::PATCH, "/contacts/{ContactID}", edit, one_shown)
        .op(
            Method::DELETE,
            "/contacts/{ContactID}",
            |_: NoBody, cx| Ok(Delete { user: named(cx)? }),
            |_: contacts::Contact, _| Ok(Success::reply()),
        )
        .op(
            Method::GET,
            "/contacts/{ContactID}/profile",
            profile,
            profile_shown,
        )
}

fn lids(routes: Routes) -> Routes {
    routes
        .op(Method::GET, "/contacts/lids", find_lids, lids_found)
        .op(
            Method::GET,
            "/contacts/lids/{ContactID}",
            |_: NoBody, cx| {
                let users = vec![named(cx)?];
                Ok(Resolve { users })
            },
            lid_found,
        )
}

fn blocking(routes: Routes) -> Routes {
    let done = |_: contacts::Contact, _: &Cx| Ok(Success::reply());
    routes
        .op(
            Method::PUT,
            "/blacklist/{ContactID}",
            |_: NoBody, cx| block(true, cx),
            done,
        )
        .op(
            Method::DELETE,
            "/blacklist/{ContactID}",
            |_: NoBody, cx| block(false, cx),
            done,
        )
        .op(
            Method::GET,
            "/blacklist",
            |_: NoBody, _| Ok(ListBlocked {}),
            |out: ContactList, _| {
                let people = out.contacts.iter();
                let ids: Vec<_> = people
                    .map(|contact| ids::contact_digits(&contact.id, contact.alt.as_ref()))
                    .collect();
                Ok(Reply::ok(&ids))
            },
        )
}

fn named(cx: &Cx) -> Result<UserId, Reject> {
    ids::contact_id("ContactID", cx.path("ContactID"))
}

fn list(_: NoBody, cx: &Cx) -> Result<List, Reject> {
    let page = Page::of(cx)?;
    Ok(List {
        saved: None,
        offset: page.offset,
        limit: page.count,
    })
}

/// `Contact`.
#[derive(Serialize)]
pub(crate) struct Contact {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushname: Option<String>,
    is_business: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    saved: bool,
}

impl Contact {
    /// The contact as this system shows it.
    pub(crate) fn of(contact: &contacts::Contact) -> Self {
        let id = ids::contact(&contact.id, contact.alt.as_ref());
        Self {
            name: contact
                .shown_name()
                .map_or_else(|| id.clone(), str::to_owned),
            pushname: contact.push_name.clone(),
            is_business: contact.business,
            status: contact.about.clone(),
            saved: contact.saved,
            id,
        }
    }
}

/// `ContactsList`.
#[derive(Serialize)]
struct ContactsList {
    contacts: Vec<Contact>,
    #[serde(flatten)]
    page: Paging,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(out: ContactList, cx: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&ContactsList {
        contacts: out.contacts.iter().map(Contact::of).collect(),
        page: Paging::of(cx, out.total)?,
    }))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn one_shown(out: contacts::Contact, _: &Cx) -> Result<Reply, OpError> {
    Ok(Reply::ok(&Contact::of(&out)))
}

/// `CheckContactRequest`.
#[derive(Deserialize)]
struct CheckContactRequest {
    #[serde(default, deserialize_with = "optional_list")]
    contacts: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    force_check: Option<bool>,
}

impl CheckContactRequest {
    fn of(cx: &Cx) -> Result<Self, Reject> {
        let Fields(request) = Fields::<Self>::from_input(cx.input())?;
        Ok(request)
    }

    /// The inputs, and the number that each is, if it is one.
    fn numbers(self) -> impl Iterator<Item = (String, Option<UserId>)> {
        let inputs = self.contacts.unwrap_or_default().into_iter();
        inputs.map(|input| {
            let number = input.strip_suffix("@s.whatsapp.net").unwrap_or(&input);
            let user = phone::user(number).ok();
            (input, user)
        })
    }
}

fn check(_: NoBody, cx: &Cx) -> Result<Check, Reject> {
    let request = CheckContactRequest::of(cx)?;
    let fresh = request.force_check.unwrap_or(false);
    let asked = request.contacts.as_ref().map_or(0, Vec::len);
    if !(1..=CHECK_MAX).contains(&asked) {
        let reason = format!("1 to {CHECK_MAX} phone numbers are possible");
        return Err(invalid("contacts", reason));
    }
    let users: Vec<_> = request.numbers().filter_map(|(_, user)| user).collect();
    if users.is_empty() {
        return Err(invalid("contacts", "none of them is a phone number"));
    }
    Ok(Check { users, fresh })
}

/// `CheckContactResponse`.
#[derive(Serialize)]
pub(crate) struct CheckContactResponse {
    pub(crate) contacts: Vec<CheckContact>,
}

/// `CheckContact`.
#[derive(Serialize)]
pub(crate) struct CheckContact {
    pub(crate) input: String,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wa_id: Option<String>,
}

impl CheckContact {
    fn of(input: String, found: Option<&CheckedUser>) -> Self {
        let found = found.filter(|found| found.registered);
        Self {
            input,
            status: if found.is_some() { "valid" } else { "invalid" },
            wa_id: found.map(|found| {
                ids::contact_digits(found.phone.as_ref().unwrap_or(&found.user), None)
            }),
        }
    }
}

/// What is no number is invalid without being asked; the answers are in the order of the rest.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn checked(out: Checked, cx: &Cx) -> Result<Reply, OpError> {
    let request = CheckContactRequest::of(cx).map_err(|reject| reject.0)?;
    let mut answers = out.users.iter();
    let contacts = request
        .numbers()
        .map(|(input, user)| CheckContact::of(input, user.and_then(|_| answers.next())))
        .collect();
    Ok(Reply::ok(&CheckContactResponse { contacts }))
}

fn exists(_: NoBody, cx: &Cx) -> Result<Check, Reject> {
    Ok(Check {
        users: vec![named(cx)?],
        fresh: false,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn existing(out: Checked, _: &Cx) -> Result<Reply, OpError> {
    if !out.users.iter().any(|user| user.registered) {
        return Err(not_registered());
    }
    // Who asks by HEAD sees its headers only.
    Ok(Success::reply())
}

fn not_registered() -> OpError {
    let reason = "ContactID: whatsapp has no account of this number";
    OpError::new(ErrorCode::NotFound, reason)
}

/// `AddContactRequest`, and `EditContactRequest` with the number in the path.
#[derive(Deserialize)]
struct AddContactRequest {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    phone: Option<String>,
    name: String,
}

fn save(user: UserId, name: String, must_exist: bool) -> Result<Save, Reject> {
    if name.trim().is_empty() {
        return Err(invalid("name", "it is empty"));
    }
    at_most("name", &name, NAME_LEN_MAX)?;
    Ok(Save {
        user,
        name,
        first_name: None,
        must_exist,
    })
}

fn add(Fields(request): Fields<AddContactRequest>, _: &Cx) -> Result<Save, Reject> {
    let phone = request.phone.unwrap_or_default();
    let user = ids::contact_id("phone", &phone)?;
    if user.as_phone().is_none() {
        return Err(invalid("phone", "a phone number is expected"));
    }
    save(user, request.name, false)
}

fn edit(Fields(request): Fields<AddContactRequest>, cx: &Cx) -> Result<Save, Reject> {
    save(named(cx)?, request.name, true)
}

fn profile(_: NoBody, cx: &Cx) -> Result<GetProfiles, Reject> {
    Ok(GetProfiles {
        users: vec![named(cx)?],
        pictures: true,
    })
}

fn profile_shown(out: Profiles, _: &Cx) -> Result<Reply, OpError> {
    let profile = out.profiles.into_iter().find(|found| found.registered);
    let profile = profile.ok_or_else(not_registered)?;
    Ok(Reply::ok(&UserProfile::new(
        profile.contact.shown_name().map(str::to_owned),
        profile.about,
        profile.picture.as_ref(),
    )))
}

#[derive(Deserialize)]
struct LidsQuery {
    #[serde(rename = "ContactIDList", default, deserialize_with = "optional_list")]
    list: Option<Vec<String>>,
}

fn find_lids(Query(query): Query<LidsQuery>, _: &Cx) -> Result<Resolve, Reject> {
    let list = query.list.unwrap_or_default();
    let users = list
        .iter()
        .flat_map(|text| text.split(','))
        .filter(|text| !text.is_empty())
        .map(|text| ids::contact_id("ContactIDList", text.trim()))
        .collect::<Result<Vec<_>, _>>()?;
    if !(1..=CHECK_MAX).contains(&users.len()) {
        let reason = format!("1 to {CHECK_MAX} phone numbers are possible");
        return Err(invalid("ContactIDList", reason));
    }
    Ok(Resolve { users })
}

/// `Lid`.
#[derive(Serialize)]
struct Lid {
    lid: String,
}

/// `Lids`: those that are known, by number.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn lids_found(out: Resolved, _: &Cx) -> Result<Reply, OpError> {
    let known: BTreeMap<_, _> = out
        .users
        .iter()
        .filter_map(|person| {
            let lid = person.lid.as_ref()?.to_string();
            Some((ids::contact(&person.user, None), Lid { lid }))
        })
        .collect();
    Ok(Reply::ok(&known))
}

fn lid_found(out: Resolved, _: &Cx) -> Result<Reply, OpError> {
    let lid = out.users.into_iter().find_map(|person| person.lid);
    let lid = lid.ok_or_else(|| {
        let reason = "ContactID: no lid of this number is known";
        OpError::new(ErrorCode::NotFound, reason)
    })?;
    let lid = lid.to_string();
    Ok(Reply::ok(&Lid { lid }))
}

fn block(blocked: bool, cx: &Cx) -> Result<Block, Reject> {
    Ok(Block {
        user: named(cx)?,
        blocked,
    })
}
