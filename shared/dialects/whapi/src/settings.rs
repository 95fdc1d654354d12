//! The channel's settings: its webhooks. The other settings are read, and refused where the gateway does otherwise.

pub(crate) mod choice;

use std::collections::BTreeSet;

use http::Method;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{either, one};
use switchboard_dialect_kit::{
    Cx, Fields, FromInput, NoBody, Refusal, Reject, Reply, Routes, lenient,
};
use switchboard_vocab::webhooks::{self, GetWebhooks, Replace, Replaced, Webhooks};
use switchboard_vocab::{DialectName, ErrorCode, OpError};

use crate::ids::invalid;
use crate::messages::Success;
use choice::{Announcement, Webhook};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .op(
            Method::GET,
            "/settings",
            |_: NoBody, _| Ok(GET),
            |out, _| Ok(Reply::ok(&Settings::of(&out))),
        )
        .op(
            Method::DELETE,
            "/settings",
            |_: NoBody, _| Ok(replace(Vec::new())),
            reset,
        )
        .endpoint(
            Method::PATCH,
            "/settings",
            either(
                names_webhooks,
                one(update, |out: Replaced, _| {
                    Ok(Updated::reply(&out.before, &out.after))
                }),
                one(
                    |_: NoBody, _| Ok(GET),
                    |out: Webhooks, _| Ok(Updated::reply(&out, &out)),
                ),
            ),
        )
        .local(Method::GET, "/settings/events", |_| {
            Ok(Reply::ok(&Announcement::POSSIBLE))
        })
        .refused(
            Method::POST,
            "/settings/webhook_test",
            Refusal::LaterRelease,
        )
}

const GET: GetWebhooks = GetWebhooks {
    dialect: DialectName::Whapi,
};

const fn replace(subscriptions: Vec<webhooks::Subscription>) -> Replace {
    Replace {
        dialect: DialectName::Whapi,
        subscriptions,
    }
}

/// `Settings`, as a request.
#[derive(Deserialize)]
struct SettingsChange {
    webhooks: Option<Vec<Webhook>>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    callback_persist: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    offline_mode: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    full_history: Option<bool>,
    proxy: Option<String>,
    callback_backoff_delay_ms: Option<IgnoredAny>,
    max_callback_backoff_delay_ms: Option<IgnoredAny>,
    media: Option<IgnoredAny>,
}

impl SettingsChange {
    /// Refuses what would be accepted without effect.
    fn check(&self) -> Result<(), Reject> {
        let without_effect = [
            ("callback_persist", self.callback_persist == Some(false)),
            ("offline_mode", self.offline_mode == Some(true)),
            ("full_history", self.full_history == Some(true)),
            (
                "proxy",
                self.proxy.as_ref().is_some_and(|proxy| !proxy.is_empty()),
            ),
            (
                "callback_backoff_delay_ms",
                self.callback_backoff_delay_ms.is_some(),
            ),
            (
                "max_callback_backoff_delay_ms",
                self.max_callback_backoff_delay_ms.is_some(),
            ),
            ("media", self.media.is_some()),
        ];
        match without_effect.into_iter().find(|(_, present)| *present) {
            Some((field, _)) => {
                let reason = Refusal::LaterRelease.reason();
                Err(OpError::new(ErrorCode::Refused, format!("{field}: {reason}")).into())
            }
            None => Ok(()),
        }
    }
}

fn names_webhooks(cx: &Cx) -> Result<bool, Reject> {
    let Fields(change) = Fields::<SettingsChange>::from_input(cx.input())?;
    change.check()?;
    Ok(change.webhooks.is_some())
}

fn update(Fields(change): Fields<SettingsChange>, _: &Cx) -> Result<Replace, Reject> {
    let wanted = change.webhooks.unwrap_or_default();
    if wanted.len() > webhooks::SUBSCRIPTIONS_MAX {
        let reason = format!("at most {} are possible", webhooks::SUBSCRIPTIONS_MAX);
        return Err(invalid("webhooks", reason));
    }
    let mut urls = BTreeSet::new();
    let mut subscriptions = Vec::new();
    for (at, webhook) in wanted.into_iter().enumerate() {
        let subscription = webhook.into_subscription(at)?;
        if !urls.insert(subscription.url.clone()) {
            return Err(invalid(
                &format!("webhooks[{at}].url"),
                "the same address stands above",
            ));
        }
        subscriptions.push(subscription);
    }
    Ok(replace(subscriptions))
}

/// `Settings`, as an answer: what this gateway does.
#[derive(Debug, PartialEq, Serialize)]
struct Settings {
    /// Payloads are kept on disk until they were accepted.
    callback_persist: bool,
    webhooks: Vec<Webhook>,
    offline_mode: bool,
    full_history: bool,
}

impl Settings {
    fn of(webhooks: &Webhooks) -> Self {
        Self {
            callback_persist: true,
            webhooks: webhooks.subscriptions.iter().map(Webhook::of).collect(),
            offline_mode: false,
            full_history: false,
        }
    }
}

/// `UpdateSettings`.
#[derive(Serialize)]
struct Updated {
    before_update: Settings,
    after_update: Settings,
    changes: Vec<&'static str>,
}

impl Updated {
    fn reply(before: &Webhooks, after: &Webhooks) -> Reply {
        let (before_update, after_update) = (Settings::of(before), Settings::of(after));
        let changed = before_update != after_update;
        Reply::ok(&Self {
            before_update,
            after_update,
            changes: changed.then_some("webhooks").into_iter().collect(),
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn reset(out: Replaced, _: &Cx) -> Result<Reply, OpError> {
    if out.before.subscriptions.is_empty() {
        let reason = "the settings are reset already";
        return Err(OpError::new(ErrorCode::AlreadyExists, reason));
    }
    Ok(Success::reply())
}
