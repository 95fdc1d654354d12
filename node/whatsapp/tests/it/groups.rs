//! Groups: made by the library's bare client, because accounts cannot make them yet.

use std::sync::Arc;

use switchboard_simulator::Handle;
use switchboard_vocab::content::{Body, Text};
use switchboard_vocab::{ChatId, UserId};
use switchboard_whatsapp::{Error, Outgoing, OutgoingContent, Target};
use wacore::store::commands::DeviceCommand;
use wacore::store::{CachedNoiseCert, CachedServerCertChain, InMemoryBackend};
use wacore::types::events::{ChannelEventHandler, Event};
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::{
    Client, GroupCreateOptions, GroupParticipantOptions, Jid, TokioRuntime, anyhow, http,
};

use crate::bench::{DEADLINE, World};

const ANNA: &str = "15550001";
const BERT: &str = "15550002";
const OWNER: &str = "15550003";

struct NoHttp;

#[async_trait::async_trait]
impl http::HttpClient for NoHttp {
    async fn execute(&self, _: http::HttpRequest) -> anyhow::Result<http::HttpResponse> {
        anyhow::bail!("nothing is fetched here")
    }
}

#[expect(clippy::disallowed_methods, reason = "the client ends with the test")]
pub async fn bare_client(simulator: &Handle, number: &str) -> Arc<Client> {
    let key: [u8; 32] = hex::decode(simulator.info().server_key)
        .unwrap()
        .try_into()
        .unwrap();
    let manager = PersistenceManager::new(Arc::new(InMemoryBackend::new()))
        .await
        .unwrap();
    let certificate = || CachedNoiseCert {
        key,
        not_before: 0,
        not_after: i64::MAX,
    };
    let chain = CachedServerCertChain {
        intermediate: certificate(),
        leaf: certificate(),
    };
    manager
        .process_command(DeviceCommand::SetServerCertChain(chain))
        .await;
    manager
        .process_command(DeviceCommand::SetId(Some(Jid::pn("1"))))
        .await;
    let client = Client::builder()
        .with_runtime(TokioRuntime)
        .with_persistence_manager(Arc::new(manager))
        .with_transport_factory(
            TokioWebSocketTransportFactory::new().with_url(simulator.info().ws_url),
        )
        .with_http_client(NoHttp)
        .with_version_override((2, 3000, 1))
        .with_wanted_pre_key_count(20)
        .build()
        .await
        .unwrap()
        .into_client();
    let (handler, events) = ChannelEventHandler::new();
    let _subscription = client.subscribe_handler(handler);
    let running = Arc::clone(&client);
    tokio::spawn(async move { running.run().await });
    while let Ok(event) = events.recv().await {
        match &*event {
            Event::PairingQrCode(qr) => {
                simulator
                    .scan_qr(&qr.code, Some(number), Some("Owner"))
                    .unwrap();
            }
            Event::Connected(_) => break,
            _ => {}
        }
    }
    client
}

pub fn text(id: &str, to: &ChatId, body: &str, mentions: Vec<UserId>) -> Outgoing {
    let content = OutgoingContent::Text {
        body: body.to_owned(),
        mentions,
        mention_all: false,
        preview: None,
    };
    Outgoing {
        id: id.parse().unwrap(),
        to: to.clone(),
        content,
        quoted: None,
        expires: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_in_a_group() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    let mut bert = world.linked("bert", BERT).await;
    let owner = tokio::time::timeout(DEADLINE, Box::pin(bare_client(&world.simulator, OWNER)))
        .await
        .unwrap();
    let members = [ANNA, BERT].map(|number| GroupParticipantOptions::new(Jid::pn(number)));
    let options = GroupCreateOptions::new("the group").with_participants(members.to_vec());
    let group = owner.groups().create_group(options).await.unwrap();
    let group: ChatId = group.metadata.id.to_string().parse().unwrap();
    let mention = vec![UserId::phone(BERT).unwrap()];
    anna.account
        .send(text("A1", &group, "hi @bert", mention))
        .await
        .unwrap();
    let got = bert.incoming().await.message;
    assert_eq!(
        (got.id.as_str(), &got.chat, got.sender_phone()),
        ("A1", &group, Some(ANNA))
    );
    let Body::Text(Text { body, mentions, .. }) = &got.body else {
        panic!("it is text");
    };
    assert_eq!(body, "hi @bert");
    assert_eq!(
        mentions.as_slice(),
        [UserId::phone(BERT).unwrap()],
        "members go by lid here, and are shown by number"
    );
    let sender = got.sender.clone();
    bert.account
        .mark_read(&group, Some(&sender), std::slice::from_ref(&got.id))
        .await
        .unwrap();
    bert.account
        .send(text("B1", &group, "hi anna", Vec::new()))
        .await
        .unwrap();
    let got = anna.incoming().await.message;
    assert_eq!(
        (got.id.as_str(), &got.chat, got.sender_phone()),
        ("B1", &group, Some(BERT))
    );
    owner.disconnect().await;
    anna.stop().await;
    bert.stop().await;
}

/// A group that nobody has made.
const NO_GROUP: &str = "120363000000000404@g.us";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_not_there_or_not_theirs_cannot_be_written_to() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    let owner = bare_client(&world.simulator, OWNER).await;
    let options = GroupCreateOptions::new("others only");
    let group = owner.groups().create_group(options).await.unwrap();
    let theirs: ChatId = group.metadata.id.to_string().parse().unwrap();
    let nobodys: ChatId = NO_GROUP.parse().unwrap();
    for (id, group, said) in [("A1", nobodys, "no such"), ("A2", theirs, "not a member")] {
        let sent = anna.account.send(text(id, &group, "hi", Vec::new())).await;
        assert!(
            matches!(&sent, Err(Error::NoRecipient(why)) if why.contains(said)),
            "{sent:?}"
        );
    }
    owner.disconnect().await;
    anna.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one thing after the other")]
async fn messages_of_others_are_named_as_the_group_knows_them() {
    let world = World::new().await;
    let mut anna = world.linked("anna", ANNA).await;
    let mut bert = world.linked("bert", BERT).await;
    let owner = tokio::time::timeout(DEADLINE, Box::pin(bare_client(&world.simulator, OWNER)))
        .await
        .unwrap();
    let members = [ANNA, BERT].map(|number| GroupParticipantOptions::new(Jid::pn(number)));
    let options = GroupCreateOptions::new("the group").with_participants(members.to_vec());
    let group = owner.groups().create_group(options).await.unwrap();
    let group: ChatId = group.metadata.id.to_string().parse().unwrap();
    bert.account
        .send(text("B1", &group, "hi", Vec::new()))
        .await
        .unwrap();
    let got = anna.incoming().await.message;
    assert_eq!(got.sender_phone(), Some(BERT));
    let target = Target {
        id: got.id,
        from_me: false,
        sender: Some(got.sender),
    };
    let act = |id: &str, content| Outgoing {
        id: id.parse().unwrap(),
        to: group.clone(),
        content,
        quoted: None,
        expires: None,
    };
    let reaction = OutgoingContent::Reaction {
        target: target.clone(),
        emoji: "👍".to_owned(),
    };
    anna.account.send(act("A1", reaction)).await.unwrap();
    let got = bert.incoming().await;
    let Body::Reaction { to, .. } = &got.message.body else {
        panic!("it is a reaction: {:?}", got.message.body);
    };
    assert_eq!(to.as_str(), "B1");
    let proto = switchboard_whatsapp::proto_text(&got.proto.unwrap()).unwrap();
    let lid = bert.account.identity().unwrap().lid.unwrap().to_string();
    assert!(
        proto.contains(&lid),
        "the key names its writer by lid: {proto}"
    );
    let pin = OutgoingContent::Pin {
        target: target.clone(),
        period: Some(std::time::Duration::from_secs(24 * 3_600)),
    };
    anna.account.send(act("A2", pin)).await.unwrap();
    assert!(matches!(
        bert.incoming().await.message.body,
        Body::Pinned { .. }
    ));
    let revoke = OutgoingContent::Revoke {
        target: Target {
            sender: None,
            ..target
        },
    };
    let refused = anna.account.send(act("A3", revoke)).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    let all = anna.account.groups().await.unwrap();
    assert_eq!(
        (&all[0].name.id, &*all[0].name.subject),
        (&group, "the group")
    );
    assert!(
        all[0]
            .members
            .iter()
            .any(|member| member.to_string() == lid)
    );
    owner.disconnect().await;
}
