//! `w:sync:app:state`: companions and the phone fetch and write collections; the others are told.
//!
//! Source: protocol notes, section 7.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use crate::core::app_state::{Blob, Fetched, UploadError, known};
use crate::core::ids::{AccountId, DeviceId, server_jid};
use crate::core::server::{Effect, Server};
use crate::core::xml;
use crate::phone::SyncNews;

/// Most collections in one request.
const REQUESTS_MAX: usize = 16;

impl Server {
    pub(super) fn iq_app_state(&mut self, from: DeviceId, iq: &Node) -> Answer {
        let Some(sync) = iq.get_optional_child("sync") else {
            return Answer::BAD;
        };
        let mut answers = Vec::new();
        for request in sync.get_children_by_tag("collection").take(REQUESTS_MAX) {
            let Some(name) = xml::attr(request, "name") else {
                return Answer::BAD;
            };
            let version = xml::attr_u64(request, "version");
            let whole = xml::attr(request, "return_snapshot").as_deref() == Some("true");
            let answer = match xml::child_bytes(request, "patch") {
                Some(patch) => self.take_patch(from, &name, version.unwrap_or(0), patch),
                None => {
                    let at = version.unwrap_or(0);
                    match self.fetch_app_state(from.account, &name, at, whole) {
                        Some(fetched) => filled(&name, fetched),
                        None => refusal(&name, UploadError::Unknown, None),
                    }
                }
            };
            answers.push(answer);
        }
        Answer::one(NodeBuilder::new("sync").children(answers).build())
    }

    /// A device writes; who comes too late gets what it has missed.
    fn take_patch(&mut self, from: DeviceId, name: &str, version: u64, patch: &[u8]) -> Node {
        let taken = if self.faults.conflict(from) {
            Err(UploadError::Conflict)
        } else {
            self.upload_app_state(from, name, version, patch)
        };
        match taken {
            Ok(new) => collection(name)
                .attr("version", new)
                .attr("type", "result")
                .build(),
            Err(UploadError::Conflict) => {
                self.journal
                    .event(self.clock.now_ms(), Some(from), "app state: conflict");
                let missed = self.fetch_app_state(from.account, name, version, false);
                refusal(name, UploadError::Conflict, missed)
            }
            Err(e) => refusal(name, e, None),
        }
    }

    /// Takes a patch of any device of an account, and tells the others.
    ///
    /// # Errors
    /// When the version is not the current one, or the patch cannot be taken.
    pub(crate) fn upload_app_state(
        &mut self,
        from: DeviceId,
        name: &str,
        version: u64,
        patch: &[u8],
    ) -> Result<u64, UploadError> {
        let account = self
            .account_mut(from.account)
            .ok_or(UploadError::Unreadable)?;
        let state = account.app_state.get_or_insert_default();
        let new = state.upload(name, version, from.device, patch)?;
        self.announce_app_state(from, name, new);
        if self.options.phones_listen {
            if let Some(state) = self
                .account_mut(from.account)
                .and_then(|a| a.app_state.as_mut())
            {
                state.unread = true;
            }
            self.schedule_phone(from.account);
        }
        Ok(new)
    }

    fn fetch_app_state(
        &mut self,
        account: AccountId,
        name: &str,
        version: u64,
        whole: bool,
    ) -> Option<Fetched> {
        let number = self.stanza_number();
        let mut rng = self.seeds.rng("app-state snapshot", number);
        let state = self.account_mut(account)?.app_state.as_mut();
        let Some(state) = state else {
            return known(name).map(|_| Fetched::default());
        };
        let (fetched, blob) = state.fetch(name, version, whole, &mut rng)?;
        if let Some(Blob { sha256, bytes }) = blob {
            let token = URL_SAFE_NO_PAD.encode(sha256);
            self.effect(Effect::Store { token, bytes });
        }
        Some(fetched)
    }

    /// What the phone of an account has missed, it being at the named versions.
    #[must_use]
    pub(crate) fn app_state_news(
        &self,
        account: AccountId,
        versions: &[(&'static str, u64)],
    ) -> Vec<(&'static str, SyncNews)> {
        let state = self.account(account).and_then(|a| a.app_state.as_deref());
        let Some(state) = state else {
            return Vec::new();
        };
        let all = versions
            .iter()
            .filter_map(|(name, version)| Some((*name, state.news(name, *version)?)));
        all.filter(|(_, news)| *news != SyncNews::default())
            .collect()
    }

    /// Tells the other companions of the account to fetch.
    fn announce_app_state(&mut self, by: DeviceId, name: &str, version: u64) {
        for target in self.companions_of(by.account) {
            if target != by {
                let node = NodeBuilder::new("collection")
                    .attr("name", name)
                    .attr("version", version);
                self.notify_from(target, server_jid(), "server_sync", vec![node.build()]);
            }
        }
    }
}

fn collection(name: &str) -> NodeBuilder {
    NodeBuilder::new("collection").attr("name", name)
}

fn filled(name: &str, fetched: Fetched) -> Node {
    let node = collection(name)
        .attr("version", fetched.version)
        .attr("type", "result");
    with_content(node, Vec::new(), fetched)
}

fn with_content(mut node: NodeBuilder, mut children: Vec<Node>, fetched: Fetched) -> Node {
    if fetched.more {
        node = node.attr("has_more_patches", true);
    }
    if let Some(reference) = fetched.snapshot {
        children.push(NodeBuilder::new("snapshot").bytes(reference).build());
    }
    if !fetched.patches.is_empty() {
        let patches = fetched
            .patches
            .into_iter()
            .map(|p| NodeBuilder::new("patch").bytes(p).build());
        children.push(NodeBuilder::new("patches").children(patches).build());
    }
    if children.is_empty() {
        node.build()
    } else {
        node.children(children).build()
    }
}

/// The answer to what was not taken, with what the asker has missed if that is why.
fn refusal(name: &str, error: UploadError, missed: Option<Fetched>) -> Node {
    let (code, text) = match error {
        UploadError::Conflict => (409_u16, "conflict"),
        UploadError::Unreadable => (400, "bad-request"),
        UploadError::Unknown => (404, "item-not-found"),
        UploadError::Full => (400, "collection is full"),
    };
    let error = NodeBuilder::new("error")
        .attr("code", code)
        .attr("text", text)
        .build();
    let node = collection(name).attr("type", "error");
    with_content(node, vec![error], missed.unwrap_or_default())
}
