//! What every operation has in common.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::media::MediaSource;

/// Who executes an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The node that owns the session.
    Session,
    /// The cluster: creating, listing and removing sessions. Executed by the router against the directory.
    Cluster,
}

/// What an operation does to the world. Retry, pacing, audit and metric labels hang on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing: may be repeated at will.
    Read,
    /// Changes our own state or the account's: repeating it gives the same state.
    Write,
    /// Something leaves for another person: repeated only with the same message id.
    Send,
}

/// One verb of the system: a struct with its fields, tied to the type of its answer.
pub trait Operation: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// What a successful call answers.
    type Output: Serialize + DeserializeOwned + Debug + Send + Sync + 'static;
    /// The name on the bus, `<area>.<verb>`; never reused for something else.
    const NAME: &'static str;
    /// Who executes it.
    const SCOPE: Scope;
    /// What it does to the world.
    const EFFECT: Effect;

    /// The media this call carries, so that bytes can travel apart from the call.
    fn media_mut(&mut self) -> Vec<&mut MediaSource> {
        Vec::new()
    }
}

/// Ties an operation to its output, its name and its effect.
#[macro_export]
macro_rules! operation {
    ($op:ty => $output:ty, $name:literal, $effect:expr) => {
        $crate::operation!($op => $output, $name, $effect, $crate::operation::Scope::Session);
    };
    ($op:ty => $output:ty, $name:literal, $effect:expr, $scope:expr) => {
        impl $crate::operation::Operation for $op {
            type Output = $output;
            const NAME: &'static str = $name;
            const SCOPE: $crate::operation::Scope = $scope;
            const EFFECT: $crate::operation::Effect = $effect;
        }
    };
}
