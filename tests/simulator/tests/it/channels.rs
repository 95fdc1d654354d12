//! Newsletters and communities: who may do what in them, and who hears of it.

use wacore::types::events::Event;
use whatsapp_rust::features::{CreateCommunityOptions, NewsletterRole};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::client::{TestClient, simulator};
use crate::groups::make_group;

const ALICE: &str = "4915100000101";
const BOB: &str = "4915100000102";

#[tokio::test(flavor = "multi_thread")]
async fn a_newsletter_has_one_author_and_its_followers_hear() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let made = alice.client.newsletter().create("news", None).await;
    let jid = made.unwrap().jid;
    let stranger = bob.client.newsletter().get_metadata(&jid).await.unwrap();
    assert!(matches!(stranger.role, Some(NewsletterRole::Guest)));
    let joined = bob.client.newsletter().join(&jid).await.unwrap();
    assert!(matches!(joined.role, Some(NewsletterRole::Subscriber)));
    let (theirs, ours) = (bob.client.newsletter(), alice.client.newsletter());
    let renamed = theirs.update(&jid, Some("mine"), None).await;
    assert!(renamed.is_err(), "only the owner changes it");

    let text = wa::Message {
        conversation: Some("extra".to_owned()),
        ..Default::default()
    };
    alice.client.send_message(jid.clone(), text).await.unwrap();
    let (got, message) = bob.next_text().await;
    assert_eq!(got, "extra");
    assert_eq!(message.info.source.chat, jid);
    let page = theirs.get_messages(&jid, 10, None).await.unwrap();
    assert_eq!(page.len(), 1);

    ours.subscribe_live_updates(&jid).await.unwrap();
    let number = page[0].server_id;
    theirs.send_reaction(&jid, number, "👍").await.unwrap();
    let heard = alice
        .wait_for("the reaction", |e| match e {
            Event::NewsletterLiveUpdate(update) => update.messages.first().cloned(),
            _ => None,
        })
        .await;
    assert_eq!(heard.server_id, number);
    assert_eq!(
        (&*heard.reactions[0].code, heard.reactions[0].count),
        ("👍", 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_a_group_of_a_community_is_in_the_community() {
    let simulator = simulator().await;
    let alice = TestClient::paired(&simulator, ALICE).await;
    let bob = TestClient::paired(&simulator, BOB).await;
    let options = CreateCommunityOptions::new("village");
    let community = alice.client.community().create(options).await;
    let community = community.unwrap().metadata.id;
    let refused = bob.client.community().get_subgroups(&community).await;
    assert!(refused.is_err(), "strangers see nothing");

    let group = make_group(&alice, &[BOB]).await;
    let foreign = bob.client.community();
    let foreign = foreign.link_subgroups(community.clone(), std::slice::from_ref(&group));
    assert!(foreign.await.is_err(), "only admins link");
    let links = alice.client.community();
    let links = links.link_subgroups(community.clone(), std::slice::from_ref(&group));
    assert_eq!(
        links.await.unwrap().linked_jids,
        std::slice::from_ref(&group)
    );
    let parts = bob.client.community().get_subgroups(&community).await;
    let parts = parts.unwrap();
    assert!(parts.iter().any(|p| p.id == group));
    let announcements = parts.iter().find(|p| p.is_default_sub_group).unwrap();
    assert_eq!(announcements.participant_count, Some(2), "bob is in it");

    let communities = alice.client.community();
    communities.deactivate(community.clone()).await.unwrap();
    assert!(
        alice
            .client
            .groups()
            .get_metadata(&community)
            .await
            .is_err()
    );
    let alone = alice.client.groups().get_metadata(&group).await.unwrap();
    assert!(alone.parent_group_jid.is_none());
}
