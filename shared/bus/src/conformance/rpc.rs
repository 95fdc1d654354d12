//! Cases of [`crate::Rpc`]. The peer serves, the bus asks.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use tokio::task::JoinSet;

use super::{Fixture, LONG, bytes, eventually, limits};
use crate::{Part, Request, RequestStream, RpcError, Subject};

impl Fixture {
    fn node(&self, node: &str) -> Subject {
        self.names.node_rpc(node).unwrap()
    }

    async fn ask(&self, subject: &Subject, payload: &str) -> Result<Bytes, RpcError> {
        self.bus.rpc.request(subject, bytes(payload), LONG).await
    }

    /// Serves a subject and waits until the other user of the bus can reach it.
    async fn serve(&self, subject: &Subject) -> RequestStream {
        let mut requests = self.peer.rpc.serve(subject).await.unwrap();
        let reached = eventually(|| async {
            match self.ask(subject, "are you there").await {
                Err(RpcError::NoResponders { .. }) => None,
                reply => Some(reply),
            }
        });
        let (reply, ()) = tokio::join!(reached, async {
            requests
                .next()
                .await
                .unwrap()
                .replier
                .reply(bytes("yes"))
                .await
                .unwrap();
        });
        assert_eq!(reply.unwrap(), "yes");
        requests
    }

    async fn until_nobody_serves(&self, subject: &Subject) {
        eventually(|| async {
            let asked = self
                .bus
                .rpc
                .request(subject, Bytes::new(), Duration::from_millis(200));
            matches!(asked.await, Err(RpcError::NoResponders { .. })).then_some(())
        })
        .await;
    }
}

/// Answers with the payload in reverse.
async fn mirror(request: Request) {
    let reversed: Vec<u8> = request.payload.iter().rev().copied().collect();
    request.replier.reply(reversed.into()).await.unwrap();
}

pub(super) async fn a_reply_reaches_its_requester(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let (reply, ()) = tokio::join!(f.ask(&subject, "abc"), async {
        mirror(requests.next().await.unwrap()).await;
    });
    assert_eq!(reply.unwrap(), "cba");
}

pub(super) async fn empty_and_largest_payloads_pass(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let largest = Bytes::from(vec![7; limits().payload_bytes_max]);
    for payload in [Bytes::new(), largest] {
        let (reply, ()) = tokio::join!(f.bus.rpc.request(&subject, payload.clone(), LONG), async {
            mirror(requests.next().await.unwrap()).await;
        });
        assert_eq!(reply.unwrap(), payload);
    }
}

pub(super) async fn nobody_serves(f: Fixture) {
    let error = f.ask(&f.node("nobody"), "x").await.unwrap_err();
    assert!(matches!(error, RpcError::NoResponders { .. }), "{error:?}");
    assert!(error.certainly_not_executed());
}

pub(super) async fn another_subject_is_not_served(f: Fixture) {
    let _requests = f.serve(&f.node("a")).await;
    let error = f.ask(&f.node("a.b"), "x").await.unwrap_err();
    assert!(matches!(error, RpcError::NoResponders { .. }), "{error:?}");
}

pub(super) async fn a_dropped_stream_serves_no_more(f: Fixture) {
    let subject = f.node("a");
    drop(f.serve(&subject).await);
    f.until_nobody_serves(&subject).await;
    // And it can be served again.
    drop(f.serve(&subject).await);
}

pub(super) async fn a_late_reply_is_a_timeout(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let deadline = Duration::from_millis(50);
    let error = f
        .bus
        .rpc
        .request(&subject, bytes("x"), deadline)
        .await
        .unwrap_err();
    assert!(matches!(error, RpcError::Timeout { .. }), "{error:?}");
    assert!(!error.certainly_not_executed());
    // Nobody waits for this one any more; that is no error for the server.
    requests
        .next()
        .await
        .unwrap()
        .replier
        .reply(bytes("late"))
        .await
        .unwrap();
}

pub(super) async fn a_dropped_request_is_abandoned_at_once(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let (reply, ()) = tokio::join!(f.ask(&subject, "x"), async {
        drop(requests.next().await.unwrap());
    });
    let error = reply.unwrap_err();
    assert!(matches!(error, RpcError::Abandoned { .. }), "{error:?}");
    assert!(!error.certainly_not_executed());
}

pub(super) async fn a_too_large_request_is_not_sent(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let size = limits().payload_bytes_max + 1;
    let error = f
        .bus
        .rpc
        .request(&subject, vec![0; size].into(), LONG)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RpcError::TooLarge {
                part: Part::Request,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.certainly_not_executed());
    let (reply, ()) = tokio::join!(f.ask(&subject, "next"), async {
        mirror(requests.next().await.unwrap()).await;
    });
    assert_eq!(reply.unwrap(), "txen");
}

pub(super) async fn a_too_large_reply_is_told_to_both(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let max = limits().payload_bytes_max;
    let (reply, at_server) = tokio::join!(f.ask(&subject, "x"), async {
        requests
            .next()
            .await
            .unwrap()
            .replier
            .reply(vec![0; max + 1].into())
            .await
            .unwrap_err()
    });
    for error in [reply.unwrap_err(), at_server] {
        let RpcError::TooLarge {
            part: Part::Reply,
            size,
            max: limit,
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((size, limit), (max + 1, max));
        assert!(!error.certainly_not_executed());
    }
}

pub(super) async fn requests_are_answered_in_any_order(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let asked = join_all(["ab", "cd", "ef"].map(|payload| f.ask(&subject, payload)));
    let (replies, ()) = tokio::join!(asked, async {
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(requests.next().await.unwrap());
        }
        for request in taken.into_iter().rev() {
            mirror(request).await;
        }
    });
    let replies: Vec<Bytes> = replies.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies, ["ba", "dc", "fe"]);
}

pub(super) async fn a_full_queue_refuses(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let room = limits().serve_queue_max;
    let mut asked = JoinSet::new();
    for _ in 0..=room {
        let (f, subject) = (f.clone(), subject.clone());
        asked.spawn(async move { f.ask(&subject, "x").await });
    }
    let error = asked.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, RpcError::Busy { .. }), "{error:?}");
    assert!(error.certainly_not_executed());
    for _ in 0..room {
        mirror(requests.next().await.unwrap()).await;
    }
    while let Some(reply) = asked.join_next().await {
        assert_eq!(reply.unwrap().unwrap(), "x");
    }
}

/// Sends requests until one more is refused, so that the queue of `subject` is full and nobody has taken any.
async fn fill_the_queue(f: &Fixture, subject: &Subject) -> JoinSet<Result<Bytes, RpcError>> {
    let mut asked = JoinSet::new();
    for _ in 0..limits().serve_queue_max {
        let (f, subject) = (f.clone(), subject.clone());
        asked.spawn(async move { f.ask(&subject, "x").await });
    }
    eventually(|| async {
        let asked = f
            .bus
            .rpc
            .request(subject, Bytes::new(), Duration::from_millis(20))
            .await;
        matches!(asked, Err(RpcError::Busy { .. })).then_some(())
    })
    .await;
    asked
}

pub(super) async fn a_stopped_stream_yields_what_waits(f: Fixture) {
    let subject = f.node("a");
    let mut requests = f.serve(&subject).await;
    let mut asked = fill_the_queue(&f, &subject).await;
    requests.stop();
    f.until_nobody_serves(&subject).await;
    for _ in 0..limits().serve_queue_max {
        mirror(requests.next().await.unwrap()).await;
    }
    assert!(requests.next().await.is_none());
    let mut answered = 0;
    while let Some(reply) = asked.join_next().await {
        // A probe of the filling may have taken the place of one.
        match reply.unwrap() {
            Ok(_) => answered += 1,
            Err(error) => assert!(error.certainly_not_executed(), "{error:?}"),
        }
    }
    assert!(answered > 0);
}

pub(super) async fn waiting_requests_of_a_dropped_stream_were_not_executed(f: Fixture) {
    let subject = f.node("a");
    let requests = f.serve(&subject).await;
    let mut asked = fill_the_queue(&f, &subject).await;
    drop(requests);
    while let Some(reply) = asked.join_next().await {
        let error = reply.unwrap().unwrap_err();
        assert!(error.certainly_not_executed(), "{error:?}");
    }
    f.until_nobody_serves(&subject).await;
}

pub(super) async fn two_servers_share_the_requests(f: Fixture) {
    let subject = f.node("a");
    let first = f.serve(&subject).await;
    let second = f.bus.rpc.serve(&subject).await.unwrap();
    let mut both = futures::stream::select(first, second);
    let texts: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let mut taken = BTreeSet::new();
    for text in &texts {
        let (reply, ()) = tokio::join!(f.ask(&subject, text), async {
            let request = both.next().await.unwrap();
            assert!(taken.insert(request.payload.clone()), "{text} came twice");
            request.replier.reply(bytes("done")).await.unwrap();
        });
        reply.unwrap();
    }
    assert_eq!(taken.len(), texts.len());
    assert!(both.next().now_or_never().is_none());
}

pub(super) async fn clusters_do_not_mix(f: Fixture) {
    let _requests = f.serve(&f.node("a")).await;
    let error = f.ask(&f.other_cluster().node("a"), "x").await.unwrap_err();
    assert!(matches!(error, RpcError::NoResponders { .. }), "{error:?}");
}
