//! The webhook, and the names of event types.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, NoBody, Reject, Reply, Routes};
use switchboard_vocab::DialectName;
use switchboard_vocab::webhooks::{
    EventClass, GetWebhooks, Replace, Replaced, Subscription, Webhooks,
};

use crate::input::{Payload, needed};

/// The option in which a webhook keeps the token that its calls repeat.
pub(crate) const TOKEN_OPTION: &str = "token";

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(Method::POST, "/webhook", set, |out: Replaced, _| {
            Ok(ok(&SetData {
                webhook: url_of(&out.after),
            }))
        })
        .op(
            Method::GET,
            "/webhook",
            |_: NoBody, _| {
                Ok(GetWebhooks {
                    dialect: DialectName::Wuzapi,
                })
            },
            |out, _| {
                Ok(ok(&GetData {
                    subscribe: types_of(out.events.as_ref()),
                    webhook: url_of(&out),
                }))
            },
        )
}

/// The envelope of every success.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, T> {
    code: u16,
    data: &'a T,
    success: bool,
}

impl<'a, T> Envelope<'a, T> {
    /// Around the data of a success.
    pub(crate) const fn of(data: &'a T) -> Self {
        Self {
            code: 200,
            data,
            success: true,
        }
    }
}

/// A success.
pub(crate) fn ok<T: Serialize>(data: &T) -> Reply {
    Reply::ok(&Envelope::of(data))
}

#[derive(Deserialize)]
struct SetWebhook {
    webhookurl: Option<String>,
}

#[derive(Serialize)]
struct SetData {
    webhook: String,
}

#[derive(Serialize)]
struct GetData {
    subscribe: Vec<&'static str>,
    webhook: String,
}

/// An empty address switches the webhook off, as that system's clients do.
fn set(Payload(request): Payload<SetWebhook>, cx: &Cx) -> Result<Replace, Reject> {
    let absent = request.webhookurl.is_none();
    if absent {
        needed("webhookURL", None)?;
    }
    let url = request.webhookurl.unwrap_or_default();
    let token = cx
        .token()
        .map(|token| (TOKEN_OPTION.to_owned(), token.to_owned()));
    let subscription = Subscription {
        dialect: DialectName::Wuzapi,
        url: url.clone(),
        events: None,
        headers: BTreeMap::new(),
        options: token.into_iter().collect(),
    };
    let subscriptions = if url.is_empty() {
        Vec::new()
    } else {
        vec![subscription]
    };
    Ok(Replace {
        dialect: DialectName::Wuzapi,
        subscriptions,
    })
}

/// The webhook's address, empty when there is none.
pub(crate) fn url_of(webhooks: &Webhooks) -> String {
    webhooks
        .subscriptions
        .first()
        .map_or_else(String::new, |found| found.url.clone())
}

/// The event types of that system and the classes behind them, the one that stands for the type first.
const TYPES: [(&str, &[EventClass]); 5] = [
    (
        "Message",
        &[
            EventClass::Received,
            EventClass::Sent,
            EventClass::Deletions,
        ],
    ),
    ("ReadReceipt", &[EventClass::Statuses]),
    ("Presence", &[EventClass::Presence]),
    ("ChatPresence", &[EventClass::Typing]),
    ("HistorySync", &[EventClass::History]),
];

/// The classes of a `Subscribe` list: none or `All` = every class; unknown names are dropped, as that system does.
pub(crate) fn classes_of(types: &[String]) -> BTreeSet<EventClass> {
    if types.is_empty() || types.iter().any(|name| name == "All") {
        return EventClass::ALL.into();
    }
    let chosen = TYPES
        .iter()
        .filter(|(name, _)| types.iter().any(|wanted| wanted == name));
    chosen
        .flat_map(|(_, classes)| classes.iter().copied())
        .collect()
}

/// The event types behind classes, as that system lists them.
pub(crate) fn types_of(classes: Option<&BTreeSet<EventClass>>) -> Vec<&'static str> {
    let Some(classes) = classes else {
        return vec!["All"];
    };
    if EventClass::ALL.iter().all(|class| classes.contains(class)) {
        return vec!["All"];
    }
    let chosen = |found: &&(&str, &[EventClass])| {
        let first = found.1.first();
        first.is_some_and(|class| classes.contains(class))
    };
    TYPES.iter().filter(chosen).map(|(name, _)| *name).collect()
}
