//! Questions, the profile, privacy, presence, the block list, and timers.

use std::time::Duration;

use bytes::Bytes;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::media::MediaKeys;
use switchboard_vocab::profile::StoryPrivacy;
use switchboard_vocab::{ChatId, UserId};
use switchboard_whatsapp::{
    Choices, Error, Fact, OutgoingContent, OutgoingFile, ProfileChange, Signal,
};

use crate::bench::{World, chat};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";
const NOBODY: &str = "15550099";

fn user(number: &str) -> UserId {
    UserId::phone(number).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_checked_and_people_are_shown() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    let bert = world.linked("bert", BERT).await;
    let about = ProfileChange::About("busy".to_owned());
    bert.account.change_profile(about).await.unwrap();
    let asked = [user(NOBODY), user(BERT)];
    let checked = anna.account.check(&asked).await.unwrap();
    let registered: Vec<bool> = checked.iter().map(|user| user.registered).collect();
    assert_eq!(registered, [false, true]);
    let lid = bert.account.identity().unwrap().lid;
    assert_eq!(
        (&checked[1].phone, &checked[1].lid),
        (&Some(user(BERT)), &lid)
    );
    let by_lid = anna.account.check(&[lid.clone().unwrap()]).await.unwrap();
    assert_eq!(
        (by_lid[0].registered, &by_lid[0].phone),
        (true, &Some(user(BERT)))
    );
    let infos = anna.account.user_info(&asked).await.unwrap();
    assert!(!infos[0].registered && infos[1].registered);
    assert_eq!(infos[1].about.as_deref(), Some("busy"));
    assert!(infos[1].devices.contains(&0), "{:?}", infos[1].devices);
    let both = anna.account.addresses(&user(BERT)).await;
    assert_eq!(both, (Some(user(BERT)), lid));
    assert_eq!(anna.account.business(&user(BERT)).await.unwrap(), None);
    assert_eq!(anna.account.groups().await.unwrap(), []);
    assert!(anna.account.client_version().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_is_seen_by_others() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    let bert = world.linked("bert", BERT).await;
    let name = ProfileChange::Name("Bert Two".to_owned());
    bert.account.change_profile(name).await.unwrap();
    assert_eq!(
        bert.account.identity().unwrap().push_name.as_deref(),
        Some("Bert Two")
    );
    assert_eq!(
        anna.account.picture(&chat(BERT), false).await.unwrap(),
        None
    );
    let picture = ProfileChange::Picture(Bytes::from_static(b"\xFF\xD8\xFFjpeg"));
    bert.account.change_profile(picture).await.unwrap();
    let full = anna
        .account
        .picture(&chat(BERT), false)
        .await
        .unwrap()
        .unwrap();
    assert!(full.url.is_some() && full.preview_url.is_none());
    let small = anna
        .account
        .picture(&chat(BERT), true)
        .await
        .unwrap()
        .unwrap();
    assert!(small.url.is_none() && small.preview_url.is_some());
    bert.account
        .change_profile(ProfileChange::RemovePicture)
        .await
        .unwrap();
    assert_eq!(
        anna.account.picture(&chat(BERT), false).await.unwrap(),
        None
    );
    let privacy = bert.account.privacy().await.unwrap();
    assert!(
        privacy
            .settings
            .iter()
            .any(|(category, _)| category == "last"),
        "{privacy:?}"
    );
    assert_eq!(privacy.stories, StoryPrivacy::Contacts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_blocked_and_unblocked() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    world.simulator.add_phone(BERT, "Bert").unwrap();
    assert_eq!(anna.account.blocked().await.unwrap(), []);
    anna.account.block(&user(BERT), true).await.unwrap();
    assert_eq!(anna.account.blocked().await.unwrap(), [user(BERT)]);
    anna.account.block(&user(BERT), false).await.unwrap();
    assert_eq!(anna.account.blocked().await.unwrap(), []);
    // Another device of the account, which hears of it from WhatsApp.
    let mut twin = world.open("twin", 1).await;
    twin.link(&world, ANNA).await;
    anna.account.block(&user(BERT), true).await.unwrap();
    let blocked = twin.fact(|fact| match fact {
        Fact::Blocked(users) => Some(users.clone()),
        _ => None,
    });
    assert_eq!(blocked.await, [user(BERT)]);
    let nobody = anna.account.block(&user(NOBODY), true).await;
    assert!(matches!(nobody, Err(Error::NoRecipient(_))), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_and_typing_are_seen() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    let quiet = Choices {
        offline: true,
        ..Choices::default()
    };
    let mut bert = world.open_with("bert", quiet).await;
    bert.link(&world, BERT).await;
    // Privacy tokens travel with messages: strangers see nobody's presence.
    bert.send("B1", ANNA, "hi").await.unwrap();
    anna.incoming().await;
    anna.send("A1", BERT, "hi").await.unwrap();
    bert.incoming().await;
    anna.account.subscribe_presence(&user(BERT)).await.unwrap();
    let shown = |online: bool| {
        move |signal: &Signal| match signal {
            Signal::Presence(change) => (change.online == online).then_some(()),
            _ => None,
        }
    };
    bert.account.set_online(true).await.unwrap();
    anna.signal(shown(true)).await;
    bert.account.set_online(false).await.unwrap();
    anna.signal(shown(false)).await;
    bert.account.set_online(true).await.unwrap();
    for state in [
        ChatState::Composing,
        ChatState::Recording,
        ChatState::Paused,
    ] {
        bert.account
            .send_chat_state(&chat(ANNA), state)
            .await
            .unwrap();
        anna.signal(|signal| match signal {
            Signal::ChatState(change) => (change.state == state).then_some(()),
            _ => None,
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_are_told_to_the_other() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    let mut bert = world.linked("bert", BERT).await;
    let day = Duration::from_secs(24 * 3_600);
    for period in [day, Duration::ZERO] {
        anna.account.set_timer(&chat(BERT), period).await.unwrap();
        assert_eq!(bert.incoming().await.message.body, Body::Timer { period });
    }
    let list: ChatId = "status@broadcast".parse().unwrap();
    let refused = anna.account.set_timer(&list, day).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_found_by_what_its_message_tells() {
    let world = World::new().await;
    let anna = world.linked("anna", ANNA).await;
    let mut bert = world.linked("bert", BERT).await;
    let file = OutgoingFile::new(
        MediaKind::Image,
        "image/jpeg",
        Bytes::from_static(b"picture"),
    );
    anna.send_content("M1", BERT, OutgoingContent::Media(file))
        .await
        .unwrap();
    let got = bert.incoming().await;
    let text = switchboard_whatsapp::proto_text(&got.proto.unwrap()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let image = &value["imageMessage"];
    let hex_of = |name: &str| {
        use base64::Engine as _;
        let text = image[name].as_str().unwrap();
        hex::encode(
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap(),
        )
    };
    let mut told = MediaKeys {
        kind: MediaKind::Image,
        url: None,
        direct_path: image["directPath"].as_str().map(str::to_owned),
        media_key: hex_of("mediaKey"),
        encrypted_sha256: Some(hex_of("fileEncSha256")),
        sha256: Some(hex_of("fileSha256")),
        size: Some(7),
        mime_type: None,
    };
    let keys = bert.account.media_keys(&told).unwrap();
    assert_eq!(bert.account.download(&keys, 100).await.unwrap(), "picture");
    told.direct_path = None;
    told.url = Some("https://example.org/v/file".to_owned());
    assert!(matches!(
        bert.account.media_keys(&told),
        Err(Error::Media(_))
    ));
    told.url = Some(format!(
        "https://mmg.whatsapp.net{}",
        image["directPath"].as_str().unwrap()
    ));
    let keys = bert.account.media_keys(&told).unwrap();
    assert_eq!(bert.account.download(&keys, 100).await.unwrap(), "picture");
    told.media_key = "00".to_owned();
    assert!(matches!(
        bert.account.media_keys(&told),
        Err(Error::Media(_))
    ));
}
