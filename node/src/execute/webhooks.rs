//! Operations on the session's webhooks.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue};
use switchboard_vocab::webhooks::{
    Add, Choose, EventClass, GetWebhooks, HEADERS_MAX, Remove, Replace, Replaced,
    SUBSCRIPTIONS_MAX, Subscription, Test, Tested, URL_LEN_MAX, Webhooks,
};
use switchboard_vocab::{DialectName, ErrorCode, OpError};
use url::Url;

use super::Execute;
use crate::ports::WebhookBook;
use crate::session::context::SessionCx;
use crate::session::lanes::Lane;

/// Longest header of a webhook, name and value, in bytes.
const HEADER_LEN_MAX: usize = 4_096;
/// Longest payload of a test call, in bytes.
const PAYLOAD_LEN_MAX: usize = 256 * 1024;
/// Most entries a dialect remembers with one webhook.
const OPTIONS_MAX: usize = 32;
/// Longest entry a dialect remembers, name and value, in bytes.
const OPTION_LEN_MAX: usize = 4_096;

impl Execute for GetWebhooks {
    async fn execute(self, cx: SessionCx) -> Result<Webhooks, OpError> {
        Ok(of(&cx.webhooks(), self.dialect))
    }
}

impl Execute for Replace {
    fn lane(&self) -> Lane {
        Lane::Webhooks
    }

    async fn execute(self, cx: SessionCx) -> Result<Replaced, OpError> {
        let mut seen = BTreeSet::new();
        for subscription in &self.subscriptions {
            check(subscription)?;
            if subscription.dialect != self.dialect {
                return Err(OpError::invalid(
                    "every webhook must name the dialect it replaces",
                ));
            }
            if !seen.insert(&subscription.url) {
                let text = format!("the webhook address {} is there twice", subscription.url);
                return Err(OpError::invalid(text));
            }
        }
        let before = of(&cx.webhooks(), self.dialect);
        let subscriptions = self.subscriptions;
        let after = change(&cx, self.dialect, |webhooks| {
            webhooks.subscriptions = subscriptions;
            Ok(())
        });
        Ok(Replaced {
            before,
            after: after.await?,
        })
    }
}

impl Execute for Add {
    fn lane(&self) -> Lane {
        Lane::Webhooks
    }

    async fn execute(self, cx: SessionCx) -> Result<Webhooks, OpError> {
        check(&self.subscription)?;
        let subscription = self.subscription;
        change(&cx, subscription.dialect, |webhooks| {
            if webhooks
                .subscriptions
                .iter()
                .any(|other| other.url == subscription.url)
            {
                let text = format!("there is a webhook to {} already", subscription.url);
                return Err(OpError::new(ErrorCode::AlreadyExists, text));
            }
            webhooks.subscriptions.push(subscription);
            Ok(())
        })
        .await
    }
}

impl Execute for Remove {
    fn lane(&self) -> Lane {
        Lane::Webhooks
    }

    async fn execute(self, cx: SessionCx) -> Result<Webhooks, OpError> {
        change(&cx, self.dialect, |webhooks| {
            let Some(url) = self.url else {
                webhooks.subscriptions.clear();
                return Ok(());
            };
            let before = webhooks.subscriptions.len();
            webhooks.subscriptions.retain(|other| other.url != url);
            if webhooks.subscriptions.len() == before {
                let text = format!("there is no webhook to {url}");
                return Err(OpError::new(ErrorCode::NotFound, text));
            }
            Ok(())
        })
        .await
    }
}

impl Execute for Choose {
    fn lane(&self) -> Lane {
        Lane::Webhooks
    }

    async fn execute(self, cx: SessionCx) -> Result<Webhooks, OpError> {
        if let Some(class) = self.on.intersection(&self.off).next() {
            let text = format!("the events {class:?} are switched on and off at once");
            return Err(OpError::invalid(text));
        }
        let apply = |chosen: Option<&BTreeSet<EventClass>>| -> BTreeSet<EventClass> {
            let mut classes = chosen.cloned().unwrap_or_else(|| EventClass::ALL.into());
            classes.extend(&self.on);
            classes.retain(|class| !self.off.contains(class));
            classes
        };
        change(&cx, self.dialect, |webhooks| {
            webhooks.events = Some(apply(webhooks.events.as_ref()));
            for subscription in &mut webhooks.subscriptions {
                if let Some(own) = &subscription.events {
                    subscription.events = Some(apply(Some(own)));
                }
            }
            Ok(())
        })
        .await
    }
}

impl Execute for Test {
    async fn execute(self, cx: SessionCx) -> Result<Tested, OpError> {
        if self.payload.len() > PAYLOAD_LEN_MAX {
            let text = format!("the payload has more than {PAYLOAD_LEN_MAX} bytes");
            return Err(OpError::new(ErrorCode::TooLarge, text));
        }
        check_address(&self.url)?;
        check_headers(&self.headers)?;
        let status = cx.ports().delivery.call_once(&self).await?;
        Ok(Tested { status })
    }
}

fn of(book: &WebhookBook, dialect: DialectName) -> Webhooks {
    let none = || Webhooks {
        subscriptions: Vec::new(),
        events: None,
    };
    book.get(&dialect).cloned().unwrap_or_else(none)
}

/// Changes one dialect's webhooks durably. Callers run one after the other, in their lane.
async fn change(
    cx: &SessionCx,
    dialect: DialectName,
    edit: impl FnOnce(&mut Webhooks) -> Result<(), OpError>,
) -> Result<Webhooks, OpError> {
    let mut book = WebhookBook::clone(&cx.webhooks());
    let mut webhooks = of(&book, dialect);
    edit(&mut webhooks)?;
    book.insert(dialect, webhooks.clone());
    let count: usize = book
        .values()
        .map(|webhooks| webhooks.subscriptions.len())
        .sum();
    if count > SUBSCRIPTIONS_MAX {
        let text = format!("a session has at most {SUBSCRIPTIONS_MAX} webhooks");
        return Err(OpError::new(ErrorCode::TooLarge, text));
    }
    cx.set_webhooks(book).await?;
    Ok(webhooks)
}

fn check(subscription: &Subscription) -> Result<(), OpError> {
    check_address(&subscription.url)?;
    check_headers(&subscription.headers)?;
    let fit = |(name, value): (&String, &String)| name.len() + value.len() <= OPTION_LEN_MAX;
    if subscription.options.len() > OPTIONS_MAX || !subscription.options.iter().all(fit) {
        return Err(OpError::invalid(
            "the webhook's options are too many or too long",
        ));
    }
    Ok(())
}

fn check_address(address: &str) -> Result<(), OpError> {
    if address.len() > URL_LEN_MAX {
        let text = format!("the webhook address is longer than {URL_LEN_MAX} bytes");
        return Err(OpError::invalid(text));
    }
    let url = Url::parse(address)
        .map_err(|e| OpError::invalid(format!("the webhook address is not a url: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(OpError::invalid(
            "the webhook address must be an http or https url",
        ));
    }
    Ok(())
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), OpError> {
    if headers.len() > HEADERS_MAX {
        return Err(OpError::invalid(format!(
            "a webhook has at most {HEADERS_MAX} headers"
        )));
    }
    for (name, value) in headers {
        let fits = name.len() + value.len() <= HEADER_LEN_MAX;
        if !fits || name.parse::<HeaderName>().is_err() || HeaderValue::from_str(value).is_err() {
            return Err(OpError::invalid(format!(
                "the webhook header {name:?} is not valid"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(url: &str) -> Subscription {
        Subscription {
            dialect: DialectName::Whapi,
            url: url.to_owned(),
            events: None,
            headers: BTreeMap::new(),
            options: BTreeMap::new(),
        }
    }

    #[test]
    fn addresses_and_headers_are_checked() {
        assert!(check(&subscription("https://example.com/hook?a=b")).is_ok());
        for bad in [
            "",
            "example.com",
            "ftp://example.com/",
            "http://",
            "mailto:a@b",
        ] {
            assert!(check(&subscription(bad)).is_err(), "{bad:?}");
        }
        let long = format!("http://example.com/{}", "a".repeat(URL_LEN_MAX));
        assert!(check(&subscription(&long)).is_err());
        for (name, value) in [("x y", "1"), ("x", "a\nb"), ("", "1")] {
            let mut bad = subscription("http://example.com/");
            bad.headers.insert(name.to_owned(), value.to_owned());
            assert!(check(&bad).is_err(), "{name:?}: {value:?}");
        }
    }
}
