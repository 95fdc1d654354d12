//! The simulator's journal: what WhatsApp saw of the cluster.

use std::collections::BTreeMap;

use serde_json::Value;

/// How many sockets of one device a server may see at once, and be right.
///
/// A machine that vanishes, stands still or is cut off leaves sockets behind that nobody closes; the next owner's login replaces
/// those, and the server says `conflict` to a peer that cannot hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Logins of one device since the last judgement that may have found a socket of a machine that was away.
    pub left_behind: u64,
}

/// What was there at the last judgement.
#[derive(Debug, Default)]
pub struct Journal {
    conflicts: BTreeMap<String, u64>,
}

impl Journal {
    /// What is wrong since the last time.
    #[must_use]
    pub fn complaints(&mut self, journal: &Value, allowed: Allowed) -> Vec<String> {
        let mut complaints = Vec::new();
        for device in journal["devices"].as_array().into_iter().flatten() {
            let name = device["device"].as_str().unwrap_or_default();
            // Phones themselves and connections that are being paired are no business of the cluster's.
            if name == "unpaired" || name.ends_with(":0") {
                continue;
            }
            let conflicts = device["conflicts_sent"].as_u64().unwrap_or(0);
            let before = self
                .conflicts
                .insert(name.to_owned(), conflicts)
                .unwrap_or(0);
            let new = conflicts.saturating_sub(before);
            if new > allowed.left_behind {
                complaints.push(format!(
                    "device {name} was logged in over a living socket: {new} conflicts"
                ));
            }
            let open = device["sockets_open"].as_u64().unwrap_or(0);
            if open > 1 {
                complaints.push(format!("device {name} has {open} sockets open"));
            }
            // A conflict explains a second socket for a moment; nothing else does.
            let most = device["sockets_open_max"].as_u64().unwrap_or(0);
            if most > 1 && conflicts == 0 {
                complaints.push(format!("device {name} had {most} sockets open at once"));
            }
            let lost = device["queue_overflows"].as_u64().unwrap_or(0);
            if lost > 0 {
                complaints.push(format!(
                    "{lost} stanzas fell out of the queue of {name}: the test is too heavy"
                ));
            }
        }
        complaints
    }

    /// How many companion devices a number has ever linked: more than one means that it was paired again.
    #[must_use]
    pub fn pairings(journal: &Value, number: &str) -> usize {
        let devices = journal["devices"].as_array().into_iter().flatten();
        let names = devices.filter_map(|device| device["device"].as_str());
        names
            .filter(|name| {
                name.split_once(':')
                    .is_some_and(|(n, d)| n == number && d != "0")
            })
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(open: u64, most: u64, conflicts: u64) -> Value {
        json!({"devices": [{"device": "1:2", "sockets_open": open, "sockets_open_max": most, "conflicts_sent": conflicts}]})
    }

    #[test]
    fn a_conflict_counts_once_and_only_where_nobody_was_away() {
        let mut journal = Journal::default();
        assert!(
            journal
                .complaints(&with(1, 1, 0), Allowed::default())
                .is_empty()
        );
        assert_eq!(
            journal.complaints(&with(1, 2, 1), Allowed::default()).len(),
            1
        );
        assert!(
            journal
                .complaints(&with(1, 2, 1), Allowed::default())
                .is_empty()
        );
        assert!(
            journal
                .complaints(&with(1, 2, 2), Allowed { left_behind: 1 })
                .is_empty()
        );
        assert_eq!(
            journal.complaints(&with(2, 2, 2), Allowed::default()).len(),
            1
        );
    }

    #[test]
    fn a_second_device_of_a_number_is_a_second_pairing() {
        let journal = json!({"devices": [{"device": "1:0"}, {"device": "1:1"}, {"device": "1:2"}, {"device": "12:1"}]});
        assert_eq!(Journal::pairings(&journal, "1"), 2);
    }
}
