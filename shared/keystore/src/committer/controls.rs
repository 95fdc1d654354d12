//! Changes of the catalog: staging, promotion, removal. Each is one durable group, and what it makes
//! superfluous is buried in it and removed after it.
//!
//! Owns the order of record, memory and removal. Must not touch values.

use std::sync::Arc;

use super::{Committer, fence, known_epoch};
use crate::catalog::{Edit, Record};
use crate::engine::TreeId;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::registry::{Slot, Staging};
use crate::store::{Durable, Epoch, Remains};

impl Committer {
    pub(super) fn stage(&mut self, staging: Staging) -> Result<Durable, Error> {
        let (ns, epoch) = (staging.slot.ns.clone(), staging.epoch);
        fence(
            &ns,
            epoch,
            known_epoch(&self.state, self.engine.as_ref(), &ns),
        )?;
        let old = self
            .state
            .read()
            .staging
            .get(&ns)
            .map(|old| Arc::clone(&old.slot));
        let mut edits = vec![Edit::Put(staging_record(&staging))];
        edits.extend(
            old.iter()
                .map(|slot| Edit::Put(Record::Grave { tree: slot.tree })),
        );
        self.edit(edits)?;
        {
            let mut progress = staging.slot.progress();
            progress.recorded = true;
            progress.settled = true;
        }
        self.state.write().staging.insert(ns, staging);
        self.bury(old)?;
        Ok(Durable { epoch, sequence: 0 })
    }

    pub(super) fn finish_staging(&mut self, slot: &Arc<Slot>) -> Result<Durable, Error> {
        slot.alive()?;
        let found = self.state.read().staging.get(&slot.ns).cloned();
        let Some(mut staging) = found.filter(|found| Arc::ptr_eq(&found.slot, slot)) else {
            return Err(Error::Retired(slot.ns.to_string()));
        };
        staging.complete = true;
        self.edit(vec![Edit::Put(staging_record(&staging))])?;
        let epoch = staging.epoch;
        self.state.write().staging.insert(slot.ns.clone(), staging);
        Ok(Durable {
            epoch,
            sequence: sequence(slot),
        })
    }

    pub(super) fn promote(&mut self, ns: &Namespace) -> Result<Durable, Error> {
        let staging = self
            .state
            .read()
            .staging
            .get(ns)
            .filter(|found| found.complete)
            .cloned();
        let staging = staging.ok_or_else(|| Error::NotStaged(ns.to_string()))?;
        fence(
            ns,
            staging.epoch,
            known_epoch(&self.state, self.engine.as_ref(), ns),
        )?;
        let old = self.state.read().live.get(ns).cloned();
        let slot = staging.slot;
        let live = Record::Live {
            ns: ns.clone(),
            tree: slot.tree,
            key: slot.key.clone(),
            settled: true,
        };
        let mut edits = vec![Edit::RemoveStaging(ns.clone()), Edit::Put(live)];
        let buried = old.as_ref().filter(|old| old.progress().recorded).cloned();
        edits.extend(
            buried
                .iter()
                .map(|slot| Edit::Put(Record::Grave { tree: slot.tree })),
        );
        self.edit(edits)?;
        {
            let mut registry = self.state.write();
            registry.staging.remove(ns);
            registry.live.insert(ns.clone(), Arc::clone(&slot));
        }
        if let Some(old) = old {
            old.retire();
        }
        self.bury(buried)?;
        Ok(Durable {
            epoch: staging.epoch,
            sequence: sequence(&slot),
        })
    }

    pub(super) fn discard(&mut self, ns: &Namespace) -> Result<Durable, Error> {
        let done = Durable {
            epoch: Epoch::default(),
            sequence: 0,
        };
        let Some(staging) = self.state.read().staging.get(ns).cloned() else {
            return Ok(done);
        };
        self.edit(vec![
            Edit::RemoveStaging(ns.clone()),
            Edit::Put(Record::Grave {
                tree: staging.slot.tree,
            }),
        ])?;
        self.state.write().staging.remove(ns);
        self.bury(Some(staging.slot))?;
        Ok(done)
    }

    pub(super) fn drop_namespace(
        &mut self,
        ns: &Namespace,
        remains: Remains,
    ) -> Result<Durable, Error> {
        let epoch = match remains {
            Remains::Tombstone(epoch) => {
                fence(
                    ns,
                    epoch,
                    known_epoch(&self.state, self.engine.as_ref(), ns),
                )?;
                Some(epoch)
            }
            Remains::Nothing => None,
        };
        let slot = self.state.read().live.get(ns).cloned();
        let buried = slot
            .as_ref()
            .filter(|slot| slot.progress().recorded)
            .cloned();
        let mut edits = vec![match epoch {
            Some(epoch) => Edit::Put(Record::Tombstone {
                ns: ns.clone(),
                epoch,
            }),
            None => Edit::RemoveTombstone(ns.clone()),
        }];
        if let Some(slot) = &buried {
            edits.push(Edit::RemoveLive(ns.clone()));
            edits.push(Edit::Put(Record::Grave { tree: slot.tree }));
        }
        self.edit(edits)?;
        {
            let mut registry = self.state.write();
            registry.live.remove(ns);
            match epoch {
                Some(epoch) => registry.tombstones.insert(ns.clone(), epoch),
                None => registry.tombstones.remove(ns),
            };
        }
        if let Some(slot) = slot {
            slot.retire();
        }
        self.bury(buried)?;
        Ok(Durable {
            epoch: epoch.unwrap_or_default(),
            sequence: 0,
        })
    }

    /// Applies edits of the catalog durably.
    fn edit(&mut self, edits: Vec<Edit>) -> Result<(), Error> {
        let mut edits = Some(edits);
        let done = self.durably(&mut |catalog, group| {
            catalog
                .edit(group, edits.take().unwrap_or_default())
                .map(|()| true)
        });
        done.map(|_sync| ()).map_err(|error| self.fail(&error))
    }

    /// Removes a tree whose grave is already in the catalog, then the grave.
    fn bury(&mut self, slot: Option<Arc<Slot>>) -> Result<(), Error> {
        let Some(slot) = slot else { return Ok(()) };
        slot.retire();
        let tree: TreeId = slot.tree;
        self.engine
            .drop_tree(tree)
            .map_err(|error| self.fail(&error))?;
        self.edit(vec![Edit::RemoveGrave(tree)])
    }
}

fn staging_record(staging: &Staging) -> Record {
    let Staging {
        slot,
        epoch,
        complete,
    } = staging;
    Record::Staging {
        ns: slot.ns.clone(),
        tree: slot.tree,
        key: slot.key.clone(),
        epoch: *epoch,
        complete: *complete,
    }
}

fn sequence(slot: &Slot) -> u64 {
    slot.progress().ledger.unwrap_or_default().sequence
}
