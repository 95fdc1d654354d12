//! The outbox: events wait here until every sink has passed them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::PoisonError;

use async_trait::async_trait;
use switchboard_keystore::{KeyStore, Namespace, ScanRange};
use switchboard_vocab::OpError;
use switchboard_vocab::events::Envelope;
use tokio::sync::watch;

use super::writer::{Change, Write};
use super::{Error, Journal, rows};
use crate::ports::{OUTBOX_READ_MAX, Outbox, SINK_NAME_BYTES_MAX, SINKS_MAX};
use crate::session::kinds;

pub(super) async fn load_sinks(
    store: &dyn KeyStore,
    namespace: &Namespace,
) -> Result<BTreeMap<String, u64>, Error> {
    let page = store
        .scan(namespace, kinds::SINK, ScanRange::all(SINKS_MAX))
        .await?;
    let mut sinks = BTreeMap::new();
    for (key, row) in page.entries {
        let name = String::from_utf8(key).map_err(|e| Error::Row {
            what: "sink",
            why: e.to_string(),
        })?;
        sinks.insert(name, rows::decode("sink", &row)?);
    }
    Ok(sinks)
}

impl Write<'_, '_> {
    pub(super) fn pass(&mut self, sink: String, sequence: u64) -> Result<(), Error> {
        let memory = &mut self.txn.memory;
        if sink.is_empty() || sink.len() > SINK_NAME_BYTES_MAX {
            let text = format!("a sink's name has 1 to {SINK_NAME_BYTES_MAX} bytes");
            return Err(Error::Invalid(text));
        }
        if sequence > memory.head.last_sequence {
            let last = memory.head.last_sequence;
            let text = format!("sink {sink} cannot pass event {sequence}: the last is {last}");
            return Err(Error::Invalid(text));
        }
        match memory.sinks.get(&sink) {
            Some(passed) if *passed >= sequence => return Ok(()),
            None if memory.sinks.len() >= SINKS_MAX => {
                return Err(Error::Invalid(format!(
                    "a session has at most {SINKS_MAX} sinks"
                )));
            }
            Some(_) | None => {}
        }
        memory.sinks.insert(sink.clone(), sequence);
        let row = rows::encode("sink", &sequence)?;
        self.txn.put(kinds::SINK, sink.into_bytes(), row);
        self.trim_events();
        Ok(())
    }

    pub(super) fn forget(&mut self, sink: &str) {
        if self.txn.memory.sinks.remove(sink).is_some() {
            self.txn.delete(kinds::SINK, sink.as_bytes().to_vec());
            self.trim_events();
        }
    }

    fn trim_events(&mut self) {
        let memory = &mut self.txn.memory;
        let passed = memory
            .sinks
            .values()
            .min()
            .copied()
            .unwrap_or(memory.head.last_sequence);
        memory.head.first_sequence = memory.head.first_sequence.max(passed + 1);
    }
}

#[async_trait]
impl Outbox for Journal {
    fn last(&self) -> watch::Receiver<u64> {
        self.last_sequence.clone()
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Envelope>, OpError> {
        if self.stop.is_cancelled() {
            return Err(Error::Closed.into());
        }
        // Up to what is known to be durable: nothing else may leave the node.
        let last = *self.last_sequence.borrow();
        let range = ScanRange {
            from: Bound::Excluded(rows::number_key(after)),
            to: Bound::Included(rows::number_key(last)),
            reverse: false,
            limit: limit.min(OUTBOX_READ_MAX),
        };
        if after >= last {
            return Ok(Vec::new());
        }
        let recent = self
            .tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read(after, range.limit);
        if let Some(events) = recent {
            return Ok(events);
        }
        let page = self.store.scan(&self.namespace, kinds::OUTBOX, range).await;
        let page = page.map_err(Error::from)?;
        let rows = page.entries.iter().map(|(_, row)| rows::decode_event(row));
        Ok(rows.collect::<Result<_, Error>>()?)
    }

    async fn sinks(&self) -> Result<BTreeMap<String, u64>, OpError> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(memory.sinks.clone())
    }

    async fn pass(&self, sink: &str, sequence: u64) -> Result<(), OpError> {
        self.call(Change::Pass {
            sink: sink.to_owned(),
            sequence,
        })
        .await?;
        Ok(())
    }

    async fn forget(&self, sink: &str) -> Result<(), OpError> {
        self.call(Change::Forget {
            sink: sink.to_owned(),
        })
        .await?;
        Ok(())
    }
}
