//! Webhooks and what they filter by.

pub(crate) mod filter;

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, Json, NoBody, Reject, Routes, lenient, media};
use switchboard_vocab::DialectName;
use switchboard_vocab::webhooks::{
    Add, EventClass, GetWebhooks, HEADERS_MAX, Remove, SUBSCRIPTIONS_MAX, Subscription,
    URL_LEN_MAX, Webhooks,
};

use crate::envelope::Envelope;
use crate::ids::invalid;
use filter::{ChatType, Filter, SettingsType};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::GET,
            "/v1/webhooks",
            |_: NoBody, _| {
                Ok(GetWebhooks {
                    dialect: DialectName::Wapi,
                })
            },
            |out: Webhooks, cx| {
                let shown: Vec<_> = out.subscriptions.iter().map(ShownWebhook::of).collect();
                Envelope::reply(shown, "webhooks found", cx)
            },
        )
        .op(Method::POST, "/v1/webhooks", add, |_: Webhooks, cx| {
            Envelope::reply((), "webhook created", cx)
        })
        .op(Method::DELETE, "/v1/webhooks", remove, |_: Webhooks, cx| {
            Envelope::reply((), "webhook deleted", cx)
        })
        .op(
            Method::DELETE,
            "/v1/webhooks/all",
            |_: NoBody, _| Ok(remove_by(None)),
            |_: Webhooks, cx| Envelope::reply((), "webhooks deleted", cx),
        )
}

/// A webhook as this system writes it.
#[derive(Default, Deserialize)]
pub(crate) struct Webhook {
    url: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    headers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    chat_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    chat_types: Vec<ChatType>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    mentions: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    message_types: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    settings_types: Vec<SettingsType>,
}

/// The same in an answer.
#[derive(Serialize)]
struct ShownWebhook<'a> {
    url: &'a str,
    headers: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    filter: Filter,
}

impl<'a> ShownWebhook<'a> {
    fn of(subscription: &'a Subscription) -> Self {
        Self {
            url: &subscription.url,
            headers: &subscription.headers,
            filter: Filter::of(subscription),
        }
    }
}

impl Webhook {
    /// A webhook that filters nothing.
    pub(crate) fn to(url: String) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    fn into_subscription(self) -> Result<Subscription, Reject> {
        if self.url.len() > URL_LEN_MAX {
            return Err(invalid(
                "url",
                format!("at most {URL_LEN_MAX} bytes are possible"),
            ));
        }
        media::link(&self.url).map_err(|_| invalid("url", "an http or https url is expected"))?;
        if self.headers.len() > HEADERS_MAX {
            return Err(invalid(
                "headers",
                format!("at most {HEADERS_MAX} are possible"),
            ));
        }
        for (name, value) in &self.headers {
            if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(value).is_err() {
                let reason = format!("{name:?} or its value cannot stand in a header");
                return Err(invalid("headers", reason));
            }
        }
        let filter = Filter {
            chat_ids: self.chat_ids,
            chat_types: self.chat_types,
            mentions: self.mentions,
            message_types: self.message_types,
            settings_types: self.settings_types,
        };
        let filter = filter.checked()?;
        Ok(Subscription {
            dialect: DialectName::Wapi,
            url: self.url,
            events: Some(filter.classes()),
            headers: self.headers,
            options: filter.into_options()?,
        })
    }
}

/// The subscriptions for these webhooks.
pub(crate) fn subscriptions(webhooks: Vec<Webhook>) -> Result<Vec<Subscription>, Reject> {
    if webhooks.len() > SUBSCRIPTIONS_MAX {
        return Err(invalid(
            "webhooks",
            format!("at most {SUBSCRIPTIONS_MAX} are possible"),
        ));
    }
    let mut urls = BTreeSet::new();
    let read = |webhook: Webhook| {
        if !urls.insert(webhook.url.clone()) {
            return Err(invalid("url", format!("{:?} stands twice", webhook.url)));
        }
        webhook.into_subscription()
    };
    webhooks.into_iter().map(read).collect()
}

/// Narrows a webhook to how far own messages came.
pub(crate) fn only_statuses(subscription: &mut Subscription) {
    subscription.events = Some(BTreeSet::from([EventClass::Statuses]));
}

fn add(Json(webhook): Json<Webhook>, _: &Cx) -> Result<Add, Reject> {
    let subscription = webhook.into_subscription()?;
    Ok(Add { subscription })
}

/// The body of a deletion: the webhook, of which the address counts. None at all deletes every webhook.
#[derive(Deserialize)]
struct Deletion {
    url: Option<String>,
}

fn remove(Json(deletion): Json<Deletion>, cx: &Cx) -> Result<Remove, Reject> {
    let empty = cx.input().body_fields()?.is_empty();
    match deletion.url {
        Some(url) => Ok(remove_by(Some(url))),
        None if empty => Ok(remove_by(None)),
        None => Err(invalid("url", "the address of the webhook is expected")),
    }
}

const fn remove_by(url: Option<String>) -> Remove {
    Remove {
        dialect: DialectName::Wapi,
        url,
    }
}
