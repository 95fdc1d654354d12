//! The receiving end of a transfer: frames into a staging tree.
//!
//! Owns the order and the checks: nothing is stored that does not open under the data key in its
//! own place, and nothing is complete before an authentic trailer has counted it. Must not make
//! anything live.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::committer::Control;
use crate::error::Error;
use crate::frames::{Frame, Header, Trailer};
use crate::layout::{self, AREA_VALUES, Entry, Head, Opened};
use crate::ledger::RawOp;
use crate::namespace::Namespace;
use crate::registry::{Slot, Staging};
use crate::running::Inner;
use crate::seal::TransferKey;
use crate::store::{Epoch, KEY_BYTES_MAX};
use crate::transfer::{FRAME_BYTES_MAX, Import, TransferReport};

/// Most large values of one import, because their heads are kept in memory until the end.
const HEADS_MAX: usize = 65_536;

/// See [`Import`].
pub(crate) struct Receiver {
    inner: Arc<Inner>,
    ns: Namespace,
    epoch: Epoch,
    transfer: TransferKey,
    step: Step,
}

enum Step {
    Header,
    Data(Box<Progress>),
    Done(Arc<Slot>, TransferReport),
    Failed,
}

struct Progress {
    slot: Arc<Slot>,
    header: Header,
    hash: Sha256,
    frames: u32,
    entries: u64,
    bytes: u64,
    last: Vec<u8>,
    heads: HashMap<Vec<u8>, Head>,
    parts_due: u64,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Receiver({}, epoch {})", self.ns, self.epoch.0)
    }
}

impl Receiver {
    pub(crate) fn new(
        inner: Arc<Inner>,
        ns: Namespace,
        epoch: Epoch,
        transfer: TransferKey,
    ) -> Self {
        Self {
            inner,
            ns,
            epoch,
            transfer,
            step: Step::Header,
        }
    }

    fn bad(&self, what: impl std::fmt::Display) -> Error {
        Error::BadImport {
            namespace: self.ns.to_string(),
            what: what.to_string(),
        }
    }

    async fn header(&self, frame: &[u8]) -> Result<Step, Error> {
        let header = Header::decode(frame, &self.transfer).map_err(|error| self.bad(error))?;
        if header.namespace != self.ns.as_str() {
            return Err(self.bad(format!("frames of {}", header.namespace)));
        }
        if self.epoch.0 < header.epoch {
            return Err(self.bad(format!("frames of the higher epoch {}", header.epoch)));
        }
        let slot = self.inner.staging_slot(&self.ns, header.key.clone());
        let staging = Staging {
            slot: Arc::clone(&slot),
            epoch: self.epoch,
            complete: false,
        };
        self.inner.control(Control::Stage(staging)).await?;
        // The ledger, and the epoch in it, exist even when no entry follows.
        self.inner
            .submit(Arc::clone(&slot), self.epoch, Vec::new(), 0)
            .await?;
        let mut hash = Sha256::new();
        hash.update(frame);
        Ok(Step::Data(Box::new(Progress {
            slot,
            header,
            hash,
            frames: 1,
            entries: 0,
            bytes: 0,
            last: Vec::new(),
            heads: HashMap::new(),
            parts_due: 0,
        })))
    }

    async fn data(&self, mut progress: Box<Progress>, frame: &[u8]) -> Result<Step, Error> {
        let key = &progress.header.key;
        let decoded =
            Frame::decode(frame, &progress.header.id, key).map_err(|error| self.bad(error))?;
        let (Frame::Data { sequence, .. } | Frame::Trailer { sequence, .. }) = &decoded;
        if *sequence != progress.frames {
            let expected = progress.frames;
            return Err(self.bad(format!("frame {sequence} instead of frame {expected}")));
        }
        match decoded {
            Frame::Data { entries, .. } => {
                for entry in &entries {
                    progress.check(entry).map_err(|what| self.bad(what))?;
                }
                let ops = entries.into_iter().map(RawOp::Insert).collect();
                let slot = Arc::clone(&progress.slot);
                self.inner
                    .submit(slot, self.epoch, ops, frame.len())
                    .await?;
                progress.hash.update(frame);
                progress.frames = progress.frames.saturating_add(1);
                Ok(Step::Data(progress))
            }
            Frame::Trailer { trailer, .. } => {
                let report = progress.finish(&trailer).map_err(|what| self.bad(what))?;
                Ok(Step::Done(progress.slot, report))
            }
        }
    }
}

impl Progress {
    /// Opens an entry where it belongs.
    fn check(&mut self, (raw, stored): &Entry) -> Result<(), &'static str> {
        if *raw <= self.last {
            return Err("entries are not in order");
        }
        if raw.len() > KEY_BYTES_MAX + 6 {
            return Err("a key is over the limit");
        }
        let (key, ns) = (&self.header.key, self.header.namespace.as_str());
        if let Some((head, index)) = layout::head_of_part(raw) {
            let head = self
                .heads
                .get(&head)
                .ok_or("part of a value that is not there")?;
            layout::open_part(key, ns, raw, head, stored)
                .map_err(|_error| "part of a value does not open")?;
            if index >= head.parts {
                return Err("part of a value that has fewer");
            }
            self.parts_due = self
                .parts_due
                .checked_sub(1)
                .ok_or("a value has too many parts")?;
        } else if raw.first() == Some(&AREA_VALUES) && raw.len() >= 2 {
            let opened = layout::open_value(key, ns, raw, stored);
            match opened.map_err(|_error| "a value does not open")? {
                Opened::Whole(_) => {}
                Opened::Head(_) if self.heads.len() >= HEADS_MAX => {
                    return Err("too many large values");
                }
                Opened::Head(head) => {
                    self.parts_due = self.parts_due.saturating_add(u64::from(head.parts));
                    self.heads.insert(raw.clone(), head);
                }
            }
        } else {
            return Err("a key of an unknown area");
        }
        self.last.clone_from(raw);
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add((raw.len() + stored.len()) as u64);
        Ok(())
    }

    fn finish(&self, trailer: &Trailer) -> Result<TransferReport, &'static str> {
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        if self.parts_due > 0 {
            return Err("a large value is not complete");
        }
        let counted = Trailer {
            entries: self.entries,
            bytes: self.bytes,
            hash,
        };
        if counted != *trailer {
            return Err("entries are missing or changed");
        }
        Ok(TransferReport {
            entries: self.entries,
            bytes: self.bytes,
            frames: self.frames.saturating_add(1),
            hash,
            source_epoch: Epoch(self.header.epoch),
        })
    }
}

#[async_trait]
impl Import for Receiver {
    async fn write(&mut self, frame: &[u8]) -> Result<(), Error> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "frame bytes",
                size: frame.len(),
                limit: FRAME_BYTES_MAX,
            });
        }
        self.step = match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Header => self.header(frame).await?,
            Step::Data(progress) => self.data(progress, frame).await?,
            Step::Done(..) => return Err(self.bad("a frame after the trailer")),
            Step::Failed => return Err(self.bad("an earlier frame was refused")),
        };
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<TransferReport, Error> {
        match &self.step {
            Step::Done(slot, report) => {
                self.inner
                    .control(Control::FinishStaging(Arc::clone(slot)))
                    .await?;
                Ok(*report)
            }
            Step::Header | Step::Data(_) => Err(self.bad("the trailer has not come")),
            Step::Failed => Err(self.bad("an earlier frame was refused")),
        }
    }
}
