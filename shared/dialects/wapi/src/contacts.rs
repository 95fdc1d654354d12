//! Contacts: the address book, checking numbers, and who sees stories.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{Page, paged};
use switchboard_dialect_kit::{
    Cx, FromInput, Json, NoBody, Query, Reject, Reply, Routes, lenient, phone,
};
use switchboard_vocab::OpError;
use switchboard_vocab::contacts::{
    self, CHECK_MAX, Check, Checked, CheckedUser, ContactList, LIST_LIMIT_MAX, List,
    ListStoryViewers, NAME_LEN_MAX, Save,
};

use crate::envelope::Envelope;
use crate::ids::{self, invalid};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .endpoint(Method::GET, "/v1/contacts", paged(list, count, listed))
        .op(Method::PUT, "/v1/contacts", rename, renamed)
        .op(Method::POST, "/v1/contacts/check", check, checked)
        .op(Method::GET, "/v1/contacts/status", viewers, |out, cx| {
            listed(vec![out], cx)
        });
    // Methods that the public documents leave open; clients use either.
    routes
        .aliases(true)
        .op(Method::PATCH, "/v1/contacts", rename, renamed)
        .op(Method::POST, "/v1/contacts", check, checked)
        .aliases(false)
}

/// A part of the address book. That system knows none and answers everything, and so do we where none is asked for.
#[derive(Deserialize)]
struct Part {
    #[serde(default, deserialize_with = "lenient::optional_number")]
    limit: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_number")]
    offset: Option<u64>,
}

impl Part {
    /// How many are left to fetch when `seen` were fetched of those that there are from the offset on.
    fn left(&self, seen: u64) -> u64 {
        self.limit.unwrap_or(u64::MAX).saturating_sub(seen)
    }
}

fn list(Query(part): Query<Part>, seen: u64, _: &Cx) -> Result<List, Reject> {
    let most = u64::from(LIST_LIMIT_MAX);
    if !part.limit.is_none_or(|limit| (1..=most).contains(&limit)) {
        return Err(invalid("limit", format!("1 to {most} are possible")));
    }
    let offset = part.offset.unwrap_or(0).saturating_add(seen);
    Ok(List {
        saved: None,
        offset: u32::try_from(offset).map_err(|e| invalid("offset", e))?,
        limit: u32::try_from(part.left(seen))
            .map_or(LIST_LIMIT_MAX, |left| left.min(LIST_LIMIT_MAX)),
    })
}

fn count(page: &ContactList, cx: &Cx) -> Result<Page, Reject> {
    let Query(part) = Query::<Part>::from_input(cx.input())?;
    let there = page.total.saturating_sub(part.offset.unwrap_or(0));
    Ok(Page {
        entries: page.contacts.len(),
        total: there.min(part.left(0)),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
const fn viewers(_: NoBody, _: &Cx) -> Result<ListStoryViewers, Reject> {
    Ok(ListStoryViewers {})
}

/// A person. The id is the phone number as a number, or the LID's digits where the number is hidden; `jid` tells which.
#[derive(Serialize)]
struct Contact {
    id: u64,
    jid: String,
    info: Info,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    found: bool,
    first_name: String,
    full_name: String,
    push_name: String,
    business_name: String,
}

impl Contact {
    fn of(contact: contacts::Contact) -> Self {
        Self {
            // At most fifteen digits, so they always fit; LIDs are as short.
            id: contact.id.user().parse().unwrap_or_default(),
            jid: contact.id.to_string(),
            info: Info {
                found: contact.saved,
                first_name: contact.first_name.unwrap_or_default(),
                full_name: contact.name.unwrap_or_default(),
                push_name: contact.push_name.unwrap_or_default(),
                business_name: contact.verified_name.unwrap_or_default(),
            },
        }
    }
}

/// The answer to a listing; `total` says how many there are in all.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a, Vec<Contact>>,
    total: u64,
}

fn listed(pages: Vec<ContactList>, cx: &Cx) -> Result<Reply, OpError> {
    let total = pages.last().map_or(0, |page| page.total);
    let all = pages.into_iter().flat_map(|page| page.contacts);
    let contacts = all.map(Contact::of).collect();
    Ok(Reply::ok(&Listed {
        envelope: Envelope::new(contacts, "contacts", cx),
        total,
    }))
}

/// The body of a change of name. The published page names no fields of `info`; these are those that listings show.
#[derive(Deserialize)]
struct RenameRequest {
    #[serde(deserialize_with = "lenient::text")]
    id: String,
    info: NewInfo,
}

#[derive(Deserialize)]
struct NewInfo {
    #[serde(rename = "FullName", alias = "full_name", alias = "name")]
    full_name: String,
    #[serde(default, rename = "FirstName", alias = "first_name")]
    first_name: Option<String>,
}

fn rename(Json(request): Json<RenameRequest>, _: &Cx) -> Result<Save, Reject> {
    let name = request.info.full_name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_LEN_MAX {
        let reason = format!("1 to {NAME_LEN_MAX} characters are expected");
        return Err(invalid("info.FullName", reason));
    }
    Ok(Save {
        user: ids::user("id", &request.id)?,
        name,
        first_name: request.info.first_name.filter(|name| !name.is_empty()),
        must_exist: false,
    })
}

fn renamed(_: contacts::Contact, cx: &Cx) -> Result<Reply, OpError> {
    Envelope::reply((), "contact saved", cx)
}

/// The numbers to check: a list of objects as the published page has it, or the official API's body.
#[derive(Deserialize)]
#[serde(untagged)]
enum CheckRequest {
    List(Vec<Wanted>),
    Official {
        contacts: Vec<String>,
        #[serde(default)]
        force_check: bool,
    },
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(deserialize_with = "lenient::text")]
    id: String,
}

impl CheckRequest {
    /// The numbers as the caller writes them, and whether WhatsApp is asked in any case.
    fn given(self) -> (Vec<String>, bool) {
        match self {
            Self::List(list) => (list.into_iter().map(|one| one.id).collect(), false),
            Self::Official {
                contacts,
                force_check,
            } => (contacts, force_check),
        }
    }
}

fn check(Json(request): Json<CheckRequest>, _: &Cx) -> Result<Check, Reject> {
    let (given, fresh) = request.given();
    if given.is_empty() || given.len() > CHECK_MAX {
        let reason = format!("1 to {CHECK_MAX} numbers are possible");
        return Err(invalid("contacts", reason));
    }
    let number = |text: &String| {
        let number = text.split('@').next().unwrap_or(text);
        phone::user(number).map_err(|e| invalid("id", e.public))
    };
    Ok(Check {
        users: given.iter().map(number).collect::<Result<_, Reject>>()?,
        fresh,
    })
}

/// One answer, as the official API writes it.
#[derive(Clone, Serialize)]
struct Found {
    input: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<String>,
}

impl Found {
    /// `input` is the number as the caller wrote it, by which they look for the answer.
    fn of(input: String, user: CheckedUser) -> Self {
        let phone = user.phone.filter(|_| user.registered);
        let wa_id = phone.map(|phone| phone.user().to_owned());
        Self {
            input,
            status: if user.registered { "valid" } else { "invalid" },
            wa_id: wa_id.or_else(|| user.registered.then(|| user.user.user().to_owned())),
        }
    }
}

/// By number under `data`, and as the official API has it under `contacts`.
#[derive(Serialize)]
struct CheckedBody<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a, BTreeMap<String, Found>>,
    contacts: Vec<Found>,
}

fn checked(out: Checked, cx: &Cx) -> Result<Reply, OpError> {
    let Json(request) = Json::<CheckRequest>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let (given, _) = request.given();
    let answers = given.into_iter().zip(out.users);
    let contacts: Vec<_> = answers
        .map(|(input, user)| Found::of(input, user))
        .collect();
    let by_number = contacts.iter().map(|one| (one.input.clone(), one.clone()));
    Ok(Reply::ok(&CheckedBody {
        envelope: Envelope::new(by_number.collect(), "contacts checked", cx),
        contacts,
    }))
}
