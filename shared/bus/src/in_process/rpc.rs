//! Request and reply over bounded channels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::limits::WAIT_MAX;
use crate::rpc::{Part, Replier, ReplyRoute, Request, RequestStream, Rpc, RpcError};
use crate::{Health, Limits, Subject};

type Reply = oneshot::Sender<Result<Bytes, RpcError>>;

/// The in-process [`Rpc`].
#[derive(Debug)]
pub(super) struct InProcessRpc {
    servers: Mutex<HashMap<Subject, Servers>>,
    in_flight: Semaphore,
    limits: Limits,
    /// Kept so that the bus's receivers stay open.
    _health: Arc<watch::Sender<Health>>,
}

/// Everyone who serves one subject, and whose turn is next.
#[derive(Debug, Default)]
struct Servers {
    queues: Vec<mpsc::Sender<Request>>,
    next: usize,
}

impl InProcessRpc {
    pub(super) fn new(limits: Limits, health: Arc<watch::Sender<Health>>) -> Self {
        Self {
            servers: Mutex::default(),
            in_flight: Semaphore::new(limits.in_flight_max),
            limits,
            _health: health,
        }
    }

    /// Hands `request` to the next server that still listens.
    fn dispatch(&self, subject: &Subject, mut request: Request) -> Result<(), RpcError> {
        let mut all = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(servers) = all.get_mut(subject) else {
            return Err(RpcError::NoResponders {
                subject: subject.clone(),
            });
        };
        servers.queues.retain(|queue| !queue.is_closed());
        let mut refused = RpcError::NoResponders {
            subject: subject.clone(),
        };
        for _ in 0..servers.queues.len() {
            servers.next = (servers.next + 1) % servers.queues.len();
            let Some(queue) = servers.queues.get(servers.next) else {
                break;
            };
            request = match queue.try_send(request) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(request)) => {
                    refused = RpcError::Busy {
                        subject: subject.clone(),
                    };
                    request
                }
                Err(mpsc::error::TrySendError::Closed(request)) => request,
            };
        }
        if servers.queues.is_empty() {
            all.remove(subject);
        }
        Err(refused)
    }
}

#[async_trait]
impl Rpc for InProcessRpc {
    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RpcError> {
        let max = self.limits.payload_bytes_max;
        if payload.len() > max {
            let (subject, size) = (subject.clone(), payload.len());
            return Err(RpcError::TooLarge {
                subject,
                part: Part::Request,
                size,
                max,
            });
        }
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(RpcError::Busy {
                subject: subject.clone(),
            });
        };
        let deadline = deadline.min(WAIT_MAX);
        let (reply, answer) = oneshot::channel();
        let route = Route {
            subject: subject.clone(),
            max,
            reply: Some(reply),
        };
        self.dispatch(
            subject,
            Request {
                payload,
                replier: Replier::new(Box::new(route)),
            },
        )?;
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            // A route always answers, if only when it is dropped.
            Ok(Err(_)) => Err(RpcError::Abandoned {
                subject: subject.clone(),
            }),
            Err(_) => Err(RpcError::Timeout {
                subject: subject.clone(),
                deadline,
            }),
        }
    }

    async fn serve(&self, subject: &Subject) -> Result<RequestStream, RpcError> {
        let (queue, requests) = mpsc::channel(self.limits.serve_queue_max);
        let mut all = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        // Subjects whose last server is gone are forgotten here, so that the map does not grow.
        all.retain(|_, servers| servers.queues.iter().any(|queue| !queue.is_closed()));
        all.entry(subject.clone()).or_default().queues.push(queue);
        Ok(RequestStream::new(requests, CancellationToken::new()))
    }
}

/// The way back to a requester in this process.
#[derive(Debug)]
struct Route {
    subject: Subject,
    max: usize,
    reply: Option<Reply>,
}

impl Route {
    fn send(&mut self, answer: Result<Bytes, RpcError>) {
        if let Some(reply) = self.reply.take() {
            // The requester may have given up.
            let _ = reply.send(answer);
        }
    }

    fn too_large(&self, size: usize) -> RpcError {
        RpcError::TooLarge {
            subject: self.subject.clone(),
            part: Part::Reply,
            size,
            max: self.max,
        }
    }
}

#[async_trait]
impl ReplyRoute for Route {
    async fn reply(&mut self, payload: Bytes) -> Result<(), RpcError> {
        let size = payload.len();
        if size > self.max {
            self.send(Err(self.too_large(size)));
            return Err(self.too_large(size));
        }
        self.send(Ok(payload));
        Ok(())
    }

    fn abandon(&mut self, taken: bool) {
        let subject = self.subject.clone();
        self.send(Err(if taken {
            RpcError::Abandoned { subject }
        } else {
            RpcError::NoResponders { subject }
        }));
    }
}
