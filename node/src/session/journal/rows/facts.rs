//! What listings filter by, readable without the message.

use sha2::{Digest, Sha256};
use switchboard_vocab::content::{Body, BodyKind};
use switchboard_vocab::messages::{ListMessages, Message};
use switchboard_vocab::{Timestamp, UserId};

use super::Error;

const SCHEMA: u8 = 2;
const FLAG_FROM_ME: u8 = 1;
/// It says something by itself: it can be the last message of a conversation, and unread.
const FLAG_SAYS: u8 = 2;
/// It came with the history.
const FLAG_HISTORY: u8 = 4;
const AUTHOR_LEN: usize = 8;

/// What an index row says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Facts {
    pub(in super::super) from_me: bool,
    pub(in super::super) says: bool,
    kind: u8,
    author: [u8; AUTHOR_LEN],
    history: bool,
}

impl Facts {
    pub(in super::super) fn of(message: &Message) -> Self {
        Self {
            from_me: message.from_me,
            says: says(&message.body),
            kind: code(message.body.kind()),
            author: digest(&message.sender),
            history: message.context.from_history,
        }
    }

    pub(in super::super) fn encode(self) -> Vec<u8> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.from_me, FLAG_FROM_ME)
            | flag(self.says, FLAG_SAYS)
            | flag(self.history, FLAG_HISTORY);
        let mut out = vec![SCHEMA, flags, self.kind];
        out.extend_from_slice(&self.author);
        out
    }

    pub(in super::super) fn decode(row: &[u8]) -> Result<Self, Error> {
        let short = || Error::row("facts");
        let ([schema, flags, kind], rest) = row.split_first_chunk::<3>().ok_or_else(short)?;
        if *schema != SCHEMA {
            return Err(Error::schema("facts", *schema));
        }
        let (author, _) = rest.split_first_chunk::<AUTHOR_LEN>().ok_or_else(short)?;
        Ok(Self {
            from_me: flags & FLAG_FROM_ME != 0,
            says: flags & FLAG_SAYS != 0,
            history: flags & FLAG_HISTORY != 0,
            kind: *kind,
            author: *author,
        })
    }
}

/// Whether a message is said by itself, and is not about another one or the conversation.
const fn says(body: &Body) -> bool {
    body.target().is_none() && !matches!(body, Body::Timer { .. })
}

/// What a listing wants, in the words of index rows.
#[derive(Debug, Clone)]
pub(in super::super) struct Wanted {
    from_me: Option<bool>,
    authors: Option<Vec<[u8; AUTHOR_LEN]>>,
    kinds: Option<Vec<u8>>,
    pub(in super::super) after_number: Option<u64>,
    pub(in super::super) from: Option<Timestamp>,
    pub(in super::super) until: Option<Timestamp>,
}

impl Wanted {
    /// `other` is the other address of the wanted author.
    pub(in super::super) fn of(filter: &ListMessages, other: Option<&UserId>) -> Self {
        let authors = filter.author.as_ref().map(|author| {
            let addresses = [Some(author), other];
            addresses.into_iter().flatten().map(digest).collect()
        });
        let kinds = filter.kinds.as_ref();
        Self {
            from_me: filter.from_me,
            authors,
            kinds: kinds.map(|kinds| kinds.iter().map(|kind| code(*kind)).collect()),
            after_number: filter.after_number,
            from: filter.from,
            until: filter.until,
        }
    }

    /// Whether nothing but the order and the window of time matters.
    pub(in super::super) const fn is_everything(&self) -> bool {
        self.from_me.is_none()
            && self.authors.is_none()
            && self.kinds.is_none()
            && self.after_number.is_none()
            && self.from.is_none()
            && self.until.is_none()
    }

    /// The number, where nothing else matters.
    pub(in super::super) fn only_after(&self) -> Option<u64> {
        let rest = Self {
            after_number: None,
            ..self.clone()
        };
        self.after_number.filter(|_| rest.is_everything())
    }

    pub(in super::super) fn passes(&self, number: u64, facts: Facts) -> bool {
        self.from_me.is_none_or(|wanted| facts.from_me == wanted)
            && self.after_number.is_none_or(|after| number > after)
            && self
                .authors
                .as_ref()
                .is_none_or(|all| all.contains(&facts.author))
            && self
                .kinds
                .as_ref()
                .is_none_or(|all| all.contains(&facts.kind))
    }
}

fn digest(user: &UserId) -> [u8; AUTHOR_LEN] {
    let whole = Sha256::digest(user.to_string().as_bytes());
    whole
        .first_chunk::<AUTHOR_LEN>()
        .copied()
        .unwrap_or_default()
}

/// The number of a kind in rows; never given to another one.
const fn code(kind: BodyKind) -> u8 {
    match kind {
        BodyKind::Text => 1,
        BodyKind::Media => 2,
        BodyKind::Location => 3,
        BodyKind::LiveLocation => 4,
        BodyKind::Contacts => 5,
        BodyKind::Poll => 6,
        BodyKind::Event => 7,
        BodyKind::Interactive => 8,
        BodyKind::Reply => 9,
        BodyKind::Invite => 10,
        BodyKind::Reaction => 11,
        BodyKind::Edited => 12,
        BodyKind::Revoked => 13,
        BodyKind::Vote => 14,
        BodyKind::EventReply => 15,
        BodyKind::Pinned => 16,
        BodyKind::Timer => 17,
        BodyKind::Deleted => 18,
        BodyKind::Unreadable => 19,
        BodyKind::Other => 20,
    }
}
