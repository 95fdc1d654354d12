//! Who may be put into groups, and the personal invitations for those who do not want that.
//!
//! Source: wacore 0.7.0, `iq/groups.rs` (`add_request`, `accept`).

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Answer;
use crate::core::groups::GroupId;
use crate::core::ids::{AccountId, DeviceId};
use crate::core::privacy::Category;
use crate::core::server::Server;
use crate::core::xml;

/// How long an invitation holds, in seconds. Source: WhatsApp, three days.
const VALID_S: u64 = 3 * 24 * 3600;

impl Server {
    /// Whether `by` may put `account` into groups. The request may show a token.
    pub(super) fn may_add(&self, by: AccountId, account: AccountId, participant: &Node) -> bool {
        let trusted = self.holds_token(account, by, participant);
        self.allows(account, by, Category::GroupAdd, trusted)
    }

    /// `<add_request>`: what the admin may send to somebody who may not be added.
    pub(super) fn invitation(&self, id: GroupId, by: AccountId, account: AccountId) -> Node {
        let expires_s = self.now_s() + VALID_S;
        NodeBuilder::new("add_request")
            .attr("code", self.invitation_code(id, by, account, expires_s))
            .attr("expiration", expires_s)
            .build()
    }

    /// The server keeps no list of invitations: the code follows from what it is for.
    fn invitation_code(
        &self,
        id: GroupId,
        by: AccountId,
        account: AccountId,
        expires_s: u64,
    ) -> String {
        let label = format!("invitation {} {} {expires_s}", id.0, by.0);
        format!("{:016x}", self.seeds.number(&label, u64::from(account.0)))
    }

    /// Somebody accepts an invitation and joins.
    pub(super) fn accept_invitation(
        &mut self,
        from: DeviceId,
        id: GroupId,
        request: &Node,
    ) -> Answer {
        let admin = xml::attr_jid(request, "admin").and_then(|j| self.resolve(&j));
        let (Some(admin), Some(expires_s)) = (admin, xml::attr_u64(request, "expiration")) else {
            return Answer::BAD;
        };
        let code = self.invitation_code(id, admin.account, from.account, expires_s);
        if xml::attr(request, "code").as_deref() != Some(&*code) {
            return Answer::NOT_FOUND;
        }
        let still_admin = self
            .groups
            .get(id)
            .is_some_and(|g| g.is_admin(admin.account));
        if expires_s < self.now_s() || !still_admin {
            return Answer::Error(410, "gone");
        }
        match self.add_member(id, from.account) {
            Ok(()) => self.announce_members(from, id, "add", &[from.account]),
            Err(409) => {}
            Err(_) => return Answer::Error(419, "resource-limit"),
        }
        Answer::one(NodeBuilder::new("group").attr("jid", id.jid()).build())
    }
}
