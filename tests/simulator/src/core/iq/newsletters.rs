//! Requests about newsletters: the `newsletter` namespace, and the documents of `w:mex`.
//!
//! Source: the shapes that `whatsapp-rust` 0.5 and 0.7 read and write.

use std::collections::VecDeque;

use serde_json::{Value, json};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Answer;
use super::documents::Refusal;
use crate::core::ids::{AccountId, DeviceId};
use crate::core::newsletters::{LIVE_UPDATES_S, Newsletter, NewsletterId, PUBLISHED_MAX};
use crate::core::server::Server;
use crate::core::xml;

/// Longest name, in characters. Source: WhatsApp's limit.
const NAME_CHARS_MAX: usize = 100;
/// Longest description, in characters. Source: WhatsApp's limit.
const DESCRIPTION_CHARS_MAX: usize = 2048;
/// Most followers a newsletter of the simulator has.
const FOLLOWERS_MAX: usize = 10_000;

impl Server {
    /// The `newsletter` namespace: the history, and who hears of reactions.
    pub(super) fn iq_newsletter(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        let to = xml::attr_jid(iq, "to");
        let Some(id) = to.as_ref().and_then(NewsletterId::parse) else {
            return Answer::BAD;
        };
        let Some(request) = xml::first_child(iq) else {
            return Answer::BAD;
        };
        match (request.tag.as_ref(), setting) {
            ("messages", false) => self.newsletter_history(from, id, request),
            ("live_updates", true) if self.listen(from, id) => Answer::one(
                NodeBuilder::new("live_updates")
                    .attr("duration", LIVE_UPDATES_S)
                    .build(),
            ),
            ("live_updates", true) => Answer::NOT_FOUND,
            _ => Answer::UNKNOWN,
        }
    }

    /// The last `count` messages before `before`, oldest first.
    fn newsletter_history(&self, from: DeviceId, id: NewsletterId, request: &Node) -> Answer {
        let Some(newsletter) = self.newsletters.get(id) else {
            return Answer::NOT_FOUND;
        };
        let count = xml::attr_u64(request, "count").unwrap_or(0);
        let count = usize::try_from(count).map_or(PUBLISHED_MAX, |c| c.min(PUBLISHED_MAX));
        let before = xml::attr_u64(request, "before").unwrap_or(u64::MAX);
        let numbers = newsletter.published.iter().map(|p| p.number);
        let mut page: Vec<u64> = numbers.rev().filter(|n| *n < before).take(count).collect();
        page.reverse();
        let nodes = page
            .into_iter()
            .filter_map(|n| self.published_node(id, n, Some(from.account)));
        Answer::one(
            NodeBuilder::new("messages")
                .attr("jid", id.jid())
                .attr("t", self.now_s())
                .children(nodes.collect::<Vec<_>>())
                .build(),
        )
    }

    // ---- documents -----------------------------------------------------------------------

    pub(super) fn mex_create_newsletter(
        &mut self,
        from: DeviceId,
        variables: &Value,
    ) -> Result<Value, Refusal> {
        let input = variables.get("input").ok_or(Refusal::Bad)?;
        let name = text(input, "name", NAME_CHARS_MAX)?
            .filter(|n| !n.is_empty())
            .ok_or(Refusal::Bad)?;
        let description = text(input, "description", DESCRIPTION_CHARS_MAX)?.unwrap_or_default();
        let id = self.newsletters.new_id().ok_or(Refusal::Full)?;
        let newsletter = Newsletter {
            id,
            name: name.into(),
            description: description.into(),
            owner: from.account,
            created_s: self.now_s(),
            invite: self.invite_code(),
            followers: Vec::new(),
            listeners: Vec::new(),
            published: VecDeque::new(),
            next: 1,
        };
        let shown = shown(&newsletter, from.account);
        self.newsletters.insert(newsletter);
        Ok(json!({ "xwa2_newsletter_create": shown }))
    }

    pub(super) fn mex_update_newsletter(
        &mut self,
        from: DeviceId,
        variables: &Value,
    ) -> Result<Value, Refusal> {
        let id = newsletter_of(variables)?;
        let updates = variables.get("updates").ok_or(Refusal::Bad)?;
        let name = text(updates, "name", NAME_CHARS_MAX)?;
        let description = text(updates, "description", DESCRIPTION_CHARS_MAX)?;
        let newsletter = self.newsletters.get_mut(id).ok_or(Refusal::NotFound)?;
        if newsletter.owner != from.account {
            return Err(Refusal::Forbidden);
        }
        if let Some(name) = name.filter(|n| !n.is_empty()) {
            newsletter.name = name.into();
        }
        if let Some(description) = description {
            newsletter.description = description.into();
        }
        Ok(json!({ "xwa2_newsletter_update": shown(newsletter, from.account) }))
    }

    pub(super) fn mex_join_newsletter(
        &mut self,
        from: DeviceId,
        variables: &Value,
    ) -> Result<Value, Refusal> {
        let id = newsletter_of(variables)?;
        let newsletter = self.newsletters.get_mut(id).ok_or(Refusal::NotFound)?;
        if !newsletter.has(from.account) {
            if newsletter.followers.len() >= FOLLOWERS_MAX {
                return Err(Refusal::Full);
            }
            newsletter.followers.push(from.account);
        }
        Ok(json!({ "xwa2_newsletter_join_v2": shown(newsletter, from.account) }))
    }

    /// The owner stays the owner: leaving only ends following.
    pub(super) fn mex_leave_newsletter(
        &mut self,
        from: DeviceId,
        variables: &Value,
    ) -> Result<Value, Refusal> {
        let id = newsletter_of(variables)?;
        let newsletter = self.newsletters.get_mut(id).ok_or(Refusal::NotFound)?;
        newsletter.followers.retain(|a| *a != from.account);
        let left = json!({ "id": id.jid().to_string(), "state": { "type": "ACTIVE" } });
        Ok(json!({ "xwa2_newsletter_leave_v2": left }))
    }

    pub(super) fn mex_newsletter(
        &self,
        from: DeviceId,
        variables: &Value,
    ) -> Result<Value, Refusal> {
        let input = variables.get("input").ok_or(Refusal::Bad)?;
        let key = input
            .get("key")
            .and_then(Value::as_str)
            .ok_or(Refusal::Bad)?;
        let newsletter = match input.get("type").and_then(Value::as_str) {
            Some("INVITE") => self.newsletters.by_invite(key),
            _ => {
                let jid: Jid = key.parse().map_err(|_| Refusal::Bad)?;
                NewsletterId::parse(&jid).and_then(|id| self.newsletters.get(id))
            }
        };
        let newsletter = newsletter.ok_or(Refusal::NotFound)?;
        Ok(json!({ "xwa2_newsletter": shown(newsletter, from.account) }))
    }

    pub(super) fn mex_newsletters(&self, from: DeviceId) -> Value {
        let own = self.newsletters.of(from.account);
        let list: Vec<Value> = own
            .into_iter()
            .filter_map(|id| self.newsletters.get(id))
            .map(|n| shown(n, from.account))
            .collect();
        json!({ "xwa2_newsletter_subscribed": list })
    }
}

/// The newsletter that `newsletter_id` names.
fn newsletter_of(variables: &Value) -> Result<NewsletterId, Refusal> {
    let id = variables.get("newsletter_id").and_then(Value::as_str);
    let jid: Jid = id.and_then(|i| i.parse().ok()).ok_or(Refusal::Bad)?;
    NewsletterId::parse(&jid).ok_or(Refusal::Bad)
}

/// A text of at most `chars_max` characters, if it is there.
fn text<'a>(input: &'a Value, key: &str, chars_max: usize) -> Result<Option<&'a str>, Refusal> {
    match input.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= chars_max => Ok(Some(text)),
        Some(_) => Err(Refusal::Bad),
    }
}

/// A newsletter as `viewer` sees it.
fn shown(newsletter: &Newsletter, viewer: AccountId) -> Value {
    let role = if newsletter.owner == viewer {
        "owner"
    } else if newsletter.has(viewer) {
        "subscriber"
    } else {
        "guest"
    };
    json!({
        "id": newsletter.id.jid().to_string(),
        "state": { "type": "active" },
        "thread_metadata": {
            "name": { "text": &*newsletter.name },
            "description": { "text": &*newsletter.description },
            "invite": &*newsletter.invite,
            "creation_time": newsletter.created_s.to_string(),
            "subscribers_count": newsletter.followers.len().to_string(),
            "verification": "UNVERIFIED",
        },
        "viewer_metadata": { "role": role, "mute": "ON" },
    })
}
