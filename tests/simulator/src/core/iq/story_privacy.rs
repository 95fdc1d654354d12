//! `<privacy>` of the `status` namespace: who sees the stories of an account by default.
//!
//! Source: WhatsApp Web, as whatsmeow reads it (`<list type="contacts|whitelist|blacklist">`).

use std::collections::BTreeSet;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use crate::core::ids::{AccountId, Addressing, DeviceId};
use crate::core::profile::{LISTED_MAX, StoryAudience};
use crate::core::server::Server;
use crate::core::xml;

impl Server {
    pub(super) fn iq_story_privacy(
        &mut self,
        from: DeviceId,
        request: &Node,
        setting: bool,
    ) -> Answer {
        if !setting {
            // Source: the service answers so for accounts that never chose.
            return match self.story_setting(from.account) {
                Some(audience) => Answer::one(self.story_privacy_node(audience)),
                None => Answer::NOT_FOUND,
            };
        }
        let Some(list) = request.get_optional_child("list") else {
            return Answer::BAD;
        };
        let mut users = BTreeSet::new();
        for user in list.get_children_by_tag("user").take(LISTED_MAX) {
            let named = xml::attr_jid(user, "jid").and_then(|j| self.resolve(&j));
            let Some(named) = named else {
                return Answer::NOT_FOUND;
            };
            users.insert(named.account);
        }
        let audience = match xml::attr(list, "type").as_deref() {
            Some("contacts") => StoryAudience::Contacts,
            Some("blacklist") => StoryAudience::Except(users),
            Some("whitelist") => StoryAudience::Only(users),
            _ => return Answer::BAD,
        };
        let Some(account) = self.account_mut(from.account) else {
            return Answer::NOT_FOUND;
        };
        account.profile_mut().stories = Some(audience.clone());
        let node = self.story_privacy_node(audience);
        self.sync_account(
            from,
            None,
            &[NodeBuilder::new("status").children([node]).build()],
        );
        Answer::done()
    }

    fn story_privacy_node(&self, audience: StoryAudience) -> Node {
        let (kind, users) = match audience {
            StoryAudience::Contacts => ("contacts", BTreeSet::new()),
            StoryAudience::Except(users) => ("blacklist", users),
            StoryAudience::Only(users) => ("whitelist", users),
        };
        let users = users.iter().filter_map(|id| self.account(*id));
        let users: Vec<Node> = users
            .map(|a| {
                NodeBuilder::new("user")
                    .attr("jid", a.jid(Addressing::Lid))
                    .build()
            })
            .collect();
        let list = NodeBuilder::new("list")
            .attr("type", kind)
            .attr("default", true)
            .children(users)
            .build();
        NodeBuilder::new("privacy").children([list]).build()
    }

    fn story_setting(&self, account: AccountId) -> Option<StoryAudience> {
        self.account(account)?.profile.as_deref()?.stories.clone()
    }

    /// Who sees a story of the account, unless the story itself says so.
    pub(crate) fn default_audience(&self, account: AccountId) -> Vec<AccountId> {
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        let contacts = profile
            .into_iter()
            .flat_map(|p| p.address_book.iter().copied());
        match self.story_setting(account).unwrap_or_default() {
            StoryAudience::Contacts => contacts.collect(),
            StoryAudience::Except(users) => contacts.filter(|c| !users.contains(c)).collect(),
            StoryAudience::Only(users) => users.into_iter().collect(),
        }
    }
}
