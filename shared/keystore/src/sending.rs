//! The sending end of a transfer: pages of a tree as frames.
//!
//! Owns the cursor and the running hash. No engine gives one moment over several reads, so the
//! number of the last batch is compared after every page, and the sum of the tags at the end.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::frames::{Header, Trailer, encode_data};
use crate::layout::{AREA_VALUES, Entry, tag_of};
use crate::ledger::Ledger;
use crate::registry::Slot;
use crate::running::Inner;
use crate::seal::{TransferKey, random_id};
use crate::store::Epoch;
use crate::transfer::{Export, TransferReport};

/// A data frame is full above this size; one more entry (4 KiB and its key) still stays below
/// [`crate::FRAME_BYTES_MAX`].
const PAGE_BYTES: usize = 256 << 10;

/// Where a transfer stands.
#[derive(Debug)]
enum Step {
    Header(Bytes),
    /// Next: what comes after this raw key.
    Data(Bound<Vec<u8>>),
    Trailer,
    Done(TransferReport),
}

/// See [`Export`].
pub(crate) struct Sender {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
    id: [u8; crate::seal::ID_BYTES],
    start: Ledger,
    step: Step,
    hash: Sha256,
    frames: u32,
    found: Ledger,
    bytes: u64,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Sender({}, {} frames)", self.slot.ns, self.frames)
    }
}

impl Sender {
    /// # Errors
    /// [`Error::Retired`] when the tree is gone.
    pub(crate) fn new(
        inner: Arc<Inner>,
        slot: Arc<Slot>,
        transfer: &TransferKey,
    ) -> Result<Self, Error> {
        let start = slot.progress().ledger;
        let start = start.ok_or_else(|| slot.tree_ref().damaged("it was not checked"))?;
        let id = random_id();
        let (epoch, namespace) = (start.epoch, slot.ns.to_string());
        let header = Header {
            id,
            epoch,
            namespace,
            key: slot.key.clone(),
        };
        let frame = header
            .encode(transfer)
            .map_err(|error| slot.tree_ref().damaged(error.to_string()))?;
        Ok(Self {
            inner,
            slot,
            id,
            start,
            step: Step::Header(Bytes::from(frame)),
            hash: Sha256::new(),
            frames: 0,
            found: Ledger::default(),
            bytes: 0,
        })
    }

    /// Entries from the cursor on; empty at the end.
    fn page(&self, from: &Bound<Vec<u8>>) -> Result<Vec<Entry>, Error> {
        let tree = self.slot.tree;
        let range = (from.clone(), Bound::Unbounded);
        let page = self.inner.look(&self.slot, |view| {
            let (mut entries, mut bytes) = (Vec::new(), 0);
            view.range(tree, &range, false, &mut |key, stored| {
                bytes += key.len() + stored.len();
                entries.push((key.to_vec(), stored.to_vec()));
                let full = bytes > PAGE_BYTES;
                Ok(if full {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            })?;
            Ok(entries)
        })?;
        let now = self.slot.progress().ledger.map(|ledger| ledger.sequence);
        if now != Some(self.start.sequence) {
            return Err(Error::ChangedDuringExport(self.slot.ns.to_string()));
        }
        Ok(page)
    }

    fn data(&mut self, from: &Bound<Vec<u8>>) -> Result<Option<Bytes>, Error> {
        let page = self.page(from)?;
        let Some((last, _)) = page.last() else {
            self.step = Step::Trailer;
            return self.trailer().map(Some);
        };
        for (key, stored) in &page {
            let tag = tag_of(stored).ok_or_else(|| self.damaged("an entry is too short"))?;
            self.found.count = self.found.count.wrapping_add(1);
            self.found.sum = self.found.sum.wrapping_add(tag);
            self.bytes = self.bytes.saturating_add((key.len() + stored.len()) as u64);
        }
        let frame =
            encode_data(self.frames, &page).map_err(|error| self.damaged(&error.to_string()))?;
        self.step = Step::Data(Bound::Excluded(last.clone()));
        self.hash.update(&frame);
        self.frames = self.frames.saturating_add(1);
        Ok(Some(Bytes::from(frame)))
    }

    fn trailer(&mut self) -> Result<Bytes, Error> {
        if (self.found.count, self.found.sum) != (self.start.count, self.start.sum) {
            return Err(self.damaged("the exported entries do not add up"));
        }
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        let trailer = Trailer {
            entries: self.found.count,
            bytes: self.bytes,
            hash,
        };
        let frame = trailer
            .encode(self.frames, &self.id, &self.slot.key)
            .map_err(|error| self.damaged(&error.to_string()))?;
        self.frames = self.frames.saturating_add(1);
        self.step = Step::Done(TransferReport {
            entries: self.found.count,
            bytes: self.bytes,
            frames: self.frames,
            hash,
            source_epoch: Epoch(self.start.epoch),
        });
        Ok(Bytes::from(frame))
    }

    fn damaged(&self, what: &str) -> Error {
        self.slot.tree_ref().damaged(what)
    }
}

#[async_trait]
impl Export for Sender {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match &self.step {
            Step::Header(frame) => {
                let frame = frame.clone();
                self.hash.update(&frame);
                self.frames = 1;
                self.step = Step::Data(Bound::Included(vec![AREA_VALUES]));
                Ok(Some(frame))
            }
            Step::Data(from) => {
                let from = from.clone();
                self.data(&from)
            }
            Step::Trailer => self.trailer().map(Some),
            Step::Done(_) => Ok(None),
        }
    }

    fn report(&self) -> Option<TransferReport> {
        match &self.step {
            Step::Done(report) => Some(*report),
            Step::Header(_) | Step::Data(_) | Step::Trailer => None,
        }
    }
}
