//! The webhooks of a session, over all dialects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Extensions;
use serde::{Deserialize, Serialize};
use switchboard_vocab::DialectName;
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::webhooks::{
    EventClass, GetWebhooks, HEADERS_MAX, Replace, SUBSCRIPTIONS_MAX, Subscription, URL_LEN_MAX,
};

use super::fields::{Fields, Id, Query};
use super::sessions::{ask, locate, ticket};
use crate::app::App;
use crate::forward::Ticket;
use crate::problem::Problem;

/// A webhook as the admin API shows and takes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    dialect: DialectName,
    url: String,
    /// Every event that the dialect has a payload for when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<BTreeSet<EventClass>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Webhooks {
    webhooks: Vec<Webhook>,
}

/// `GET /admin/v1/sessions/{id}/webhooks`
pub(super) async fn list(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
) -> Result<Json<Webhooks>, Problem> {
    let session = locate(&app, &id, &query)?;
    let there = there(&app, &session, &ticket(&app, &extensions)).await?;
    Ok(Json(Webhooks {
        webhooks: there.into_iter().map(shown).collect(),
    }))
}

/// `PUT /admin/v1/sessions/{id}/webhooks {"webhooks":[{"dialect","url","events"?,"headers"?}]}`: those given, no others.
///
/// Done dialect by dialect: when one fails, those before it are changed already; repeating the call is safe.
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    Id(id): Id,
    query: Query,
    mut fields: Fields,
) -> Result<Json<Webhooks>, Problem> {
    let wanted: Vec<Webhook> = fields.need("webhooks")?;
    fields.done()?;
    check(&wanted)?;
    let session = locate(&app, &id, &query)?;
    let ticket = ticket(&app, &extensions);
    let there = there(&app, &session, &ticket).await?;
    let mut after = Vec::new();
    for dialect in DialectName::ALL {
        let of_dialect = wanted.iter().filter(|webhook| webhook.dialect == dialect);
        let subscriptions: Vec<_> = of_dialect
            .map(|webhook| subscription(webhook, &there))
            .collect();
        if subscriptions.is_empty() && there.iter().all(|known| known.dialect != dialect) {
            continue;
        }
        let replace = Replace {
            dialect,
            subscriptions,
        };
        let replaced = ask(&app, &session, &replace, &ticket).await?;
        after.extend(replaced.after.subscriptions);
    }
    Ok(Json(Webhooks {
        webhooks: after.into_iter().map(shown).collect(),
    }))
}

async fn there(
    app: &App,
    session: &SessionRecord,
    ticket: &Ticket,
) -> Result<Vec<Subscription>, Problem> {
    let mut all = Vec::new();
    for dialect in DialectName::ALL {
        let webhooks = ask(app, session, &GetWebhooks { dialect }, ticket).await?;
        all.extend(webhooks.subscriptions);
    }
    Ok(all)
}

/// What was asked for, with what the dialect remembers with a webhook of the same address.
fn subscription(wanted: &Webhook, there: &[Subscription]) -> Subscription {
    let known = there
        .iter()
        .find(|known| known.dialect == wanted.dialect && known.url == wanted.url);
    Subscription {
        dialect: wanted.dialect,
        url: wanted.url.clone(),
        events: wanted.events.clone(),
        headers: wanted.headers.clone(),
        options: known.map(|known| known.options.clone()).unwrap_or_default(),
    }
}

fn shown(subscription: Subscription) -> Webhook {
    let Subscription {
        dialect,
        url,
        events,
        headers,
        options: _,
    } = subscription;
    Webhook {
        dialect,
        url,
        events,
        headers,
    }
}

fn check(wanted: &[Webhook]) -> Result<(), Problem> {
    if wanted.len() > SUBSCRIPTIONS_MAX {
        let words = format!("a session has at most {SUBSCRIPTIONS_MAX} webhooks");
        return Err(Problem::field("webhooks", words));
    }
    let mut seen = BTreeSet::new();
    for (at, webhook) in wanted.iter().enumerate() {
        let field = |name: &str| format!("webhooks[{at}].{name}");
        if webhook.url.len() > URL_LEN_MAX {
            let words = format!("the address is longer than {URL_LEN_MAX} bytes");
            return Err(Problem::field(field("url"), words));
        }
        let parsed = url::Url::parse(&webhook.url);
        let is_web =
            parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_web {
            return Err(Problem::field(
                field("url"),
                "the address must be an http or https url",
            ));
        }
        if !seen.insert((webhook.dialect, &webhook.url)) {
            return Err(Problem::field(
                field("url"),
                "the address stands twice for one dialect",
            ));
        }
        check_headers(&webhook.headers).map_err(|words| Problem::field(field("headers"), words))?;
    }
    Ok(())
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("a webhook has at most {HEADERS_MAX} headers"));
    }
    for (name, value) in headers {
        if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(value).is_err()
        {
            return Err(format!("{name:?} is not a header that can be sent"));
        }
    }
    Ok(())
}
