//! Whether the store shows what the model has.

use switchboard_vocab::{chats, contacts};

use super::*;

pub(super) async fn judge(fixture: &Fixture, world: &World) {
    messages(fixture, world).await;
    conversations(fixture, world).await;
    people(fixture, world).await;
    order::agree(&fixture.journal).await;
    let head = fixture.journal.head();
    assert_eq!(
        (head.last_number, head.messages),
        (world.last, world.log.len() as u64)
    );
}

async fn messages(fixture: &Fixture, world: &World) {
    let mut rows: Vec<_> = world.log.values().collect();
    rows.sort_by_key(|row| (row.at, row.number));
    let all = fixture.all().await;
    assert_eq!(all.len(), rows.len());
    for (message, row) in all.iter().zip(rows) {
        let says = if let Body::Text(text) = &message.body {
            Says::Words(text.body.clone())
        } else if let Body::Deleted { .. } = &message.body {
            Says::Gone
        } else {
            Says::Carrier
        };
        let marks = &message.marks;
        let reactions = marks
            .reactions
            .iter()
            .map(|r| (r.user.clone(), r.emoji.clone()));
        let found = (
            message.number,
            message.id.as_str(),
            says,
            reactions.collect::<Vec<_>>(),
        );
        let wanted = row
            .reactions
            .iter()
            .map(|(a, emoji)| (address(*a), emoji.clone()));
        let wanted = wanted.collect();
        assert_eq!(found, (row.number, &*row.id, row.says.clone(), wanted));
        let edited = marks.edited_at.map(Timestamp::as_secs);
        assert_eq!(
            (marks.starred, edited),
            (row.starred, row.edited),
            "{}",
            row.id
        );
    }
}

async fn conversations(fixture: &Fixture, world: &World) {
    let everything = chats::List {
        archived: None,
        offset: 0,
        limit: 100,
    };
    let listed = fixture.journal.chats(&everything).await.unwrap().chats;
    let found: BTreeMap<_, _> = listed
        .into_iter()
        .map(|c| {
            (
                c.id,
                (c.last_at.map(Timestamp::as_secs), c.unread, c.archived),
            )
        })
        .collect();
    let wanted = world.chats.iter();
    let wanted =
        wanted.map(|(a, c)| (ChatId::User(address(*a)), (c.last_at, c.unread, c.archived)));
    assert_eq!(found, wanted.collect());
}

async fn people(fixture: &Fixture, world: &World) {
    let everything = contacts::List {
        saved: None,
        offset: 0,
        limit: 100,
    };
    let listed = fixture
        .journal
        .contacts(&everything)
        .await
        .unwrap()
        .contacts;
    let found: BTreeMap<_, _> = listed
        .into_iter()
        .map(|c| (c.id, (c.saved, c.name)))
        .collect();
    let wanted = world.contacts.iter().map(|(a, c)| (address(*a), c.clone()));
    assert_eq!(found, wanted.collect());
}
