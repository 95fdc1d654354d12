//! The server's long-lived keys: its Noise static key and the certificate chain over it, signed by
//! the simulator's own root. Knows nothing of connections.

use buffa::Message as _;
use wacore_libsignal::protocol::KeyPair;
use waproto::whatsapp as wa;
use waproto::whatsapp::cert_chain::{NoiseCertificate, noise_certificate};

use crate::seeds::Seeds;

/// Serial of the intermediate certificate; the leaf names it as its issuer.
const INTERMEDIATE_SERIAL: u32 = 1;
/// Serial of the leaf certificate.
const LEAF_SERIAL: u32 = 2;
/// Serial that the clients pin for the root.
/// Source: protocol notes, section 2 ("issuer serial is pinned to 0").
const ROOT_SERIAL: u32 = 0;
/// Start of both validity windows (2020-01-01), in seconds. Fixed, so that the chain depends on the
/// seed alone.
const VALID_FROM_S: u64 = 1_577_836_800;
/// End of both validity windows (2100-01-01), in seconds.
const VALID_UNTIL_S: u64 = 4_102_444_800;

/// Why the server's keys could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The signature primitive refused its key.
    #[error("sign {what} certificate: {detail}")]
    Sign {
        /// Which certificate.
        what: &'static str,
        /// What the primitive said.
        detail: String,
    },
}

/// The server's identity on the wire.
pub struct ServerKeys {
    /// The Noise static key pair.
    pub noise: KeyPair,
    /// Public half of the root that signed the intermediate certificate.
    pub root_public: [u8; 32],
    /// The encoded certificate chain, as sent inside the handshake.
    pub chain: Vec<u8>,
}

impl std::fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKeys").finish_non_exhaustive()
    }
}

impl ServerKeys {
    /// Makes the keys of `seeds`: the same seed gives the same keys.
    ///
    /// # Errors
    /// When a certificate cannot be signed.
    pub fn derive(seeds: Seeds) -> Result<Self, Error> {
        let mut rng = seeds.rng("server keys", 0);
        let root = KeyPair::generate(&mut rng);
        let intermediate = KeyPair::generate(&mut rng);
        let noise = KeyPair::generate(&mut rng);
        let mut certify = |what, serial, issuer, subject: &KeyPair, signer: &KeyPair| {
            let details = noise_certificate::Details {
                serial: Some(serial),
                issuer_serial: Some(issuer),
                key: Some(subject.public_key.public_key_bytes().to_vec()),
                not_before: Some(VALID_FROM_S),
                not_after: Some(VALID_UNTIL_S),
            }
            .encode_to_vec();
            let signature = signer
                .calculate_signature(&details, &mut rng)
                .map_err(|e| Error::Sign {
                    what,
                    detail: e.to_string(),
                })?;
            Ok(NoiseCertificate {
                details: Some(details),
                signature: Some(signature.to_vec()),
            })
        };
        let middle = certify(
            "intermediate",
            INTERMEDIATE_SERIAL,
            ROOT_SERIAL,
            &intermediate,
            &root,
        )?;
        let leaf = certify(
            "leaf",
            LEAF_SERIAL,
            INTERMEDIATE_SERIAL,
            &noise,
            &intermediate,
        )?;
        let chain = wa::CertChain {
            leaf: buffa::MessageField::some(leaf),
            intermediate: buffa::MessageField::some(middle),
        }
        .encode_to_vec();
        Ok(Self {
            root_public: public_bytes(&root),
            noise,
            chain,
        })
    }

    /// Public half of the Noise static key.
    #[must_use]
    pub fn noise_public(&self) -> [u8; 32] {
        public_bytes(&self.noise)
    }
}

/// The 32 raw bytes of a pair's public key.
pub(crate) fn public_bytes(pair: &KeyPair) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(pair.public_key.public_key_bytes()) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use wacore_libsignal::protocol::PublicKey;

    use super::*;

    #[test]
    fn chain_is_signed_by_the_root_it_names_and_stable() {
        let keys = ServerKeys::derive(Seeds::new(7)).unwrap();
        let again = ServerKeys::derive(Seeds::new(7)).unwrap();
        assert_eq!(keys.chain, again.chain);
        assert_eq!(keys.root_public, again.root_public);

        let chain = waproto::codec::cert_chain_decode(&keys.chain).unwrap();
        let middle = chain.intermediate.into_option().unwrap();
        let leaf = chain.leaf.into_option().unwrap();
        let decode = |c: &NoiseCertificate| {
            waproto::codec::noise_certificate_details_decode(c.details.as_ref().unwrap()).unwrap()
        };
        let verify = |key: &[u8], c: &NoiseCertificate| {
            PublicKey::from_djb_public_key_bytes(key)
                .unwrap()
                .verify_signature(c.details.as_ref().unwrap(), c.signature.as_ref().unwrap())
        };
        assert!(verify(&keys.root_public, &middle));
        assert!(verify(&decode(&middle).key.unwrap(), &leaf));
        assert_eq!(decode(&leaf).key.unwrap(), keys.noise_public());
        assert_eq!(decode(&middle).issuer_serial, Some(0));
        assert_eq!(decode(&leaf).issuer_serial, decode(&middle).serial);
    }
}
