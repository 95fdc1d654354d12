//! The channel's settings and its webhooks, which this system changes together.

pub(crate) mod choice;
mod test_call;

use std::collections::BTreeSet;

use http::Method;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::routes::{both, either};
use switchboard_dialect_kit::{
    Cx, Fields, FromInput, NoBody, Reject, Reply, ReplyBody, Routes, lenient,
};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::settings::{self, Change, Changed, Get, Reset};
use switchboard_vocab::webhooks::{self, GetWebhooks, Replace, Replaced, Webhooks};
use switchboard_vocab::{DialectName, ErrorCode, OpError};

use crate::ids::invalid;
use crate::messages::Success;
use choice::{Announcement, Webhook};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .endpoint(
            Method::GET,
            "/settings",
            both(
                |_: NoBody, _| Ok((GET, Get {})),
                |webhooks: Webhooks, settings: settings::Settings, _| {
                    Ok(Reply::ok(&Settings::of(&webhooks, &settings)))
                },
            ),
        )
        .endpoint(
            Method::DELETE,
            "/settings",
            both(
                |_: NoBody, _| Ok((replace(Vec::new()), Reset {})),
                reset,
            ),
        )
        .endpoint(
            Method::PATCH,
            "/settings",
            either(
                names_webhooks,
                both(
                    |fields: Fields<SettingsChange>, _| update(fields),
                    |webhooks: Replaced, settings: Changed, _| {
                        Ok(Updated::reply(
                            Settings::of(&webhooks.before, &settings.before),
                            Settings::of(&webhooks.after, &settings.after),
                        ))
                    },
                ),
                both(
                    |Fields(change): Fields<SettingsChange>, _| Ok((GET, change.change()?)),
                    |webhooks: Webhooks, settings: Changed, _| {
                        Ok(Updated::reply(
                            Settings::of(&webhooks, &settings.before),
                            Settings::of(&webhooks, &settings.after),
                        ))
                    },
                ),
            ),
        )
        .local(Method::GET, "/settings/events", |_| {
            Ok(Reply::ok(&Announcement::POSSIBLE))
        })
        .op(
            Method::POST,
            "/settings/webhook_test",
            test_call::test,
            test_call::tested,
        )
        // The limits are those of trial channels, and there are none here: `no-limits`.
        .local(Method::GET, "/limits", |_| {
            Ok(Reply {
                status: http::StatusCode::NO_CONTENT,
                headers: Vec::new(),
                body: ReplyBody::Empty,
            })
        })
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
    mobile_proxy: Option<String>,
    callback_backoff_delay_ms: Option<IgnoredAny>,
    max_callback_backoff_delay_ms: Option<IgnoredAny>,
    media: Option<MediaSettings>,
}

/// `MediaSettings`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct MediaSettings {
    #[serde(default)]
    auto_download: Option<BTreeSet<Downloaded>>,
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    init_avatars: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Downloaded {
    Image,
    Audio,
    Voice,
    Video,
    Document,
    Sticker,
}

impl Downloaded {
    /// The kinds of ours; films are one kind here and three there.
    const fn kinds(self) -> &'static [MediaKind] {
        match self {
            Self::Image => &[MediaKind::Image],
            Self::Audio => &[MediaKind::Audio],
            Self::Voice => &[MediaKind::Voice],
            Self::Video => &[MediaKind::Video, MediaKind::Gif, MediaKind::ShortVideo],
            Self::Document => &[MediaKind::Document],
            Self::Sticker => &[MediaKind::Sticker],
        }
    }

    const fn of(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Image => Self::Image,
            MediaKind::Audio => Self::Audio,
            MediaKind::Voice => Self::Voice,
            MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => Self::Video,
            MediaKind::Document => Self::Document,
            MediaKind::Sticker => Self::Sticker,
        }
    }
}

impl SettingsChange {
    /// The settings besides the webhooks. What would be accepted without effect is refused.
    fn change(self) -> Result<Change, Reject> {
        let fixed = "payloads are always kept until they were accepted, and sent again at this gateway's own pace";
        let has_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let without_effect = [
            (
                "callback_persist",
                self.callback_persist == Some(false),
                fixed,
            ),
            (
                "callback_backoff_delay_ms",
                self.callback_backoff_delay_ms.is_some(),
                fixed,
            ),
            (
                "max_callback_backoff_delay_ms",
                self.max_callback_backoff_delay_ms.is_some(),
                fixed,
            ),
            (
                "mobile_proxy",
                has_text(&self.mobile_proxy),
                "this channel is a linked device and no phone",
            ),
        ];
        let avatars = self.media.as_ref().and_then(|media| media.init_avatars);
        if avatars == Some(true) {
            let reason = "pictures stand in no listing; ask for the profile of one";
            return Err(invalid("media.init_avatars", reason));
        }
        if let Some((field, _, reason)) = without_effect.into_iter().find(|(_, set, _)| *set) {
            return Err(invalid(field, reason));
        }
        if let Some(proxy) = &self.proxy {
            check_proxy(proxy)?;
        }
        let media = self.media;
        let kinds = media
            .as_ref()
            .and_then(|media| media.auto_download.as_ref());
        Ok(Change {
            auto_download: kinds.map(|kinds| {
                let kinds = kinds.iter().flat_map(|kind| kind.kinds());
                kinds.copied().collect()
            }),
            offline: self.offline_mode,
            full_history: self.full_history,
            // To the node both words mean that the proxy resolves names.
            proxy: self
                .proxy
                .map(|proxy| proxy.replacen("socks5h://", "socks5://", 1)),
        })
    }
}

/// `socks5://user:password@host:port`, or nothing. Source: the pattern of `Settings.proxy`, without the characters of a user
/// name that would end it in an address.
fn check_proxy(proxy: &str) -> Result<(), Reject> {
    if proxy.is_empty() {
        return Ok(());
    }
    let wanted = || invalid("proxy", "socks5://user:password@host:port is expected");
    let rest = proxy
        .strip_prefix("socks5://")
        .or_else(|| proxy.strip_prefix("socks5h://"));
    let (login, address) = rest
        .and_then(|rest| rest.rsplit_once('@'))
        .ok_or_else(wanted)?;
    let (user, password) = login.rsplit_once(':').ok_or_else(wanted)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(wanted)?;
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let valid = !user.is_empty()
        && user
            .bytes()
            .all(|b| word(b) || b".~!$&'()*+,;=%".contains(&b))
        && !password.is_empty()
        && password.bytes().all(word)
        && !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        && port.parse::<u16>().is_ok();
    if valid { Ok(()) } else { Err(wanted()) }
}

fn names_webhooks(cx: &Cx) -> Result<bool, Reject> {
    let Fields(change) = Fields::<SettingsChange>::from_input(cx.input())?;
    Ok(change.webhooks.is_some())
}

fn update(Fields(mut change): Fields<SettingsChange>) -> Result<(Replace, Change), Reject> {
    let wanted = change.webhooks.take().unwrap_or_default();
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
    Ok((replace(subscriptions), change.change()?))
}

/// `Settings`, as an answer: what this gateway does.
#[derive(Debug, PartialEq, Serialize)]
struct Settings {
    /// Payloads are kept on disk until they were accepted.
    callback_persist: bool,
    media: MediaSettings,
    webhooks: Vec<Webhook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
    offline_mode: bool,
    full_history: bool,
}

impl Settings {
    fn of(webhooks: &Webhooks, settings: &settings::Settings) -> Self {
        let kinds = settings.auto_download.iter().copied();
        Self {
            callback_persist: true,
            media: MediaSettings {
                auto_download: Some(kinds.map(Downloaded::of).collect()),
                init_avatars: Some(false),
            },
            webhooks: webhooks.subscriptions.iter().map(Webhook::of).collect(),
            proxy: settings.proxy.clone(),
            offline_mode: settings.offline,
            full_history: settings.full_history,
        }
    }
}

/// `UpdateSettings`. `changes` names what its enum knows; `offline_mode` and `full_history` are not among it.
#[derive(Serialize)]
struct Updated {
    before_update: Settings,
    after_update: Settings,
    changes: Vec<&'static str>,
}

impl Updated {
    fn reply(before_update: Settings, after_update: Settings) -> Reply {
        let (before, after) = (&before_update, &after_update);
        let changes = [
            ("media", before.media != after.media),
            ("webhooks", before.webhooks != after.webhooks),
            ("proxy", before.proxy != after.proxy),
        ];
        let changes = changes.into_iter().filter(|(_, changed)| *changed);
        let changes = changes.map(|(name, _)| name).collect();
        Reply::ok(&Self {
            before_update,
            after_update,
            changes,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every encoder")]
fn reset(webhooks: Replaced, settings: Changed, _: &Cx) -> Result<Reply, OpError> {
    if webhooks.before.subscriptions.is_empty() && settings.before == settings.after {
        let reason = "the settings are reset already";
        return Err(OpError::new(ErrorCode::AlreadyExists, reason));
    }
    Ok(Success::reply())
}
