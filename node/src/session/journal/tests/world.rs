//! Any sequence of messages, facts, history and restarts leaves what a plain model of the whole store has.

mod judge;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use switchboard_whatsapp::{ChatFact, ContactFact, Fact, History};

use super::*;

/// A person's address: who, and whether it is their LID.
type Addr = (u64, bool);

fn address((who, hidden): Addr) -> UserId {
    if hidden {
        UserId::lid(&format!("900{who}")).unwrap()
    } else {
        user(who)
    }
}

#[derive(Debug, Clone)]
enum Does {
    Say,
    React(u8, u8),
    Edit(u8, u8),
    Revoke(u8),
}

#[derive(Debug, Clone)]
struct Msg {
    id: u8,
    from: Addr,
    at: u64,
    does: Does,
}

#[derive(Debug, Clone)]
enum Act {
    Take(Vec<Msg>),
    History(Vec<Msg>),
    Star(Addr, u8, bool),
    DeleteForMe(Addr, u8),
    Empty(Addr, Option<u64>, bool),
    Archive(Addr, bool),
    Save(Addr, u8),
    Unsave(Addr),
    Pair(u64),
    Read(u8),
    /// The process dies; what it took last is delivered again.
    Crash,
}

fn any_addr() -> impl Strategy<Value = Addr> {
    (0u64..2, any::<bool>())
}

fn any_msg() -> impl Strategy<Value = Msg> {
    let does = prop_oneof![
        4 => Just(Does::Say),
        2 => (0u8..4, 0u8..3).prop_map(|(of, emoji)| Does::React(of, emoji)),
        2 => (0u8..4, 0u8..3).prop_map(|(of, words)| Does::Edit(of, words)),
        1 => (0u8..4).prop_map(Does::Revoke),
    ];
    (0u8..4, any_addr(), 1u64..9, does).prop_map(|(id, from, at, does)| Msg { id, from, at, does })
}

fn any_act() -> impl Strategy<Value = Act> {
    let until = proptest::option::of(1u64..9);
    prop_oneof![
        8 => proptest::collection::vec(any_msg(), 1..4).prop_map(Act::Take),
        2 => proptest::collection::vec(any_msg(), 1..4).prop_map(Act::History),
        2 => (any_addr(), 0u8..4, any::<bool>()).prop_map(|(a, id, on)| Act::Star(a, id, on)),
        1 => (any_addr(), 0u8..4).prop_map(|(a, id)| Act::DeleteForMe(a, id)),
        1 => (any_addr(), until, any::<bool>()).prop_map(|(a, u, whole)| Act::Empty(a, u, whole)),
        1 => (any_addr(), any::<bool>()).prop_map(|(a, on)| Act::Archive(a, on)),
        1 => (any_addr(), 0u8..3).prop_map(|(a, name)| Act::Save(a, name)),
        1 => any_addr().prop_map(Act::Unsave),
        1 => (0u64..2).prop_map(Act::Pair),
        2 => (0u8..4).prop_map(Act::Read),
        1 => Just(Act::Crash),
    ]
}

impl Msg {
    fn id(&self) -> String {
        match self.does {
            Does::Say => format!("M{}", self.id),
            Does::React(..) | Does::Edit(..) | Does::Revoke(_) => format!("C{}", self.id),
        }
    }

    fn incoming(&self) -> Incoming {
        let mut message = message(&self.id(), 0, self.at);
        message.sender = address(self.from);
        message.chat = ChatId::User(address(self.from));
        let target = |of: u8| MessageId::parse(&format!("M{of}")).unwrap();
        match self.does {
            Does::Say => {}
            Does::React(of, emoji) => {
                message.body = Body::Reaction {
                    to: target(of),
                    emoji: "x".repeat(emoji.into()),
                };
            }
            Does::Edit(of, words) => {
                message.body = Body::Edited {
                    target: target(of),
                    body: format!("words {words}"),
                };
            }
            Does::Revoke(of) => message.body = Body::Revoked { target: target(of) },
        }
        incoming(message)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Says {
    Words(String),
    Gone,
    Carrier,
}

#[derive(Debug, Clone)]
struct Row {
    number: u64,
    id: String,
    from: Addr,
    at: u64,
    says: Says,
    reactions: Vec<(Addr, String)>,
    voted: BTreeMap<Addr, u64>,
    edited: Option<u64>,
    starred: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Chat {
    last_at: Option<u64>,
    unread: u32,
    archived: bool,
    read: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct World {
    last: u64,
    log: BTreeMap<u64, Row>,
    chats: BTreeMap<Addr, Chat>,
    contacts: BTreeMap<Addr, (bool, Option<String>)>,
    paired: BTreeSet<u64>,
    early: BTreeSet<(Addr, String)>,
}

impl World {
    fn canon(&self, (who, hidden): Addr) -> Addr {
        (who, hidden && !self.paired.contains(&who))
    }

    fn find(&self, chat: Addr, id: &str) -> Option<u64> {
        let chat = self.canon(chat);
        let is = |row: &&Row| row.id == id && self.canon(row.from) == chat;
        self.log.values().filter(is).map(|row| row.number).max()
    }

    fn take(&mut self, msg: &Msg, history: bool) {
        let id = msg.id();
        if self.find(msg.from, &id).is_some() {
            return;
        }
        self.last += 1;
        let says = match msg.does {
            Does::Say => Says::Words(format!("hello {id}")),
            Does::React(..) | Does::Edit(..) | Does::Revoke(_) => Says::Carrier,
        };
        let mut row = Row {
            number: self.last,
            id: id.clone(),
            from: msg.from,
            at: msg.at,
            says,
            reactions: Vec::new(),
            voted: BTreeMap::new(),
            edited: None,
            starred: false,
        };
        if history {
            let (who, hidden) = msg.from;
            let both = if self.paired.contains(&who) {
                vec![msg.from, (who, !hidden)]
            } else {
                vec![msg.from]
            };
            for address in both {
                row.starred |= self.early.remove(&(address, id.clone()));
            }
        }
        let is_said = row.says != Says::Carrier;
        self.log.insert(self.last, row);
        if is_said {
            let chat = self.chats.entry(self.canon(msg.from)).or_default();
            chat.last_at = chat.last_at.max(Some(msg.at));
            chat.unread += u32::from(!history);
        }
        self.effect(msg);
    }

    fn effect(&mut self, msg: &Msg) {
        let of = match msg.does {
            Does::Say => return,
            Does::React(of, _) | Does::Edit(of, _) | Does::Revoke(of) => of,
        };
        let Some(number) = self.find(msg.from, &format!("M{of}")) else {
            return;
        };
        let who = self.canon(msg.from);
        let paired = self.paired.clone();
        let same = |a: &Addr| *a == who || (a.0 == who.0 && paired.contains(&a.0));
        let row = self.log.get_mut(&number).unwrap();
        if row.says == Says::Gone {
            return;
        }
        match msg.does {
            Does::Say => {}
            Does::React(_, emoji) => {
                let last = row
                    .voted
                    .iter()
                    .filter(|(a, _)| same(a))
                    .map(|(_, at)| *at)
                    .max();
                if last.is_some_and(|last| last > msg.at) {
                    return;
                }
                row.voted.insert(who, msg.at);
                row.reactions.retain(|(a, _)| !same(a));
                if emoji > 0 {
                    row.reactions.push((who, "x".repeat(emoji.into())));
                }
            }
            Does::Edit(_, words) => {
                if row.edited.is_none_or(|last| last <= msg.at) {
                    row.says = Says::Words(format!("words {words}"));
                    row.edited = Some(msg.at);
                }
            }
            Does::Revoke(_) => {
                row.says = Says::Gone;
                row.reactions.clear();
                row.voted.clear();
                row.edited = None;
                row.starred = false;
            }
        }
    }

    fn unread_after(&self, chat: Addr, place: (u64, u64), most: u32) -> u32 {
        let is = |row: &&Row| {
            let behind = (row.at, row.number) > place;
            self.canon(row.from) == chat && row.says != Says::Carrier && behind
        };
        most.min(u32::try_from(self.log.values().filter(is).count()).unwrap())
    }

    fn empty(&mut self, chat: Addr, until: Option<u64>, whole: bool) {
        let chat = self.canon(chat);
        let gone: Vec<u64> = {
            let is = |row: &&Row| {
                self.canon(row.from) == chat && until.is_none_or(|until| row.at <= until)
            };
            self.log.values().filter(is).map(|row| row.number).collect()
        };
        for number in &gone {
            self.log.remove(number);
        }
        if whole && !self.log.values().any(|row| self.canon(row.from) == chat) {
            self.chats.remove(&chat);
            return;
        }
        if !whole && gone.is_empty() {
            return;
        }
        let Some(row) = self.chats.get(&chat).cloned() else {
            return;
        };
        let unread = until.map_or(0, |until| {
            let from = row.read.unwrap_or_default().max((until, u64::MAX));
            self.unread_after(chat, from, row.unread)
        });
        self.chats.get_mut(&chat).unwrap().unread = unread;
    }

    fn read(&mut self, id: u8) {
        let id = format!("M{id}");
        let found: Vec<_> = self
            .log
            .values()
            .filter(|row| row.id == id)
            .cloned()
            .collect();
        for row in found {
            let chat = self.canon(row.from);
            let place = (row.at, row.number);
            let Some(known) = self.chats.get(&chat).cloned() else {
                continue;
            };
            if known.read >= Some(place) {
                continue;
            }
            let unread = self.unread_after(chat, place, known.unread);
            let known = self.chats.get_mut(&chat).unwrap();
            known.read = Some(place);
            known.unread = unread;
        }
    }

    fn pair(&mut self, who: u64) {
        if !self.paired.insert(who) {
            return;
        }
        if let Some(loose) = self.chats.remove(&(who, true)) {
            let chat = self.chats.entry((who, false)).or_default();
            chat.last_at = chat.last_at.max(loose.last_at);
            chat.unread += loose.unread;
            chat.archived |= loose.archived;
            chat.read = chat.read.max(loose.read);
        }
        if let Some((saved, name)) = self.contacts.remove(&(who, true)) {
            let contact = self.contacts.entry((who, false)).or_default();
            contact.0 |= saved;
            contact.1 = contact.1.take().or(name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn the_store_is_its_model(acts in proptest::collection::vec(any_act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut fixture = Fixture::new(EngineKind::Memory, WIDE).await;
            let mut world = World::default();
            let mut last = Vec::new();
            for act in acts {
                let mut stage = stage::Stage {
                    fixture: &mut fixture,
                    world: &mut world,
                    last: &mut last,
                };
                stage.play(act).await;
            }
            judge::judge(&fixture, &world).await;
            fixture.journal.close().await;
        });
    }
}
