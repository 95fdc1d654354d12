//! People: list, look up, what they show of themselves, and the block list.

pub(crate) mod shown;

use std::collections::HashSet;

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{Outcomes, Page, paged};
use switchboard_dialect_kit::{Cx, FromInput, NoBody, Reject, Reply, Routes};
use switchboard_vocab::chats;
use switchboard_vocab::contacts::{
    Block, Check, Checked, CommonGroups, Contact as Known, ContactList, Get, GetPicture,
    GetProfiles, GroupNames, LIST_LIMIT_MAX, List, ListBlocked, Profiles,
};
use switchboard_vocab::{ChatId, ErrorCode, OpError, UserId};

use crate::body::{Request, success};
use crate::chats::shown::Chat;
use crate::chats::{Whether, or_empty};
use crate::ids::{self, Wid, invalid};
use crate::numbers;
use shown::Contact;

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .endpoint(
            Method::GET,
            "/client/getContacts/{sessionId}",
            paged(list, count, listed),
        )
        .op(
            Method::POST,
            "/client/getBlockedContacts/{sessionId}",
            |_: NoBody, _| Ok(ListBlocked {}),
            blocked,
        )
        .op(
            Method::POST,
            "/client/getContactById/{sessionId}",
            get,
            |out, _| {
                success(OneContact {
                    contact: Contact::of(&out),
                })
            },
        )
        .op(
            Method::POST,
            "/client/getNumberId/{sessionId}",
            check,
            number_id,
        )
        .op(
            Method::POST,
            "/client/isRegisteredUser/{sessionId}",
            check,
            is_registered,
        )
        .each(
            Method::POST,
            "/client/getProfilePicUrl/{sessionId}",
            picture,
            |out, _| picture_or(out, |result| success(Found { result })),
        )
        .op(
            Method::POST,
            "/client/getCommonGroups/{sessionId}",
            |Request(request): Request<OfContact>, _| {
                Ok(CommonGroups {
                    user: request.user()?,
                })
            },
            common_groups,
        );
    of_one(routes)
}

/// The rows of that system's class for contacts.
fn of_one(routes: Routes) -> Routes {
    routes
        .op(
            Method::POST,
            "/contact/getClassInfo/{sessionId}",
            get,
            |out, _| {
                success(Is {
                    result: Some(Contact::of(&out)),
                })
            },
        )
        .op(
            Method::POST,
            "/contact/block/{sessionId}",
            |request, _| block(request, true),
            |_: Known, _| success(Whether { result: true }),
        )
        .op(
            Method::POST,
            "/contact/unblock/{sessionId}",
            |request, _| block(request, false),
            |_: Known, _| success(Whether { result: true }),
        )
        .op(
            Method::POST,
            "/contact/getAbout/{sessionId}",
            profile,
            about,
        )
        .each(
            Method::POST,
            "/contact/getChat/{sessionId}",
            |Request(request): Request<OfContact>, _| {
                Ok(vec![chats::Get {
                    chat: request.user()?.into(),
                }])
            },
            chat,
        )
        .op(
            Method::POST,
            "/contact/getFormattedNumber/{sessionId}",
            get,
            |out, _| {
                success(Is {
                    result: Some(numbers::formatted(number(&out)?)),
                })
            },
        )
        .op(
            Method::POST,
            "/contact/getCountryCode/{sessionId}",
            get,
            |out, _| {
                success(Is {
                    result: numbers::country_code(number(&out)?),
                })
            },
        )
        .each(
            Method::POST,
            "/contact/getProfilePicUrl/{sessionId}",
            picture,
            |out, _| picture_or(out, |result| success(Is { result })),
        )
}

/// The body of the calls on one person.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfContact {
    contact_id: String,
}

impl OfContact {
    fn user(&self) -> Result<UserId, Reject> {
        ids::user_id("contactId", &self.contact_id)
    }
}

/// The body of the calls on one number.
#[derive(Deserialize)]
struct OfNumber {
    #[serde(deserialize_with = "switchboard_dialect_kit::lenient::text")]
    number: String,
}

/// A result that is null where there is none.
#[derive(Serialize)]
struct Is<T> {
    result: Option<T>,
}

/// A result that is absent where there is none.
#[derive(Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

#[derive(Serialize)]
struct OneContact<'a> {
    contact: Contact<'a>,
}

/// Several people.
#[derive(Serialize)]
pub(crate) struct Contacts<'a> {
    contacts: Vec<Contact<'a>>,
}

impl<'a> Contacts<'a> {
    /// In the order of the list.
    pub(crate) fn of(people: &'a [Known]) -> Self {
        Self {
            contacts: people.iter().map(Contact::of).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blocked<'a> {
    blocked_contacts: Vec<Contact<'a>>,
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<Wid>,
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

/// All pages. Somebody who moved from one page to another while they were read is shown once.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn listed(pages: Vec<ContactList>, _: &Cx) -> Result<Reply, OpError> {
    let mut seen = HashSet::new();
    let all = pages.iter().flat_map(|page| &page.contacts);
    success(Contacts {
        contacts: all
            .filter(|person| seen.insert(&person.id))
            .map(Contact::of)
            .collect(),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn blocked(out: ContactList, _: &Cx) -> Result<Reply, OpError> {
    success(Blocked {
        blocked_contacts: out.contacts.iter().map(Contact::of).collect(),
    })
}

fn get(Request(request): Request<OfContact>, _: &Cx) -> Result<Get, Reject> {
    Ok(Get {
        user: request.user()?,
    })
}

fn check(Request(request): Request<OfNumber>, _: &Cx) -> Result<Check, Reject> {
    Ok(Check {
        users: vec![ids::user_id("number", &request.number)?],
        fresh: false,
    })
}

/// The number's address at WhatsApp, null when it has no account.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn number_id(out: Checked, _: &Cx) -> Result<Reply, OpError> {
    let first = out.users.first().filter(|user| user.registered);
    success(Is {
        result: first.map(|found| Wid::of(found.phone.as_ref().unwrap_or(&found.user), None)),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn is_registered(out: Checked, _: &Cx) -> Result<Reply, OpError> {
    success(Whether {
        result: out.users.first().is_some_and(|user| user.registered),
    })
}

fn picture(Request(request): Request<OfContact>, _: &Cx) -> Result<Vec<GetPicture>, Reject> {
    let text = &request.contact_id;
    let chat = if text.contains('@') {
        ids::chat_id("contactId", text)?
    } else {
        request.user()?.into()
    };
    match chat {
        ChatId::User(_) | ChatId::Group(_) => Ok(vec![GetPicture {
            chat,
            preview: false,
        }]),
        ChatId::Newsletter(_) | ChatId::Broadcast(_) => Err(invalid(
            "contactId",
            format!("{text:?} is neither a person nor a group"),
        )),
    }
}

fn picture_or(
    outcomes: Outcomes<GetPicture>,
    show: impl FnOnce(Option<String>) -> Result<Reply, OpError>,
) -> Result<Reply, OpError> {
    show(or_none(outcomes)?.and_then(|picture| picture.url))
}

/// The output of the only operation; `None` when it found nothing.
fn or_none<T>(outcomes: Vec<Result<T, OpError>>) -> Result<Option<T>, OpError> {
    match outcomes.into_iter().next() {
        Some(Ok(found)) => Ok(Some(found)),
        Some(Err(error)) if error.code == ErrorCode::NotFound => Ok(None),
        Some(Err(error)) => Err(error),
        None => Err(OpError::internal("no answer")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn common_groups(out: GroupNames, _: &Cx) -> Result<Reply, OpError> {
    success(Groups {
        groups: out
            .groups
            .iter()
            .map(|group| Wid::chat(&group.id, None))
            .collect(),
    })
}

fn block(Request(request): Request<OfContact>, blocked: bool) -> Result<Block, Reject> {
    Ok(Block {
        user: request.user()?,
        blocked,
    })
}

fn profile(Request(request): Request<OfContact>, _: &Cx) -> Result<GetProfiles, Reject> {
    Ok(GetProfiles {
        users: vec![request.user()?],
        pictures: false,
    })
}

/// What somebody says about themselves, null when they hide it.
fn about(out: Profiles, _: &Cx) -> Result<Reply, OpError> {
    let found = out.profiles.into_iter().next();
    let Some(profile) = found.filter(|profile| profile.registered) else {
        let text = "the number has no account at whatsapp";
        return Err(OpError::new(ErrorCode::NotFound, text));
    };
    success(Is {
        result: profile.about,
    })
}

fn chat(outcomes: Outcomes<chats::Get>, cx: &Cx) -> Result<Reply, OpError> {
    let Request(request) =
        Request::<OfContact>::from_input(cx.input()).map_err(|reject| reject.0)?;
    let user = request.user().map_err(|reject| reject.0)?;
    let found = or_empty(outcomes, user.into())?;
    success(Is {
        result: Some(Chat::of(&found, None, cx.now())),
    })
}

/// The number of a person, which some hide.
fn number(person: &Known) -> Result<&str, OpError> {
    shown::phone(person).ok_or_else(|| {
        OpError::new(
            ErrorCode::NotFound,
            "whatsapp hides the phone number of this person",
        )
    })
}
