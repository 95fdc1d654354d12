//! Operations on stories.

use switchboard_vocab::OpError;
use switchboard_vocab::messages::Sent;
use switchboard_vocab::stories::{Copy, Post};

use super::Execute;
use crate::session::context::SessionCx;
use crate::session::lanes::Lane;
use crate::session::outbound::{self, stories};

impl Execute for Post {
    fn lane(&self) -> Lane {
        Lane::Chat(stories())
    }

    async fn execute(self, cx: SessionCx) -> Result<Sent, OpError> {
        outbound::post(self, &cx).await
    }
}

impl Execute for Copy {
    fn lane(&self) -> Lane {
        Lane::Chat(stories())
    }

    async fn execute(self, cx: SessionCx) -> Result<Sent, OpError> {
        outbound::copy(self, &cx).await
    }
}
