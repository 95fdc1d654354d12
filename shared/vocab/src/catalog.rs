//! The table of contents of the system: every operation, sorted, one line each.

/// Calls a macro with the path of every operation that the owner of a session executes.
#[macro_export]
macro_rules! for_each_session_operation {
    ($then:ident) => {
        $then! {
            $crate::chats::Change,
            $crate::chats::Clear,
            $crate::chats::Delete,
            $crate::chats::Get,
            $crate::chats::List,
            $crate::chats::MarkSeen,
            $crate::contacts::Block,
            $crate::contacts::Check,
            $crate::contacts::CommonGroups,
            $crate::contacts::Delete,
            $crate::contacts::Get,
            $crate::contacts::GetBusiness,
            $crate::contacts::GetPicture,
            $crate::contacts::GetProfiles,
            $crate::contacts::List,
            $crate::contacts::ListBlocked,
            $crate::contacts::ListStoryViewers,
            $crate::contacts::Resolve,
            $crate::contacts::Save,
            $crate::media::Delete,
            $crate::media::List,
            $crate::media::Open,
            $crate::media::Store,
            $crate::messages::Act,
            $crate::messages::ClearQueue,
            $crate::messages::DeleteForMe,
            $crate::messages::Forward,
            $crate::messages::GetInfo,
            $crate::messages::GetMentions,
            $crate::messages::GetMessage,
            $crate::messages::GetQuoted,
            $crate::messages::ListMessages,
            $crate::messages::ListQueue,
            $crate::messages::MarkRead,
            $crate::messages::Search,
            $crate::messages::SendMessage,
            $crate::messages::Star,
            $crate::pairing::GetQr,
            $crate::pairing::RequestCode,
            $crate::presence::Get,
            $crate::presence::SendState,
            $crate::presence::Subscribe,
            $crate::profile::Change,
            $crate::profile::Get,
            $crate::profile::GetPrivacy,
            $crate::profile::SetOnline,
            $crate::sessions::Erase,
            $crate::sessions::GetStatus,
            $crate::sessions::Logout,
            $crate::sessions::Restart,
            $crate::sessions::Start,
            $crate::sessions::Stop,
            $crate::settings::Change,
            $crate::settings::Get,
            $crate::settings::Reset,
            $crate::stories::Copy,
            $crate::stories::Get,
            $crate::stories::List,
            $crate::stories::Post,
            $crate::webhooks::Add,
            $crate::webhooks::Choose,
            $crate::webhooks::GetWebhooks,
            $crate::webhooks::Remove,
            $crate::webhooks::Replace,
            $crate::webhooks::Test,
        }
    };
}

/// Calls a macro with the path of every operation that the cluster executes.
#[macro_export]
macro_rules! for_each_cluster_operation {
    ($then:ident) => {
        $then! {
            $crate::sessions::Create,
            $crate::sessions::List,
            $crate::sessions::Remove,
            $crate::sessions::RemoveAll,
        }
    };
}

macro_rules! names {
    ($($op:path),* $(,)?) => { &[$(<$op as crate::Operation>::NAME),*] };
}

/// The names of the operations that owners execute.
pub const SESSION_OPERATIONS: &[&str] = for_each_session_operation!(names);
/// The names of the operations that the cluster executes.
pub const CLUSTER_OPERATIONS: &[&str] = for_each_cluster_operation!(names);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let all: Vec<_> = SESSION_OPERATIONS
            .iter()
            .chain(CLUSTER_OPERATIONS)
            .collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), distinct.len());
    }
}
