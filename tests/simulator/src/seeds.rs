//! One `u64` decides every key and random value of a simulator. Each use has its own labelled
//! stream, so that adding a use does not change the values of the others.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The generator of all streams.
#[derive(Debug, Clone, Copy)]
pub struct Seeds(u64);

impl Seeds {
    /// The streams of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream `label` of the object `index`.
    #[must_use]
    pub fn rng(self, label: &str, index: u64) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.digest(label, index))
    }

    /// 64 bits that belong to `label` and `index` without drawing from a stream.
    #[must_use]
    pub fn number(self, label: &str, index: u64) -> u64 {
        let digest = self.digest(label, index);
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(digest) {
            *to = from;
        }
        u64::from_be_bytes(first)
    }

    fn digest(self, label: &str, index: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"switchboard-simulator");
        hash.update(self.0.to_be_bytes());
        hash.update((label.len() as u64).to_be_bytes());
        hash.update(label.as_bytes());
        hash.update(index.to_be_bytes());
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::Seeds;

    #[test]
    fn streams_are_stable_and_distinct() {
        let draw = |seed: u64, label: &str, index: u64| -> u64 {
            Seeds::new(seed).rng(label, index).random()
        };
        assert_eq!(draw(1, "a", 0), draw(1, "a", 0));
        assert_ne!(draw(1, "a", 0), draw(2, "a", 0));
        assert_ne!(draw(1, "a", 0), draw(1, "b", 0));
        assert_ne!(draw(1, "a", 0), draw(1, "a", 1));
    }
}
