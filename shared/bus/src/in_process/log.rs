//! The in-process [`EventLog`]: the trait over the state and its committer.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::engine::{self, Engine};
use super::log_state::{NewMessage, Now, Refused, State};
use super::storage::Op;
use crate::event_log::{
    Acknowledger, Appended, Consumer, ConsumerSpec, Delivery, EventLog, EventLogError, LogRecord,
    StreamSpec, check_event,
};
use crate::limits::{FETCH_MAX, WAIT_MAX};
use crate::{ConsumerName, Limits, StreamName, Subject, SubjectFilter, clock};

/// The in-process [`EventLog`].
#[derive(Debug)]
pub(super) struct InProcessLog {
    engine: Engine<State>,
    limits: Limits,
}

fn now() -> Now {
    Now {
        monotonic: clock::monotonic(),
        unix_ms: clock::unix_ms(),
    }
}

/// Runs `command` on `stream` and gives its refusal the name of the operation.
async fn call<R: Send + 'static>(
    engine: &Engine<State>,
    limits: &Limits,
    op: &'static str,
    stream: &StreamName,
    command: impl FnOnce(&mut State, &StreamName, &mut Vec<Op>) -> Result<R, Refused> + Send + 'static,
) -> Result<R, EventLogError> {
    let deadline = limits.operation_deadline;
    let name = stream.clone();
    let outcome = engine
        .call(deadline, move |state, batch| command(state, &name, batch))
        .await;
    let stream = stream.clone();
    match outcome {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(Refused::NoStream)) => Err(EventLogError::NoStream { op, stream }),
        Ok(Err(Refused::Conflict(reason))) => Err(EventLogError::Conflict { op, stream, reason }),
        Ok(Err(Refused::WrongSequence(_) | Refused::Full)) => {
            // Only an append is refused so, and it looks for it itself.
            Err(EventLogError::Failed {
                op,
                stream,
                source: "unexpected refusal of a write".into(),
            })
        }
        Err(engine::Error::Timeout) => Err(EventLogError::Timeout {
            op,
            stream,
            deadline,
        }),
        Err(engine::Error::Stopped(source)) => Err(EventLogError::Failed { op, stream, source }),
    }
}

impl InProcessLog {
    pub(super) fn new(engine: Engine<State>, limits: Limits) -> Self {
        Self { engine, limits }
    }

    async fn call<R: Send + 'static>(
        &self,
        op: &'static str,
        stream: &StreamName,
        command: impl FnOnce(&mut State, &StreamName, &mut Vec<Op>) -> Result<R, Refused>
        + Send
        + 'static,
    ) -> Result<R, EventLogError> {
        call(&self.engine, &self.limits, op, stream, command).await
    }
}

#[async_trait]
impl EventLog for InProcessLog {
    async fn open(&self, spec: &StreamSpec) -> Result<(), EventLogError> {
        let wanted = spec.clone();
        self.call("open", &spec.name, move |state, _, batch| {
            state.open(wanted, now(), batch)
        })
        .await
    }

    async fn append(
        &self,
        stream: &StreamName,
        subject: &Subject,
        id: &str,
        payload: Bytes,
        expected_last: Option<u64>,
    ) -> Result<Appended, EventLogError> {
        check_event(subject, id, payload.len(), self.limits.event_bytes_max())?;
        let message = NewMessage {
            subject: subject.clone(),
            id: id.to_owned(),
            payload,
            expected_last,
        };
        let outcome = self
            .call("append", stream, move |state, name, batch| {
                match state.append(name, message, now(), batch) {
                    Err(Refused::WrongSequence(current)) => Ok(Err(Some(current))),
                    Err(Refused::Full) => Ok(Err(None)),
                    other => other.map(Ok),
                }
            })
            .await?;
        outcome.map_err(|refused| {
            let subject = subject.clone();
            match refused {
                Some(current) => EventLogError::WrongSequence { subject, current },
                None => EventLogError::Full { subject },
            }
        })
    }

    async fn last(
        &self,
        stream: &StreamName,
        subject: &Subject,
    ) -> Result<Option<u64>, EventLogError> {
        let subject = subject.clone();
        self.call("last", stream, move |state, name, batch| {
            state.last(name, &subject, now(), batch)
        })
        .await
    }

    async fn read(
        &self,
        stream: &StreamName,
        subject: &Subject,
        after: u64,
        max: usize,
    ) -> Result<Vec<LogRecord>, EventLogError> {
        let subject = subject.clone();
        self.call("read", stream, move |state, name, batch| {
            state.read(name, &subject, after, max, now(), batch)
        })
        .await
    }

    async fn consumer(
        &self,
        stream: &StreamName,
        spec: &ConsumerSpec,
    ) -> Result<Box<dyn Consumer>, EventLogError> {
        let wanted = spec.clone();
        let changed = self
            .call("consumer", stream, move |state, name, batch| {
                state.consumer(name, &wanted, batch)
            })
            .await?;
        Ok(Box::new(InProcessConsumer {
            place: Place {
                engine: self.engine.clone(),
                limits: self.limits.clone(),
                stream: stream.clone(),
                name: spec.name.clone(),
            },
            changed,
        }))
    }

    async fn remove_consumer(
        &self,
        stream: &StreamName,
        name: &ConsumerName,
    ) -> Result<(), EventLogError> {
        let consumer = name.clone();
        self.call("remove consumer", stream, move |state, name, batch| {
            state.remove_consumer(name, &consumer, batch)
        })
        .await
    }

    async fn purge(
        &self,
        stream: &StreamName,
        filter: &SubjectFilter,
        up_to: u64,
    ) -> Result<u64, EventLogError> {
        let filter = filter.clone();
        self.call("purge", stream, move |state, name, batch| {
            state.purge(name, &filter, up_to, batch)
        })
        .await
    }
}

/// A consumer's address.
#[derive(Debug, Clone)]
struct Place {
    engine: Engine<State>,
    limits: Limits,
    stream: StreamName,
    name: ConsumerName,
}

#[derive(Debug)]
struct InProcessConsumer {
    place: Place,
    changed: watch::Receiver<()>,
}

#[async_trait]
impl Consumer for InProcessConsumer {
    async fn fetch(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, EventLogError> {
        let Place {
            engine,
            limits,
            stream,
            name,
        } = &self.place;
        let max = max.clamp(1, FETCH_MAX);
        let until = clock::monotonic() + wait.min(WAIT_MAX);
        let mut changed = self.changed.clone();
        loop {
            changed.mark_unchanged();
            let consumer = name.clone();
            let fetched = call(
                engine,
                limits,
                "fetch",
                stream,
                move |state, stream, batch| state.fetch(stream, &consumer, max, now(), batch),
            )
            .await?;
            if !fetched.messages.is_empty() || clock::monotonic() >= until {
                return Ok(fetched
                    .messages
                    .into_iter()
                    .map(|(m, n)| self.delivery(&m, n))
                    .collect());
            }
            let wake = fetched.next_due.map_or(until, |due| due.min(until));
            // A closed channel means that the bus has stopped: the next call says so.
            drop(tokio::time::timeout_at(wake, changed.changed()).await);
        }
    }
}

impl InProcessConsumer {
    fn delivery(&self, message: &super::log_state::Message, attempt: u32) -> Delivery {
        Delivery::new(
            message.seq,
            message.subject.clone(),
            message.id.clone(),
            message.payload.clone(),
            attempt,
            Box::new(InProcessAcknowledger {
                place: self.place.clone(),
                seq: message.seq,
            }),
        )
    }
}

#[derive(Debug)]
struct InProcessAcknowledger {
    place: Place,
    seq: u64,
}

#[async_trait]
impl Acknowledger for InProcessAcknowledger {
    async fn ack(&self) -> Result<(), EventLogError> {
        let Place {
            engine,
            limits,
            stream,
            name,
        } = self.place.clone();
        let seq = self.seq;
        call(
            &engine,
            &limits,
            "ack",
            &stream,
            move |state, stream, batch| state.ack(stream, &name, seq, batch),
        )
        .await
    }

    async fn nak(&self, delay: Duration) -> Result<(), EventLogError> {
        let Place {
            engine,
            limits,
            stream,
            name,
        } = self.place.clone();
        let (seq, due) = (self.seq, clock::monotonic() + delay);
        call(
            &engine,
            &limits,
            "nak",
            &stream,
            move |state, stream, batch| state.nak(stream, &name, seq, due, batch),
        )
        .await
    }
}
