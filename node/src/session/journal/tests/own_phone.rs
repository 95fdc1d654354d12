//! What the account's own phone did, as receipts tell it.

use switchboard_vocab::events::chats::Event as ChatEvent;
use switchboard_vocab::sessions::Identity;

use super::*;
use crate::session::lifecycle::Saved;

#[tokio::test]
async fn what_the_own_phone_read_is_read_and_told() {
    let fixture = Fixture::new(EngineKind::Memory, WIDE).await;
    let journal = &fixture.journal;
    let identity = Some(Identity {
        phone: user(9_999),
        lid: None,
        device: 1,
        push_name: None,
        platform: None,
    });
    let saved = Saved {
        identity,
        ..Saved::default()
    };
    journal.post_saved(saved).unwrap();
    let batch = ["A", "B"].map(|id| incoming(message(id, 1, 1)));
    journal.take(batch.to_vec()).await.unwrap();
    // A receipt of an own device names the account, not the conversation.
    let own_read = |id: &str| Receipt {
        chat: ChatId::User(user(9_999)),
        user: user(9_999),
        ..receipt(id, ReceiptKind::Read)
    };
    journal.receipt(own_read("B")).await.unwrap();
    journal.receipt(own_read("UNKNOWN")).await.unwrap();
    let known = journal.chat(&ChatId::User(user(1))).await.unwrap().unwrap();
    assert_eq!(known.unread, 0);
    let events = fixture.events().await;
    assert_eq!(
        events
            .iter()
            .map(|e| e.event.type_token())
            .collect::<Vec<_>>(),
        [
            "message-received",
            "chat-added",
            "message-received",
            "chat-changed"
        ]
    );
    let Event::Chats(ChatEvent::Changed(change)) = &events[3].event else {
        panic!("no change");
    };
    assert_eq!((change.before.unread, change.after.unread), (2, 0));
}
