//! Names the session and the action in everything that goes wrong.

use switchboard_keystore::{Epoch, Error};

use super::TakeOver;
use crate::api::ReplicaError;
use crate::chain::Chain;
use crate::judge::Verdict;
use crate::position::Known;
use crate::snapshot;

impl TakeOver<'_> {
    pub(super) fn refuse(&self, verdict: &Verdict, chain: &Chain) -> ReplicaError {
        let namespace = self.session.ns.to_string();
        match *verdict {
            Verdict::Superseded(newer) => ReplicaError::Superseded {
                namespace,
                given: self.epoch,
                newer: Epoch(newer),
            },
            Verdict::Behind(known) => ReplicaError::Behind {
                namespace,
                known: known.to_string(),
                found: chain.last().map_or("nothing".to_owned(), |last| {
                    let (epoch, number) = (last.epoch, last.number);
                    Known { epoch, number }.to_string()
                }),
            },
            Verdict::Diverged(epoch) => ReplicaError::Diverged {
                namespace,
                epoch: Epoch(epoch),
            },
            Verdict::Fresh | Verdict::Follow(_) | Verdict::Restore | Verdict::Seed => {
                ReplicaError::Internal {
                    action: "take over",
                    namespace,
                    what: format!("{verdict:?} is no refusal"),
                }
            }
        }
    }

    pub(crate) fn damaged(&self, what: &str) -> ReplicaError {
        ReplicaError::Damaged {
            namespace: self.session.ns.to_string(),
            what: what.to_owned(),
        }
    }

    pub(crate) fn nothing(&self, what: &str) -> ReplicaError {
        ReplicaError::Nothing {
            namespace: self.session.ns.to_string(),
            what: format!("{what} has nothing of it"),
        }
    }

    pub(super) fn bus(
        &self,
        action: &'static str,
        source: switchboard_bus::EventLogError,
    ) -> ReplicaError {
        ReplicaError::Bus {
            action,
            namespace: self.session.ns.to_string(),
            source,
        }
    }

    pub(crate) fn store(&self, action: &'static str, source: Error) -> ReplicaError {
        ReplicaError::Store {
            action,
            namespace: self.session.ns.to_string(),
            source,
        }
    }

    pub(crate) fn stored<T>(
        &self,
        action: &'static str,
        result: Result<T, Error>,
    ) -> Result<T, ReplicaError> {
        result.map_err(|error| self.store(action, error))
    }

    pub(super) fn uncopied(&self, failure: snapshot::Failure) -> ReplicaError {
        let (action, namespace) = ("write a snapshot", self.session.ns.to_string());
        match failure {
            snapshot::Failure::Store(error) => self.store(action, error),
            snapshot::Failure::Bus(source) => self.bus(action, source),
            snapshot::Failure::Append(failure) => failure
                .of_take_over(action, &self.session.ns)
                .unwrap_or(ReplicaError::LetGo { namespace }),
            failure @ (snapshot::Failure::TooLarge(_) | snapshot::Failure::Ended) => {
                ReplicaError::Internal {
                    action,
                    namespace,
                    what: failure.to_string(),
                }
            }
        }
    }
}
