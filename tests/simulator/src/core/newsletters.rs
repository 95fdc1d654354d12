//! Newsletters (channels) as the server keeps them: who follows them, what was published, who reacted.
//! Requests about them are in `iq/newsletters.rs`. Nothing in them is end-to-end encrypted.
//!
//! Source: WhatsApp; the stanzas as `whatsapp-rust` 0.5 and 0.7 read and write them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::ids::{AccountId, DeviceId};
use super::messages::nack;
use super::server::Server;
use super::xml;

/// Most newsletters a simulator holds.
pub const NEWSLETTERS_MAX: usize = 10_000;
/// Most messages kept of a newsletter; the oldest goes.
pub const PUBLISHED_MAX: usize = 1000;
/// How long a device hears of reactions after it asked to, in seconds.
pub const LIVE_UPDATES_S: u64 = 300;
/// Most devices that hear of reactions in one newsletter.
const LISTENERS_MAX: usize = 4096;
/// Longest text of a reaction, in bytes.
const REACTION_BYTES_MAX: usize = 64;
/// Ids count up from here, so that they look like those of current newsletters.
const FIRST_ID: u64 = 120_363_400_000_000_000;
/// Sets the queue keys of newsletters apart from those of accounts; groups have the bit above.
const NEWSLETTER_CHAT: u64 = 1 << 62;

/// A newsletter, by the digits of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewsletterId(pub u64);

impl NewsletterId {
    /// The newsletter that an address names.
    #[must_use]
    pub fn parse(jid: &Jid) -> Option<Self> {
        jid.is_newsletter()
            .then(|| jid.user.parse().ok().map(Self))
            .flatten()
    }

    /// Its address.
    #[must_use]
    pub fn jid(self) -> Jid {
        Jid::newsletter(self.0.to_string())
    }

    /// Its key in offline queues.
    pub(crate) const fn chat(self) -> u64 {
        NEWSLETTER_CHAT | self.0
    }
}

/// Something that was published.
#[derive(Debug)]
pub struct Published {
    /// Counts the messages of the newsletter, from 1.
    pub number: u64,
    /// The id its author gave it.
    pub id: Box<str>,
    /// `text`, `media`, ...
    pub kind: Box<str>,
    /// When, in seconds.
    pub at_s: u64,
    /// By whom.
    pub by: AccountId,
    /// The encoded message.
    pub plaintext: Box<[u8]>,
    /// What readers think of it; one reaction each.
    pub reactions: BTreeMap<AccountId, Box<str>>,
}

/// A newsletter.
#[derive(Debug)]
pub struct Newsletter {
    /// Its id.
    pub id: NewsletterId,
    /// Its name.
    pub name: Box<str>,
    /// Its description.
    pub description: Box<str>,
    /// Who made it.
    pub owner: AccountId,
    /// When, in seconds.
    pub created_s: u64,
    /// Code of its invite link.
    pub invite: Box<str>,
    /// Who follows it, the owner not counted.
    pub followers: Vec<AccountId>,
    /// Devices that hear of reactions, and until when, in seconds.
    pub listeners: Vec<(DeviceId, u64)>,
    /// What was published last, oldest first.
    pub published: VecDeque<Published>,
    /// Number of the next message.
    pub next: u64,
}

impl Newsletter {
    /// Whether `account` sees it among its own.
    #[must_use]
    pub fn has(&self, account: AccountId) -> bool {
        self.owner == account || self.followers.contains(&account)
    }
}

/// All newsletters.
#[derive(Debug, Default)]
pub struct Newsletters {
    newsletters: HashMap<NewsletterId, Newsletter>,
}

impl Newsletters {
    /// The newsletter `id`.
    #[must_use]
    pub fn get(&self, id: NewsletterId) -> Option<&Newsletter> {
        self.newsletters.get(&id)
    }

    /// The newsletter `id`, to change it.
    pub fn get_mut(&mut self, id: NewsletterId) -> Option<&mut Newsletter> {
        self.newsletters.get_mut(&id)
    }

    /// An id for a new newsletter, unless there are too many.
    #[must_use]
    pub fn new_id(&self) -> Option<NewsletterId> {
        let made = self.newsletters.len();
        (made < NEWSLETTERS_MAX).then_some(NewsletterId(FIRST_ID + 1 + made as u64))
    }

    /// Adds a newsletter.
    pub fn insert(&mut self, newsletter: Newsletter) {
        self.newsletters.insert(newsletter.id, newsletter);
    }

    /// The newsletter with an invite code.
    #[must_use]
    pub fn by_invite(&self, code: &str) -> Option<&Newsletter> {
        self.newsletters.values().find(|n| *n.invite == *code)
    }

    /// The newsletters of an account, oldest first.
    #[must_use]
    pub fn of(&self, account: AccountId) -> Vec<NewsletterId> {
        let own = self.newsletters.values().filter(|n| n.has(account));
        let mut ids: Vec<NewsletterId> = own.map(|n| n.id).collect();
        ids.sort_unstable_by_key(|id| id.0);
        ids
    }
}

impl Server {
    /// A client publishes, or reacts to something published. Returns the number of the message.
    pub(crate) fn newsletter_message(
        &mut self,
        from: DeviceId,
        id: NewsletterId,
        node: &Node,
    ) -> Result<u64, u16> {
        let newsletter = self.newsletters.get(id).ok_or(nack::NOT_FOUND)?;
        let kind = xml::attr(node, "type").unwrap_or_default();
        if xml::attr(node, "edit").is_some() {
            return Err(nack::UNSUPPORTED);
        }
        if kind == "reaction" {
            return self.newsletter_reaction(from, id, node);
        }
        if newsletter.owner != from.account {
            return Err(nack::FORBIDDEN);
        }
        let plaintext = xml::child_bytes(node, "plaintext").ok_or(nack::BAD)?;
        self.publish(from, id, node, &kind, plaintext)
            .ok_or(nack::NOT_FOUND)
    }

    fn publish(
        &mut self,
        from: DeviceId,
        id: NewsletterId,
        node: &Node,
        kind: &str,
        plaintext: &[u8],
    ) -> Option<u64> {
        let at_s = self.now_s();
        let newsletter = self.newsletters.get_mut(id)?;
        let number = newsletter.next;
        newsletter.next += 1;
        if newsletter.published.len() >= PUBLISHED_MAX {
            newsletter.published.pop_front();
        }
        newsletter.published.push_back(Published {
            number,
            id: xml::attr(node, "id").unwrap_or_default().into(),
            kind: kind.into(),
            at_s,
            by: from.account,
            plaintext: plaintext.into(),
            reactions: BTreeMap::new(),
        });
        let mut readers = newsletter.followers.clone();
        readers.push(newsletter.owner);
        let mut stanza = self.published_node(id, number, None)?;
        stanza.attrs.insert("from", id.jid());
        for account in readers {
            for target in self.companions_of(account) {
                if target != from {
                    self.deliver(target, id.chat(), &stanza);
                }
            }
        }
        Some(number)
    }

    /// `<message>` as it stands in a newsletter, for a viewer if it is a page of the history.
    pub(crate) fn published_node(
        &self,
        id: NewsletterId,
        number: u64,
        viewer: Option<AccountId>,
    ) -> Option<Node> {
        let newsletter = self.newsletters.get(id)?;
        let published = newsletter.published.iter().find(|p| p.number == number)?;
        let mut children = vec![
            NodeBuilder::new("plaintext")
                .bytes(published.plaintext.to_vec())
                .build(),
        ];
        if !published.reactions.is_empty() {
            children.push(reactions_node(published));
        }
        let mut node = NodeBuilder::new("message")
            .attr("id", &*published.id)
            .attr("server_id", number)
            .attr("t", published.at_s)
            .attr("type", &*published.kind)
            .children(children);
        if viewer == Some(published.by) {
            node = node.attr("is_sender", "true");
        }
        Some(node.build())
    }

    fn newsletter_reaction(
        &mut self,
        from: DeviceId,
        id: NewsletterId,
        node: &Node,
    ) -> Result<u64, u16> {
        let code = node
            .get_optional_child("reaction")
            .and_then(|r| xml::attr(r, "code"))
            .unwrap_or_default()
            .into_owned();
        let number = xml::attr_u64(node, "server_id").ok_or(nack::BAD)?;
        if code.len() > REACTION_BYTES_MAX {
            return Err(nack::BAD);
        }
        let newsletter = self.newsletters.get_mut(id).ok_or(nack::NOT_FOUND)?;
        let mut all = newsletter.published.iter_mut();
        let published = all.find(|p| p.number == number).ok_or(nack::NOT_FOUND)?;
        if code.is_empty() {
            published.reactions.remove(&from.account);
        } else {
            published.reactions.insert(from.account, code.into());
        }
        let update = NodeBuilder::new("message")
            .attr("server_id", number)
            .children([reactions_node(published)])
            .build();
        self.tell_listeners(id, update);
        Ok(number)
    }

    /// Whoever asked for it hears of a change. The moment passes: nothing of it is queued.
    fn tell_listeners(&mut self, id: NewsletterId, update: Node) {
        let now_s = self.now_s();
        let Some(newsletter) = self.newsletters.get_mut(id) else {
            return;
        };
        newsletter.listeners.retain(|(_, until_s)| *until_s > now_s);
        let listeners: Vec<DeviceId> = newsletter.listeners.iter().map(|(d, _)| *d).collect();
        let messages = NodeBuilder::new("messages")
            .attr("jid", id.jid())
            .attr("t", now_s)
            .children([update])
            .build();
        let live = NodeBuilder::new("live_updates")
            .children([messages])
            .build();
        let node = self.notification(id.jid(), "newsletter", vec![live]);
        for device in listeners {
            if let Some(conn) = self.live(device) {
                self.emit(conn, &node);
            }
        }
    }

    /// A device wants to hear of reactions for a while.
    pub(crate) fn listen(&mut self, from: DeviceId, id: NewsletterId) -> bool {
        let until_s = self.now_s() + LIVE_UPDATES_S;
        let Some(newsletter) = self.newsletters.get_mut(id) else {
            return false;
        };
        newsletter.listeners.retain(|(device, _)| *device != from);
        if newsletter.listeners.len() < LISTENERS_MAX {
            newsletter.listeners.push((from, until_s));
        }
        true
    }
}

fn reactions_node(published: &Published) -> Node {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for code in published.reactions.values() {
        *counts.entry(code).or_default() += 1;
    }
    let nodes = counts.into_iter().map(|(code, count)| {
        NodeBuilder::new("reaction")
            .attr("code", code)
            .attr("count", count)
            .build()
    });
    NodeBuilder::new("reactions")
        .children(nodes.collect::<Vec<_>>())
        .build()
}
