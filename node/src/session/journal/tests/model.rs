//! Any sequence of changes and restarts leaves what a plain model has.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn any_filter() -> impl Strategy<Value = ListMessages> {
    let time = proptest::option::of((0u64..12).prop_map(Timestamp::from_secs));
    (
        proptest::option::of((0u64..3).prop_map(|at| ChatId::User(user(at)))),
        proptest::option::of(0u64..14),
        proptest::option::of(any::<bool>()),
        (time.clone(), time),
        any::<bool>(),
        0u32..6,
        0u32..8,
    )
        .prop_map(
            |(chat, after_number, from_me, (from, until), oldest, offset, limit)| {
                let order = if oldest {
                    ListOrder::OldestFirst
                } else {
                    ListOrder::NewestFirst
                };
                ListMessages {
                    chat,
                    after_number,
                    from_me,
                    author: None,
                    kinds: None,
                    from,
                    until,
                    order,
                    offset,
                    limit,
                }
            },
        )
}

/// What a listing means, in the plainest words.
fn model_list(log: &BTreeMap<u64, Message>, filter: &ListMessages) -> (Vec<u64>, u64) {
    let mut found: Vec<&Message> = log
        .values()
        .filter(|m| filter.chat.as_ref().is_none_or(|chat| m.chat == *chat))
        .filter(|m| filter.after_number.is_none_or(|after| m.number > after))
        .filter(|m| filter.from_me.is_none_or(|from_me| m.from_me == from_me))
        .filter(|m| filter.from.is_none_or(|from| m.at >= from))
        .filter(|m| filter.until.is_none_or(|until| m.at <= until))
        .collect();
    if filter.after_number.is_none() {
        found.sort_by_key(|m| (m.at, m.number));
    }
    let mut numbers: Vec<u64> = found.into_iter().map(|m| m.number).collect();
    let total = numbers.len() as u64;
    if filter.order == ListOrder::NewestFirst {
        numbers.reverse();
    }
    let page = numbers
        .into_iter()
        .skip(filter.offset as usize)
        .take(filter.limit as usize);
    (page.collect(), total)
}

#[derive(Debug, Clone)]
enum Act {
    Take(Vec<(u8, u64)>),
    Send(u8, u64, bool),
    Pass,
    Reopen,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => proptest::collection::vec((0u8..20, 0u64..3), 1..4).prop_map(Act::Take),
        3 => (20u8..30, 0u64..3, any::<bool>()).prop_map(|(id, to, ok)| Act::Send(id, to, ok)),
        1 => Just(Act::Pass),
        1 => Just(Act::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    log: BTreeMap<u64, Message>,
    taken: std::collections::BTreeSet<(u8, u64)>,
    fates: BTreeMap<u8, bool>,
    last: u64,
    events: u64,
    chats: std::collections::BTreeSet<u64>,
}

async fn play(fixture: &mut Fixture, model: &mut Model, act: Act) {
    match act {
        Act::Take(batch) => {
            let messages = batch
                .iter()
                .map(|(id, from)| incoming(message(&format!("I{id}"), *from, u64::from(*id % 12))));
            fixture.journal.take(messages.collect()).await.unwrap();
            for (id, from) in batch {
                if model.taken.insert((id, from)) {
                    model.last += 1;
                    model.events += 1 + u64::from(model.chats.insert(from));
                    let mut message = message(&format!("I{id}"), from, u64::from(id % 12));
                    message.number = model.last;
                    model.log.insert(model.last, message);
                }
            }
        }
        Act::Send(id, to, ok) => {
            let text = format!("O{id}");
            let claim = fixture
                .journal
                .claim(claimed(own(&text, to)))
                .await
                .unwrap();
            let fresh = !model.fates.contains_key(&id);
            let known = model.log.values().find(|m| m.id.as_str() == text).cloned();
            let retried = model.fates.get(&id) == Some(&false)
                && known
                    .as_ref()
                    .is_some_and(|m| m.chat == ChatId::User(user(to)));
            assert_eq!(matches!(claim, Claim::New(_)), fresh || retried);
            if !(fresh || retried) {
                return;
            }
            if fresh {
                model.last += 1;
            }
            let mut message = own(&text, to);
            message.number = known.map_or(model.last, |m| m.number);
            let message_id = message.id.clone();
            message.at = if ok {
                Timestamp::from_secs(6)
            } else {
                message.at
            };
            model.log.insert(message.number, message);
            model.fates.insert(id, ok);
            model.events += 1;
            if ok {
                model.events += u64::from(model.chats.insert(to));
                fixture.journal.dispatched(dispatched(&text)).await.unwrap();
            } else {
                let error = OpError::new(ErrorCode::NotConnected, "not connected");
                fixture.journal.not_sent(message_id, error).await.unwrap();
            }
        }
        Act::Pass => {
            let last = *fixture.journal.last().borrow();
            fixture
                .journal
                .pass(SINK, last.saturating_sub(2))
                .await
                .unwrap();
        }
        Act::Reopen => fixture.reopen(EngineKind::Sled).await,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_journal_is_its_model_across_restarts(
        acts in proptest::collection::vec(any_act(), 1..25),
        filters in proptest::collection::vec(any_filter(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut fixture = Fixture::new(EngineKind::Sled, WIDE).await;
            let mut model = Model::default();
            for act in acts {
                play(&mut fixture, &mut model, act).await;
            }
            let head = fixture.journal.head();
            assert_eq!((head.last_number, head.last_sequence), (model.last, model.events));
            let events = fixture.events().await;
            let sequences: Vec<_> = events.iter().map(|e| e.sequence).collect();
            let first = sequences.first().copied().unwrap_or(model.events + 1);
            assert_eq!(sequences, (first..=model.events).collect::<Vec<_>>(), "a gap");
            for filter in filters {
                let list = fixture.journal.list(&filter).await.unwrap();
                let numbers: Vec<_> = list.messages.iter().map(|m| m.number).collect();
                assert_eq!((numbers, list.total), model_list(&model.log, &filter), "{filter:?}");
            }
            fixture.journal.close().await;
            fixture.store.close().await.unwrap();
        });
    }
}
