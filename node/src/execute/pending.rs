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
    switchboard_vocab::chats::Change,
    switchboard_vocab::chats::Clear,
    switchboard_vocab::chats::Delete,
    switchboard_vocab::chats::Get,
    switchboard_vocab::chats::List,
    switchboard_vocab::chats::MarkSeen,
    switchboard_vocab::contacts::Block,
    switchboard_vocab::contacts::Check,
    switchboard_vocab::contacts::CommonGroups,
    switchboard_vocab::contacts::Delete,
    switchboard_vocab::contacts::Get,
    switchboard_vocab::contacts::GetBusiness,
    switchboard_vocab::contacts::GetPicture,
    switchboard_vocab::contacts::GetProfiles,
    switchboard_vocab::contacts::List,
    switchboard_vocab::contacts::ListBlocked,
    switchboard_vocab::contacts::ListStoryViewers,
    switchboard_vocab::contacts::Resolve,
    switchboard_vocab::contacts::Save,
    switchboard_vocab::media::Delete,
    switchboard_vocab::media::List,
    switchboard_vocab::messages::ClearQueue,
    switchboard_vocab::messages::DeleteForMe,
    switchboard_vocab::messages::GetInfo,
    switchboard_vocab::messages::GetMentions,
    switchboard_vocab::messages::GetQuoted,
    switchboard_vocab::messages::ListQueue,
    switchboard_vocab::messages::Search,
    switchboard_vocab::messages::Star,
    switchboard_vocab::presence::Get,
    switchboard_vocab::presence::SendState,
    switchboard_vocab::presence::Subscribe,
    switchboard_vocab::profile::Change,
    switchboard_vocab::profile::Get,
    switchboard_vocab::profile::GetPrivacy,
    switchboard_vocab::profile::SetOnline,
    switchboard_vocab::settings::Change,
    switchboard_vocab::settings::Get,
    switchboard_vocab::settings::Reset,
    switchboard_vocab::stories::Get,
    switchboard_vocab::stories::List,
    switchboard_vocab::webhooks::Test,
}
