//! Request and reply over core NATS.
//!
//! A reply without status is the payload. A reply with [`STATUS`] says why there is none, so that a requester
//! learns at once what it would otherwise learn from its deadline.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{
    Client, HeaderMap, Message, Request as NatsRequest, RequestErrorKind, Subscriber,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use crate::limits::WAIT_MAX;
use crate::rpc::{Part, Replier, ReplyRoute, Request, RequestStream, Rpc, RpcError};
use crate::subjects::nats::SERVERS_GROUP;
use crate::{Subject, task};

/// The header of a reply that is no payload.
const STATUS: &str = "Sb-Status";
const BUSY: &str = "busy";
const GONE: &str = "gone";
const ABANDONED: &str = "abandoned";
const TOO_LARGE: &str = "too-large";
/// With [`TOO_LARGE`]: the size of the reply that did not fit, and the limit, in bytes.
const SIZE: &str = "Sb-Size";
const SIZE_MAX: &str = "Sb-Size-Max";
/// Requests that were dropped unanswered and whose requesters are still to be told.
const ABANDONED_QUEUE_MAX: usize = 256;

/// [`Rpc`] over NATS.
#[derive(Debug)]
pub(super) struct NatsRpc {
    connection: Arc<Connection>,
    in_flight: Semaphore,
}

impl NatsRpc {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let in_flight = Semaphore::new(connection.limits.in_flight_max);
        Self {
            connection,
            in_flight,
        }
    }
}

#[async_trait]
impl Rpc for NatsRpc {
    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RpcError> {
        let subject = subject.clone();
        let (size, max) = (payload.len(), self.connection.payload_bytes_max());
        if size > max {
            return Err(RpcError::TooLarge {
                subject,
                part: Part::Request,
                size,
                max,
            });
        }
        if !self.connection.is_up() {
            return Err(RpcError::Disconnected { subject });
        }
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(RpcError::Busy { subject });
        };
        let deadline = deadline.min(WAIT_MAX);
        let request = NatsRequest::new().payload(payload).timeout(Some(deadline));
        let exchange = self
            .connection
            .client
            .send_request(subject.as_str().to_owned(), request);
        // The library's own timeout does not cover its full queue of commands.
        let Ok(outcome) = tokio::time::timeout(deadline, exchange).await else {
            return Err(RpcError::Timeout { subject, deadline });
        };
        match outcome {
            Ok(reply) => read_reply(reply, subject),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::TimedOut => RpcError::Timeout { subject, deadline },
                RequestErrorKind::NoResponders => RpcError::NoResponders { subject },
                // The server has lowered its limit since we looked.
                RequestErrorKind::MaxPayloadExceeded => RpcError::TooLarge {
                    subject,
                    part: Part::Request,
                    size,
                    max,
                },
                RequestErrorKind::InvalidSubject | RequestErrorKind::Other => RpcError::Failed {
                    subject,
                    source: error.into(),
                },
            }),
        }
    }

    async fn serve(&self, subject: &Subject) -> Result<RequestStream, RpcError> {
        let client = &self.connection.client;
        let subscribe = async {
            let name = subject.as_str().to_owned();
            let subscription = client
                .queue_subscribe(name, SERVERS_GROUP.to_owned())
                .await
                .map_err(crate::BoxError::from)?;
            // The server answers the ping behind this flush after it has seen the subscription.
            settle(client).await?;
            Ok(subscription)
        };
        if !self.connection.is_up() {
            return Err(RpcError::Disconnected {
                subject: subject.clone(),
            });
        }
        let deadline = self.connection.limits.operation_deadline;
        let subscription: Result<Subscriber, crate::BoxError> =
            tokio::time::timeout(deadline, subscribe)
                .await
                .unwrap_or_else(|late| Err(late.into()));
        let subscription = subscription.map_err(|source| RpcError::Failed {
            subject: subject.clone(),
            source,
        })?;
        let (requests, stream) = mpsc::channel(self.connection.limits.serve_queue_max);
        let stop = CancellationToken::new();
        let server = Server {
            connection: Arc::clone(&self.connection),
            subject: subject.clone(),
            requests,
        };
        task::start(server.run(subscription, stop.clone()));
        Ok(RequestStream::new(stream, stop))
    }
}

/// Waits until the server has processed everything sent so far.
async fn settle(client: &Client) -> Result<(), crate::BoxError> {
    // A request to our own inbox goes to the server and back on the same connection.
    let inbox = client.new_inbox();
    let mut probe = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, Bytes::new()).await?;
    probe
        .next()
        .await
        .map(drop)
        .ok_or_else(|| "the connection has closed".into())
}

fn read_reply(reply: Message, subject: Subject) -> Result<Bytes, RpcError> {
    let header = |name: &str| {
        reply
            .headers
            .as_ref()
            .and_then(|headers| headers.get(name))
            .map(|value| value.as_str())
    };
    let number = |name: &str| header(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    Err(match header(STATUS) {
        None => return Ok(reply.payload),
        Some(BUSY) => RpcError::Busy { subject },
        Some(GONE) => RpcError::NoResponders { subject },
        Some(ABANDONED) => RpcError::Abandoned { subject },
        Some(TOO_LARGE) => {
            let (size, max) = (number(SIZE), number(SIZE_MAX));
            RpcError::TooLarge {
                subject,
                part: Part::Reply,
                size,
                max,
            }
        }
        Some(other) => {
            let source = format!("the server answered with unknown status {other:?}").into();
            RpcError::Failed { subject, source }
        }
    })
}

fn status(text: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(STATUS, text);
    headers
}

/// Moves requests from the subscription into the stream.
struct Server {
    connection: Arc<Connection>,
    subject: Subject,
    requests: mpsc::Sender<Request>,
}

impl Server {
    /// Ends when the stream is dropped or stopped, and the subscription with it.
    async fn run(self, mut subscription: Subscriber, stop: CancellationToken) {
        let (abandoned, mut to_tell) = mpsc::channel(ABANDONED_QUEUE_MAX);
        // Given up on the end: from then on only routes that still live keep `to_tell` open.
        let mut abandoned = Some(abandoned);
        let mut subscribed = true;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if abandoned.is_some() => {
                    abandoned = None;
                    // What is on its way already still arrives, and is refused.
                    subscribed = subscription.drain().await.is_ok();
                }
                told = to_tell.recv() => match told {
                    Some((reply, why)) => self.answer(reply, why).await,
                    None => break,
                },
                message = subscription.next(), if subscribed => match message {
                    Some(message) => self.take(message, abandoned.as_ref()).await,
                    None => {
                        subscribed = false;
                        abandoned = None;
                    }
                },
            }
        }
        // Without a handle to tell of, what still arrives is refused here.
        while subscribed {
            match subscription.next().await {
                Some(message) => self.take(message, None).await,
                None => subscribed = false,
            }
        }
    }

    async fn take(
        &self,
        message: Message,
        abandoned: Option<&mpsc::Sender<(async_nats::Subject, &'static str)>>,
    ) {
        let Some(reply) = message.reply else {
            // Not a request: nobody waits for an answer, and nothing of ours publishes here.
            return;
        };
        let Some(abandoned) = abandoned else {
            return self.answer(reply, GONE).await;
        };
        let route = Route {
            connection: Arc::clone(&self.connection),
            subject: self.subject.clone(),
            reply: reply.clone(),
            abandoned: Some(abandoned.clone()),
        };
        let request = Request {
            payload: message.payload,
            replier: Replier::new(Box::new(route)),
        };
        let (refused, why) = match self.requests.try_send(request) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(request)) => (request, BUSY),
            Err(mpsc::error::TrySendError::Closed(request)) => (request, GONE),
        };
        refused.replier.disarm();
        self.answer(reply, why).await;
    }

    async fn answer(&self, reply: async_nats::Subject, why: &'static str) {
        let publish = self
            .connection
            .client
            .publish_with_headers(reply, status(why), Bytes::new());
        // A requester that is not told runs into its deadline instead.
        drop(tokio::time::timeout(self.connection.limits.operation_deadline, publish).await);
    }
}

/// The way back to a requester over NATS.
#[derive(Debug)]
struct Route {
    connection: Arc<Connection>,
    subject: Subject,
    reply: async_nats::Subject,
    abandoned: Option<mpsc::Sender<(async_nats::Subject, &'static str)>>,
}

impl Route {
    async fn publish(&self, headers: Option<HeaderMap>, payload: Bytes) -> Result<(), RpcError> {
        let subject = || self.subject.clone();
        if !self.connection.is_up() {
            return Err(RpcError::Disconnected { subject: subject() });
        }
        let (client, reply) = (&self.connection.client, self.reply.clone());
        let deadline = self.connection.limits.operation_deadline;
        let publish = async {
            match headers {
                Some(headers) => client.publish_with_headers(reply, headers, payload).await,
                None => client.publish(reply, payload).await,
            }
        };
        match tokio::time::timeout(deadline, publish).await {
            Ok(outcome) => outcome.map_err(|error| RpcError::Failed {
                subject: subject(),
                source: error.into(),
            }),
            Err(_) => Err(RpcError::Timeout {
                subject: subject(),
                deadline,
            }),
        }
    }
}

#[async_trait]
impl ReplyRoute for Route {
    async fn reply(&mut self, payload: Bytes) -> Result<(), RpcError> {
        self.abandoned = None;
        let (size, max) = (payload.len(), self.connection.payload_bytes_max());
        if size <= max {
            return self.publish(None, payload).await;
        }
        let mut headers = status(TOO_LARGE);
        headers.insert(SIZE, size.to_string());
        headers.insert(SIZE_MAX, max.to_string());
        self.publish(Some(headers), Bytes::new()).await?;
        Err(RpcError::TooLarge {
            subject: self.subject.clone(),
            part: Part::Reply,
            size,
            max,
        })
    }

    fn abandon(&mut self, taken: bool) {
        let why = if taken { ABANDONED } else { GONE };
        if let Some(abandoned) = self.abandoned.take() {
            // When the queue is full the requester runs into its deadline instead.
            drop(abandoned.try_send((self.reply.clone(), why)));
        }
    }
}
