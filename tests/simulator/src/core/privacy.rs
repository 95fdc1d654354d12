//! Who may see what of whom: the rules behind the privacy settings, the block list and the tokens
//! that contacts give each other.
//!
//! Source: WhatsApp's settings; names and values as in whatsapp-rust 0.7.0.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wacore_binary::Node;

use super::ids::{AccountId, Addressing};
use super::server::Server;
use super::xml;

/// What a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// When the account was last there.
    Last,
    /// Whether it is there now.
    Online,
    /// Its picture.
    Picture,
    /// Its "about" text.
    About,
    /// Whether its user tells others what was read.
    ReadReceipts,
    /// Who may put it into groups.
    GroupAdd,
    /// Who may call it.
    CallAdd,
    /// Who may write to it first.
    Messages,
    /// Protection against unknown accounts.
    Defense,
}

impl Category {
    /// All of them, in the order of the answers.
    pub const ALL: [Self; 9] = [
        Self::Last,
        Self::Online,
        Self::Picture,
        Self::About,
        Self::ReadReceipts,
        Self::GroupAdd,
        Self::CallAdd,
        Self::Messages,
        Self::Defense,
    ];

    /// As stanzas name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Online => "online",
            Self::Picture => "profile",
            Self::About => "status",
            Self::ReadReceipts => "readreceipts",
            Self::GroupAdd => "groupadd",
            Self::CallAdd => "calladd",
            Self::Messages => "messages",
            Self::Defense => "defense",
        }
    }

    /// From the name in a stanza.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }

    /// What holds until the user says otherwise.
    #[must_use]
    pub const fn default_value(self) -> Value {
        match self {
            Self::Defense => Value::Off,
            Self::Last
            | Self::Online
            | Self::Picture
            | Self::About
            | Self::ReadReceipts
            | Self::GroupAdd
            | Self::CallAdd
            | Self::Messages => Value::All,
        }
    }

    /// Whether the setting can have the value.
    #[must_use]
    pub const fn takes(self, value: Value) -> bool {
        use Value as V;
        match self {
            Self::Last | Self::Picture | Self::About | Self::GroupAdd => {
                matches!(value, V::All | V::Contacts | V::ContactsExcept | V::Nobody)
            }
            Self::Online => matches!(value, V::All | V::MatchLastSeen),
            Self::ReadReceipts => matches!(value, V::All | V::Nobody),
            Self::CallAdd => matches!(value, V::All | V::Known | V::Contacts),
            Self::Messages => matches!(value, V::All | V::Contacts),
            Self::Defense => matches!(value, V::Off | V::OnStandard),
        }
    }
}

/// The value of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Everyone.
    All,
    /// Who is in the address book.
    Contacts,
    /// Who is in the address book and not on the setting's list.
    ContactsExcept,
    /// Nobody.
    Nobody,
    /// As last seen.
    MatchLastSeen,
    /// Who was in touch before.
    Known,
    /// Off.
    Off,
    /// On.
    OnStandard,
}

impl Value {
    /// All of them.
    const ALL: [Self; 8] = [
        Self::All,
        Self::Contacts,
        Self::ContactsExcept,
        Self::Nobody,
        Self::MatchLastSeen,
        Self::Known,
        Self::Off,
        Self::OnStandard,
    ];

    /// As stanzas name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Contacts => "contacts",
            Self::ContactsExcept => "contact_blacklist",
            Self::Nobody => "none",
            Self::MatchLastSeen => "match_last_seen",
            Self::Known => "known",
            Self::Off => "off",
            Self::OnStandard => "on_standard",
        }
    }

    /// From the name in a stanza.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == name)
    }
}

/// Bytes of a trusted-contact token: when it was given, and the server's seal.
const TOKEN_LEN: usize = 32;

impl Server {
    /// The value of a setting.
    pub(crate) fn privacy_value(&self, account: AccountId, category: Category) -> Value {
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        profile
            .and_then(|p| p.privacy.get(&category).copied())
            .unwrap_or_else(|| category.default_value())
    }

    /// Whether `owner` lets `viewer` see, or do, something. `trusted` says that the viewer showed a
    /// token of the owner, which makes it as good as a contact.
    pub(crate) fn allows(
        &self,
        owner: AccountId,
        viewer: AccountId,
        category: Category,
        trusted: bool,
    ) -> bool {
        if owner == viewer {
            return true;
        }
        if self.has_blocked(owner, viewer) {
            return false;
        }
        let profile = self.account(owner).and_then(|a| a.profile.as_deref());
        let contact = trusted || profile.is_some_and(|p| p.address_book.contains(&viewer));
        let excluded = profile
            .and_then(|p| p.excluded.get(&category))
            .is_some_and(|list| list.contains(&viewer));
        match self.privacy_value(owner, category) {
            Value::All | Value::Off => true,
            Value::Contacts | Value::Known | Value::OnStandard => contact,
            Value::ContactsExcept => contact && !excluded,
            Value::Nobody => false,
            Value::MatchLastSeen => self.allows(owner, viewer, Category::Last, trusted),
        }
    }

    /// As [`Self::allows`] for when somebody was or is there: who hides it from another does not see
    /// it of them either.
    pub(crate) fn shows_presence(
        &self,
        owner: AccountId,
        viewer: AccountId,
        category: Category,
        trusted: bool,
    ) -> bool {
        self.allows(owner, viewer, category, trusted) && self.allows(viewer, owner, category, true)
    }

    /// Whether `account` blocked `other`.
    pub(crate) fn has_blocked(&self, account: AccountId, other: AccountId) -> bool {
        let profile = self.account(account).and_then(|a| a.profile.as_deref());
        profile.is_some_and(|p| p.blocked.contains(&other))
    }

    /// The token that shows that `by` trusts `holder`. The server keeps no list of them: it knows
    /// its own seal.
    pub(crate) fn token(&self, by: AccountId, holder: AccountId, at_s: u64) -> [u8; TOKEN_LEN] {
        let key = self.seeds.number("trusted contact", u64::from(by.0));
        let mut token = [0; TOKEN_LEN];
        let (stamp, seal) = token.split_at_mut(8);
        stamp.copy_from_slice(&at_s.to_be_bytes());
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.to_be_bytes()) {
            mac.update(&by.0.to_be_bytes());
            mac.update(&holder.0.to_be_bytes());
            mac.update(stamp);
            for (to, from) in seal.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
        token
    }

    /// Whether the `<tctoken>` in `node` is one that `by` gave to `holder`.
    pub(crate) fn holds_token(&self, by: AccountId, holder: AccountId, node: &Node) -> bool {
        let Some(shown) = xml::child_bytes(node, "tctoken") else {
            return false;
        };
        let stamp = shown.first_chunk().map(|s| u64::from_be_bytes(*s));
        stamp.is_some_and(|at_s| *shown == self.token(by, holder, at_s))
    }

    /// A hash over a list of accounts, by which clients tell whether theirs is current. `None` for
    /// the empty list.
    pub(crate) fn list_hash(&self, accounts: &BTreeSet<AccountId>) -> Option<String> {
        if accounts.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        for account in accounts.iter().filter_map(|id| self.account(*id)) {
            hash.update(account.jid(Addressing::Lid).to_string());
            hash.update([0]);
        }
        let digest = hash.finalize();
        digest.first_chunk::<6>().map(hex::encode)
    }

    /// Whether the hash a client knows is that of the list as it is now.
    pub(crate) fn hash_is_current(&self, known: &str, accounts: &BTreeSet<AccountId>) -> bool {
        match self.list_hash(accounts) {
            Some(hash) => hash == known,
            None => known.is_empty() || known == NO_HASH,
        }
    }
}

/// What stands for the hash of a list that was never used. Source: WhatsApp Web.
pub(crate) const NO_HASH: &str = "none";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wacore_binary::builder::NodeBuilder;

    use super::*;
    use crate::clock::ManualClock;
    use crate::core::server::Options;

    const A: u64 = 491_510_000_001;

    /// A server with three accounts.
    fn server() -> (Server, [AccountId; 3]) {
        let options = Options {
            lid_migrated: true,
            phones_listen: true,
            both_addresses: true,
            pair_unseen: false,
            group_addressing: Addressing::Lid,
            media_host: "localhost".to_owned(),
        };
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let mut server = Server::new(options, 1, clock);
        let ids = [A, A + 1, A + 2].map(|n| server.account_with_number(n, "").unwrap());
        (server, ids)
    }

    fn set(server: &mut Server, account: AccountId, category: Category, value: Value) {
        let profile = server.account_mut(account).unwrap().profile_mut();
        profile.privacy.insert(category, value);
    }

    #[test]
    fn each_value_shows_to_whom_it_names() {
        let (mut server, [owner, friend, stranger]) = server();
        server.change_address_book(owner, &[friend], &[]);
        let sees = |server: &Server, viewer, trusted| {
            server.allows(owner, viewer, Category::Picture, trusted)
        };
        for (value, expected) in [
            (Value::All, [true, true, true]),
            (Value::Contacts, [true, false, true]),
            (Value::Nobody, [false, false, false]),
        ] {
            set(&mut server, owner, Category::Picture, value);
            let seen = [
                sees(&server, friend, false),
                sees(&server, stranger, false),
                sees(&server, stranger, true),
            ];
            assert_eq!(seen, expected, "{value:?}");
            assert!(sees(&server, owner, false), "everyone sees themselves");
        }
        set(&mut server, owner, Category::Picture, Value::ContactsExcept);
        assert!(sees(&server, friend, false));
        let profile = server.account_mut(owner).unwrap().profile_mut();
        let excluded = profile.excluded.entry(Category::Picture).or_default();
        excluded.insert(friend);
        assert!(
            !sees(&server, friend, true),
            "a token does not help the excluded"
        );

        set(&mut server, owner, Category::Picture, Value::All);
        let profile = server.account_mut(owner).unwrap().profile_mut();
        profile.blocked.insert(friend);
        assert!(!sees(&server, friend, true), "nor the blocked");
    }

    #[test]
    fn who_hides_being_there_does_not_see_it() {
        let (mut server, [a, b, _]) = server();
        set(&mut server, a, Category::Online, Value::MatchLastSeen);
        assert!(server.shows_presence(a, b, Category::Online, false));
        set(&mut server, a, Category::Last, Value::Nobody);
        assert!(!server.shows_presence(a, b, Category::Online, false));
        assert!(!server.shows_presence(b, a, Category::Last, false));
        assert!(!server.shows_presence(b, a, Category::Online, false));
    }

    #[test]
    fn a_token_holds_for_whom_it_was_given_by_whom() {
        let (server, [giver, holder, thief]) = server();
        let with = |bytes: Vec<u8>| {
            let token = NodeBuilder::new("tctoken").bytes(bytes).build();
            NodeBuilder::new("picture").children([token]).build()
        };
        let token = server.token(giver, holder, 7);
        let shown = with(token.to_vec());
        assert!(server.holds_token(giver, holder, &shown));
        assert!(!server.holds_token(giver, thief, &shown));
        assert!(!server.holds_token(thief, holder, &shown));
        let mut later = token.to_vec();
        if let Some(byte) = later.get_mut(7) {
            *byte = 8;
        }
        assert!(!server.holds_token(giver, holder, &with(later)));
        assert!(!server.holds_token(giver, holder, &with(Vec::new())));
        let none = NodeBuilder::new("picture").build();
        assert!(!server.holds_token(giver, holder, &none));
    }

    #[test]
    fn the_hash_of_a_list_tells_lists_apart() {
        let (server, [a, b, c]) = server();
        let none = BTreeSet::new();
        assert!(server.hash_is_current("", &none) && server.hash_is_current(NO_HASH, &none));
        let one = server.list_hash(&BTreeSet::from([a, b])).unwrap();
        assert!(server.hash_is_current(&one, &BTreeSet::from([b, a])));
        assert!(!server.hash_is_current(&one, &BTreeSet::from([a, c])));
        assert!(!server.hash_is_current(&one, &none));
    }

    #[test]
    fn every_name_is_read_back() {
        for category in Category::ALL {
            assert_eq!(Category::parse(category.as_str()), Some(category));
            assert!(category.takes(category.default_value()));
        }
        for value in Value::ALL {
            assert_eq!(Value::parse(value.as_str()), Some(value));
        }
        assert!(!Category::ReadReceipts.takes(Value::Contacts));
    }
}
