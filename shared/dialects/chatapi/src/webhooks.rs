//! The webhook and what it is told.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{either, one};
use switchboard_dialect_kit::{
    Cx, Fields, FromInput, NoBody, Reject, Reply, Routes, lenient, media,
};
use switchboard_vocab::webhooks::{
    Choose, EventClass, GetWebhooks, Replace, Replaced, Subscription, URL_LEN_MAX, Webhooks,
};
use switchboard_vocab::{DialectName, OpError};

use crate::ids::invalid;

/// What this system never tells.
const UNTOLD: [EventClass; 3] = [
    EventClass::Session,
    EventClass::Presence,
    EventClass::Typing,
];

/// The rows of this area. Clients set either by GET too, with the fields in the query.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::POST,
            "/instance{instanceId}/webhook",
            set,
            after_set,
        )
        .endpoint(
            Method::GET,
            "/instance{instanceId}/webhook",
            either(
                |cx| Ok(cx.query("webhookUrl").is_some_and(|url| !url.is_empty())),
                one(set, after_set),
                one(get, |out: Webhooks, _| shown(&out)),
            ),
        )
        .op(
            Method::POST,
            "/instance{instanceId}/settings/ackNotificationsOn",
            choose,
            chosen,
        )
        .endpoint(
            Method::GET,
            "/instance{instanceId}/settings/ackNotificationsOn",
            either(
                |cx| {
                    let Fields(request) = Fields::<AckSetting>::from_input(cx.input())?;
                    Ok(request.on.is_some())
                },
                one(choose, chosen),
                one(get, chosen),
            ),
        )
}

/// The webhook as clients set it.
#[derive(Deserialize)]
struct SetWebhook {
    #[serde(rename = "webhookUrl")]
    url: String,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    set: Option<bool>,
}

/// An empty address takes the webhook away, for which that system's page names no other way.
fn set(Fields(request): Fields<SetWebhook>, _: &Cx) -> Result<Replace, Reject> {
    if request.set == Some(false) {
        return Err(invalid(
            "set",
            "a webhook is set by this call; only true is possible",
        ));
    }
    if request.url.len() > URL_LEN_MAX {
        let reason = format!("at most {URL_LEN_MAX} bytes are possible");
        return Err(invalid("webhookUrl", reason));
    }
    let url = Some(request.url).filter(|url| !url.is_empty());
    if let Some(url) = &url {
        media::link(url).map_err(|_| invalid("webhookUrl", "an http or https url is expected"))?;
    }
    let subscription = url.map(|url| Subscription {
        dialect: DialectName::Chatapi,
        url,
        events: None,
        headers: BTreeMap::new(),
        options: BTreeMap::new(),
    });
    Ok(Replace {
        dialect: DialectName::Chatapi,
        subscriptions: subscription.into_iter().collect(),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn after_set(out: Replaced, _: &Cx) -> Result<Reply, OpError> {
    shown(&out.after)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every decoder")]
const fn get(_: NoBody, _: &Cx) -> Result<GetWebhooks, Reject> {
    Ok(GetWebhooks {
        dialect: DialectName::Chatapi,
    })
}

#[derive(Serialize)]
struct WebhookBody<'a> {
    set: bool,
    #[serde(rename = "webhookUrl")]
    url: &'a str,
}

#[expect(clippy::unnecessary_wraps, reason = "encoders end with it")]
fn shown(webhooks: &Webhooks) -> Result<Reply, OpError> {
    let webhook = webhooks.subscriptions.first();
    Ok(Reply::ok(&WebhookBody {
        set: webhook.is_some(),
        url: webhook.map_or("", |webhook| &webhook.url),
    }))
}

/// The switch for notifications of deliveries; in answers always present.
#[derive(Deserialize, Serialize)]
struct AckSetting {
    #[serde(
        default,
        rename = "ackNotificationsOn",
        deserialize_with = "lenient::optional_boolean"
    )]
    on: Option<bool>,
}

fn choose(Fields(request): Fields<AckSetting>, _: &Cx) -> Result<Choose, Reject> {
    let Some(on) = request.on else {
        return Err(invalid("ackNotificationsOn", "1 or 0 is expected"));
    };
    let statuses = [EventClass::Statuses];
    let (on, off) = if on {
        (BTreeSet::from(statuses), BTreeSet::from(UNTOLD))
    } else {
        let off = UNTOLD.into_iter().chain(statuses);
        (BTreeSet::new(), off.collect())
    };
    Ok(Choose {
        dialect: DialectName::Chatapi,
        on,
        off,
    })
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the shape of every encoder"
)]
fn chosen(out: Webhooks, _: &Cx) -> Result<Reply, OpError> {
    let on = acks(out.events.as_ref());
    Ok(Reply::ok(&AckSetting { on: Some(on) }))
}

/// Whether deliveries are told: only where somebody switched them on.
pub(crate) fn acks(chosen: Option<&BTreeSet<EventClass>>) -> bool {
    chosen.is_some_and(|classes| classes.contains(&EventClass::Statuses))
}
