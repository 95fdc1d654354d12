//! Operations that this release does not execute yet: refused, with that reason. This list only shrinks.

use switchboard_vocab::{ErrorCode, OpError, Operation};

use super::Execute;
use crate::session::context::SessionCx;

macro_rules! pending {
    ($($op:path),* $(,)?) => {$(
        impl Execute for $op {
            async fn execute(self, _: SessionCx) -> Result<Self::Output, OpError> {
                let text = format!("this release does not offer {}", <Self as Operation>::NAME);
                Err(OpError::new(ErrorCode::Refused, text))
            }
        }
    )*};
}

pending! {
    switchboard_vocab::messages::Search,
}
