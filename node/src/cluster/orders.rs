//! The node's `admin` subject: operators' orders in, answers out.
//!
//! Owns decoding and the words of refusals. Must not judge an order: the machine does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use switchboard_bus::{Request, RequestStream};
use switchboard_ownership::{Command, DataFrom, Refused};
use switchboard_vocab::cluster::{NodeOrder, OrderAnswer, RestoreFrom};
use switchboard_vocab::{ErrorCode, OpError};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::data::DataSource;
use super::driver::Event;

/// Orders under way at once; more wait on the bus.
const ORDERS_MAX: usize = 16;
/// Largest order, in bytes.
const ORDER_BYTES_MAX: usize = 16 * 1024;
/// Longest wait for the driver.
const DECIDE_MAX: Duration = Duration::from_secs(5);

/// What orders work with.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) data: Arc<dyn DataSource>,
}

impl Orders {
    /// Serves until `stop`.
    pub(super) async fn run(self, mut requests: RequestStream, stop: CancellationToken) {
        let turns = Arc::new(Semaphore::new(ORDERS_MAX));
        let mut orders = JoinSet::new();
        loop {
            let next = async {
                let turn = Arc::clone(&turns).acquire_owned().await.ok()?;
                Some((requests.next().await?, turn))
            };
            let (request, turn) = tokio::select! {
                () = stop.cancelled() => break,
                next = next => match next {
                    Some(next) => next,
                    None => break,
                },
            };
            while orders.try_join_next().is_some() {}
            let me = self.clone();
            orders.spawn(async move {
                me.serve(request).await;
                drop(turn);
            });
        }
        orders.shutdown().await;
    }

    async fn serve(&self, request: Request) {
        let Request { payload, replier } = request;
        let answer = match self.obey(&payload).await {
            Ok(()) => OrderAnswer::Accepted,
            Err(error) => OrderAnswer::Refused { error },
        };
        let bytes = match serde_json::to_vec(&answer) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                tracing::error!(%error, "the answer to an order cannot be written");
                return;
            }
        };
        if let Err(error) = replier.reply(bytes).await {
            tracing::warn!(%error, "the answer to an order did not go out");
        }
    }

    async fn obey(&self, payload: &[u8]) -> Result<(), OpError> {
        if payload.len() > ORDER_BYTES_MAX {
            let text = format!("an order has at most {ORDER_BYTES_MAX} bytes");
            return Err(OpError::new(ErrorCode::TooLarge, text));
        }
        let order: NodeOrder = serde_json::from_slice(payload)
            .map_err(|e| OpError::invalid(format!("this release does not know the order: {e}")))?;
        tracing::info!(?order, "an operator's order");
        let command = self.command(order).await?;
        let (answer, decided) = oneshot::channel();
        let deciding = async {
            self.events
                .send(Event::Order(command, answer))
                .await
                .map_err(drop)?;
            decided.await.map_err(drop)
        };
        match timeout(DECIDE_MAX, deciding).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(Refused(why)))) => Err(OpError::new(ErrorCode::Refused, why)),
            Ok(Err(())) => Err(OpError::new(ErrorCode::Unavailable, "the node is stopping")),
            Err(_) => {
                let text = "the node did not decide in time";
                Err(OpError::new(ErrorCode::Timeout, text).maybe_executed())
            }
        }
    }

    async fn command(&self, order: NodeOrder) -> Result<Command, OpError> {
        Ok(match order {
            NodeOrder::Drain { on } => Command::Drain(on),
            NodeOrder::Weigh { weight } => Command::Weigh(weight),
            NodeOrder::Move { session, target } => Command::Move { session, target },
            NodeOrder::Restore { session, from } => {
                let from = match from {
                    RestoreFrom::Log => DataFrom::LossyLog,
                    RestoreFrom::Nothing => DataFrom::Nothing,
                    RestoreFrom::Folder { path } => {
                        let known = self.data.know_folder(&session, path.into()).await;
                        known.map_err(|why| OpError::new(ErrorCode::Refused, why))?;
                        DataFrom::LossyFolder
                    }
                };
                Command::Restore { session, from }
            }
        })
    }
}
