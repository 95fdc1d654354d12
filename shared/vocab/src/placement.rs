//! Where a session should run: rendezvous hashing over the members of the cluster (design rules ).
//!
//! Integers only, so that every platform and release agrees; the golden vectors below pin it. The hash says where a
//! session *should* be. Who may run it is decided by ownership, never by the hash alone.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::ids::{NodeId, SessionRef};

/// The fixed seed. Changing it moves every session of every installation.
const SEED: u64 = 0x5357_4954_4348_4244;
/// Largest weight of a member; each unit is one virtual slot.
pub const WEIGHT_MAX: u32 = 64;

/// One node of the cluster, as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its stable name.
    pub id: NodeId,
    /// Its share relative to the others; zero = gets no sessions.
    pub weight: u32,
    slots: Vec<u64>,
}

impl Member {
    /// A member; the weight is capped at [`WEIGHT_MAX`].
    #[must_use]
    pub fn new(id: NodeId, weight: u32) -> Self {
        let weight = weight.min(WEIGHT_MAX);
        let slots = (0..u64::from(weight))
            .map(|slot| xxh3_64_with_seed(id.as_str().as_bytes(), SEED.wrapping_add(slot)))
            .collect();
        Self { id, weight, slots }
    }

    fn score(&self, key: u64) -> Option<u64> {
        self.slots.iter().map(|slot| finalise(slot ^ key)).max()
    }
}

/// The members of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(Vec<Member>);

impl Members {
    /// A cluster of these nodes. Order does not matter; the first of several with one name counts.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let mut all: Vec<Member> = members.into_iter().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.dedup_by(|a, b| a.id == b.id);
        Self(all)
    }

    /// The members, sorted by name.
    #[must_use]
    pub fn as_slice(&self) -> &[Member] {
        &self.0
    }

    /// The member that should run the session; `None` only when no member has weight.
    #[must_use]
    pub fn first(&self, session: &SessionRef) -> Option<&NodeId> {
        let key = key_of(session);
        let scored = self
            .0
            .iter()
            .filter_map(|member| Some((member.score(key)?, &member.id)));
        // Equal scores are as likely as a 64-bit collision; the name decides them the same way everywhere.
        scored.max().map(|(_, id)| id)
    }

    /// All members with weight, best first: the second is the natural standby.
    #[must_use]
    pub fn ranking(&self, session: &SessionRef) -> Vec<&NodeId> {
        let key = key_of(session);
        let mut scored: Vec<_> = self
            .0
            .iter()
            .filter_map(|member| Some((member.score(key)?, &member.id)))
            .collect();
        scored.sort_by(|a, b| b.cmp(a));
        scored.into_iter().map(|(_, id)| id).collect()
    }
}

fn key_of(session: &SessionRef) -> u64 {
    xxh3_64_with_seed(session.to_string().as_bytes(), SEED)
}

/// Mixes all bits. Source: the 64-bit finaliser of MurmurHash3 (public domain).
const fn finalise(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(weights: &[(&str, u32)]) -> Members {
        Members::new(
            weights
                .iter()
                .map(|(id, weight)| Member::new(id.parse().unwrap(), *weight)),
        )
    }

    fn session(at: usize) -> SessionRef {
        format!("tenant-{}/session-{at}", at % 7).parse().unwrap()
    }

    #[test]
    fn golden_vectors_never_change() {
        let three = members(&[("a", 1), ("b", 1), ("c", 2)]);
        let placed: String = (0..32)
            .map(|at| three.first(&session(at)).unwrap().as_str())
            .collect();
        assert_eq!(placed, GOLDEN);
        assert_eq!(key_of(&session(0)), GOLDEN_KEY);
    }

    #[test]
    fn removing_a_node_moves_only_its_sessions() {
        let four = members(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        let three = members(&[("a", 1), ("b", 1), ("d", 1)]);
        for at in 0..2_000 {
            let before = four.first(&session(at)).unwrap();
            if before.as_str() == "c" {
                assert_eq!(
                    Some(four.ranking(&session(at))[1]),
                    three.first(&session(at))
                );
            } else {
                assert_eq!(Some(before), three.first(&session(at)));
            }
        }
    }

    #[test]
    fn shares_follow_weights() {
        let cluster = members(&[("a", 1), ("b", 2), ("c", 4), ("off", 0)]);
        let mut counts = std::collections::BTreeMap::new();
        for at in 0..14_000 {
            *counts
                .entry(cluster.first(&session(at)).unwrap().as_str().to_owned())
                .or_insert(0u32) += 1;
        }
        assert!(!counts.contains_key("off"));
        for (id, fair) in [("a", 2_000), ("b", 4_000), ("c", 8_000)] {
            assert!(
                counts[id].abs_diff(fair) < fair / 10,
                "{id} has {} of {fair}",
                counts[id]
            );
        }
    }

    // Computed independently with Python's `xxhash` 3.x and big integers.
    const GOLDEN: &str = "bbbabbbacacaccccccbccaccbabacbbc";
    const GOLDEN_KEY: u64 = 0xa278_8767_41fb_f7de;
}
