//! The table of contents of the system: every operation, sorted, one line each.

/// Calls a macro with the path of every operation that the owner of a session executes.
#[macro_export]
macro_rules! for_each_session_operation {
    ($then:ident) => {
        $then! {
            $crate::media::Open,
            $crate::media::Store,
            $crate::messages::GetMessage,
            $crate::messages::ListMessages,
            $crate::messages::MarkRead,
            $crate::messages::SendMessage,
            $crate::pairing::GetQr,
            $crate::pairing::RequestCode,
            $crate::sessions::Erase,
            $crate::sessions::GetStatus,
            $crate::sessions::Logout,
            $crate::sessions::Restart,
            $crate::sessions::Start,
            $crate::sessions::Stop,
            $crate::webhooks::Add,
            $crate::webhooks::Choose,
            $crate::webhooks::GetWebhooks,
            $crate::webhooks::Remove,
            $crate::webhooks::Replace,
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
