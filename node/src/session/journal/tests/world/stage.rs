//! The acts of the property test: what is done to the journal, and to its model.

use super::*;

/// The journal and its model live through the same.
pub(super) struct Stage<'a> {
    pub(super) fixture: &'a mut Fixture,
    pub(super) world: &'a mut World,
    /// What was taken last.
    pub(super) last: &'a mut Vec<Msg>,
}

impl Stage<'_> {
    pub(super) async fn play(&mut self, act: Act) {
        match act {
            Act::Take(batch) => self.take(batch).await,
            Act::History(batch) => self.history(&batch).await,
            Act::Star(chat, id, starred) => self.star(chat, id, starred).await,
            Act::DeleteForMe(chat, id) => self.delete(chat, id).await,
            Act::Empty(chat, secs, whole) => self.empty(chat, secs, whole).await,
            Act::Archive(chat, archived) => self.archive(chat, archived).await,
            Act::Save(who, name) => self.save(who, name).await,
            Act::Unsave(who) => self.unsave(who).await,
            Act::Pair(who) => self.pair(who).await,
            Act::Read(id) => self.read(id).await,
            Act::Crash => self.crash().await,
        }
    }

    async fn learn(&self, fact: Fact) {
        self.fixture.journal.learn(vec![fact]).await.unwrap();
    }

    async fn take(&mut self, batch: Vec<Msg>) {
        let incoming = batch.iter().map(Msg::incoming).collect();
        self.fixture.journal.take(incoming).await.unwrap();
        batch.iter().for_each(|msg| self.world.take(msg, false));
        *self.last = batch;
    }

    async fn history(&mut self, batch: &[Msg]) {
        let part = History {
            part: "RECENT".to_owned(),
            progress: None,
            facts: Vec::new(),
            messages: batch.iter().map(Msg::incoming).collect(),
            last: true,
        };
        self.fixture.journal.take_history(part).await.unwrap();
        batch.iter().for_each(|msg| self.world.take(msg, true));
    }

    async fn star(&mut self, chat: Addr, id: u8, starred: bool) {
        let text = format!("M{id}");
        self.learn(Fact::Starred {
            chat: chat_of(chat),
            id: MessageId::parse(&text).unwrap(),
            starred,
        })
        .await;
        match self.world.find(chat, &text) {
            Some(number) => self.world.log.get_mut(&number).unwrap().starred = starred,
            None if starred => drop(self.world.early.insert((chat, text))),
            None => drop(self.world.early.remove(&(chat, text))),
        }
    }

    async fn delete(&mut self, chat: Addr, id: u8) {
        let text = format!("M{id}");
        self.learn(Fact::DeletedForMe {
            chat: chat_of(chat),
            id: MessageId::parse(&text).unwrap(),
            at: Timestamp::from_secs(9),
        })
        .await;
        if let Some(number) = self.world.find(chat, &text) {
            self.world.log.remove(&number);
        }
    }

    async fn empty(&mut self, chat: Addr, secs: Option<u64>, whole: bool) {
        let until = secs.map(Timestamp::from_secs);
        let there = chat_of(chat);
        self.learn(if whole {
            Fact::ChatDeleted { chat: there, until }
        } else {
            Fact::ChatCleared {
                chat: there,
                until,
                keeps_starred: false,
            }
        })
        .await;
        self.world.empty(chat, secs, whole);
    }

    async fn archive(&mut self, chat: Addr, archived: bool) {
        self.learn(Fact::Chat(ChatFact {
            archived: Some(archived),
            ..ChatFact::of(chat_of(chat))
        }))
        .await;
        let canon = self.world.canon(chat);
        self.world.chats.entry(canon).or_default().archived = archived;
    }

    async fn save(&mut self, who: Addr, name: u8) {
        let name = format!("name {name}");
        self.learn(Fact::Contact(ContactFact {
            saved: Some((name.clone(), None)),
            ..ContactFact::of(address(who))
        }))
        .await;
        let canon = self.world.canon(who);
        self.world.contacts.insert(canon, (true, Some(name)));
    }

    async fn unsave(&mut self, who: Addr) {
        self.learn(Fact::ContactRemoved { user: address(who) })
            .await;
        let canon = self.world.canon(who);
        if let Some(contact) = self.world.contacts.get_mut(&canon) {
            *contact = (false, None);
        }
    }

    async fn pair(&mut self, who: u64) {
        let (phone, lid) = (address((who, false)), address((who, true)));
        self.learn(Fact::Pair { phone, lid }).await;
        self.world.pair(who);
    }

    async fn read(&mut self, id: u8) {
        let ids = vec![MessageId::parse(&format!("M{id}")).unwrap()];
        self.fixture.journal.read_here(ids).await.unwrap();
        self.world.read(id);
    }

    /// The process dies, and WhatsApp delivers again what it did not hear of.
    async fn crash(&mut self) {
        let fixture = &mut *self.fixture;
        fixture.journal.cancel();
        fixture.journal.ended().await;
        let opened = Journal::open(scope(1), Arc::clone(&fixture.store), fixture.limits, ());
        fixture.journal = opened.await.unwrap().0;
        let again = self.last.iter().map(Msg::incoming).collect();
        fixture.journal.take(again).await.unwrap();
        let world = &mut *self.world;
        self.last.iter().for_each(|msg| world.take(msg, false));
    }
}

fn chat_of(a: Addr) -> ChatId {
    ChatId::User(address(a))
}
